"""Motion found on pixels: what was applied comes back; where nothing can be seen, nothing moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_brackets import textured

from hdrcli.align.register import Plane, Registration, register
from hdrcli.align.warp import corner_motion, identity
from hdrcli.images import FloatArray
from hdrcli.sensor.motion import hand_held_warp, seen_scenes

SHAPE = (128, 160)
SHOT, READ = 2e-4, 1e-6
TENTH = 0.05  # planes have half the pixels of a picture along each axis


def plane(light: FloatArray, gain: float, rng: np.random.Generator, *, noise: float = 1.0) -> Plane:
    """Expose light, given on the scale of the reference; the exposure clips at 1 on its own."""
    own = light * gain
    variance = noise**2 * (SHOT * own + READ)
    seen = np.minimum(own + rng.normal(0, 1, own.shape) * np.sqrt(variance), 1)
    return Plane((seen / gain).astype(np.float32), (variance / gain**2).astype(np.float32), 1 / gain)


def scaled(scene: FloatArray, like: FloatArray | None = None) -> FloatArray:
    """Return the green of a scene at an exposure in which little of it, or of another, clips."""
    return np.asarray(scene[..., 1] * (0.4 / np.percentile(scene if like is None else like, 90)), dtype=np.float32)


def pair(warp: np.ndarray, seed: int, *, gain: float = 1.0, lamp: float = 1.0, noise: float = 1.0) -> tuple[Plane, ...]:
    """Return a scene as the reference sees it, and another exposure as it sees it from elsewhere."""
    rng = np.random.default_rng([seed, 1])
    views = seen_scenes(textured(seed, SHAPE), [identity(), warp])
    here, there = (scaled(view, like=views[0]) for view in views)
    return plane(here, 1.0, rng, noise=noise), plane(lamp * there, gain, rng, noise=noise)


def off_by(found: Registration, warp: np.ndarray) -> float:
    """Return the largest error at the corners, in pixels of the planes."""
    return float(np.abs(corner_motion(found.warp, SHAPE) - corner_motion(warp, SHAPE)).max())


def moved_nothing(found: Registration) -> bool:
    return found.model == "none" and bool((found.warp == identity()).all())


@given(seed=st.integers(0, 10_000), shift=st.floats(0, 12), degrees=st.floats(0, 1), stops=st.sampled_from([-2, 0, 2]))
@settings(max_examples=15)
def test_the_motion_of_a_hand_comes_back(seed: int, shift: float, degrees: float, stops: int) -> None:
    warp = hand_held_warp(np.random.default_rng(seed), SHAPE, shift_px=shift, rotation_degrees=degrees)
    found = register(*pair(warp, seed, gain=2.0**stops, noise=0.3))
    left = off_by(found, warp)
    # A quarter of a pixel of the picture is not worth interpolating.
    assert left < (0.125 + TENTH if found.model == "none" else TENTH)
    assert found.inliers > 0.9
    assert found.residual < np.hypot(left, left) + TENTH


@pytest.mark.parametrize("tilt", [3e-5, -3e-5])
def test_a_camera_that_tilts_is_followed(tilt: float) -> None:
    warp = np.array([[1.004, 0.002, 3.0], [-0.001, 0.998, -2.0], [tilt, -tilt, 1.0]])
    found = register(*pair(warp, 4, noise=0.2))
    assert found.model == "homography"
    assert off_by(found, warp) < 2 * TENTH


def test_large_motion_is_found_from_coarse_to_fine() -> None:
    warp = np.array([[1.0, 0.0, 29.3], [0.0, 1.0, -21.7], [0.0, 0.0, 1.0]])
    found = register(*pair(warp, 2))
    assert off_by(found, warp) < TENTH


# Where one frame is darker still, so small a picture is mostly noise, and in one of a thousand a motion fits it better.
@given(seed=st.integers(0, 10_000), stops=st.floats(-2, 2))
@settings(max_examples=15)
def test_a_camera_on_a_tripod_never_moves(seed: int, stops: float) -> None:
    found = register(*pair(identity(), seed, gain=2.0**stops))
    assert moved_nothing(found)
    assert found.residual < 0.1
    assert found.overlap > 0.1


@given(seed=st.integers(0, 10_000), stops=st.floats(-2.0, 2.0))
@settings(max_examples=8)
def test_a_gain_known_roughly_is_enough(seed: int, stops: float) -> None:
    warp = hand_held_warp(np.random.default_rng(seed), SHAPE, shift_px=4, rotation_degrees=0.3)
    found = register(*pair(warp, seed, lamp=2.0**stops))
    assert off_by(found, warp) < 4 * TENTH
    assert found.offset == pytest.approx(stops, abs=0.05)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_something_that_moves_does_not_take_the_camera_along(seed: int) -> None:
    warp = hand_held_warp(np.random.default_rng(seed), SHAPE, shift_px=3, rotation_degrees=0)
    reference, frame = pair(warp, seed)
    other = scaled(textured(seed + 100, SHAPE))[:50, :60]
    for seen, row, column in ((reference, 20, 20), (frame, 45, 70)):
        seen.light[row : row + 50, column : column + 60] = other  # 15 % of the picture
    assert off_by(register(reference, frame), warp) < TENTH


def test_what_is_not_known_takes_no_part() -> None:
    warp = np.array([[1.0, 0.0, 3.2], [0.0, 1.0, 1.7], [0.0, 0.0, 1.0]])
    reference, frame = pair(warp, 5)
    still = scaled(textured(6, SHAPE))
    known = np.ones(SHAPE, np.float32)
    known[:, 60:] = 0
    reference.light[:, 60:] = still[:, 60:]
    frame.light[:, 64:] = still[:, 64:]
    found = register(Plane(reference.light, reference.variance, reference.top, known), frame)
    assert off_by(found, warp) < 2 * TENTH


def test_a_camera_may_be_taken_as_standing_still() -> None:
    warp = np.array([[1.0, 0.0, 3.0], [0.0, 1.0, 2.0], [0.0, 0.0, 1.0]])
    found = register(*pair(warp, 1), still=True)
    assert moved_nothing(found)
    assert found.residual > 0.5  # which tells that it did not


def nothing_to_see(kind: str, rng: np.random.Generator) -> FloatArray:
    """Return light on which no motion can be seen."""
    even = np.full(SHAPE, 0.2)
    if kind == "ramp":  # from the left to the right alone: the offset explains as much as a shift
        return np.asarray(2 ** np.linspace(-3, 0, SHAPE[1])[None] * np.ones(SHAPE), dtype=np.float32)
    levels = {"black": 0.0, "even": 0.2, "clipped": 50.0}
    return np.asarray(even * 0 + levels[kind], dtype=np.float32)


@pytest.mark.parametrize("kind", ["black", "even", "clipped", "ramp"])
@pytest.mark.parametrize("which", ["both", "reference", "frame"])
@pytest.mark.parametrize("gain", [0.25, 4.0])
def test_where_nothing_can_be_seen_nothing_moves(kind: str, which: str, gain: float) -> None:
    rng = np.random.default_rng(7)
    views = [scaled(textured(8, SHAPE))] * 2
    for index, name in enumerate(("reference", "frame")):
        if which in ("both", name):
            views[index] = nothing_to_see(kind, rng)
    found = register(plane(views[0], 1.0, rng), plane(views[1], gain, rng))
    assert moved_nothing(found)
    assert np.isfinite([found.offset, found.inliers, found.residual, found.overlap]).all()


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_another_scene_is_not_bent_onto_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other = (scaled(textured(number, SHAPE)) for number in (seed, seed + 50))
    assert moved_nothing(register(plane(one, 1.0, rng), plane(other, 1.0, rng)))


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (4, 4), (5, 90), (31, 17), (49, 51)])
def test_pictures_of_any_size_are_taken(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    light = scaled(textured(1, SHAPE))[: shape[0], : shape[1]]
    reference, frame = plane(light, 1.0, rng), plane(light, 2.0, rng)
    found = register(reference, frame)
    assert found.warp.shape == (3, 3)
    assert np.isfinite(found.warp).all()


def test_what_is_given_stays_as_it_is() -> None:
    reference, frame = pair(np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0], [0.0, 0.0, 1.0]]), 1)
    before = [array.copy() for array in (reference.light, reference.variance, frame.light, frame.variance)]
    register(reference, frame)
    for array, same in zip((reference.light, reference.variance, frame.light, frame.variance), before, strict=True):
        np.testing.assert_array_equal(array, same)
