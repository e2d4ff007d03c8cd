"""Highlights are raised where they clip, by what surrounds them, and nothing else is changed."""

from __future__ import annotations

import numpy as np
import pytest

from hdrcli.expand import highlights
from hdrcli.expand.highlights import expand_highlights
from hdrcli.images import FloatArray


def grey(level: float, size: tuple[int, int] = (256, 384)) -> FloatArray:
    return np.full((*size, 3), level, np.float32)


def disc(picture: FloatArray, radius: float, colour: tuple[float, float, float] = (1, 1, 1)) -> FloatArray:
    """Return the picture with a disc in its middle, whose edge is a pixel wide."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2)
    inside = np.clip(radius - distance + 0.5, 0, 1)[..., None].astype(np.float32)
    return picture + inside * (np.array(colour, np.float32) - picture)


def middle(picture: FloatArray) -> FloatArray:
    return picture[picture.shape[0] // 2, picture.shape[1] // 2]


def stops(value: float) -> float:
    return float(np.log2(value))


def test_below_a_quarter_of_white_nothing_changes_even_beside_a_lamp() -> None:
    picture = disc(np.random.default_rng(1).uniform(-0.02, 0.25, (256, 384, 3)).astype(np.float32), 20)
    dark = picture < 0.25
    np.testing.assert_array_equal(expand_highlights(picture)[dark], picture[dark])


def test_a_picture_that_does_not_clip_only_has_its_shoulder_opened() -> None:
    picture = np.random.default_rng(1).uniform(0, 0.8, (64, 64, 3)).astype(np.float32)
    result = expand_highlights(picture)
    assert np.all(result >= picture)
    np.testing.assert_allclose(result, picture, rtol=2**0.2 - 1)


def test_clipped_areas_are_raised_above_the_clip() -> None:
    assert stops(middle(expand_highlights(disc(grey(0.1), 12)))[1]) > 1


def test_a_lamp_is_brighter_than_a_large_white_area() -> None:
    lamp, paper = (middle(expand_highlights(disc(grey(0.1), radius)))[1] for radius in (12, 110))
    assert stops(lamp) > stops(paper) + 0.4


def test_the_middle_of_a_lamp_is_brighter_than_a_speck() -> None:
    lamp, speck = (middle(expand_highlights(disc(grey(0.1), radius)))[1] for radius in (12, 0.8))
    assert stops(lamp) > stops(speck) + 0.2


def glow(width: float) -> FloatArray:
    """Return light that falls off from a white disc of 30 pixels by a stop in so many pixels."""
    y, x = np.mgrid[:256, :384]
    beyond = np.maximum(np.hypot(y - 128, x - 192) - 30, 0)
    light = np.clip(np.exp2(-beyond / width), 0.01, 1)
    return np.repeat(light[..., None], 3, axis=2).astype(np.float32)


def test_behind_a_gentle_rim_light_rises_slower_than_behind_a_steep_one() -> None:
    gentle, steep = (np.log2(expand_highlights(glow(width))[128, :, 1]) for width in (40.0, 1.0))
    assert gentle[192] < steep[192]
    assert np.abs(np.diff(gentle)).max() < 0.15 < 0.15 * np.abs(np.diff(steep)).max()


def test_the_core_of_a_lamp_has_the_colour_of_its_glow() -> None:
    orange = disc(disc(grey(0.05), 24, (0.8, 0.4, 0.1)), 14)
    red, green, blue = middle(expand_highlights(orange))
    assert red > 1.3 * green > 1.3 * 1.3 * blue


def test_only_the_clipped_channel_of_a_red_light_is_raised() -> None:
    picture = disc(grey(0.1), 12, (1.0, 0.2, 0.15))
    red, green, blue = middle(expand_highlights(picture))
    assert red > 1.2
    assert (green, blue) == (np.float32(0.2), np.float32(0.15))


def test_white_stays_white_in_grey_surroundings() -> None:
    result = expand_highlights(disc(grey(0.3), 15))
    np.testing.assert_allclose(result[..., 0], result[..., 2], rtol=1e-4)


def test_value_and_slope_are_continuous_up_to_the_clip() -> None:
    ramp = np.tile(np.linspace(0.2, 1.0, 800, dtype=np.float32)[None, :, None], (96, 1, 3))
    row = expand_highlights(ramp)[48, :, 1].astype(np.float64)
    steps = np.diff(np.log2(row))
    assert steps.min() > 0
    assert np.abs(np.diff(steps)).max() < 0.004


def test_steps_of_eight_bits_in_a_sky_are_not_widened_into_bands() -> None:
    sky = np.tile(np.linspace(0.75, 1.0, 480)[None, :, None], (96, 1, 3))
    codes = np.rint(255 * sky ** (1 / 2.2)) / 255
    light = (codes**2.2).astype(np.float32)
    before, after = (np.diff(np.log2(x[48, :, 1])).max() for x in (light, expand_highlights(light)))
    assert after < 4 * before


def test_the_estimate_does_not_depend_on_the_resolution() -> None:
    small = disc(grey(0.1, (512, 512)), 20)
    large = np.repeat(np.repeat(small, 3, axis=0), 3, axis=1)
    assert stops(middle(expand_highlights(large))[1] / middle(expand_highlights(small))[1]) == pytest.approx(0, abs=0.1)


def test_the_rows_worked_on_at_once_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = disc(np.random.default_rng(3).uniform(0, 1, (301, 211, 3)).astype(np.float32), 40)
    whole = expand_highlights(picture)
    monkeypatch.setattr(highlights, "_ROWS", 7)
    np.testing.assert_allclose(expand_highlights(picture), whole, rtol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (5, 4), (513, 2), (701, 530)])
def test_any_size_gives_finite_light(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(4).uniform(-0.1, 1.2, (*size, 3)).astype(np.float32)
    before = picture.copy()
    result = expand_highlights(picture)
    assert result.shape == picture.shape
    assert result.dtype == np.float32
    assert np.isfinite(result).all()
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_and_white_pictures_stay_even(level: float) -> None:
    result = expand_highlights(grey(level, (40, 60)))
    np.testing.assert_allclose(result, result[0, 0, 0], rtol=1e-4)
    assert result[0, 0, 0] >= level


def test_an_object_before_a_white_sky_leaves_no_edges_and_little_colour_in_it() -> None:
    sky = np.repeat(np.linspace(1.6, 0.7, 512, dtype=np.float32)[:, None, None], 768, axis=1)
    picture = np.minimum(sky * np.array([1, 0.98, 0.9], np.float32), 1)
    picture[100:160, 500:508] = 0.7, 0.5, 0.03  # yellow, steep where the sky is gentle
    picture[:4] = 0.02
    stops_above = np.log2(expand_highlights(picture))[20:95]
    assert np.abs(np.diff(stops_above, axis=0)).max() < 0.05
    assert np.abs(np.diff(stops_above, axis=1)).max() < 0.05
    assert np.ptp(stops_above, axis=2).max() < 1.2
