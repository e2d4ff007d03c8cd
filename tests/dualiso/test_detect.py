"""Detection of dual-ISO frames: phase, ratio and levels from the pixels, and nothing found where nothing is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdrcli.dualiso.detect import DualIsoAnalysis, analyse, normalise
from hdrcli.dualiso.offsets import measure_offsets
from hdrcli.errors import HdrcliError, UnsuitableInputError, UsageError
from hdrcli.images import BAYER_PATTERNS, FloatArray, NoiseModel, RawFrame
from hdrcli.io.raw import read_raw
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.capture import Capture, CaptureSettings, capture
from hdrcli.sensor.mosaic import ROW_PATTERNS, high_rows

RATIO_RTOL = 0.005  # of a measured gain
CAMERA = find_camera("Canon EOS 550D")


def clouds(height: int = 256, width: int = 384, *, stops: float = 1.5, seed: int = 0) -> FloatArray:
    """Return a scene with structure of all sizes, its brightness spread over a few `stops` around 0.18."""
    rng = np.random.default_rng(seed)
    light = np.zeros((height, width, 3))
    for size in (4, 16, 64):
        coarse = rng.normal(0, size**0.5, (height // size + 2, width // size + 2, 3))
        light += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(0.18 * 2 ** (stops * light / light.std()), dtype=np.float32)


def shot(scene: FloatArray | None = None, *, seed: int = 1, **settings: object) -> Capture:
    """Photograph a scene, dual-ISO unless `iso` says otherwise."""
    chosen = CaptureSettings(**({"exposure": 0.15} | settings))  # type: ignore[arg-type]
    return capture(clouds() if scene is None else scene, CAMERA, chosen, np.random.default_rng(seed))


def single(scene: FloatArray, *, iso: float = 400, **settings: object) -> RawFrame:
    """Photograph a scene at one ISO."""
    return shot(scene, iso=(iso, iso), **settings).raw


def striped(scene: FloatArray, pattern: str, ratio: float) -> FloatArray:
    """Return the scene with rows darker by `ratio` where `pattern` says L."""
    high = high_rows(scene.shape[0], pattern)
    return scene * np.where(high, 1, 1 / ratio).astype(np.float32)[:, None, None]


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
@pytest.mark.parametrize("pattern", ROW_PATTERNS)
def test_every_row_phase_is_found_at_every_bayer_phase(pattern: str, cfa: str) -> None:
    found = analyse(shot(row_pattern=pattern, cfa=cfa, gain=15.2).raw)
    assert found.is_dual_iso
    assert found.row_pattern == pattern
    assert found.gain == pytest.approx(15.2, rel=RATIO_RTOL)
    assert found.confidence > 0.9
    assert pattern in found.reason


@pytest.mark.parametrize("ratio", [2.0, 2.3, 3.7, 8.5, 17.0, 30.0, 64.0])
def test_the_ratio_is_measured_from_two_to_sixty_four(ratio: float) -> None:
    found = analyse(shot(gain=ratio, iso=(100, 100 * 2 ** round(np.log2(ratio))), exposure=0.6 / ratio).raw)
    assert found.is_dual_iso
    assert found.gain == pytest.approx(ratio, rel=RATIO_RTOL)
    assert found.gain_ev == pytest.approx(np.log2(ratio), abs=0.007)
    assert abs(found.gain - ratio) < 5 * found.gain_error


def test_odd_sizes_are_analysed_as_even_ones_are() -> None:
    raw = shot(row_pattern="LHHL").raw
    odd = replace(raw, counts=np.ascontiguousarray(raw.counts[:-3, :-1]))
    found = analyse(odd)
    assert found.row_pattern == "LHHL"
    assert normalise(odd, found).data.shape == (253, 383)


def test_an_offset_between_the_blacks_is_measured_without_masked_borders() -> None:
    raw = shot(clouds(512, 512, stops=2.5), exposure=0.03).raw
    high = high_rows(512, "HHLL")[:, None]
    moved = replace(raw, counts=(raw.counts + np.where(high, 12, 0)).astype(np.uint16))
    found = analyse(moved)
    assert found.black_delta == pytest.approx(12, abs=2.5)
    assert found.gain == pytest.approx(16, rel=RATIO_RTOL)


def test_an_offset_between_the_blacks_is_measured_in_masked_borders() -> None:
    raw = shot(border=64).raw
    high = high_rows(256, "HHLL")[:, None]

    def moved(counts: np.ndarray) -> np.ndarray:
        return (counts + np.where(high, 25, 0)).astype(np.uint16)

    assert raw.borders is not None
    borders = replace(raw.borders, left=moved(raw.borders.left))
    found = analyse(replace(raw, counts=moved(raw.counts), borders=borders))
    assert found.black_delta == pytest.approx(25, abs=1)
    assert found.black.source == "masked borders"
    assert found.gain == pytest.approx(16, rel=RATIO_RTOL)


def test_a_dark_scene_is_not_missed() -> None:
    found = analyse(shot(clouds(stops=2.5), exposure=0.002).raw)
    assert found.is_dual_iso
    assert found.gain == pytest.approx(16, rel=0.03)


def test_a_frame_whose_high_rows_clip_but_for_specks_is_not_missed() -> None:
    scene = clouds(stops=0.5) + np.float32(0.6)
    scene[::31, ::17] = 0.02
    scene = np.asarray(cv2.GaussianBlur(scene, (0, 0), 2.0), dtype=np.float32)
    scene[100:112, 100:140] *= 0.05
    found = analyse(shot(scene, exposure=1.0).raw)
    assert found.clipped_high > 0.98
    assert found.is_dual_iso
    assert found.gain == pytest.approx(16, rel=0.1)


def test_a_frame_without_overlap_is_refused_with_the_reason_and_accepted_with_a_gain() -> None:
    raw = shot(clouds(stops=0.3) + np.float32(0.5), exposure=1.0, row_pattern="LLHH").raw
    found = analyse(raw)
    assert not found.is_dual_iso
    assert found.verdict == "unknown"
    assert "nowhere do both rows see well enough" in found.reason
    told = analyse(raw, gain=16.0)
    assert told.is_dual_iso
    assert (told.row_pattern, told.gain) == ("LLHH", 16.0)


@pytest.mark.parametrize("iso", [100.0, 1600.0])
@pytest.mark.parametrize("exposure", [0.002, 0.1, 1.0, 4.0])
def test_an_ordinary_frame_is_never_called_dual_iso(iso: float, exposure: float) -> None:
    found = analyse(single(clouds(stops=2.0), iso=iso, exposure=exposure))
    assert found.verdict == "single"
    assert found.gain == pytest.approx(1, abs=0.05)
    assert "row groups differ by 0.0" in found.reason


@pytest.mark.parametrize("ratio", [2.0, 5.0, 16.0])
@pytest.mark.parametrize("pattern", ["HHLL", "HLLH"])
def test_a_wall_with_stripes_of_four_rows_is_not_called_dual_iso(pattern: str, ratio: float) -> None:
    ramp = np.linspace(0.05, 0.9, 384, dtype=np.float32)[None, :, None] * np.ones((256, 1, 3), np.float32)
    found = analyse(single(striped(ramp, pattern, ratio), exposure=1.0))
    assert not found.is_dual_iso
    assert found.verdict == "single"


def test_a_blind_before_half_of_the_picture_is_not_called_dual_iso() -> None:
    scene = clouds()
    scene[:, :200] = striped(scene[:, :200], "HHLL", 8.0)
    found = analyse(single(scene))
    assert not found.is_dual_iso
    assert "striped subject" in found.reason or found.gain < 1.7


@pytest.mark.parametrize("period", [2, 3, 5, 8])
def test_stripes_of_other_periods_are_not_called_dual_iso(period: int) -> None:
    scene = clouds() * np.where(np.arange(256) % period < period / 2, 1, 0.1).astype(np.float32)[:, None, None]
    assert not analyse(single(scene)).is_dual_iso


def test_banding_and_row_noise_are_not_called_dual_iso() -> None:
    rng = np.random.default_rng(5)
    raw = single(clouds(), exposure=0.01)
    for sigma in (3, 30, 300):
        offsets = rng.normal(0, sigma, (256, 1))
        counts = np.clip(raw.counts + offsets, 0, 15000).astype(np.uint16)
        assert not analyse(replace(raw, counts=counts)).is_dual_iso


def test_rows_that_alternate_singly_are_named() -> None:
    scene = clouds() * np.where(np.arange(256) % 2, 1, 0.2).astype(np.float32)[:, None, None]
    raw = shot(scene, iso=(400, 400), blur_px=0.0).raw
    found = analyse(raw)
    assert not found.is_dual_iso
    assert "not in pairs" in found.reason


def test_rows_of_which_one_in_four_differs_are_not_called_dual_iso() -> None:
    raw = shot(iso=(100, 100), exposure=0.1).raw
    brighter = np.where(np.arange(256) % 4 == 1, 4, 1)[:, None]
    counts = np.minimum(2048 + (raw.counts.astype(np.int32) - 2048) * brighter, 13584).clip(0).astype(np.uint16)
    found = analyse(replace(raw, counts=counts))
    assert not found.is_dual_iso
    assert "not in pairs" in found.reason


@pytest.mark.parametrize("level", [0, 7, 2048, 15000, 65535])
def test_a_constant_frame_is_open(level: int) -> None:
    counts = np.full((200, 300), level, dtype=np.uint16)
    found = analyse(RawFrame(counts, "RGGB", (2048.0,) * 4, 15000.0))
    assert found.verdict == "unknown"
    assert str(level) in found.reason


def test_a_black_frame_is_open_although_its_rows_may_differ_in_black() -> None:
    raw = shot(np.zeros((256, 384, 3), np.float32)).raw
    assert analyse(raw).verdict == "unknown"
    high = high_rows(256, "HHLL")[:, None]
    assert analyse(replace(raw, counts=(raw.counts + np.where(high, 40, 0)).astype(np.uint16))).verdict == "unknown"


@settings(max_examples=60)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(1, 16), st.integers(0, 2**32 - 1))
def test_noise_of_any_size_and_depth_is_never_called_dual_iso(height: int, width: int, bits: int, seed: int) -> None:
    counts = np.random.default_rng(seed).integers(0, 2**bits, (height, width)).astype(np.uint16)
    found = analyse(RawFrame(counts, "GRBG", (0.0,) * 4, float(2**bits - 1) or 1.0))
    assert not found.is_dual_iso
    assert 0 <= found.confidence <= 1
    assert np.isfinite([found.gain, found.clipped_low, found.noise_low.read, found.noise_low.shot]).all()


def test_eight_bit_frames_are_not_called_dual_iso() -> None:
    raw = single(clouds())
    coarse = replace(raw, counts=raw.counts >> 6, black=(32.0,) * 4, white=239.0)
    assert analyse(coarse).verdict == "single"


def test_no_real_file_is_called_dual_iso(shared_data: Path) -> None:
    verdicts = {}
    for path in sorted((shared_data / "raw").iterdir()):
        try:
            verdicts[path.name] = analyse(read_raw(path)).verdict
        except HdrcliError:
            continue
    assert len(verdicts) >= 9
    assert set(verdicts.values()) == {"single"}


def test_a_given_pattern_makes_a_frame_dual_iso_by_decree() -> None:
    raw = single(clouds())
    found = analyse(raw, row_pattern="LHHL", gain=4.0)
    assert (found.is_dual_iso, found.row_pattern, found.gain) == (True, "LHHL", 4.0)
    assert found.reason.startswith("as given")
    assert normalise(raw, found).gain == 4.0


def test_a_given_gain_does_not_make_an_ordinary_frame_dual_iso() -> None:
    assert not analyse(single(clouds()), gain=16.0).is_dual_iso


def test_a_given_pattern_that_contradicts_the_rows_needs_a_gain() -> None:
    raw = shot(row_pattern="HHLL").raw
    found = analyse(raw, row_pattern="LHHL")
    assert not found.is_dual_iso
    assert "cannot be measured" in found.reason


def test_given_levels_are_used() -> None:
    raw = shot(exposure=1.0).raw
    found = analyse(raw, black_level=2040.0, white_level=13000.0)
    assert found.black.source == "option"
    assert found.black.low[0] == 2040
    assert (found.white_low, found.white_high) == (13000.0, 13000.0)


@pytest.mark.parametrize(
    "override", [{"row_pattern": "HLHL"}, {"gain": 0.5}, {"gain": float("nan")}, {"black_level": 20000.0}]
)
def test_overrides_without_sense_are_usage_errors(override: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        analyse(shot().raw, **override)  # type: ignore[arg-type]


def test_a_position_with_a_gain_of_its_own_keeps_it() -> None:
    raw = shot(clouds(600, 800)).raw
    counts = raw.counts.astype(np.float64)
    red = np.zeros(counts.shape, dtype=bool)
    red[::2, ::2] = True
    red &= high_rows(600, "HHLL")[:, None]
    counts[red] = np.minimum(2048 + (counts[red] - 2048) * 1.015, counts.max())
    found = analyse(replace(raw, counts=np.rint(counts).astype(np.uint16)))
    by_position = np.array(found.gain_by_position) / 16
    np.testing.assert_allclose(by_position, [1.015, 1, 1, 1], atol=0.004)


def test_noise_is_measured_on_the_scale_of_light() -> None:
    y = np.linspace(0.0005, 0.9, 384, dtype=np.float32)
    taken = shot(y[None, :, None] ** 2 * np.ones((512, 1, 3), np.float32), exposure=1.0, border=64)
    found = analyse(taken.raw)
    assert found.noise_low.shot == pytest.approx(taken.noise_low.shot, rel=0.15)
    assert found.noise_high.shot == found.noise_low.shot
    low_range, high_range = (CAMERA.white(iso) - 2048 for iso in (100, 1600))
    assert found.noise_low.read == pytest.approx(taken.noise_low.read, rel=0.1)
    in_light = taken.noise_high.read * (high_range / (16 * low_range)) ** 2
    assert found.noise_high.read == pytest.approx(in_light, rel=0.1)
    gained = 0.5 * np.log2(taken.noise_low.read / in_light)
    assert found.dynamic_range_gained_ev == pytest.approx(gained, abs=0.15)


def test_shares_of_clipped_and_deeply_shadowed_samples_are_reported() -> None:
    scene = np.full((256, 384, 3), 0.2, np.float32)
    scene[:, :96] = 1e-4
    scene[:, 288:] = 40.0
    found = analyse(shot(scene * clouds(stops=0.2) / 0.18, exposure=0.1, blur_px=0.0).raw)
    assert found.clipped_low == pytest.approx(0.25, abs=0.01)
    assert found.clipped_high == pytest.approx(0.25, abs=0.01)
    assert found.deep_shadows == pytest.approx(0.25, abs=0.02)


def agreement_by_level(raw: RawFrame, found: DualIsoAnalysis, truth: FloatArray) -> np.ndarray:
    """Return the ratio of high to low rows, both over truth, in steps of level where both see."""
    frame = normalise(raw, found)
    ratios = []
    for low, high in ((0.002, 0.006), (0.006, 0.018), (0.018, 0.045)):
        inside = (truth > low) & (truth < high)
        sums = [
            frame.data[inside & rows].sum(dtype=np.float64) / truth[inside & rows].sum(dtype=np.float64)
            for rows in (frame.high[:, None], ~frame.high[:, None])
        ]
        ratios.append(sums[0] / sums[1])
    return np.array(ratios)


def test_both_classes_agree_after_normalising_so_that_no_stripes_show() -> None:
    taken = shot(clouds(600, 800, stops=2.0), gain=15.3, border=64)
    found = analyse(taken.raw)
    ratios = agreement_by_level(taken.raw, found, taken.truth_mosaic)
    np.testing.assert_allclose(ratios, 1, atol=0.003)


def test_the_clip_of_the_low_rows_is_one() -> None:
    taken = shot(clouds(stops=2.5), exposure=1.0)
    frame = normalise(taken.raw, analyse(taken.raw))
    low, high = frame.data[~frame.high], frame.data[frame.high]
    assert low.max() == pytest.approx(1, abs=2e-3)
    assert (low >= frame.clip_low).mean() == pytest.approx(np.mean(taken.truth_mosaic[~frame.high] > 1), abs=0.01)
    assert high.max() == pytest.approx(frame.clip_high, rel=0.01)
    assert frame.clip_high == pytest.approx((15304 - 2048) / (13584 - 2048) / 16, rel=0.02)
    seen = (taken.truth_mosaic < 0.9) & (taken.truth_mosaic > 0.1) & ~frame.high[:, None]
    np.testing.assert_allclose(np.median(frame.data[seen] / taken.truth_mosaic[seen]), 1, atol=0.003)


def test_normalising_leaves_its_input_alone_and_gives_the_same_again() -> None:
    raw = shot().raw
    before = raw.counts.copy()
    found = analyse(raw)
    one, other = normalise(raw, found), normalise(raw, found)
    np.testing.assert_array_equal(raw.counts, before)
    np.testing.assert_array_equal(one.data, other.data)
    assert one.data.dtype == np.float32


def test_a_frame_without_a_gain_cannot_be_normalised() -> None:
    raw = shot(clouds(stops=0.3) + np.float32(0.5), exposure=1.0).raw
    with pytest.raises(UnsuitableInputError, match="--iso"):
        normalise(raw, analyse(raw))


def noise_with_offsets(seed: int) -> tuple[FloatArray, FloatArray, FloatArray, NoiseModel]:
    """Return dark noise with offsets of rows and columns, a fifth of the noise of a sample."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 2e-5, (800, 1)).astype(np.float32)
    columns = rng.normal(0, 2e-5, (1, 1200)).astype(np.float32)
    noise = rng.normal(0, 1e-4, (800, 1200)).astype(np.float32)
    return noise, rows, columns, NoiseModel(3e-5, 1e-8)


