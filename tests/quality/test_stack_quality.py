"""Merged brackets must not get worse: seeded cases of the drawn scene with the figures reached, less a margin."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_scene import drawn_scene
from small_brackets import HAND, LOOK, TRIPOD, display_of, merged_display, merged_raw, raw_of, textured

from hdrcli.sensor.bracket import DisplayBracket, RawBracket
from hdrcli.sensor.motion import MovingObject, random_object
from hdrcli.training.single_metrics import fitted, ntire_mu_psnr
from hdrcli.training.stack_metrics import area_stops, merged_mosaic_psnr, response_error, used_codes
from hdrcli.training.stack_plain import curve_of, known_curve, known_exposures

MARGIN_DB, MARGIN_STOPS = 0.3, 0.03
SETTINGS = {"static": TRIPOD, "hand-held": HAND, "moving": TRIPOD}
SEEDS = (1, 3)
# mu-law PSNR of the mosaic, or of the picture, by seed; outside the area of the moving object.
RAW_DB = {"static": (44.26, 44.55), "hand-held": (42.19, 42.91), "moving": (42.14, 44.24)}
DISPLAY_DB = {"static": (46.08, 45.76), "hand-held": (43.52, 43.98), "moving": (43.91, 45.51)}
# Error inside that area in stops, by seed.
RAW_STOPS, DISPLAY_STOPS = (0.302, 0.040), (0.481, 0.058)
RESPONSE_PERCENT = 2.0

NOISY_LOOK = replace(LOOK, grain_px=0.6, noise_left=0.6)


def moving_object(seed: int) -> MovingObject:
    return random_object(np.random.default_rng(seed), drawn_scene(), textured(seed, (256, 320)), frames=3, reference=1)


def raw_case(variant: str, seed: int) -> RawBracket:
    moving = moving_object(seed) if variant == "moving" else None
    return raw_of(SETTINGS[variant], drawn_scene(), seed=seed, moving=moving)


def display_case(variant: str, seed: int) -> DisplayBracket:
    moving = moving_object(seed) if variant == "moving" else None
    return display_of(SETTINGS[variant], drawn_scene(), seed=seed, moving=moving, look=NOISY_LOOK)


@pytest.mark.parametrize("place", range(len(SEEDS)))
@pytest.mark.parametrize("variant", SETTINGS)
def test_raw_brackets_are_as_good_as_they_were(variant: str, place: int) -> None:
    bracket = raw_case(variant, SEEDS[place])
    mosaic = merged_raw(bracket).mosaic.data
    outside = None if bracket.moving is None else ~bracket.moving
    found = merged_mosaic_psnr(mosaic, bracket.truth_mosaic, bracket.gains, where=outside)
    assert found > RAW_DB[variant][place] - MARGIN_DB
    if variant == "static":
        known = merged_mosaic_psnr(known_exposures(bracket), bracket.truth_mosaic, bracket.gains)
        assert found > known - 0.3
    if bracket.moving is not None:
        inside = area_stops(mosaic, bracket.truth_mosaic, bracket.moving, gains=bracket.gains)
        assert inside < RAW_STOPS[place] + MARGIN_STOPS


@pytest.mark.parametrize("place", range(len(SEEDS)))
@pytest.mark.parametrize("variant", SETTINGS)
def test_display_brackets_are_as_good_as_they_were(variant: str, place: int) -> None:
    bracket = display_case(variant, SEEDS[place])
    result = merged_display(bracket)
    light = fitted(result.light, bracket.truth)
    outside = None if bracket.moving is None else ~bracket.moving
    found = ntire_mu_psnr(light, bracket.truth, where=outside)
    assert found > DISPLAY_DB[variant][place] - MARGIN_DB
    if variant == "static":
        known = ntire_mu_psnr(fitted(known_curve(bracket), bracket.truth), bracket.truth)
        assert found > known - 1.0
    if bracket.moving is not None:
        inside = area_stops(light, bracket.truth, bracket.moving, gains=bracket.gains)
        assert inside < DISPLAY_STOPS[place] + MARGIN_STOPS
    error = response_error(result.response.curve, curve_of(bracket), used_codes(bracket.pictures))
    assert error < RESPONSE_PERCENT
