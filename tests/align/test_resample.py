"""Mosaics sampled at the places of another: light that a camera could see comes back, and nothing rings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdrcli.align.resample import mosaic_at, root_offset_for, take_roots
from hdrcli.images import BAYER_PATTERNS, FloatArray, NoiseModel
from hdrcli.merge.cells import colour_positions
from hdrcli.sensor.mosaic import mosaic
from hdrcli.sensor.motion import hand_held_warp

SHAPE = (48, 64)
OFFSET = 1e-4
WHITE = (1.0, 1.0, 1.0)


def sampled(
    rgb: FloatArray, warp: np.ndarray, *, cfa: str = "RGGB", factors: tuple[float, float, float] = WHITE
) -> tuple[FloatArray, FloatArray]:
    """Sample light (H, W, 3) as frames are sampled."""
    roots = rgb.copy()
    take_roots(roots, OFFSET)
    return mosaic_at(roots, warp, colour_positions(cfa), offset=OFFSET, factors=factors)


def shifted(right: float, down: float) -> np.ndarray:
    return np.array([[1, 0, right], [0, 1, down], [0, 0, 1.0]])


def waves(x: np.ndarray, y: np.ndarray) -> FloatArray:
    """Return smooth light (H, W, 3), 0.03 to 0.9, at any places."""
    light = [0.2 * np.exp(1.5 * np.sin(x / 5 + phase) * np.cos(y / 7 - phase)) for phase in (0, 1, 2)]
    return np.stack(light, axis=2).astype(np.float32)


def grid() -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float64)
    return x, y


def random_light(seed: int) -> FloatArray:
    """Return light (H, W, 3) that differs from pixel to pixel, some of it a little below black."""
    return np.random.default_rng(seed).exponential(0.1, (*SHAPE, 3)).astype(np.float32) - np.float32(0.01)


@given(seed=st.integers(0, 99), cfa=st.sampled_from(BAYER_PATTERNS), right=st.integers(-5, 5), down=st.integers(-5, 5))
@settings(max_examples=30)
def test_at_whole_pixels_the_samples_come_back(seed: int, cfa: str, right: int, down: int) -> None:
    rgb = random_light(seed)
    samples, _ = sampled(rgb, shifted(right, down), cfa=cfa, factors=(0.5, 1.0, 0.25))
    assert samples.dtype == np.float32
    there = np.roll(rgb, (-down, -right), axis=(0, 1))
    expected = mosaic(there * np.array([0.5, 1.0, 0.25], np.float32), cfa)
    inside = (slice(5, -5), slice(5, -5))
    np.testing.assert_allclose(samples[inside], expected[inside], rtol=2e-4, atol=2e-6)


@given(seed=st.integers(0, 999), cfa=st.sampled_from(BAYER_PATTERNS))
@settings(max_examples=30)
def test_smooth_light_is_the_same_between_pixels(seed: int, cfa: str) -> None:
    warp = hand_held_warp(np.random.default_rng(seed), SHAPE, shift_px=4, rotation_degrees=2)
    x, y = grid()
    samples, detail = sampled(waves(x, y), warp, cfa=cfa)
    u, v = (warp[row, 0] * x + warp[row, 1] * y + warp[row, 2] for row in (0, 1))
    inside = (np.minimum(u, SHAPE[1] - 1 - u) > 3) & (np.minimum(v, SHAPE[0] - 1 - v) > 3)
    expected = mosaic(waves(u, v), cfa)
    np.testing.assert_allclose(samples[inside], expected[inside], rtol=0.01)
    assert np.sqrt(detail[inside]).max() < 0.1 * expected.max()


@given(right=st.floats(-1, 1), down=st.floats(-1, 1))
@settings(max_examples=30)
def test_a_lamp_does_not_ring_into_the_dark(right: float, down: float) -> None:
    dark = np.full((*SHAPE, 3), 0.001, np.float32)
    lit = dark.copy()
    lit[:, 32:] = 1.0
    samples, _ = sampled(lit, shifted(right, down))
    assert samples.min() > -0.001
    assert samples.max() < 1.5
    np.testing.assert_allclose(samples[:, :26], 0.001, rtol=1e-3)


def test_even_light_stays_even_to_the_borders_and_beyond() -> None:
    light = np.full((*SHAPE, 3), [0.2, 0.4, 0.1], np.float32)
    samples, detail = sampled(light, shifted(20.3, -11.8), factors=(2.0, 1.0, 4.0))
    np.testing.assert_allclose(samples, 0.4, rtol=1e-4)
    assert detail.max() < 1e-9


def test_detail_tells_fine_texture_from_gradients_in_linear_light() -> None:
    x, _ = grid()
    stripes = np.repeat((0.2 + 0.05 * (-1) ** x)[..., None], 3, axis=2).astype(np.float32)
    ramp = np.repeat((0.1 + 0.004 * x)[..., None], 3, axis=2).astype(np.float32)
    of_stripes, of_ramp = (sampled(light, shifted(0.5, 0.5))[1][8:-8, 8:-8] for light in (stripes, ramp))
    assert of_stripes.min() > 100 * of_ramp.max()
    np.testing.assert_allclose(np.sqrt(of_stripes), 0.05, rtol=0.4)
    brighter = sampled(np.asarray(3 * stripes), shifted(0.5, 0.5))[1][8:-8, 8:-8]
    np.testing.assert_allclose(brighter / of_stripes, 9, rtol=0.2)


@given(
    seed=st.integers(0, 99),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    warp=st.lists(st.floats(-50, 50), min_size=6, max_size=6),
)
@settings(max_examples=40)
def test_any_motion_of_any_picture_gives_numbers(seed: int, height: int, width: int, warp: list[float]) -> None:
    rgb = random_light(seed)[:height, :width]
    samples, detail = sampled(np.ascontiguousarray(rgb), np.array([*warp, 0, 0, 1]).reshape(3, 3))
    assert np.isfinite(samples).all()
    assert np.isfinite(detail).all()
    assert detail.min() >= 0


@given(values=st.lists(st.floats(-2, 20, width=32), min_size=3, max_size=3))
def test_roots_keep_order_sign_and_zero(values: list[float]) -> None:
    light = np.array(values, np.float32).reshape(1, 1, 3)
    mirrored = -light
    roots = light.copy()
    take_roots(roots, OFFSET)
    take_roots(mirrored, OFFSET)
    np.testing.assert_array_equal(roots, -mirrored)
    np.testing.assert_array_equal(np.sign(roots), np.sign(np.where(np.abs(light) < 1e-9, roots, light)))
    order = np.argsort(light.ravel(), kind="stable")
    assert (np.diff(roots.ravel()[order]) >= 0).all()


def test_noise_is_kept_where_the_root_is_nearly_straight() -> None:
    assert root_offset_for(NoiseModel(1e-4, 0.0)) == pytest.approx(1e-4)
    quiet, loud = (root_offset_for(NoiseModel(1e-4, read)) for read in (1e-8, 1e-4))
    assert quiet == pytest.approx(4e-4)
    assert loud == pytest.approx(0.04)
    noise = np.random.default_rng(1).normal(0, 0.01, (256, 256, 3)).astype(np.float32)
    roots = noise.copy()
    take_roots(roots, loud)
    samples, _ = mosaic_at(roots, shifted(0.5, 0.5), colour_positions("RGGB"), offset=loud, factors=WHITE)
    assert abs(samples.mean()) < 2e-4  # averaged roots of noise about black do not lift it