def test_offsets_of_rows_and_columns_are_found_in_shadows() -> None:
    noise, rows, columns, model = noise_with_offsets(1)
    found_rows, found_columns = measure_offsets(noise + rows + columns, high_rows(800, "HHLL"), (model, model))

    def uneven(line: np.ndarray) -> float:  # what the eye sees: the difference to the neighbours of a class
        return float(np.std(line[4:-4] - (line[:-8] + line[8:]) / 2))

    assert uneven(rows[:, 0] - found_rows) < 0.4 * uneven(rows[:, 0])
    for kind in (0, 1):
        assert uneven(columns[0] - found_columns[kind]) < 0.5 * uneven(columns[0])


def test_a_picture_without_offsets_is_hardly_touched() -> None:
    noise, *_, model = noise_with_offsets(2)
    y = np.arange(800)[:, None]
    shelves = (1e-4 * (np.sin(y / 2.0) > 0.3) + 3e-4 * (y % 97 < 5)).astype(np.float32)
    for scene in (noise, noise + shelves, noise + shelves * (np.arange(1200) > 500)):
        rows, columns = measure_offsets(scene, high_rows(800, "HHLL"), (model, model))
        assert max(rows.std(), columns.std()) < 0.35 * 1e-4


def test_bright_pictures_have_no_shadows_to_find_offsets_in() -> None:
    noise, rows, _, model = noise_with_offsets(3)
    found_rows, found_columns = measure_offsets(noise + rows + 0.5, high_rows(800, "HHLL"), (model, model))
    assert not found_rows.any()
    assert not found_columns.any()
