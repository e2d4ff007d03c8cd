"""Responses: which curves are, and codes to light."""

from __future__ import annotations

import numpy as np
import pytest

from hdrcli.errors import UsageError
from hdrcli.response.response import Response, srgb_response


def test_srgb_is_the_standards_curve_in_all_channels() -> None:
    curve = srgb_response().curve
    assert curve.shape == (256, 3)
    np.testing.assert_array_equal(curve, np.repeat(curve[:, :1], 3, axis=1))
    np.testing.assert_allclose(curve[[0, 5, 128, 255], 0], [0, 5 / 255 / 12.92, 0.2158605, 1], atol=1e-7)


def test_every_code_becomes_the_light_of_its_channel() -> None:
    exponents = np.array([1.8, 2.2, 2.6])
    response = Response(((np.arange(256)[:, None] + 1) / 256) ** exponents)
    codes = np.random.default_rng(1).integers(0, 256, (37, 11, 3), dtype=np.uint8)
    light = response.linearise(codes)
    assert light.dtype == np.float32
    np.testing.assert_allclose(light, ((codes + 1.0) / 256) ** exponents, rtol=1e-6)


def test_a_part_of_a_picture_is_linearised_as_the_whole() -> None:
    codes = np.random.default_rng(2).integers(0, 256, (40, 30, 3), dtype=np.uint8)
    whole = srgb_response().linearise(codes)
    np.testing.assert_array_equal(srgb_response().linearise(codes[3:39:2, 5:20]), whole[3:39:2, 5:20])


def test_curves_that_are_none_are_refused() -> None:
    rising = np.repeat(np.linspace(0, 1, 256)[:, None], 3, axis=1)
    for curve, message in (
        (rising[:, :1], "for each of three channels"),
        (rising[:255], "256 finite numbers"),
        (np.where(rising == rising[9], np.nan, rising), "finite"),
        (rising[::-1], "increases"),
        (np.where(rising == rising[9], rising[8], rising), "increases"),
        (rising - 0.1, "at least 0"),
        (2 * rising, "1 at code 255"),
    ):
        with pytest.raises(UsageError, match=message):
            Response(curve)


def test_what_is_no_picture_of_codes_is_refused() -> None:
    for codes in (np.zeros((4, 5), np.uint8), np.zeros((4, 5, 4), np.uint8), np.zeros((4, 5, 3), np.float32)):
        with pytest.raises(UsageError, match="uint8"):
            srgb_response().linearise(codes)  # type: ignore[arg-type]
