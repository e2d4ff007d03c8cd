"""Merging on the mosaic: noise-optimal where nothing clips, honest where everything does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdrcli.images import BAYER_PATTERNS, FloatArray, NoiseModel
from hdrcli.merge.cells import bayer_cells, unsaturated
from hdrcli.merge.stack import BayerStack, neighbourhood
from hdrcli.sensor.mosaic import mosaic

SHAPE = (64, 80)
CFA = "RGGB"
NOISE = NoiseModel(2e-4, 1e-6)
NEUTRAL = (0.5, 1.0, 0.7)


def exposed(
    light: FloatArray, gain: float, rng: np.random.Generator | None = None, *, noise: NoiseModel = NOISE
) -> FloatArray:
    """Return an exposure on the scale of its own clip, with noise if there is a generator."""
    own = light * np.float32(gain)
    if rng is not None:
        own = own + rng.normal(0, 1, own.shape) * np.sqrt(noise.variance(own))
    return np.asarray(np.minimum(own, 1), dtype=np.float32)


def add(
    stack: BayerStack,
    data: FloatArray,
    gain: float,
    *,
    noise: NoiseModel = NOISE,
    keep: FloatArray | None = None,
    detail: FloatArray | None = None,
    gain_error: float = 0.0,
) -> float:
    light, peak = bayer_cells(data, stack.cfa)
    trust = unsaturated(peak)
    return stack.add(
        data, neighbourhood(light), trust, gain=gain, noise=noise, keep=keep, detail=detail, gain_error=gain_error
    )


def test_a_gain_that_is_hardly_known_counts_in_the_dark_alone() -> None:
    light = gradient(1e-4, 0.2)
    found = []
    for gain_error in (0.0, 0.05):
        stack = BayerStack(SHAPE, CFA)
        add(stack, exposed(light, 1.0), 1.0)
        add(stack, exposed(light, 4.4), 4.0, gain_error=gain_error)  # a tenth brighter than is said
        found.append(stack.result(brightest=1.0, neutral=NEUTRAL) / light)
    believed, doubted = found
    dark, bright = light < 2e-4, light > 0.1
    np.testing.assert_allclose(doubted[dark], believed[dark], rtol=0.01)
    assert (believed[bright] > 1.05).all()
    assert (doubted[bright] - 1 < 0.6 * (believed[bright] - 1)).all()


def merged(exposures: list[tuple[FloatArray, float]], *, cfa: str = CFA) -> FloatArray:
    stack = BayerStack(exposures[0][0].shape, cfa)
    for data, gain in exposures:
        add(stack, data, gain)
    return stack.result(brightest=1 / min(gain for _, gain in exposures), neutral=NEUTRAL)


def gradient(low: float, high: float, shape: tuple[int, int] = SHAPE) -> FloatArray:
    """Return smooth light (H, W) from one level to another."""
    return np.geomspace(low, high, shape[1], dtype=np.float32)[None] * np.ones((shape[0], 1), np.float32)


@given(
    low=st.floats(0.001, 0.1),
    stops=st.lists(st.floats(-4, 3), min_size=1, max_size=4),
    cfa=st.sampled_from(BAYER_PATTERNS),
    height=st.integers(4, 33),
    width=st.integers(4, 33),
)
@settings(max_examples=40)
def test_without_noise_the_light_comes_back(low: float, stops: list[float], cfa: str, height: int, width: int) -> None:
    gains = [1.0, *(2.0**ev for ev in stops)]
    light = gradient(low, 0.8 / min(gains), (height, width))
    found = merged([(exposed(light, gain), gain) for gain in gains], cfa=cfa)
    assert found.shape == (height, width)
    np.testing.assert_allclose(found, light, rtol=1e-3)


@pytest.mark.parametrize("gains", [(1.0, 4.0), (1.0, 0.25), (1.0, 0.25, 4.0), (1.0, 1.0, 1.0, 1.0)])
def test_the_noise_is_the_least_that_these_exposures_allow(gains: tuple[float, ...]) -> None:
    rng = np.random.default_rng(1)
    light = gradient(0.004, 0.2, (256, 256))
    found = merged([(exposed(light, gain, rng), gain) for gain in gains])
    best = 1 / sum(gain**2 / NOISE.variance(light * np.float32(gain)) for gain in gains)
    assert 0.95 < np.mean(np.square(found - light) / best) < 1.06
    # No side is favoured, as weights that follow a sample's own noise would.
    assert abs(np.mean((found - light) / np.sqrt(best))) < 0.03


def test_every_frame_of_a_burst_counts_the_same() -> None:
    rng, light = np.random.default_rng(2), gradient(0.02, 0.5)
    stack = BayerStack(SHAPE, CFA)
    shares = [add(stack, exposed(light, 1.0, rng), 1.0) for _ in range(6)]
    np.testing.assert_allclose(shares, [1 / number for number in range(1, 7)], rtol=0.01)
    cells = stack.cells()
    expected = NOISE.variance(light[::2, ::2])
    assert np.median(cells.variance[..., 0] / expected) == pytest.approx(1 / 6, rel=0.05)
    assert np.median(cells.variance[..., 1] / expected) == pytest.approx(1 / 12, rel=0.05)
    assert (cells.trust == 1).all()


@given(seed=st.integers(0, 999))
@settings(max_examples=10)
def test_what_shows_something_else_leaves_no_trace(seed: int) -> None:
    rng, light = np.random.default_rng(seed), gradient(0.01, 3.0)
    ghost = light.copy()
    ghost[20:40, 10:60] = rng.uniform(0.05, 2)
    keep = np.ones((SHAPE[0] // 2, SHAPE[1] // 2), np.float32)
    keep[10:20, 5:30] = 0
    with_ghost, without = BayerStack(SHAPE, CFA), BayerStack(SHAPE, CFA)
    first = exposed(light, 1.0, rng)
    for stack, other in ((with_ghost, ghost), (without, light)):
        add(stack, first, 1.0)
        add(stack, exposed(other, 0.25), 0.25, keep=keep)
    inside = (slice(20, 40), slice(10, 60))
    one, two = (stack.result(brightest=1.0, neutral=NEUTRAL)[inside] for stack in (with_ghost, without))
    np.testing.assert_array_equal(one, two)
    seen = light[inside] < 0.8
    np.testing.assert_allclose(one[seen], first[inside][seen], rtol=1e-6)


def test_light_that_clips_in_every_frame_is_what_it_is_at_least() -> None:
    light = gradient(0.1, 40.0)
    found = merged([(exposed(light, gain), gain) for gain in (1.0, 4.0, 0.25)])
    clips = light > 4.0
    np.testing.assert_allclose(found[clips], 4.0, rtol=1e-6)
    assert (np.diff(found, axis=1) > -1e-3 * found[:, 1:]).all()  # no hole, no rim


def test_no_colour_creeps_in_where_channels_clip_one_after_the_other() -> None:
    white = np.array([0.5, 1.0, 0.7], np.float32)
    rgb = gradient(0.2, 3.5, (32, 40)).repeat(2, axis=0).repeat(2, axis=1)[..., None] * white
    light = mosaic(np.ascontiguousarray(rgb), CFA)
    for gains in ((1.0, 0.25), (1.0, 4.0, 0.25)):
        rng = np.random.default_rng(3)
        cells, _ = bayer_cells(merged([(exposed(light, gain, rng), gain) for gain in gains]), CFA)
        balanced = (cells / white)[:, 1:-1]
        assert np.abs(np.log(balanced / balanced[..., 1:2])).mean() < 0.02
        averaged = np.log(balanced / balanced[..., 1:2]).mean(axis=0)  # noise apart
        assert np.abs(averaged).max() < 0.02


def test_a_white_lamp_behind_something_that_moved_is_white_and_no_hole() -> None:
    white = np.array(NEUTRAL, np.float32)
    rgb = np.full((*SHAPE, 3), 0.1, np.float32) * white
    rgb[10:54, 10:70] = 3.0 * white
    light = mosaic(rgb, CFA)
    hidden = light.copy()
    hidden[24:40, 30:50] = 0.05  # stands before the lamp in the short frame
    keep = np.ones((SHAPE[0] // 2, SHAPE[1] // 2), np.float32)
    keep[12:20, 15:25] = 0
    stack = BayerStack(SHAPE, CFA)
    add(stack, exposed(light, 1.0), 1.0)
    add(stack, exposed(hidden, 0.25), 0.25, keep=keep)
    cells, _ = bayer_cells(stack.result(brightest=4.0, neutral=NEUTRAL), CFA)
    np.testing.assert_allclose(cells[12:20, 15:25] / white, 3.0, rtol=0.1)


def test_interpolated_samples_count_less_where_they_are_wrong() -> None:
    rng, light = np.random.default_rng(4), gradient(0.1, 0.3)
    detail = np.full(SHAPE, 4e-4, np.float32)
    good, bad = exposed(light, 1.0, rng), exposed(light, 1.0, rng)
    bad[:, 40:] += rng.normal(0, 0.05, (SHAPE[0], 40)).astype(np.float32)
    results = []
    for other, about in ((good, None), (good, detail), (bad, detail)):
        stack = BayerStack(SHAPE, CFA)
        add(stack, exposed(light, 1.0, rng), 1.0)
        results.append((add(stack, other, 1.0, detail=about), stack.result(brightest=1.0, neutral=NEUTRAL)))
    (exact, _), (interpolated, _), (wrong, found) = results
    assert exact == pytest.approx(0.5, abs=0.01)
    assert wrong < interpolated < exact
    error = np.square(found - light).mean(axis=0)
    assert error[50:].mean() < 1.1 * NOISE.variance(light[0, 50:]).mean()  # not worse than the first alone


def test_a_sample_under_the_clip_beside_clipped_ones_is_not_lost() -> None:
    data = np.full(SHAPE, 1.0, np.float32)
    data[::2, ::2] = 0.4  # red is fine, and everything else clips
    cells, _ = bayer_cells(merged([(data, 1.0)]), CFA)
    np.testing.assert_allclose(cells[..., 0], 0.4, rtol=1e-6)
    np.testing.assert_allclose(cells[..., 1:], 1.0, rtol=1e-6)


def test_what_is_darker_than_other_frames_say_is_not_taken_alone() -> None:
    bright, dark = np.full(SHAPE, 5.0, np.float32), np.full(SHAPE, 0.02, np.float32)
    found = merged([(exposed(bright, 1.0), 1.0), (exposed(dark, 0.25), 0.25)])
    np.testing.assert_allclose(found, 1.0, rtol=1e-6)


def test_cells_that_clip_are_known_to_be_so() -> None:
    stack = BayerStack(SHAPE, CFA)
    light = gradient(0.1, 10.0)
    add(stack, exposed(light, 1.0), 1.0)
    cells = stack.cells()
    bright = light[::2, ::2] > 1.2
    assert (cells.trust[bright] == 0).all()
    assert (cells.variance[bright] == 0).all()
    assert (cells.light[bright] >= 1).all()
    dark = light[::2, ::2] < 0.7
    assert (cells.trust[dark] == 1).all()
    assert (cells.variance[dark] > 0).all()
