"""Reconstruction by a network: what it answers comes to the right samples, and only where it was taught."""

from __future__ import annotations

import tracemalloc
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tiny_models import convolution, exposure_graph, exposures_facts, joint_facts, joint_graph, mixture, write_model

from hdrcli.dualiso.interpolate import colour_balance, reconstruct
from hdrcli.dualiso.learned import reconstruct_learned
from hdrcli.dualiso.planes import compress, expand
from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.errors import ModelError, UnsuitableInputError, UsageError
from hdrcli.images import BAYER_PATTERNS, FloatArray, NoiseModel
from hdrcli.inference.registry import find_model
from hdrcli.inference.session import Session
from hdrcli.inference.tiles import run_tiled
from hdrcli.isp.demosaic import demosaic
from hdrcli.sensor.mosaic import ROW_PATTERNS, high_rows, mosaic

GAIN = 8.0
LOW, HIGH = NoiseModel(2e-5, 4e-7), NoiseModel(2e-5, 4e-9)
SIZES = [(8, 8), (9, 11), (13, 8), (31, 17), (40, 36)]
TILES: list[tuple[int | None, int | None]] = [(None, None), (8, 0), (12, 4), (20, 3), (4096, 64)]
# Rows high, high, low, low of an RGGB mosaic, each sample of them marked by another constant.
CELL = ((0.01, 0.02), (0.03, 0.04), (0.05, 0.06), (0.07, 0.08))

MakeSession = Callable[..., Session]


@pytest.fixture(scope="module")
def make_session(tmp_path_factory: pytest.TempPathFactory) -> MakeSession:
    """Return a function that makes the session of a model of some graphs."""

    def make(files: Mapping[str, bytes], **others: Any) -> Session:
        folder = write_model(tmp_path_factory.mktemp("models") / "m", files=files, **others)
        return Session(find_model(str(folder), task="deinterlace"), device="cpu", threads=2)

    return make


@pytest.fixture(scope="module")
def joint(make_session: MakeSession) -> Session:
    """Return a network that answers with the classical colours."""
    return make_session({"model.onnx": joint_graph()}, **joint_facts())


@pytest.fixture(scope="module")
def pair(make_session: MakeSession) -> Session:
    """Return a pair of networks that both answer with the classical estimate."""
    return make_session({"low.onnx": exposure_graph(), "high.onnx": exposure_graph()}, **exposures_facts())


