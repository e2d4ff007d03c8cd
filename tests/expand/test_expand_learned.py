"""One picture by a network: what it sees is what it was taught on, and its answers become light, tile by tile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tiny_models import (
    convolution,
    joint_facts,
    joint_graph,
    mixture,
    surroundings_graph,
    two_stage_facts,
    write_model,
    write_surroundings_model,
)

from hdrcli.errors import ModelError, UsageError
from hdrcli.expand.features import KNOTS, PLANES, clipping, context, expansion, from_stops, srgb_light, to_stops
from hdrcli.expand.learned import ENCODING, curved, enlarge, expand_learned
from hdrcli.images import FloatArray
from hdrcli.inference.registry import find_model
from hdrcli.inference.session import Session

MAPS = 8
CHANNELS = {"picture": 6 + MAPS}
SIZES = [(40, 56), (37, 61), (130, 24), (8, 8), (3, 5), (1, 30), (1, 1)]
TILES = [(16, 0), (24, 8), (40, 16), (4096, 64)]
RNG = np.random.default_rng(5)
WEIGHTS = RNG.normal(0, 0.2, (MAPS, len(PLANES)))
CURVE = np.sort(RNG.uniform(-10, 0, KNOTS)).astype(np.float32)
TILT = RNG.normal(0, 0.1, KNOTS).astype(np.float32)
LIGHT = np.eye(3, 6 + MAPS, 3)

MakeSession = Callable[..., Session]


@pytest.fixture
def make_session(tmp_path: Path) -> MakeSession:
    """Return a function that makes the session of a model with surroundings, or of `files`."""

    def make(
        weights: FloatArray = LIGHT,
        *,
        tiled: bytes | None = None,
        surroundings: bytes | None = None,
        files: dict[str, bytes] | None = None,
        **others: Any,
    ) -> Session:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        if files is None:
            write_surroundings_model(
                folder,
                tiled=tiled or mixture(CHANNELS, "light", weights),
                surroundings=surroundings or surroundings_graph(WEIGHTS, CURVE, TILT),
            )
        else:
            write_model(folder, files=files, **{**two_stage_facts(), "border": 1, **others})
        return Session(find_model(str(folder)), device="cpu", threads=2)

    return make


def photograph(shape: tuple[int, int] = (40, 56)) -> FloatArray:
    """Return codes with smooth parts, texture and clipped parts."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[: shape[0], : shape[1]]
    level = 0.6 + 0.5 * np.sin(x / 9) * np.cos(y / 11) + rng.normal(0, 0.03, shape)
    return np.clip(level[..., None] * [1, 0.9, 0.8], 0, 1).astype(np.float32)


