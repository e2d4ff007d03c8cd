"""One picture by a network: what it sees is what it was taught on, and its answers become light."""

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
    surroundings_facts,
    surroundings_graph,
    two_stage_facts,
    write_model,
)

from hdrcli.errors import ModelError, UsageError
from hdrcli.expand.features import (
    KNOTS,
    LEAST_LEFT,
    PLANES,
    WHITE,
    clipping,
    context,
    expansion,
    from_stops,
    smoothed,
    srgb_light,
    to_stops,
)
from hdrcli.expand.learned import ENCODING, curved, enlarge, expand_learned
from hdrcli.images import FloatArray
from hdrcli.inference.registry import find_model
from hdrcli.inference.session import Session

SIZES = [(40, 56), (37, 61), (130, 24), (8, 8), (3, 5), (1, 30), (1, 1)]
TILES = [(24, 8), (7, 1), (40, 16), (64, 3)]
RNG = np.random.default_rng(5)
MAPS = RNG.normal(0, 0.2, (3, len(PLANES)))
CURVE = np.sort(RNG.uniform(-10, 0, KNOTS)).astype(np.float32)
TILT = RNG.normal(0, 0.1, KNOTS).astype(np.float32)
SRGB_KNOTS = to_stops(srgb_light(np.linspace(0, 1, KNOTS, dtype=np.float32)))


MakeSession = Callable[..., Session]


@pytest.fixture
def make_session(tmp_path: Path) -> MakeSession:
    """Return a function that makes the session of a model of one graph, `ldr` -> `hdr` where nothing else is said."""

    def make(graph: bytes, **others: Any) -> Session:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        write_model(folder, files={"model.onnx": graph}, **{**two_stage_facts(), "border": 1, **others})
        return Session(find_model(str(folder)), device="cpu", threads=2)

    return make


@pytest.fixture
def surroundings(make_session: MakeSession) -> MakeSession:
    """Return a function that makes the session of a network that answers with these maps, curve and tilt."""

    def make(maps: FloatArray = MAPS, curve: FloatArray = CURVE, tilt: FloatArray | None = TILT) -> Session:
        return make_session(surroundings_graph(maps, curve, tilt), **surroundings_facts())

    return make


