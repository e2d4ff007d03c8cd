"""Defects are repaired, and stars, glints, edges and textures are left alone."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hdrcli.dualiso.detect import analyse, normalise
from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.images import BAYER_PATTERNS, FloatArray, NoiseModel
from hdrcli.isp.defects import repair_defects
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.capture import CaptureSettings, capture
from hdrcli.sensor.mosaic import ROW_PATTERNS, mosaic

GAIN = 16.0
LOW, HIGH = NoiseModel(3e-5, 2.5e-7), NoiseModel(3e-5, 1e-8)


def frame_of(
    rgb: FloatArray, *, pattern: str = "HHLL", cfa: str = "RGGB", blur: float = 0.5, seed: int = 0
) -> DualIsoFrame:
    """Return a noisy dual-ISO frame of light (H, W, 3) behind a lens."""
    rng = np.random.default_rng(seed)
    light = mosaic(np.asarray(cv2.GaussianBlur(rgb, (0, 0), blur), dtype=np.float32) if blur else rgb, cfa)
    frame = DualIsoFrame(light, cfa, pattern, GAIN, 0.995, 0.995 / GAIN, LOW, HIGH)
    high = frame.high[:, None]
    variance = np.where(high, HIGH.variance(light), LOW.variance(light))
    noisy = light + np.sqrt(variance) * rng.standard_normal(light.shape)
    data = np.minimum(noisy, np.where(high, 1 / GAIN, 1)).astype(np.float32)
    return DualIsoFrame(data, cfa, pattern, GAIN, 0.995, 0.995 / GAIN, LOW, HIGH)


def grey(height: int = 64, width: int = 64, level: float = 0.01) -> FloatArray:
    return np.full((height, width, 3), level, np.float32)


def with_sample(frame: DualIsoFrame, y: int, x: int, value: float) -> DualIsoFrame:
    data = frame.data.copy()
    data[y, x] = value
    return DualIsoFrame(data, frame.cfa, frame.row_pattern, GAIN, frame.clip_low, frame.clip_high, LOW, HIGH)


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
@pytest.mark.parametrize("pattern", ROW_PATTERNS)
def test_a_hot_pixel_is_repaired_at_every_phase(pattern: str, cfa: str) -> None:
    clean = frame_of(grey(), pattern=pattern, cfa=cfa)
    for y, x in ((20, 20), (21, 33), (22, 40), (23, 11)):
        broken = with_sample(clean, y, x, 0.05)
        repaired, number = repair_defects(broken)
        assert number == 1
        assert repaired.data[y, x] == pytest.approx(0.01, abs=3e-3)
        assert np.count_nonzero(repaired.data != broken.data) == 1


@pytest.mark.parametrize(("y", "x"), [(0, 0), (0, 30), (63, 63), (62, 1), (31, 0), (33, 63), (1, 62)])
def test_hot_pixels_at_the_borders_are_repaired(y: int, x: int) -> None:
    repaired, number = repair_defects(with_sample(frame_of(grey()), y, x, 0.06))
    assert number == 1
    assert repaired.data[y, x] == pytest.approx(0.01, abs=3e-3)


@pytest.mark.parametrize("y", [20, 22])
def test_a_dead_pixel_is_repaired(y: int) -> None:
    repaired, number = repair_defects(with_sample(frame_of(grey(level=0.04)), y, 20, 0.0))
    assert number == 1
    assert repaired.data[y, 20] == pytest.approx(0.04, abs=5e-3)


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5), (0.25, 0.3)])
@pytest.mark.parametrize("colour", [(1, 1, 1), (0.45, 1, 0.6), (1, 0.6, 0.2), (0.3, 0.6, 1)])
def test_stars_are_left_alone(shift: tuple[float, float], colour: tuple[float, float, float]) -> None:
    scene = grey(128, 128, 0.0005)
    y, x = np.mgrid[:128, :128]
    rng = np.random.default_rng(1)
    for cy, cx in rng.integers(8, 120, (60, 2)):
        spot = np.exp(-((y - cy - shift[0]) ** 2 + (x - cx - shift[1]) ** 2) / (2 * 0.55**2)) * rng.uniform(0.01, 2)
        scene += spot.astype(np.float32)[..., None] * np.array(colour, np.float32)
    for pattern in ROW_PATTERNS:
        assert repair_defects(frame_of(scene, pattern=pattern, blur=0.0))[1] == 0


def test_thin_lines_and_corners_are_left_alone() -> None:
    scene = grey(128, 128, 0.002)
    scene[40] = 0.5
    scene[:, 60] = 0.5
    cv2.line(scene, (5, 9), (120, 77), (0.4, 0.4, 0.4), 1)
    scene[90:100, 20:30] = 0.9
    for pattern in ROW_PATTERNS:
        assert repair_defects(frame_of(scene, pattern=pattern))[1] == 0


def test_noise_is_left_alone() -> None:
    for level in (0.0, 0.001, 0.05, 0.5, 3.0):
        assert repair_defects(frame_of(grey(400, 400, level)))[1] == 0


def test_a_hot_pixel_under_clipped_high_rows_is_still_seen() -> None:
    repaired, number = repair_defects(with_sample(frame_of(grey(level=0.2)), 22, 20, 0.9))
    assert number == 1
    assert repaired.data[22, 20] == pytest.approx(0.2, abs=0.02)


def test_two_hot_pixels_of_one_colour_do_not_repair_each_other() -> None:
    broken = with_sample(with_sample(frame_of(grey()), 20, 20, 0.05), 20, 30, 0.06)
    repaired, number = repair_defects(broken)
    assert number == 2
    assert repaired.data[20, [20, 30]] == pytest.approx([0.01, 0.01], abs=3e-3)


def test_the_input_is_not_changed_and_a_clean_frame_comes_back_itself() -> None:
    clean = frame_of(grey())
    assert repair_defects(clean)[0] is clean
    broken = with_sample(clean, 20, 20, 0.05)
    before = broken.data.copy()
    repair_defects(broken)
    np.testing.assert_array_equal(broken.data, before)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (11, 40), (40, 7), (12, 8), (13, 9)])
def test_frames_of_any_size_are_taken(shape: tuple[int, int]) -> None:
    assert repair_defects(frame_of(grey(*shape), blur=0.0))[1] == 0


def test_of_many_hot_pixels_in_a_scene_nearly_all_are_found_and_hardly_a_healthy_one_touched() -> None:
    rng = np.random.default_rng(6)
    camera = find_camera("Canon EOS 5D Mark III")
    light = np.zeros((600, 800, 3))
    for size in (4, 16, 64):
        coarse = rng.normal(0, size**0.5, (600 // size + 2, 800 // size + 2, 3))
        light += cv2.resize(coarse, (800, 600), interpolation=cv2.INTER_CUBIC)
    scene = np.asarray(0.18 * 2 ** (2 * light / light.std()), dtype=np.float32)
    settings = {"exposure": 0.2, "row_pattern": "LLHH"}
    clean, broken = (
        capture(scene, camera, CaptureSettings(**settings, hot_pixels=share), np.random.default_rng(7))  # type: ignore[arg-type]
        for share in (0.0, 5e-4)
    )
    frame = normalise(broken.raw, analyse(broken.raw))
    repaired, _ = repair_defects(frame)
    touched = repaired.data != frame.data
    hot = broken.raw.counts != clean.raw.counts
    around = cv2.dilate(clean.truth_mosaic, np.ones((9, 5)))
    clear = hot & (frame.data > 3 * around) & (around < 0.9 * frame.clip_high)
    assert clear.sum() > 30
    assert touched[clear].mean() > 0.95
    assert np.count_nonzero(touched & ~hot) <= 1
