"""Warps: between sizes, what they say of a camera's motion, and frames brought onto the reference."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdrcli.align.warp import centre_motion, corner_motion, coverage, identity, to_coarser, to_finer, warp_onto
from hdrcli.sensor.motion import hand_held_warp

SHAPE = (40, 56)


@st.composite
def warps(draw: st.DrawFn) -> np.ndarray:
    """Draw a warp of a hand: a few pixels, a few degrees, a little perspective."""
    numbers = np.array(draw(st.lists(st.floats(-1, 1), min_size=8, max_size=8)))
    return np.eye(3) + np.append(numbers, 0).reshape(3, 3) * [[0.05, 0.05, 6], [0.05, 0.05, 6], [1e-4, 1e-4, 0]]


def moved(warp: np.ndarray, points: np.ndarray) -> np.ndarray:
    ends = np.c_[points, np.ones(len(points))] @ warp.T
    return ends[:, :2] / ends[:, 2:]


@given(warp=warps())
def test_the_same_motion_in_pixels_half_the_size(warp: np.ndarray) -> None:
    points = np.array([[0.0, 0.0], [13.0, 2.0], [50.5, 31.25]])
    # The middle of a 2x2 block is the centre of the coarser pixel.
    np.testing.assert_allclose(moved(to_finer(warp), 2 * points + 0.5), 2 * moved(warp, points) + 0.5, atol=1e-9)
    np.testing.assert_allclose(to_coarser(to_finer(warp)), warp, atol=1e-12)
    np.testing.assert_allclose(to_finer(to_coarser(warp)), warp, atol=1e-12)


@given(seed=st.integers(0, 1000), shift=st.floats(0, 30), degrees=st.floats(0, 5), height=st.integers(2, 90))
def test_shift_and_rotation_at_the_centre_are_those_applied(
    seed: int, shift: float, degrees: float, height: int
) -> None:
    shape = (height, 56)
    warp = hand_held_warp(np.random.default_rng(seed), shape, shift_px=shift, rotation_degrees=degrees)
    rng = np.random.default_rng(seed)
    right, down = rng.uniform(-shift, shift, 2)
    angle = rng.uniform(np.deg2rad(-degrees), np.deg2rad(degrees))
    found = centre_motion(warp, shape)
    assert found == pytest.approx((right, down, np.rad2deg(angle)), abs=1e-6)
    half_diagonal = np.hypot(shape[1] - 1, shape[0] - 1) / 2
    turned = corner_motion(warp, shape) - [right, down]
    np.testing.assert_allclose(np.hypot(*turned.T), 2 * half_diagonal * abs(np.sin(angle / 2)), atol=1e-6)


def test_identity_moves_nothing() -> None:
    assert not corner_motion(identity(), SHAPE).any()
    assert centre_motion(identity(), SHAPE) == (0, 0, 0)
    picture = np.random.default_rng(1).random(SHAPE, dtype=np.float32)
    np.testing.assert_array_equal(warp_onto(picture, identity()), picture)


@given(warp=warps(), channels=st.sampled_from([None, 3]))
@settings(max_examples=30)
def test_a_frame_is_sampled_where_the_warp_points(warp: np.ndarray, channels: int | None) -> None:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]].astype(np.float32)
    ramp = 0.1 + 0.02 * x + 0.03 * y  # which bilinear interpolation keeps
    picture = ramp if channels is None else np.stack([ramp, 2 * ramp, 3 * ramp], axis=2)
    before = picture.copy()
    result = warp_onto(picture, warp)
    assert result.dtype == np.float32
    assert result.shape == picture.shape
    np.testing.assert_array_equal(picture, before)
    inside = coverage(warp, SHAPE) == 1
    u, v = moved(warp, np.stack([x.ravel(), y.ravel()], axis=1)).T
    expected = (0.1 + 0.02 * u + 0.03 * v).reshape(SHAPE)
    single = result if channels is None else result[..., 2] / 3
    # OpenCV takes places to a 32nd of a pixel.
    np.testing.assert_allclose(single[inside], expected[inside], atol=0.05 / 32)


@given(warp=warps(), margin=st.floats(0.5, 5))
def test_coverage_tells_how_far_the_frame_reaches(warp: np.ndarray, margin: float) -> None:
    reach = coverage(warp, SHAPE, margin=margin)
    assert reach.shape == SHAPE
    assert reach.dtype == np.float32
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    u, v = moved(warp, np.stack([x.ravel(), y.ravel()], axis=1)).T.reshape(2, *SHAPE)
    room = np.minimum(np.minimum(u, SHAPE[1] - 1 - u), np.minimum(v, SHAPE[0] - 1 - v))
    np.testing.assert_allclose(reach, np.clip(room / margin, 0, 1), atol=1e-3)


def test_beyond_its_borders_a_frame_goes_on() -> None:
    picture = np.full(SHAPE, 0.25, np.float32)
    far = np.array([[1, 0, 20.0], [0, 1, -9.0], [0, 0, 1]])
    np.testing.assert_allclose(warp_onto(picture, far, interpolation=cv2.INTER_LANCZOS4), 0.25, atol=1e-6)
    assert coverage(far, SHAPE).min() == 0