def photograph(shape: tuple[int, int] = (40, 56)) -> FloatArray:
    """Return codes with smooth parts, texture and clipped parts."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[: shape[0], : shape[1]]
    level = 0.6 + 0.5 * np.sin(x / 9) * np.cos(y / 11) + rng.normal(0, 0.03, shape)
    return np.clip(level[..., None] * [1, 0.9, 0.8], 0, 1).astype(np.float32)


def two_stage(weights: FloatArray, *, added: float = 0.0) -> bytes:
    """Return a graph that mixes the channels of its input."""
    return mixture({"ldr": 3}, "hdr", weights, cell=((added,),))


@pytest.mark.parametrize("size", [*SIZES, (150, 700)])
def test_light_is_that_of_curve_expansion_and_maps_where_it_is_white(
    size: tuple[int, int], surroundings: MakeSession
) -> None:
    codes = photograph(size)
    light = expand_learned(codes, surroundings())
    around = context(codes)
    curve = CURVE + TILT * around.levels.mean()
    maps = np.tensordot(MAPS, around.planes, 1).astype(np.float32)
    enlarged = cv2.resize(maps.transpose(1, 2, 0), size[::-1], interpolation=cv2.INTER_LINEAR).reshape(codes.shape)
    raised = expansion(codes)
    steady = smoothed(codes)
    stops = np.interp(steady, np.linspace(0, 1, KNOTS), curve) - to_stops(srgb_light(steady))
    stops += to_stops(srgb_light(codes)) + raised
    stops += np.maximum(clipping(codes, between=WHITE) * enlarged, (LEAST_LEFT - 1) * raised)
    assert (light.dtype, light.shape, light.flags.c_contiguous) == (np.float32, codes.shape, True)
    np.testing.assert_allclose(light, from_stops(stops.astype(np.float32)), rtol=2e-5, atol=1e-7)


def test_with_the_srgb_curve_and_no_maps_it_is_the_classical_expansion(surroundings: MakeSession) -> None:
    codes = photograph((64, 90))
    light = expand_learned(codes, surroundings(0 * MAPS, SRGB_KNOTS, None))
    expected = to_stops(srgb_light(codes)) + expansion(codes)
    seen = codes > 0.2  # below, the curve is too bent to be straight between its knots
    np.testing.assert_allclose(to_stops(light)[seen], expected[seen], atol=0.08)
    assert light.max() > 1.5


def test_a_steep_curve_makes_no_hills_of_what_jpeg_left_in_a_smooth_sky(surroundings: MakeSession) -> None:
    rng = np.random.default_rng(4)
    sky = np.linspace(0.86, 0.94, 96, dtype=np.float32)[None, :, None].repeat(64, 0).repeat(3, 2)
    codes = np.round(255 * (sky + rng.normal(0, 0.006, sky.shape))).astype(np.float32) / 255
    steep = np.where(np.arange(KNOTS) < KNOTS - 6, SRGB_KNOTS - 2, SRGB_KNOTS * 5)
    steep = np.minimum(np.maximum.accumulate(steep), 0)
    noisy, clean = (to_stops(expand_learned(x, surroundings(0 * MAPS, steep, None))) for x in (codes, sky))
    straight = np.interp(codes, np.linspace(0, 1, KNOTS), steep) - np.interp(sky, np.linspace(0, 1, KNOTS), steep)
    assert (noisy - clean)[4:-4, 4:-4].std() < 0.6 * straight[4:-4, 4:-4].std()


def test_maps_change_nothing_that_is_not_white(surroundings: MakeSession) -> None:
    codes = photograph()
    one, other = (expand_learned(codes, surroundings(maps, tilt=None)) for maps in (0 * MAPS, MAPS))
    dark, white = codes <= WHITE[0], codes >= WHITE[1]
    np.testing.assert_array_equal(one[dark], other[dark])
    assert np.abs(np.log2(other[white] / one[white])).min() > 1e-5


def test_maps_leave_a_part_of_the_classical_expansion(surroundings: MakeSession) -> None:
    codes = photograph()
    white = codes == 1
    darker = np.zeros_like(MAPS)
    darker[:, PLANES.index("clipped R") : PLANES.index("clipped B") + 1] = -100
    without, dark = (
        to_stops(expand_learned(codes, surroundings(maps, SRGB_KNOTS, None))) for maps in (0 * MAPS, darker)
    )
    np.testing.assert_allclose(dark[white], LEAST_LEFT * without[white], atol=0.02)
    assert without[white].max() > 0.5


@pytest.mark.parametrize("size", SIZES)
def test_with_a_border_as_wide_as_the_network_looks_tiles_do_not_show(
    size: tuple[int, int], make_session: MakeSession
) -> None:
    codes = photograph(size)
    window = np.random.default_rng(7).normal(0, 0.3, (3, 3, 3, 3))
    session = make_session(two_stage(window))
    whole = expand_learned(codes, session, tile=4096, border=64)
    assert whole.shape == codes.shape
    for tile, border in TILES:
        tiled = expand_learned(codes, session, tile=tile, border=border)
        np.testing.assert_allclose(tiled, whole, rtol=1e-5, atol=1e-6)


def test_without_a_border_tiles_show(make_session: MakeSession) -> None:
    session = make_session(two_stage(np.full((3, 3, 3, 3), 0.05)))
    whole, tiled = (expand_learned(photograph(), session, tile=tile, border=0) for tile in (4096, 16))
    assert np.abs(whole - tiled)[14:26, 14:26].max() > 1e-2


@pytest.mark.parametrize("tile", [None, 7, 16])
def test_the_two_stage_network_answers_with_encoded_light(make_session: MakeSession, tile: int | None) -> None:
    codes = photograph((31, 22))
    mixed = np.array([[2, 0, 0], [-1, 0.5, 0.3], [0, 0, -1]])
    expected = np.maximum(codes @ mixed.T, 0) ** ENCODING
    light = expand_learned(codes, make_session(two_stage(mixed)), tile=tile)
    assert (light.dtype, light.flags.c_contiguous) == (np.float32, True)
    np.testing.assert_allclose(light, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("answer", [200.0, 1e30, np.inf])
def test_a_network_gone_wild_makes_neither_infinities_nor_warnings(
    make_session: MakeSession, surroundings: MakeSession, answer: float
) -> None:
    nothing = np.zeros((3, 3))
    with np.errstate(all="raise", under="ignore"):
        brightest, darkest = (
            expand_learned(photograph(), make_session(two_stage(nothing, added=added))) for added in (answer, -answer)
        )
        np.testing.assert_allclose(brightest, 2**13, rtol=1e-5)
        assert not darkest.any()
        if np.isfinite(answer):
            white = expand_learned(np.ones((9, 9, 3), np.float32), surroundings(curve=CURVE + np.float32(answer)))
            np.testing.assert_allclose(white, 2**13, rtol=1e-5)


def test_answers_that_are_no_numbers_are_refused(make_session: MakeSession, surroundings: MakeSession) -> None:
    nothing = np.where(np.eye(3, len(PLANES)), np.nan, 0)
    for session in (
        make_session(two_stage(nothing[:, :3])),
        surroundings(nothing),
        surroundings(curve=np.where(np.arange(KNOTS) == 7, np.nan, CURVE)),
    ):
        with pytest.raises(ModelError, match=r"answers what is no number\. Try --model none\."):
            expand_learned(photograph(), session)


@pytest.mark.parametrize("channels", [1, 2, 4])
def test_answers_of_other_than_three_channels_are_refused(make_session: MakeSession, channels: int) -> None:
    with pytest.raises(ModelError, match=f"answers {channels} channels where 3 are needed"):
        expand_learned(photograph(), make_session(two_stage(np.ones((channels, 3)))))


@pytest.mark.parametrize(
    ("maps", "curve", "answered"),
    [
        (MAPS, CURVE[:17], r"\(1, 17\) and \(1, 3, 96, 128\)"),
        (MAPS[:2], CURVE, r"\(1, 33\) and \(1, 2, 96, 128\)"),
    ],
)
def test_other_curves_and_maps_are_refused(
    surroundings: MakeSession, maps: FloatArray, curve: FloatArray, answered: str
) -> None:
    with pytest.raises(ModelError, match=f"'tiny' answers {answered} where a curve of 33 knots and 3 maps"):
        expand_learned(photograph((42, 56)), surroundings(maps, curve, None))


def test_networks_that_take_another_number_of_channels_are_refused(
    make_session: MakeSession, surroundings: MakeSession
) -> None:
    for session in (make_session(mixture({"ldr": 4}, "hdr", np.eye(3, 4))), surroundings(MAPS[:, :10])):
        with pytest.raises(ModelError, match="'tiny' cannot run: "):
            expand_learned(photograph(), session)


def test_models_of_other_kinds_are_refused(make_session: MakeSession, tmp_path: Path) -> None:
    facts = surroundings_facts()
    x, y = ({"name": name, "dtype": "float32", "shape": ["n", 1, "h", "w"]} for name in "xy")
    pair = {role: two_stage(np.eye(3)) for role in ("a.onnx", "b.onnx")}
    write_model(tmp_path / "pair", files=pair, **two_stage_facts(), border=0)
    for session, takes in (
        (make_session(joint_graph(), **joint_facts()), "takes planes and gives rgb"),
        (make_session(convolution(), inputs=[x], outputs=[y]), "takes x and gives y"),
        (
            make_session(mixture({"planes": 11, "levels": 1}, "y", np.ones((1, 12))), **{**facts, "outputs": [y]}),
            "takes planes, levels and gives y",
        ),
        (Session(find_model(str(tmp_path / "pair")), device="cpu"), r"takes ldr and gives a\.hdr, b\.hdr"),
    ):
        with pytest.raises(ModelError, match=f"'tiny' {takes}; there is nothing to make of one picture by it"):
            expand_learned(photograph(), session)


def test_a_tile_without_room_for_its_border_is_refused(make_session: MakeSession) -> None:
    with pytest.raises(UsageError, match="no room for a border"):
        expand_learned(photograph(), make_session(two_stage(np.eye(3))), tile=16, border=8)


def test_progress_goes_up_to_one_and_the_picture_stays(make_session: MakeSession, surroundings: MakeSession) -> None:
    codes = photograph()
    codes.flags.writeable = False
    for session, least in ((make_session(two_stage(np.eye(3))), 5), (surroundings(), 1)):
        shares: list[float] = []
        expand_learned(codes, session, tile=18, border=1, progress=shares.append)
        assert shares == sorted(shares)
        assert len(shares) >= least
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
