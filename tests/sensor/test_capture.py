"""Simulated frames have the light, the noise, the levels and the layout that the settings state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hdrcli.errors import UsageError
from hdrcli.images import BAYER_PATTERNS, shift_cfa
from hdrcli.sensor.cameras import cameras, find_camera
from hdrcli.sensor.capture import (
    Capture,
    CaptureSettings,
    capture,
    capture_in_bands,
    daylight_neutral,
    scene_to_camera,
)
from hdrcli.sensor.mosaic import ROW_PATTERNS, high_rows, mosaic

PLAIN = CaptureSettings(blur_px=0, row_noise=0)
# Clips at 13584 at ISO 100 and at 15304 above: the two row classes end at different counts.
CAMERA = find_camera("550D")


def shoot(
    level: float, settings: CaptureSettings = PLAIN, *, seed: int = 1, size: tuple[int, int] = (240, 320)
) -> Capture:
    return capture(np.full((*size, 3), level, np.float32), CAMERA, settings, np.random.default_rng(seed))


def spans(settings: CaptureSettings) -> tuple[float, float]:
    low, high = (CAMERA.white(iso) - CAMERA.black for iso in settings.iso)
    return low, high


@pytest.mark.parametrize("iso", [(100.0, 1600.0), (200.0, 800.0), (100.0, 100.0)])
@pytest.mark.parametrize("level", [0.0, 0.0005, 0.02])
def test_every_row_class_and_colour_has_the_mean_and_variance_of_its_noise_model(
    iso: tuple[float, float], level: float
) -> None:
    settings = replace(PLAIN, iso=iso)
    shot = shoot(level, settings)
    high = high_rows(240, settings.row_pattern)
    for rows, span, model, gain in (
        (~high, spans(settings)[0], shot.noise_low, 1.0),
        (high, spans(settings)[1], shot.noise_high, settings.true_gain * spans(settings)[0] / spans(settings)[1]),
    ):
        for y, x in np.ndindex(2, 2):
            values = (shot.raw.counts[rows][y::2, x::2] - CAMERA.black) / span
            expected = float(shot.truth_mosaic[rows][y::2, x::2].mean()) * gain
            variance = model.shot * expected + model.read + 1 / 12 / span**2
            assert values.mean() == pytest.approx(expected, abs=4.5 * np.sqrt(variance / values.size))
            assert values.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / values.size))


@pytest.mark.parametrize("gain", [2.0, 13.7, 64.0])
def test_the_ratio_of_counts_is_the_gain_whatever_the_iso(gain: float) -> None:
    settings = replace(PLAIN, gain=gain, iso=(100.0, 1600.0))
    shot = shoot(0.4 / gain, settings)
    high = high_rows(240, settings.row_pattern)
    above = shot.raw.counts - CAMERA.black
    assert above[high].mean() / above[~high].mean() == pytest.approx(gain, rel=0.01)
    assert shot.gain == gain


def test_the_same_light_frees_the_same_electrons_in_both_rows() -> None:
    settings = replace(PLAIN, gain=14.0)
    shot = shoot(0.02, settings)
    low, high = spans(settings)
    assert shot.noise_high.shot / shot.noise_low.shot == pytest.approx(14.0 * low / high)


def test_rows_clip_at_the_white_of_their_iso() -> None:
    shot = shoot(3.0)
    high = high_rows(240, "HHLL")
    assert set(np.unique(shot.raw.counts[high])) == {CAMERA.white(1600)}
    assert set(np.unique(shot.raw.counts[~high])) == {CAMERA.white(100)}
    assert (CAMERA.white(100), CAMERA.white(1600)) == (13584, 15304)
    assert shot.raw.white == CAMERA.white(100)


def test_light_beyond_the_clip_is_in_the_truth_only() -> None:
    shot = shoot(50.0)
    assert shot.truth_mosaic.max() == pytest.approx(50.0, rel=1e-4)
    assert shot.raw.counts.max() <= CAMERA.white(1600)


def test_at_exposure_one_white_just_clips_in_green() -> None:
    shot = shoot(1.0)
    assert shot.truth.max() == pytest.approx(1.0, rel=1e-5)
    np.testing.assert_allclose(shot.truth[0, 0], daylight_neutral(CAMERA), rtol=1e-5)
    doubled = shoot(1.0, replace(PLAIN, exposure=2.0))
    np.testing.assert_allclose(doubled.truth, 2 * shot.truth, rtol=1e-5)


@pytest.mark.parametrize("pattern", ROW_PATTERNS)
@pytest.mark.parametrize("cfa", [None, *BAYER_PATTERNS])
def test_all_phases_of_rows_and_colours(pattern: str, cfa: str | None) -> None:
    scene = np.full((64, 64, 3), 0.01, np.float32)
    shot = capture(scene, CAMERA, replace(PLAIN, row_pattern=pattern, cfa=cfa), np.random.default_rng(2))
    assert shot.raw.cfa == (cfa or CAMERA.cfa)
    means = (shot.raw.counts - CAMERA.black).reshape(16, 4, 32, 2).mean(axis=(0, 2))
    neutral = daylight_neutral(CAMERA)
    for y, x in np.ndindex(4, 2):
        light = neutral["RGB".index(shot.raw.cfa[2 * (y % 2) + x])] * 0.01 * spans(PLAIN)[0]
        assert means[y, x] == pytest.approx(light * (16 if pattern[y] == "H" else 1), rel=0.05)


def test_cropping_rows_shifts_pattern_and_classes_together() -> None:
    assert [shift_cfa("RGGB", y, x) for y, x in ((0, 0), (0, 1), (1, 0), (1, 1))] == ["RGGB", "GRBG", "GBRG", "BGGR"]
    rgb = np.random.default_rng(3).random((12, 10, 3), dtype=np.float32)
    for cfa in BAYER_PATTERNS:
        np.testing.assert_array_equal(mosaic(rgb, cfa)[1:, 1:], mosaic(rgb[1:, 1:], shift_cfa(cfa, 1, 1)))


def test_unknown_patterns_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="no dual-ISO row pattern"):
        shoot(0.1, replace(PLAIN, row_pattern="HLHL"))
    with pytest.raises(UsageError, match="no Bayer pattern"):
        shoot(0.1, replace(PLAIN, cfa="RGBG"))


@pytest.mark.parametrize("pattern", ROW_PATTERNS)
def test_masked_borders_have_black_and_the_noise_of_their_row_class(pattern: str) -> None:
    shot = shoot(0.3, replace(PLAIN, border=34, row_pattern=pattern), size=(400, 300))
    borders = shot.raw.borders
    assert borders is not None
    assert borders.left.shape == (400, 34)
    assert borders.top.shape == (34, 300)
    sigma = [CAMERA.read.sigma_dn(iso) for iso in (100, 1600)]
    high = high_rows(400, pattern)
    above_high = [pattern[(row - 34) % 4] == "H" for row in range(34)]
    for rows, kind in ((borders.left[high], 1), (borders.left[~high], 0)):
        assert rows.mean() == pytest.approx(CAMERA.black, abs=5 * sigma[kind] / np.sqrt(rows.size))
        assert rows.std() == pytest.approx(np.hypot(sigma[kind], 12**-0.5), rel=0.05)
    for row, is_high in zip(borders.top, above_high, strict=True):
        assert row.std() == pytest.approx(sigma[int(is_high)], rel=0.25)


def test_row_noise_is_shared_by_a_row_and_its_masked_columns() -> None:
    camera = find_camera("70D")
    scene = np.zeros((1200, 64, 3), np.float32)
    settings = CaptureSettings(blur_px=0, row_noise=20.0, border=64)
    shot = capture(scene, camera, settings, np.random.default_rng(4))
    assert shot.raw.borders is not None
    active, masked = shot.raw.counts.mean(axis=1), shot.raw.borders.left.mean(axis=1)
    high = high_rows(1200, "HHLL")
    for rows, iso in ((high, 1600), (~high, 100)):
        assert np.corrcoef(active[rows], masked[rows])[0, 1] > 0.9
        assert active[rows].std() == pytest.approx(20 * camera.row_sigma(iso), rel=0.1)
    assert (
        capture(scene, camera, replace(settings, row_noise=0), np.random.default_rng(4)).raw.counts.mean(axis=1).std()
        < 2
    )


def test_the_black_levels_of_the_two_classes_may_differ() -> None:
    shot = shoot(0.0, replace(PLAIN, black_delta=25.0, border=8))
    high = high_rows(240, "HHLL")
    assert shot.raw.counts[high].mean() - shot.raw.counts[~high].mean() == pytest.approx(25, abs=1)
    assert shot.raw.borders is not None
    assert shot.raw.borders.left[high].mean() - shot.raw.borders.left[~high].mean() == pytest.approx(25, abs=3)


def test_the_gain_holds_above_shifted_blacks() -> None:
    shot = shoot(0.02, replace(PLAIN, black_delta=25.0))
    high = high_rows(240, "HHLL")
    low_mean, high_mean = (shot.raw.counts[rows].mean() - CAMERA.black for rows in (~high, high))
    assert (high_mean - 25) / low_mean == pytest.approx(16, rel=0.01)


@pytest.mark.parametrize("share", [0.001, 0.02])
def test_hot_pixels_are_as_many_as_asked_for_and_never_above_white(share: float) -> None:
    settings = replace(PLAIN, iso=(100.0, 100.0))
    clean = shoot(0.01, settings, size=(600, 600)).raw.counts
    hot = shoot(0.01, replace(settings, hot_pixels=share), size=(600, 600)).raw.counts
    assert (hot != clean).mean() == pytest.approx(share, rel=0.25)
    assert (hot >= clean).all()
    assert hot.max() <= CAMERA.white(100)


def test_blur_spreads_light_and_keeps_it() -> None:
    scene = np.zeros((41, 41, 3), np.float32)
    scene[20, 20] = 0.5
    sharp = capture(scene, CAMERA, PLAIN, np.random.default_rng(1)).truth
    soft = capture(scene, CAMERA, replace(PLAIN, blur_px=1.5), np.random.default_rng(1)).truth
    assert np.count_nonzero(sharp[..., 1]) == 1
    assert soft[..., 1].sum() == pytest.approx(sharp[..., 1].sum(), rel=1e-4)
    y = np.arange(41) - 20.0
    assert (soft[..., 1].sum(axis=1) * y**2).sum() / soft[..., 1].sum() == pytest.approx(1.5**2, rel=0.02)


@pytest.mark.parametrize("name", sorted(cameras()))
def test_white_becomes_the_neutral_and_negative_light_is_cut(name: str) -> None:
    camera = find_camera(name)
    neutral = (0.4, 1.0, 0.7)
    colours = np.array([[[1, 1, 1], [0.5, 0.5, 0.5], [1, 0, 0], [0, 0, 1]]], np.float32)
    found = scene_to_camera(colours, camera, neutral)
    np.testing.assert_allclose(found[0, 0], neutral, rtol=1e-5)
    np.testing.assert_allclose(found[0, 1], np.array(neutral) / 2, rtol=1e-5)
    assert found.min() >= 0
    assert found[0, 2].argmax() == 0 or found[0, 2, 0] / neutral[0] == (found[0, 2] / neutral).max()
    assert max(daylight_neutral(camera)) == 1.0


def test_the_same_seed_gives_the_same_frame_and_the_scene_is_not_changed() -> None:
    scene = np.random.default_rng(9).random((64, 64, 3), dtype=np.float32)
    before = scene.copy()
    settings = CaptureSettings(border=4, hot_pixels=0.01)
    frames = [capture(scene, CAMERA, settings, np.random.default_rng(seed)).raw.counts for seed in (1, 1, 2)]
    np.testing.assert_array_equal(frames[0], frames[1])
    assert not np.array_equal(frames[0], frames[2])
    np.testing.assert_array_equal(scene, before)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (37, 41)])
def test_odd_sizes(size: tuple[int, int]) -> None:
    shot = shoot(0.1, CaptureSettings(border=3), size=size)
    assert shot.raw.counts.shape == size
    assert shot.raw.borders is not None
    assert shot.raw.borders.top.shape == (3, size[1])


def test_bands_see_the_whole_scene() -> None:
    rng = np.random.default_rng(11)
    scene = (0.01 + 0.2 * rng.random((203, 90, 3))).astype(np.float32)
    settings = CaptureSettings(iso=(100.0, 400.0), blur_px=3.0, border=6, row_pattern="LHHL")
    whole = capture(scene, CAMERA, settings, np.random.default_rng(1))
    shot_noise = np.sqrt(400 * CAMERA.shot_iso100 / 100)
    banded = capture_in_bands(lambda a, b: scene[a:b], 203, CAMERA, settings, np.random.default_rng(1), band=32)
    assert banded.counts.shape == (203, 90)
    assert banded.borders is not None
    assert (banded.borders.left.shape, banded.borders.top.shape) == ((203, 6), (6, 90))
    difference = (banded.counts.astype(float) - whole.raw.counts) / spans(settings)[1]
    assert np.abs(difference.mean(axis=1)).max() < 6 * shot_noise * np.sqrt(2 / 90)
    assert (banded.cfa, banded.white, banded.camera) == (whole.raw.cfa, whole.raw.white, whole.raw.camera)


def test_bands_do_not_repeat_their_noise_and_do_not_depend_on_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = np.full((96, 64, 3), 0.05, np.float32)

    def banded() -> np.ndarray:
        return capture_in_bands(lambda a, b: scene[a:b], 96, CAMERA, PLAIN, np.random.default_rng(3), band=32).counts

    first = banded()
    assert not np.array_equal(first[:32], first[32:64])
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    np.testing.assert_array_equal(banded(), first)


@pytest.mark.parametrize("band", [0, 6, -4])
def test_bands_are_whole_periods(band: int) -> None:
    with pytest.raises(ValueError, match="multiple of four"):
        capture_in_bands(lambda a, b: None, 96, CAMERA, PLAIN, np.random.default_rng(3), band=band)  # type: ignore[arg-type, return-value]
