"""Reconstruction of dual-ISO frames: exact where nothing is missing, sensible where something is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hdrcli.dualiso.interpolate import colour_balance, reconstruct
from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.errors import UnsuitableInputError
from hdrcli.images import BAYER_PATTERNS, FloatArray, NoiseModel
from hdrcli.sensor.mosaic import ROW_PATTERNS, high_rows, mosaic

QUIET = NoiseModel(1e-6, 1e-9)


def frame_of(light: FloatArray, *, cfa: str = "RGGB", pattern: str = "HHLL", gain: float = 16.0) -> DualIsoFrame:
    """Return a noise-free dual-ISO frame of a mosaic of light."""
    data = light.copy()
    high = high_rows(light.shape[0], pattern)
    data[high] = np.minimum(data[high], 1 / gain)
    data[~high] = np.minimum(data[~high], 1)
    return DualIsoFrame(data, cfa, pattern, gain, 0.99, 0.99 / gain, QUIET, QUIET)


@pytest.mark.parametrize("pattern", ROW_PATTERNS)
@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
@pytest.mark.parametrize("level", [0.0005, 0.03, 0.5])
def test_a_uniform_colour_comes_back_at_every_phase(pattern: str, cfa: str, level: float) -> None:
    light = mosaic(np.full((36, 40, 3), [0.5 * level, level, 0.7 * level], np.float32), cfa)
    merged = reconstruct(frame_of(light, cfa=cfa, pattern=pattern)).merged.data
    np.testing.assert_allclose(merged, light, rtol=2e-3)


def test_a_slanted_edge_in_clipped_highlights_is_straighter_than_linear_interpolation_makes_it() -> None:
    y, x = np.mgrid[0:96, 0:96].astype(np.float32)
    light = np.where(x + 0.7 * y > 80, 0.8, 0.15).astype(np.float32)
    light = np.asarray(light, dtype=np.float32)
    frame = frame_of(light)
    linear = light.copy()
    for row in np.flatnonzero(frame.high):
        above, below = (row - 2) % 96, (row + 2) % 96
        linear[row] = 0.5 * (light[above] + light[below])
    inner = (slice(8, -8), slice(8, -8))
    error = np.abs(reconstruct(frame, denoise=0).merged.data - light)[inner].mean()
    assert error < 0.6 * np.abs(linear - light)[inner].mean()


def test_samples_that_are_neither_clipped_nor_noisy_are_hardly_changed() -> None:
    rng = np.random.default_rng(3)
    light = rng.uniform(0.01, 0.04, (64, 64)).astype(np.float32)
    merged = reconstruct(frame_of(light), denoise=0).merged.data
    np.testing.assert_allclose(merged, light, rtol=0.02)


def test_highlights_that_the_high_rows_clip_never_fall_below_their_clip() -> None:
    rng = np.random.default_rng(4)
    light = rng.uniform(0.02, 1.0, (64, 64)).astype(np.float32)
    frame = frame_of(light)
    merged = reconstruct(frame, denoise=0).merged.data
    clipped = frame.high[:, None] & (frame.data > frame.clip_high)
    assert (merged[clipped] >= np.float32(frame.clip_high)).all()


def test_shadow_noise_is_that_of_the_high_rows_or_lower() -> None:
    rng = np.random.default_rng(5)
    low, high = NoiseModel(1e-5, 4e-7), NoiseModel(1e-5, 4e-9)
    frame = replace(frame_of(np.full((128, 128), 5e-4, np.float32)), noise_low=low, noise_high=high)
    sigma = np.where(frame.high, *(np.sqrt(model.shot * 5e-4 + model.read) for model in (high, low)))
    noisy = frame.data + (sigma[:, None] * rng.standard_normal(frame.data.shape)).astype(np.float32)
    merged = reconstruct(replace(frame, data=noisy), denoise=0).merged.data
    assert merged.std() < 1.1 * sigma.min()
    assert merged[~frame.high].std() < 0.5 * sigma.max()
    assert abs(merged.mean() - 5e-4) < 1e-5


def test_the_exposures_keep_what_was_measured_and_clip_at_one() -> None:
    light = np.linspace(0.001, 1.5, 64 * 64, dtype=np.float32).reshape(64, 64)
    frame = frame_of(light)
    reconstruction = reconstruct(frame, denoise=0)
    low, high = reconstruction.low, reconstruction.high
    assert low.gain == 1
    assert high.gain == 16
    np.testing.assert_array_equal(low.image.data[~frame.high], frame.data[~frame.high])
    np.testing.assert_allclose(high.image.data[frame.high], frame.data[frame.high] * 16, rtol=1e-6)
    assert low.image.data.max() <= 1
    assert high.image.data.max() <= 1


@pytest.mark.parametrize("wider", [1.13, 1.0, 0.8])
def test_the_high_exposure_ends_where_its_own_rows_clip(wider: float) -> None:
    light = np.linspace(0.001, 1.5, 64 * 64, dtype=np.float32).reshape(64, 64)
    clip = wider / 16
    data = np.where(high_rows(64, "HHLL")[:, None], np.minimum(light, clip), np.minimum(light, 1)).astype(np.float32)
    noise = NoiseModel(1e-5, 1e-8)
    frame = replace(frame_of(light), data=data, clip_high=0.99 * clip, noise_high=noise)
    high = reconstruct(frame, denoise=0).high
    assert high.gain == pytest.approx(1 / clip)
    assert high.image.data.max() == pytest.approx(1)
    np.testing.assert_allclose(high.image.data[frame.high] / np.float32(high.gain), data[frame.high], rtol=1e-6)
    assert high.image.noise is not None
    assert high.image.noise.shot == pytest.approx(noise.shot / clip)
    assert high.image.noise.read == pytest.approx(noise.read / clip**2)


def test_the_input_is_not_changed() -> None:
    frame = frame_of(np.full((32, 32), 0.2, np.float32))
    before = frame.data.copy()
    reconstruct(frame)
    np.testing.assert_array_equal(frame.data, before)


def test_bands_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    frame = frame_of(rng.uniform(0, 1, (160, 48)).astype(np.float32))
    whole = reconstruct(frame).merged.data
    monkeypatch.setattr("hdrcli.kernels.os.cpu_count", lambda: 9)
    np.testing.assert_array_equal(reconstruct(frame).merged.data, whole)


@pytest.mark.parametrize("shape", [(8, 8), (9, 11), (13, 8), (31, 17)])
def test_small_and_odd_sizes_work(shape: tuple[int, int]) -> None:
    merged = reconstruct(frame_of(np.full(shape, 0.3, np.float32))).merged.data
    assert merged.shape == shape
    np.testing.assert_allclose(merged, 0.3, rtol=1e-3)


def test_a_frame_without_room_for_a_period_is_refused() -> None:
    with pytest.raises(UnsuitableInputError, match="too small"):
        reconstruct(frame_of(np.full((4, 100), 0.3, np.float32)))


def test_the_colour_balance_is_found_from_the_samples() -> None:
    rng = np.random.default_rng(7)
    grey = rng.uniform(0.005, 0.05, (64, 64, 1)).astype(np.float32)
    light = mosaic((grey * np.array([0.5, 1.0, 0.8], np.float32)), "RGGB")
    balance = colour_balance(frame_of(light))
    np.testing.assert_allclose(balance, [[2.0, 1.0], [1.0, 1.25]], rtol=0.1)
