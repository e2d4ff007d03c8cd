"""Samples of brackets: codes of equal rank, and codes of flat places."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hdrcli.errors import UsageError
from hdrcli.response.samples import (
    CONTRADICTION,
    LARGEST_RANGE,
    codes_around,
    histogram_samples,
    reject_contradictions,
    spatial_sample_points,
)


def histogram(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Counts (256, 3) of codes (n, 3)."""
    return np.stack([np.bincount(codes[:, channel], minlength=256) for channel in range(3)], axis=1)


def test_equal_ranks_belong_to_equal_light() -> None:
    rng = np.random.default_rng(1)
    # Two frames that show different pixels of one distribution, the second with codes half as large plus twenty.
    first, second = (rng.normal(120, 30, (200_000, 3)).clip(10, 240) for _ in range(2))
    second = second[:150_000] / 2 + 20
    samples = histogram_samples(np.stack([histogram(np.rint(f).astype(np.int64)) for f in (first, second)]))
    middle = samples[20:-20]
    np.testing.assert_allclose(middle[:, 1], middle[:, 0] / 2 + 20, atol=0.5)
    assert np.diff(samples, axis=0).min() >= 0


def test_codes_between_whole_ones_are_told_apart() -> None:
    counts = np.zeros((2, 256, 3), np.int64)
    counts[:, 100:102] = 1000
    codes = histogram_samples(counts)[:, 0, 0]
    np.testing.assert_allclose(np.diff(codes), 2 / 256, rtol=1e-6)
    assert codes.mean() == pytest.approx(100.5)


def test_what_is_cut_is_at_an_end() -> None:
    counts = np.zeros((2, 256, 3), np.int64)
    counts[0, [0, 80, 255]] = [[25], [50], [25]]
    counts[1, 255] = 7
    samples = histogram_samples(counts)
    np.testing.assert_array_equal(samples[:64, 0], 0)
    np.testing.assert_array_equal(samples[192:, 0], 255)
    np.testing.assert_array_equal(samples[:, 1], 255)


def test_histograms_of_no_pixels_or_of_another_shape_are_refused() -> None:
    counts = np.ones((2, 256, 3), np.int64)
    with pytest.raises(UsageError, match=r"\(P, 256, 3\)"):
        histogram_samples(counts[:, :, :2])
    counts[1, :, 2] = 0
    with pytest.raises(UsageError, match="some pixels"):
        histogram_samples(counts)


def picture() -> NDArray[np.uint8]:
    """Return a ramp of all codes on the left, and noise on the right."""
    codes = np.repeat(np.repeat(np.arange(256, dtype=np.uint8)[:, None], 40, axis=1)[:, :, None], 3, axis=2)
    codes[:, 20:] = np.random.default_rng(3).integers(0, 256, (256, 20, 3))
    return codes


def test_points_are_in_flat_areas_and_spread_over_the_codes() -> None:
    codes = picture()
    points = spatial_sample_points(codes, 500)
    assert points.shape == (500, 2)
    assert len(np.unique(points, axis=0)) == 500
    for row, column in points:
        around = codes[row - 1 : row + 2, column - 1 : column + 2].astype(int)
        assert around.shape == (3, 3, 3)
        assert np.ptp(around, axis=(0, 1)).max() <= LARGEST_RANGE
    taken = np.bincount(codes[points[:, 0], points[:, 1], 1], minlength=256)
    assert taken[1:255].min() >= 1
    assert taken.max() <= 3


def test_of_places_of_one_code_the_flattest_is_taken() -> None:
    codes = np.full((3, 60, 3), 90, np.uint8)
    codes[0, ::2] = 96  # everywhere a little rough
    codes[0, 30:33] = 90
    points = spatial_sample_points(codes, 1)
    assert points.shape == (1, 2)
    assert tuple(points[0]) == (1, 31)


def test_the_same_picture_gives_the_same_points_and_no_more_than_there_are() -> None:
    codes = picture()
    np.testing.assert_array_equal(spatial_sample_points(codes, 300), spatial_sample_points(codes, 300))
    assert len(spatial_sample_points(codes[:10, :12], 1000)) == 80
    for small in (codes[:2], codes[:, :1], codes[:, 20:]):
        assert len(spatial_sample_points(small, 10)) < 10


def test_points_of_no_picture_or_no_number_are_refused() -> None:
    with pytest.raises(UsageError, match="uint8"):
        spatial_sample_points(np.zeros((9, 9, 3), np.float32), 5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="at least one"):
        spatial_sample_points(picture(), 0)


def test_codes_around_points_are_means_unless_something_is_cut() -> None:
    codes = np.full((5, 9, 3), 100, np.uint8)
    codes[1, 1] = (109, 100, 0)
    codes[1, 7] = 255
    means = codes_around(codes, np.array([[2, 2], [2, 6], [3, 4], [0, 0]]))
    np.testing.assert_allclose(means[0], [101, 100, 0])
    np.testing.assert_array_equal(means[1], 255)
    np.testing.assert_array_equal(means[2], 100)
    np.testing.assert_allclose(means[3, 0], 101)  # beyond the border the border itself


def test_samples_that_get_darker_with_exposure_are_rejected() -> None:
    codes = np.full((4, 3, 3), 100, np.uint8)
    exposures = np.array([1.0, 16.0, 4.0])
    codes[:, 0], codes[:, 2], codes[:, 1] = 50, 90, 140
    codes[1, 2, 1] = 50 - CONTRADICTION
    codes[2, 2, 1] = 50 - CONTRADICTION - 1
    codes[3, 1, 0] = 80
    np.testing.assert_array_equal(reject_contradictions(codes, exposures), [True, True, False, False])
    np.testing.assert_array_equal(reject_contradictions(codes.astype(float), np.log(exposures)), [1, 1, 0, 0])
