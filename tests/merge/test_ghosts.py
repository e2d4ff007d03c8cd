"""Ghosts: noise, edges and errors of the gain are none; what moved is one, all of it, and nothing else."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_brackets import textured

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray
from hdrcli.merge.cells import Cells
from hdrcli.merge.ghosts import LEVELS, find_ghosts

SHAPE = (96, 112)
SHOT, READ = 1e-4, 1e-6
BOUND, TOLERANCE = 0.88, 0.04
OBJECT = (slice(30, 62), slice(40, 76))


def scene(seed: int) -> FloatArray:
    """Return light (h, w, 3) by cells, hardly any of it above 0.8."""
    light = cv2.resize(textured(seed, (192, 224)), SHAPE[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(np.minimum(light * (0.3 / np.percentile(light, 95)), 0.8), dtype=np.float32)


def seen(light: FloatArray, rng: np.random.Generator, *, gain: float = 1.0, noise: float = 1.0) -> Cells:
    """Return what an exposure sees of light, on the scale of the light."""
    variance = noise**2 * (SHOT * light * gain + READ) / gain**2
    noisy = light + rng.normal(0, 1, light.shape) * np.sqrt(variance)
    trust = (np.minimum(noisy, 1 / gain).max(axis=2) < 0.95 / gain).astype(np.float32)
    return Cells(np.minimum(noisy, 1 / gain).astype(np.float32), variance.astype(np.float32), trust)


def kept(merged: Cells, frame: Cells, *, level: str = "medium", gain: float = 1.0, still: bool = True) -> FloatArray:
    return find_ghosts(merged, frame, bound=BOUND / gain, tolerance=TOLERANCE, level=level, still=still)


@given(
    seed=st.integers(0, 10_000),
    level=st.sampled_from(sorted(LEVELS)),
    stops=st.integers(-3, 3),
    noise=st.sampled_from([0.3, 1.0, 4.0]),
)
@settings(max_examples=40)
def test_noise_alone_is_no_ghost(seed: int, level: str, stops: int, noise: float) -> None:
    rng, gain = np.random.default_rng(seed), 2.0**stops
    light = scene(seed)
    keep = kept(seen(light, rng, noise=noise), seen(light, rng, gain=gain, noise=noise), level=level, gain=gain)
    assert keep.dtype == np.float32
    assert (keep == 1).all()


@given(seed=st.integers(0, 10_000), error=st.floats(-0.03, 0.03))
@settings(max_examples=15)
def test_a_gain_that_is_off_a_little_is_no_ghost(seed: int, error: float) -> None:
    rng, light = np.random.default_rng(seed), scene(seed)
    assert (kept(seen(light, rng), seen(light * np.float32(1 + error), rng)) == 1).all()


@given(seed=st.integers(0, 10_000), right=st.floats(-0.2, 0.2), down=st.floats(-0.2, 0.2))
@settings(max_examples=15)
def test_what_the_least_error_of_the_position_does_at_edges_is_no_ghost(seed: int, right: float, down: float) -> None:
    rng, light = np.random.default_rng(seed), scene(seed)
    by = np.array([[1, 0, right], [0, 1, down]])
    moved = cv2.warpAffine(light, by, SHAPE[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    assert (kept(seen(light, rng), seen(np.maximum(moved, 0), rng), still=False) == 1).all()


@given(
    seed=st.integers(0, 10_000),
    level=st.sampled_from(sorted(LEVELS)),
    factor=st.sampled_from([0.25, 0.5, 2.0, 3.0]),
    stops=st.integers(-2, 1),
)
@settings(max_examples=40)
def test_nothing_is_left_of_what_moved_and_the_rest_stays(seed: int, level: str, factor: float, stops: int) -> None:
    rng, gain = np.random.default_rng(seed), 2.0**stops
    light = scene(seed)
    with_object = light.copy()
    with_object[OBJECT] = factor * np.median(light[OBJECT], axis=(0, 1)) * rng.uniform(0.9, 1.1, (1, 1, 3))
    merged, frame = seen(light, rng), seen(with_object, rng, gain=gain)
    keep = kept(merged, frame, level=level, gain=gain)
    if level != "low":
        deviation = np.sqrt(merged.variance + frame.variance)
        different = (np.abs(with_object - light) > 5 * deviation) & (np.abs(np.log2(with_object / light)) > 0.7)
        moved = different.any(axis=2)
        # At its corners most of the window that is looked at shows the same.
        inside = moved & (cv2.GaussianBlur(moved.astype(np.float32), (0, 0), 2) > 0.5)
        assert not keep[inside].any()
    away = np.ones(SHAPE, dtype=bool)
    away[16:76, 26:90] = False
    # Noise that touches what moved may go with it: at the level "high", in one scene of hundreds, some cells.
    assert np.mean(keep[away] > 0.999) > 0.99
    lost = keep < 0.999
    parts = cv2.connectedComponents(lost.astype(np.uint8))[1]
    assert np.isin(parts[lost], parts[OBJECT]).all()
    assert keep.min() >= 0


def test_levels_find_more_and_more() -> None:
    rng, light = np.random.default_rng(1), scene(1)
    changed = light.copy()
    for number, factor in enumerate((1.08, 1.15, 1.3, 1.6, 2.5)):
        changed[10 + 16 * number : 22 + 16 * number, 20:90] *= np.float32(factor)
    merged, frame = seen(light, rng), seen(changed, rng)
    shares = [float(1 - kept(merged, frame, level=level).mean()) for level in ("off", "low", "medium", "high")]
    assert shares[0] == 0
    assert 0 < shares[1] < shares[2] < shares[3] < 0.6


@pytest.mark.parametrize("factor", [0.45, 1.0])
def test_what_differs_everywhere_at_its_level_is_no_ghost_and_what_differs_more_is(factor: float) -> None:
    """Responses are wrong where it is dark, which the variance of the cells tells."""
    rng = np.random.default_rng(6)
    light = np.full((*SHAPE, 3), 0.01, np.float32) * rng.uniform(0.8, 1.25, (*SHAPE, 1)).astype(np.float32)
    merged, frame = seen(light, rng, noise=0.2), seen(light * np.float32(1.3), rng, noise=0.2)
    for cells in (merged, frame):
        cells.variance[:] = 0.005**2
    frame.light[OBJECT] *= np.float32(factor)
    keep = kept(merged, frame)
    assert (keep[OBJECT] == 0).mean() > 0.98 if factor < 1 else (keep == 1).all()


def test_where_a_frame_does_not_reach_nothing_is_compared() -> None:
    rng, light = np.random.default_rng(7), scene(7)
    changed = light.copy()
    changed[:, 80:] *= 3
    reached = np.ones(SHAPE, np.float32)
    reached[:, 80:] = 0
    merged, frame = seen(light, rng), seen(changed, rng)
    assert (kept(merged, frame)[:, 84:] == 0).mean() > 0.9
    keep = find_ghosts(merged, frame, bound=BOUND, tolerance=TOLERANCE, level="medium", still=False, reached=reached)
    assert (keep == 1).all()


def test_a_hot_pixel_is_no_ghost() -> None:
    rng, light = np.random.default_rng(2), scene(2)
    frame = seen(light, rng)
    frame.light[40, 50] = 0.85
    frame.light[70:72, 20] = 0.8
    assert (kept(seen(light, rng), frame) == 1).all()


def test_where_the_merged_clips_a_brighter_exposure_is_no_ghost_and_a_darker_one_is() -> None:
    light = np.full((*SHAPE, 3), 0.3, np.float32)
    light[OBJECT] = 4.0
    rng = np.random.default_rng(3)
    merged = seen(light, rng)
    merged.variance[OBJECT] = 0  # clipped in all frames so far: there is at least so much
    shorter = seen(light, rng, gain=0.125)
    assert (kept(merged, shorter, gain=0.125) == 1).all()
    darker = light.copy()
    darker[OBJECT] = 0.2
    assert (kept(merged, seen(darker, rng, gain=0.125), gain=0.125)[OBJECT] == 0).all()


def test_where_the_frame_clips_a_brighter_merged_is_no_ghost_and_a_darker_one_is() -> None:
    light = np.full((*SHAPE, 3), 0.1, np.float32)
    light[OBJECT] = 0.7
    rng = np.random.default_rng(4)
    longer = seen(light, rng, gain=4.0)  # clips at 0.25
    assert (kept(seen(light, rng), longer, gain=4.0) == 1).all()
    dark = np.full((*SHAPE, 3), 0.1, np.float32)
    assert (kept(seen(dark, rng), longer, gain=4.0)[OBJECT] == 0).all()


def test_edges_of_the_kept_fade_outside_the_ghost() -> None:
    rng, light = np.random.default_rng(5), np.full((*SHAPE, 3), 0.2, np.float32)
    changed = light.copy()
    changed[OBJECT] = 0.6
    keep = kept(seen(light, rng), seen(changed, rng))
    assert (keep[OBJECT] == 0).all()
    between = (keep > 0) & (keep < 1)
    assert between.any()
    assert np.abs(np.diff(keep, axis=0)).max() < 0.6


@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (8, 8)])
def test_the_smallest_pictures_are_taken(shape: tuple[int, int]) -> None:
    light = scene(6)[: shape[0], : shape[1]]
    keep = kept(seen(light, np.random.default_rng(6)), seen(light, np.random.default_rng(7)))
    assert keep.shape == shape
    assert (keep == 1).all()


def test_a_level_that_is_none_is_an_error() -> None:
    cells = seen(scene(1), np.random.default_rng(1))
    with pytest.raises(UsageError, match="no deghosting 'strong'; choose from off, low, medium, high"):
        kept(cells, cells, level="strong")