def seen(codes: FloatArray) -> FloatArray:
    """Return what the graph of the tiles should see of a whole picture, (14, H, W)."""
    around = context(codes)
    curve = CURVE + TILT * around.levels.mean()
    maps = np.tensordot(WEIGHTS, around.planes, 1).astype(np.float32)
    enlarged = cv2.resize(maps.transpose(1, 2, 0), codes.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    stops = np.interp(codes, np.linspace(0, 1, KNOTS), curve) + expansion(codes)
    stops += clipping(codes) * enlarged[..., :3]
    return np.concatenate([codes, stops, enlarged], axis=2).transpose(2, 0, 1).astype(np.float32)


@pytest.mark.parametrize("size", SIZES)
def test_a_network_that_changes_nothing_gives_curve_expansion_and_maps(
    size: tuple[int, int], make_session: MakeSession
) -> None:
    codes = photograph(size)
    light = expand_learned(codes, make_session())
    assert light.dtype == np.float32
    assert light.flags.c_contiguous
    np.testing.assert_allclose(light, from_stops(seen(codes)[3:6].transpose(1, 2, 0)), rtol=2e-5, atol=1e-7)


def test_with_the_srgb_curve_and_no_maps_it_is_the_classical_expansion(make_session: MakeSession) -> None:
    codes = np.round(photograph((64, 90)) * (KNOTS - 1)) / np.float32(KNOTS - 1)  # at the knots the curve is exact
    knots = to_stops(srgb_light(np.linspace(0, 1, KNOTS, dtype=np.float32)))
    light = expand_learned(codes, make_session(surroundings=surroundings_graph(0 * WEIGHTS, knots)))
    expected = from_stops(to_stops(srgb_light(codes)) + expansion(codes))
    np.testing.assert_allclose(light, expected, rtol=1e-5, atol=1e-7)
    assert light.max() > 1.5


@pytest.mark.parametrize("tile", [None, 16, 24])
def test_every_channel_comes_to_its_place(make_session: MakeSession, tile: int | None) -> None:
    codes = photograph((50, 44))
    weights = np.random.default_rng(6).normal(0, 0.3, (3, 6 + MAPS))
    light = expand_learned(codes, make_session(weights), tile=tile, border=0)
    expected = from_stops(np.tensordot(weights, seen(codes), 1).astype(np.float32)).transpose(1, 2, 0)
    np.testing.assert_allclose(light, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
def test_with_a_border_as_wide_as_the_network_looks_tiles_do_not_show(
    size: tuple[int, int], make_session: MakeSession
) -> None:
    codes = photograph(size)
    window = np.random.default_rng(7).normal(0, 0.05, (3, 6 + MAPS, 3, 3))
    two_stage = make_session(files={"model.onnx": mixture({"ldr": 3}, "hdr", window[:, :3], cell=((0,),))})
    for session in (make_session(window), two_stage):
        whole = expand_learned(codes, session, tile=4096, border=64)
        assert whole.shape == codes.shape
        for tile, border in TILES[1:]:
            tiled = expand_learned(codes, session, tile=tile, border=border)
            np.testing.assert_allclose(tiled, whole, rtol=1e-5, atol=1e-6)


def test_without_a_border_tiles_show(make_session: MakeSession) -> None:
    window = np.random.default_rng(7).normal(0, 0.05, (3, 6 + MAPS, 3, 3))
    session = make_session(window)
    whole, tiled = (expand_learned(photograph(), session, tile=tile, border=0) for tile in (4096, 16))
    assert np.abs(whole - tiled)[16:24, 16:24].max() > 1e-3


@pytest.mark.parametrize("tile", [None, 7, 16])
def test_the_two_stage_network_answers_with_encoded_light(make_session: MakeSession, tile: int | None) -> None:
    codes = photograph((31, 22))
    mixed = np.array([[2, 0, 0], [-1, 0.5, 0.3], [0, 0, -1]])
    session = make_session(files={"model.onnx": mixture({"ldr": 3}, "hdr", mixed, cell=((0,),))})
    expected = np.maximum(codes @ mixed.T, 0) ** ENCODING
    np.testing.assert_allclose(expand_learned(codes, session, tile=tile), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("answer", [200.0, 1e30, np.inf])
def test_a_network_gone_wild_makes_neither_infinities_nor_warnings(make_session: MakeSession, answer: float) -> None:
    two_stage = mixture({"ldr": 3}, "hdr", np.zeros((3, 3)), cell=((answer, -answer),))
    stops = mixture(CHANNELS, "light", 0 * LIGHT, cell=((answer, -answer),))
    for session in (make_session(files={"model.onnx": two_stage}, border=0), make_session(tiled=stops)):
        with np.errstate(all="raise", under="ignore"):
            light = expand_learned(photograph(), session)
        np.testing.assert_allclose(light[:, ::2], 2**13, rtol=1e-5)
        assert not light[:, 1::2].any()


def test_answers_that_are_no_numbers_are_refused(make_session: MakeSession) -> None:
    nothing = np.where(LIGHT, np.nan, 0)
    two_stage = mixture({"ldr": 3}, "hdr", nothing[:, 3:6])
    maps = np.where(np.eye(*WEIGHTS.shape), np.nan, WEIGHTS)
    for session in (
        make_session(nothing),
        make_session(files={"model.onnx": two_stage}),
        make_session(surroundings=surroundings_graph(maps, CURVE)),
        make_session(surroundings=surroundings_graph(WEIGHTS, np.full(KNOTS, np.nan))),
    ):
        with pytest.raises(ModelError, match=r"answers what is no number\. Try --model none\."):
            expand_learned(photograph(), session)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_answers_of_other_than_three_channels_are_refused(make_session: MakeSession, channels: int) -> None:
    two_stage = mixture({"ldr": 3}, "hdr", np.ones((channels, 3)))
    for session in (make_session(np.ones((channels, 14))), make_session(files={"model.onnx": two_stage})):
        with pytest.raises(ModelError, match=f"answers {channels} channels where 3 are needed"):
            expand_learned(photograph(), session)


@pytest.mark.parametrize(
    ("maps", "curve", "answered"),
    [
        (WEIGHTS, CURVE[:17], r"\(1, 17\), \(1, 8, 96, 128\)"),
        (WEIGHTS[:2], CURVE, r"\(1, 33\), \(1, 2, 96, 128\)"),
    ],
)
def test_surroundings_that_answer_something_else_are_refused(
    make_session: MakeSession, maps: FloatArray, curve: FloatArray, answered: str
) -> None:
    session = make_session(surroundings=surroundings_graph(maps, curve))
    with pytest.raises(ModelError, match=f"'tiny' answers {answered} to the surroundings"):
        expand_learned(photograph((42, 56)), session)


@pytest.mark.parametrize("change", [{"planes": 10}, {"channels": 13}])
def test_graphs_that_take_another_number_of_channels_are_refused(
    make_session: MakeSession, change: dict[str, int]
) -> None:
    session = make_session(
        tiled=mixture({"picture": change.get("channels", 14)}, "light", np.ones((3, change.get("channels", 14)))),
        surroundings=surroundings_graph(np.ones((8, change.get("planes", 11))), CURVE),
    )
    with pytest.raises(ModelError, match="'tiny' cannot run: "):
        expand_learned(photograph(), session)


def test_models_of_other_kinds_are_refused(make_session: MakeSession) -> None:
    one = {"dtype": "float32", "shape": ["n", 3, "h", "w"]}
    tensors = {name: {"name": name, **one} for name in ("ldr", "hdr", "picture", "light", "x", "y")}
    without_surroundings = {"inputs": [tensors["picture"]], "outputs": [tensors["light"]]}
    for session, takes in (
        (make_session(files={"model.onnx": joint_graph()}, **joint_facts()), "takes planes and gives rgb"),
        (
            make_session(files={"model.onnx": convolution()}, inputs=[tensors["x"]], outputs=[tensors["y"]]),
            "takes x and gives y",
        ),
        (
            make_session(files={"model.onnx": mixture(CHANNELS, "light", LIGHT)}, **without_surroundings),
            "takes picture and gives light",
        ),
        (
            make_session(files={role: mixture({"ldr": 3}, "hdr", np.eye(3)) for role in ("a.onnx", "b.onnx")}),
            r"takes ldr and gives a\.hdr, b\.hdr",
        ),
    ):
        with pytest.raises(ModelError, match=f"'tiny' {takes}; there is nothing to make of one picture by it"):
            expand_learned(photograph(), session)


def test_a_tile_without_room_for_its_border_is_refused(make_session: MakeSession) -> None:
    with pytest.raises(UsageError, match="no room for a border"):
        expand_learned(photograph(), make_session(), tile=16, border=8)


def test_progress_goes_up_to_one_and_the_picture_stays(make_session: MakeSession) -> None:
    codes = photograph()
    codes.flags.writeable = False
    shares: list[float] = []
    expand_learned(codes, make_session(), tile=24, border=8, progress=shares.append)
    assert shares == sorted(shares)
    assert len(shares) > 10
    assert shares[-1] == 1


def test_curves_are_interpolated_linearly_between_their_knots() -> None:
    codes = np.append(np.random.default_rng(1).random(5000, np.float32), np.linspace(0, 1, KNOTS, dtype=np.float32))
    codes = codes[: len(codes) // 3 * 3].reshape(3, 1, -1)
    expected = np.interp(codes, np.linspace(0, 1, KNOTS), CURVE)
    found = curved(codes, CURVE)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [(96, 128), (97, 131), (1000, 3), (5, 7), (1, 1)])
@pytest.mark.parametrize("small", [(8, 16), (1, 5), (16, 24)])
def test_maps_are_enlarged_bilinearly(small: tuple[int, int], size: tuple[int, int]) -> None:
    maps = np.random.default_rng(2).normal(size=(4, *small)).astype(np.float32)
    whole = cv2.resize(maps.transpose(1, 2, 0), size[::-1], interpolation=cv2.INTER_LINEAR).transpose(2, 0, 1)
    rows, columns = (np.random.default_rng(3).permutation(length) for length in size)
    part = enlarge(maps, rows, columns, size=size)
    assert part.dtype == np.float32
    np.testing.assert_allclose(part, whole[:, rows][:, :, columns], atol=2e-5)
