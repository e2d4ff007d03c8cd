"""Noise measured from the pixels of one frame, against the noise that was put in."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.capture import CaptureSettings, capture
from hdrcli.sensor.estimate import (
    CountNoise,
    NoisePrior,
    amplified_evidence,
    fit_noise,
    measure_blocks,
    noise_points,
    typical_noise,
)
from hdrcli.sensor.mosaic import high_rows

BLACK = (1000.0,) * 4
ALL_ROWS = (0, 1, 2, 3)
SLOPE, READ = 2.0, 36.0
VAGUE = NoisePrior(slope=1.0, read=10.0, slope_doubt=3.0, read_doubt=3.0)


def noisy(level: np.ndarray, *, slope: float = SLOPE, read: float = READ, seed: int = 0) -> np.ndarray:
    """Return counts of light `level` (counts above black) with photon and read noise."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(np.maximum(level, 0) / slope) * slope + rng.normal(0, read**0.5, level.shape)
    return np.clip(np.rint(counts + 1000), 0, 16383).astype(np.uint16)


def ramp(height: int = 400, width: int = 600, top: float = 12000.0) -> np.ndarray:
    """Return a plane of light that grows from left to right, most of it dark."""
    return np.broadcast_to(np.linspace(0, 1, width) ** 3 * top, (height, width)).copy()


def measured(counts: np.ndarray, prior: NoisePrior = VAGUE, rows: Sequence[int] = ALL_ROWS) -> CountNoise:
    return fit_noise(noise_points(measure_blocks(counts), rows, black=BLACK, ceiling=15000), prior)


@pytest.mark.parametrize(("slope", "read"), [(0.4, 4.0), (0.4, 36.0), (2.0, 100.0), (8.0, 500.0)])
def test_photon_and_read_noise_come_back_from_a_smooth_scene(slope: float, read: float) -> None:
    found = measured(noisy(ramp(), slope=slope, read=read))
    assert found.slope == pytest.approx(slope, rel=0.08)
    assert found.read == pytest.approx(read + 1 / 12, rel=0.2)
    assert found.slope_error < 0.15 * slope


def test_edges_and_gradients_are_not_taken_for_noise() -> None:
    light = ramp()
    light[:, ::50] *= 2  # upright lines
    light[::40] *= 0.5  # level lines
    light += np.linspace(0, 3000, 400)[:, None]
    found = measured(noisy(light))
    assert found.slope == pytest.approx(SLOPE, rel=0.15)


def test_texture_on_most_of_the_scene_is_not_taken_for_photon_noise() -> None:
    rng = np.random.default_rng(2)
    light = ramp()
    light[:, :] *= np.where(np.arange(400)[:, None] % 200 < 130, rng.lognormal(0, 0.2, light.shape), 1)
    found = measured(noisy(light))
    assert found.slope == pytest.approx(SLOPE, rel=0.4)


def test_offsets_of_whole_rows_are_not_noise_of_a_sample() -> None:
    light = ramp() + np.random.default_rng(3).normal(0, 20, (400, 1)) + 100
    assert measured(noisy(light)).read < 2 * READ + 2 * 100 * SLOPE


def test_classes_of_rows_are_measured_apart() -> None:
    high = high_rows(400, "LHHL")[:, None]
    counts = np.where(high, noisy(ramp(top=3000) * 4, slope=8.0, read=100.0), noisy(ramp(top=3000)))
    low_found, high_found = measured(counts, rows=(0, 3)), measured(counts, rows=(1, 2))
    assert low_found.slope == pytest.approx(SLOPE, rel=0.1)
    assert high_found.slope == pytest.approx(8.0, rel=0.1)


def test_the_prior_speaks_where_the_frame_is_silent() -> None:
    prior = NoisePrior(slope=3.0, read=50.0)
    for counts in (np.full((400, 600), 16383, np.uint16), np.full((5, 5), 3000, np.uint16)):
        found = measured(counts, prior)
        assert (found.slope, found.read) == (3.0, 50.0)
        assert found.slope_error == np.inf


def test_a_dark_frame_gives_read_noise_and_leaves_photon_noise_to_the_prior() -> None:
    found = measured(noisy(np.zeros((400, 600))), NoisePrior(slope=3.0, read=50.0))
    assert found.read == pytest.approx(READ, rel=0.05)
    assert found.slope == pytest.approx(3.0, rel=0.2)


def test_a_frame_without_noise_still_has_rounding() -> None:
    found = measured(np.full((400, 600), 5000, np.uint16))
    assert found.read >= 1 / 12
    assert found.slope > 0


@pytest.mark.parametrize("iso", [100.0, 400.0, 1600.0])
def test_typical_noise_is_within_a_factor_of_the_calibrated_cameras(iso: float) -> None:
    for name in ("Canon EOS 5D Mark III", "Canon EOS 6D", "Canon EOS 70D", "Canon EOS 550D"):
        camera = find_camera(name)
        range_counts = camera.white(iso) - camera.black
        prior = typical_noise(iso=iso, range_counts=range_counts)
        assert 0.4 < prior.slope / (camera.noise(iso).shot * range_counts) < 2.5
        assert 0.2 < prior.read / camera.read.sigma_dn(iso) ** 2 < 5


def evidence(scene: np.ndarray, pattern: str, gain: float, iso: tuple[float, float]) -> float:
    """Return the evidence that a photographed scene's bright rows are amplified."""
    camera = find_camera("Canon EOS 6D")
    raw = capture(
        scene, camera, CaptureSettings(iso=iso, row_pattern=pattern, exposure=0.5), np.random.default_rng(4)
    ).raw
    blocks = measure_blocks(raw.counts)
    low, high = (
        noise_points(blocks, [k for k in ALL_ROWS if pattern[k] == name], black=raw.black, ceiling=14000)
        for name in "LH"
    )
    return amplified_evidence(low, high, gain=gain)


@pytest.mark.parametrize("gain", [2.0, 4.0, 16.0])
def test_stripes_of_a_subject_are_told_from_amplified_rows_by_their_noise(gain: float) -> None:
    light = (ramp(512, 640, 1.0) + 0.002).astype(np.float32)[..., None] * np.ones(3, np.float32)
    stripes = light * np.where(high_rows(512, "HHLL"), 1, 1 / gain).astype(np.float32)[:, None, None]
    assert evidence(light, "HHLL", gain, (100, 100 * gain)) > 10
    assert evidence(stripes, "HHLL", gain, (400, 400)) < -3