def frame_of(
    shape: tuple[int, int] = (40, 36), *, cfa: str = "RGGB", pattern: str = "HHLL", top: float = 0.6
) -> DualIsoFrame:
    """Return a noisy dual-ISO frame of light from 1e-3 up to about `top`, of a colour that is not balanced."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    ramp = 1e-3 * (top / 1e-3) ** ((x + y) / (x.max() + y.max()))
    light = (ramp * (1 + 0.2 * np.sin(x / 3) * np.cos(y / 5)))[:, :, None] * np.array([0.5, 1, 0.7])
    return measured(mosaic(np.ascontiguousarray(light, np.float32), cfa), cfa=cfa, pattern=pattern)


def measured(light: FloatArray, *, cfa: str = "RGGB", pattern: str = "HHLL") -> DualIsoFrame:
    """Return the frame of a mosaic of light."""
    rng = np.random.default_rng(1)
    high = high_rows(light.shape[0], pattern)
    data = light.copy()
    for rows, model, clip in ((~high, LOW, 1), (high, HIGH, 1 / GAIN)):
        noise = np.sqrt(model.variance(light[rows])) * rng.standard_normal(light[rows].shape)
        data[rows] = np.minimum(light[rows] + noise, clip)
    return DualIsoFrame(data, cfa, pattern, GAIN, 0.998, 0.998 / GAIN, LOW, HIGH)


def colour_factors(frame: DualIsoFrame) -> tuple[float, float, float]:
    """Return what balances red, green and blue."""
    factors = dict(zip(frame.cfa, colour_balance(frame).ravel().tolist(), strict=True))
    return factors["R"], factors["G"], factors["B"]


def sample_factors(frame: DualIsoFrame) -> FloatArray:
    """Return what balances each sample."""
    height, width = frame.data.shape
    return np.tile(colour_balance(frame), (height // 2 + 1, width // 2 + 1))[:height, :width]


def marks_of(frame: DualIsoFrame) -> FloatArray:
    """Return the constant of `CELL` that belongs to each sample by the class and the colours of its row."""
    marks = np.empty(frame.data.shape, np.float32)
    for i, high in enumerate(frame.high):
        colours = frame.cfa[2 * (i % 2) :][:2]
        row = CELL[(0 if high else 2) + ("B" in colours)]
        order = "GB" if "B" in colours else "RG"
        for j in (0, 1):
            marks[i, j::2] = row[order.index(colours[j])]
    return marks


def assert_equal(found: FloatArray, wanted: FloatArray) -> None:
    """Compare but for the rounding of compressing and expanding."""
    np.testing.assert_allclose(found, wanted, rtol=5e-6, atol=2e-10)


@pytest.mark.parametrize("pattern", ROW_PATTERNS)
@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
@pytest.mark.parametrize("shape", SIZES)
def test_networks_that_change_nothing_give_the_classical_picture_at_every_phase_and_size(
    shape: tuple[int, int], cfa: str, pattern: str, joint: Session, pair: Session
) -> None:
    frame = frame_of(shape, cfa=cfa, pattern=pattern)
    classical = reconstruct(frame).merged
    gains = colour_factors(frame)
    of_joint, of_pair = reconstruct_learned(frame, joint), reconstruct_learned(frame, pair)
    assert_equal(of_joint.merged.data, classical.data)
    assert_equal(of_pair.merged.data, classical.data)
    assert of_joint.rgb is not None
    assert_equal(of_joint.rgb * np.array(gains, np.float32), demosaic(classical, gains=gains))
    assert of_pair.rgb is None
    assert (of_joint.merged.cfa, of_joint.merged.noise) == (cfa, HIGH)
    assert of_joint.denoised
    assert of_pair.denoised


@pytest.mark.parametrize("pattern", ROW_PATTERNS)
@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
@pytest.mark.parametrize("shape", [(31, 17), (40, 36), (42, 35)])
def test_what_a_network_does_to_a_row_class_and_colour_is_done_to_these_samples(
    shape: tuple[int, int], cfa: str, pattern: str, make_session: MakeSession
) -> None:
    frame = frame_of(shape, cfa=cfa, pattern=pattern)
    marks = compress(sample_factors(frame) * reconstruct(frame).merged.data) + marks_of(frame)
    wanted = expand(marks) / sample_factors(frame)
    of_joint = make_session({"model.onnx": joint_graph(cell=CELL)}, **joint_facts())
    graph = exposure_graph(cell=CELL)
    of_pair = make_session({"low.onnx": graph, "high.onnx": graph}, **exposures_facts())
    for session in (of_joint, of_pair):
        for tile, border in TILES:
            merged = reconstruct_learned(frame, session, tile=tile, border=border).merged.data
            dark = wanted < 0.6  # above, the classical estimate begins to be kept
            assert_equal(merged[dark], wanted[dark])


@pytest.mark.parametrize("pattern", ROW_PATTERNS)
@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_a_network_sees_each_sample_as_measured_and_whether_it_is_clipped(
    cfa: str, pattern: str, make_session: MakeSession
) -> None:
    frame = frame_of((31, 18), cfa=cfa, pattern=pattern)
    sample, clipped = np.zeros((3, 6)), np.zeros((3, 6))
    sample[:, 0], clipped[:, 4] = 1, 0.5
    as_measured = make_session({"model.onnx": joint_graph(sample)}, **joint_facts())
    where_clipped = make_session({"model.onnx": joint_graph(clipped)}, **joint_facts())
    both = make_session({"low.onnx": exposure_graph((1, 0)), "high.onnx": exposure_graph((1, 0))}, **exposures_facts())
    for session in (as_measured, both):
        assert_equal(reconstruct_learned(frame, session, tile=16, border=4).merged.data, frame.data)
    answer = expand(np.array(0.5, np.float32)) / sample_factors(frame)
    saturated = frame.high[:, None] & (frame.data >= frame.clip_high)
    assert 0 < saturated.mean() < 0.4
    found = reconstruct_learned(frame, where_clipped, tile=16, border=4).merged.data
    assert_equal(found, answer * saturated.astype(np.float32))


@pytest.mark.parametrize(("cfa", "pattern"), [("RGGB", "HHLL"), ("RGGB", "LHHL"), ("GBRG", "LLHH"), ("BGGR", "HHLL")])
def test_with_a_border_as_wide_as_the_network_looks_tiles_do_not_show(
    cfa: str, pattern: str, make_session: MakeSession
) -> None:
    window = np.random.default_rng(2).uniform(0, 1 / 54, (3, 6, 3, 3))
    window[:, 5] = 0  # the plane of noise knows no edges that matter here
    session = make_session({"model.onnx": joint_graph(window)}, **joint_facts())
    frame = frame_of((43, 37), cfa=cfa, pattern=pattern)
    whole, tiled = (reconstruct_learned(frame, session, tile=tile, border=4) for tile in (64, 16))
    assert_equal(tiled.merged.data, whole.merged.data)
    assert tiled.rgb is not None
    assert whole.rgb is not None
    assert_equal(tiled.rgb, whole.rgb)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_high_exposure_serves_up_to_near_its_clip_and_the_low_one_beyond(
    swapped: bool, make_session: MakeSession
) -> None:
    low, high = exposure_graph((0, 0), cell=((0.7, 0.7),)), exposure_graph((0, 0), cell=((0.3, 0.3),))
    files = {"low.onnx": low, "high.onnx": high}
    session = make_session(dict(reversed(files.items())) if swapped else files, **exposures_facts())
    frame = frame_of(top=0.8)
    level = reconstruct(frame).merged.data
    merged = compress(sample_factors(frame) * reconstruct_learned(frame, session).merged.data)
    below, beyond = level < 0.79 / GAIN, (level > 0.96 / GAIN) & (level < 0.89)
    assert below.any()
    assert beyond.any()
    np.testing.assert_allclose(merged[below], 0.3, atol=1e-5)
    np.testing.assert_allclose(merged[beyond], 0.7, atol=1e-5)


def test_near_the_clip_the_classical_estimate_is_kept(make_session: MakeSession) -> None:
    nothing = make_session({"model.onnx": joint_graph(np.zeros((3, 6)))}, **joint_facts())
    dark = exposure_graph((0, 0))
    no_light = make_session({"low.onnx": dark, "high.onnx": dark}, **exposures_facts())
    frame = frame_of((64, 64), top=1.5)
    classical = reconstruct(frame).merged.data
    for session in (nothing, no_light):
        merged = reconstruct_learned(frame, session).merged.data
        kept, learnt = classical >= 0.98, classical <= 0.90
        assert kept.any()
        np.testing.assert_array_equal(merged[kept], classical[kept])
        np.testing.assert_array_equal(merged[learnt], 0)
        between = ~(kept | learnt)
        assert between.any()
        assert ((merged[between] > 0) & (merged[between] < classical[between])).all()


@pytest.mark.parametrize("which", ["joint", "pair"])
def test_denoising_less_mixes_in_the_classical_picture_with_its_noise(
    which: str, request: pytest.FixtureRequest
) -> None:
    session: Session = request.getfixturevalue(which)
    frame = frame_of()
    noisy, clean = (reconstruct(frame, denoise=strength).merged.data for strength in (0, 1))
    assert np.abs(noisy - clean).max() > 1e-4
    for strength in (0.0, -1.0, float("nan")):
        none = reconstruct_learned(frame, session, denoise=strength)
        np.testing.assert_array_equal(none.merged.data, noisy)
        assert (none.rgb, none.denoised) == (None, False)
    half = reconstruct_learned(frame, session, denoise=0.5)
    assert_equal(half.merged.data, np.float32(0.5) * (noisy + clean))
    assert (half.rgb, half.denoised) == (None, False)
    for strength in (1.0, 3.0):
        full = reconstruct_learned(frame, session, denoise=strength)
        assert_equal(full.merged.data, clean)
        assert full.denoised


def test_exposures_of_a_denoised_picture_have_no_rows_noisier_than_others(joint: Session) -> None:
    frame = measured(np.full((64, 64), 2e-3, np.float32))

    def stripes(data: FloatArray) -> float:
        """Return how much noisier the low rows are than the high ones."""
        return float(data[~frame.high].std() / data[frame.high].std())

    measured_rows = replace(reconstruct(frame), denoised=False)
    learnt = reconstruct_learned(frame, joint)
    assert stripes(measured_rows.low.image.data) > 3
    for exposure in (learnt.low, learnt.high):
        assert 0.8 < stripes(exposure.image.data) < 1.25
    bright = reconstruct_learned(frame_of(top=2), joint)
    np.testing.assert_array_equal(bright.low.image.data, np.minimum(bright.merged.data, 1))
    np.testing.assert_array_equal(bright.high.image.data, np.minimum(bright.merged.data * np.float32(GAIN), 1))
    assert bright.high.gain == pytest.approx(GAIN)


def test_models_of_other_kinds_are_refused(make_session: MakeSession) -> None:
    frame = frame_of()
    with pytest.raises(ModelError, match=r"'tiny' takes x; deinterlacing has no such inputs to give\.$"):
        reconstruct_learned(frame, make_session({"model.onnx": convolution()}), denoise=0)
    twice = {"low.onnx": joint_graph(), "high.onnx": joint_graph()}
    alone = {"model.onnx": exposure_graph()}
    for session in (make_session(twice, **joint_facts()), make_session(alone, **exposures_facts())):
        with pytest.raises(ModelError, match=r"'tiny' gives .*needs the scene, or a low and a high exposure\.$"):
            reconstruct_learned(frame, session)


def test_answers_of_other_channels_are_refused(make_session: MakeSession) -> None:
    grey = make_session({"model.onnx": joint_graph(np.ones((1, 6)))}, **joint_facts(1))
    with pytest.raises(ModelError, match=r"'tiny' answers 1 channels where deinterlacing needs 3\.$"):
        reconstruct_learned(frame_of(), grey)
    graph = mixture({"mosaic": 1, "estimate": 1}, "exposure", np.ones((2, 2)))
    double = make_session({"low.onnx": exposure_graph(), "high.onnx": graph}, **exposures_facts())
    with pytest.raises(ModelError, match=r"'tiny' answers 2 channels where deinterlacing needs 1\.$"):
        reconstruct_learned(frame_of(), double)


@pytest.mark.parametrize("factor", [1e3, -1e3, 1e30])
def test_a_network_gone_wild_makes_no_picture_without_numbers(factor: float, make_session: MakeSession) -> None:
    frame = frame_of(top=2)
    graph = exposure_graph((0, factor))
    of_pair = make_session({"low.onnx": graph, "high.onnx": graph}, **exposures_facts())
    of_joint = make_session({"model.onnx": joint_graph(factor * np.eye(3, 6, 1))}, **joint_facts())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for session in (of_joint, of_pair):
            result = reconstruct_learned(frame, session)
            assert np.isfinite(result.merged.data).all()
            assert result.rgb is None or np.isfinite(result.rgb).all()


def test_answers_that_are_no_numbers_are_refused(make_session: MakeSession) -> None:
    session = make_session({"model.onnx": joint_graph(np.full((3, 6), np.nan))}, **joint_facts())
    with pytest.raises(ModelError, match="'tiny' answers what is no number"):
        reconstruct_learned(frame_of(), session)


def test_what_cannot_be_done_is_said(joint: Session) -> None:
    with pytest.raises(UnsuitableInputError, match="too small to deinterlace"):
        reconstruct_learned(frame_of((7, 40)), joint)
    with pytest.raises(UsageError, match="A tile of 16 has no room for a border of 8"):
        reconstruct_learned(frame_of(), joint, tile=16, border=8)


def test_progress_goes_up_to_one_and_may_cancel(joint: Session) -> None:
    shares: list[float] = []
    reconstruct_learned(frame_of(), joint, tile=16, border=4, progress=shares.append)
    assert len(shares) > 10
    assert shares == sorted(shares)
    assert shares[-1] == 1

    def cancel(_: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reconstruct_learned(frame_of(), joint, tile=16, border=4, progress=cancel)


def test_the_frame_is_not_changed_and_nothing_is_printed(
    joint: Session, pair: Session, capfd: pytest.CaptureFixture[str]
) -> None:
    frame = frame_of(top=2)
    before = frame.data.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for session in (joint, pair):
            reconstruct_learned(frame, session, denoise=0.5)
            reconstruct_learned(frame, session, tile=16, border=4)
    np.testing.assert_array_equal(frame.data, before)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("which", "planes"), [("joint", 8), ("pair", 2)])
@pytest.mark.parametrize("pattern", ["HHLL", "LHHL"])
def test_beside_what_it_returns_only_the_classical_picture_is_in_memory(
    which: str, planes: int, pattern: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    session: Session = request.getfixturevalue(which)
    frame = frame_of((512, 640), pattern=pattern)
    used: dict[str, float] = {}

    def run_and_note(*arguments: Any, **options: Any) -> None:
        used["start"] = tracemalloc.get_traced_memory()[0] - start
        tracemalloc.reset_peak()
        run_tiled(*arguments, **options)
        used["peak"] = tracemalloc.get_traced_memory()[1] - start

    monkeypatch.setattr("hdrcli.dualiso.learned.run_tiled", run_and_note)
    tracemalloc.start()
    try:
        start = tracemalloc.get_traced_memory()[0]
        reconstruct_learned(frame, session, tile=64, border=4)
    finally:
        tracemalloc.stop()
    # The merged mosaic, the classical one and, of a network that answers in colour, both in all three colours.
    assert used["start"] < (planes + 0.2) * frame.data.nbytes
    assert used["peak"] < (planes + 1) * frame.data.nbytes
