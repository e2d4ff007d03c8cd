"""What clips is counted, what lies above is measured, and what is well exposed can be kept."""

from __future__ import annotations

import numpy as np
import pytest

from hdrcli.expand.clipping import brightest_stops, keep_well_exposed, measure_clipping
from hdrcli.images import DisplayImage


@pytest.mark.parametrize(
    ("dtype", "white", "least", "below"), [(np.uint8, 255, 254, 253), (np.uint16, 65535, 65278, 65277)]
)
def test_shares_of_pixels_that_clip_in_some_and_in_all_channels(
    dtype: type, white: int, least: int, below: int
) -> None:
    data = np.zeros((50, 4, 3), dtype)
    data[:, 0] = white
    data[:, 1] = least, below, 7
    data[:, 2] = below
    clipping = measure_clipping(DisplayImage(data))
    assert (clipping.any, clipping.all) == (0.5, 0.25)


def test_the_brightest_is_counted_in_stops_above_the_clip_without_single_pixels() -> None:
    light = np.full((400, 500, 3), 0.3, np.float32)
    assert brightest_stops(light) is None
    light[:200, :, 1] = 4.0
    light[0, 0] = 1e6
    assert brightest_stops(light) == pytest.approx(2.0)
    light[300, 300] = np.nan  # not above, not below
    assert brightest_stops(light) == pytest.approx(2.0)


def test_below_the_shoulder_the_picture_is_kept_and_where_it_clips_the_estimate_is_taken() -> None:
    codes = np.repeat(np.linspace(0.8, 1.0, 401, dtype=np.float32)[None, :, None], 3, axis=2)
    codes[..., 1:] = 0.2  # the brightest channel decides
    estimate, measured = np.full_like(codes, 5.0), np.full_like(codes, 0.5)
    result = keep_well_exposed(estimate, measured, codes)
    np.testing.assert_array_equal(result[codes[..., 0] <= 0.85], 0.5)
    np.testing.assert_array_equal(result[codes[..., 0] >= 0.971], 5.0)
    steps = np.diff(result[0, :, 1])
    assert steps.min() >= 0
    assert steps.max() < 0.04  # smooth
    assert (estimate == 5).all()
