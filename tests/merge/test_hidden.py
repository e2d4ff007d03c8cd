"""Highlights that no frame shows: never a hole, never pink, and nothing measured is touched."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdrcli.images import BAYER_PATTERNS, FloatArray
from hdrcli.merge.cells import Cells, bayer_cells
from hdrcli.merge.hidden import fill_colour, fill_hidden, hidden_cells, spread_highlights
from hdrcli.sensor.mosaic import mosaic

SHAPE = (30, 41)
NEUTRAL = (0.5, 1.0, 0.7)
WHITE = np.array(NEUTRAL, np.float32)
HOLE = (slice(12, 20), slice(14, 26))


def lamp(level: float, *, around: float = 0.1, colour: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> FloatArray:
    """Return light (h, w, 3), as a camera with `NEUTRAL` sees it, with a lamp of a level over the hole and about it."""
    light = np.full((*SHAPE, 3), around, np.float32)
    light[6:26, 8:32] = level
    return np.asarray(light * WHITE * np.array(colour, np.float32), dtype=np.float32)


def hole() -> np.ndarray:
    mask = np.zeros(SHAPE, dtype=bool)
    mask[HOLE] = True
    return mask


def merged(light: FloatArray, *, clip: float = 1.0) -> Cells:
    """Return cells of which the hole clips at 1.0 in what was merged there."""
    trust, variance, seen = np.ones(SHAPE, np.float32), np.full_like(light, 1e-6), light.copy()
    seen[HOLE] = np.minimum(light[HOLE], clip)
    trust[HOLE] = 0
    variance[HOLE] = 0
    return Cells(seen, variance, trust)


def test_hidden_is_what_clips_where_another_frame_would_reach_farther() -> None:
    cells = merged(lamp(4.0))
    ceiling = np.full(SHAPE, 4.0, np.float32)
    ceiling[HOLE] = 1.0  # the shorter frame was not merged there
    np.testing.assert_array_equal(hidden_cells(cells, ceiling=ceiling, brightest=4.0), hole())
    assert not hidden_cells(cells, ceiling=ceiling, brightest=1.0).any()  # there is no shorter frame
    ceiling[HOLE] = 4.0
    assert not hidden_cells(cells, ceiling=ceiling, brightest=4.0).any()
    dark = merged(lamp(0.3))
    ceiling[HOLE] = 1.0
    assert not hidden_cells(dark, ceiling=ceiling, brightest=4.0).any()  # far below the clip: something else


@given(level=st.floats(1.2, 30))
@settings(max_examples=20)
def test_bright_surroundings_are_spread_inwards(level: float) -> None:
    light = lamp(level)
    spread = spread_highlights(merged(light), hole(), clip=1.0, neutral=NEUTRAL)
    assert spread.dtype == np.float32
    np.testing.assert_allclose(spread[HOLE], light[HOLE], rtol=0.02)


def test_of_coloured_surroundings_half_of_the_colour() -> None:
    light = lamp(4.0, colour=(2.0, 1.0, 0.5))
    spread = spread_highlights(merged(light), hole(), clip=1.0, neutral=NEUTRAL)
    np.testing.assert_allclose(spread[HOLE] / WHITE / 4, np.broadcast_to([2**0.5, 1, 0.5**0.5], (8, 12, 3)), rtol=0.03)


def test_without_bright_surroundings_it_is_white_at_the_clip() -> None:
    spread = spread_highlights(merged(lamp(0.2)), hole(), clip=1.0, neutral=NEUTRAL)
    np.testing.assert_allclose(spread, np.broadcast_to(WHITE / WHITE.min(), spread.shape), rtol=1e-3)


@given(
    height=st.integers(1, 37),
    width=st.integers(1, 37),
    seed=st.integers(0, 999),
    share=st.sampled_from([0.0, 0.1, 0.9, 1.0]),
)
@settings(max_examples=40)
def test_any_hole_in_any_picture_gets_light(height: int, width: int, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    light = rng.exponential(1.0, (height, width, 3)).astype(np.float32)
    light[rng.random((height, width)) < 0.1] = 0
    mask = rng.random((height, width)) < share
    cells = Cells(light, np.ones_like(light), np.ones((height, width), np.float32))
    spread = spread_highlights(cells, mask, clip=1.0, neutral=NEUTRAL)
    assert np.isfinite(spread).all()
    assert spread.min() > 0


@given(seed=st.integers(0, 999), cfa=st.sampled_from(BAYER_PATTERNS), level=st.floats(0.5, 8))
@settings(max_examples=40)
def test_measured_samples_stay_and_nothing_becomes_darker(seed: int, cfa: str, level: float) -> None:
    rng = np.random.default_rng(seed)
    shape = (2 * SHAPE[0], 2 * SHAPE[1] + 1)  # with a column that belongs to no cell
    data = rng.uniform(0.1, 2, shape).astype(np.float32)
    known = (rng.random(shape) < 0.4).astype(np.float32)
    mask = rng.random(SHAPE) < 0.6
    result = data.copy()
    fill_hidden(result, known, cfa, mask, np.broadcast_to(WHITE * np.float32(level), (*SHAPE, 3)), neutral=NEUTRAL)
    assert (result >= data).all()
    np.testing.assert_array_equal(result[known > 0], data[known > 0])
    outside = ~mask.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(result[:, :-1][outside], data[:, :-1][outside])
    np.testing.assert_array_equal(result[:, -1], data[:, -1])


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_a_white_lamp_of_which_nothing_is_known_is_as_white_as_its_surroundings(cfa: str) -> None:
    light = lamp(5.0)
    pixels = light.repeat(2, axis=0).repeat(2, axis=1)
    known = np.ones(pixels.shape[:2], np.float32)
    inside = hole().repeat(2, axis=0).repeat(2, axis=1)
    known[inside] = 0
    data = mosaic(np.ascontiguousarray(pixels), cfa)
    data[inside] = 1.0  # all colours at the clip, which is pink after white balance
    cells = merged(light)
    spread = spread_highlights(cells, hole(), clip=1.0, neutral=NEUTRAL)
    fill_hidden(data, known, cfa, hole(), spread, neutral=NEUTRAL)
    found, _ = bayer_cells(data, cfa)
    np.testing.assert_allclose(found[HOLE], light[HOLE], rtol=0.05)


def test_a_colour_that_clips_is_raised_to_the_mean_of_the_others() -> None:
    value, spread = np.array([0.9, 1.0, 0.95], np.float32), np.full(3, 9, np.float32)
    fill_colour(value, np.array([False, True, False]), spread, np.array([0.5, 1.0, 0.5], np.float32))
    np.testing.assert_allclose(value, [0.9, (1.8 + 1.9) / 2, 0.95], rtol=1e-6)
    lower = np.array([0.1, 1.0, 0.1], np.float32)
    fill_colour(lower, np.array([False, True, False]), spread, np.ones(3, np.float32))
    np.testing.assert_allclose(lower, [0.1, 1.0, 0.1], rtol=1e-6)  # it is at least what it is


def test_what_is_known_of_the_brightest_colour_sets_the_level() -> None:
    value, spread = np.array([1.0, 1.0, 1.0], np.float32), np.array([0.2, 0.5, 0.25], np.float32)
    fill_colour(value, np.ones(3, np.bool_), spread, np.ones(3, np.float32))
    np.testing.assert_allclose(value, [1.0, 2.5, 1.25], rtol=1e-6)  # the colour of `spread`, none below 1.0
