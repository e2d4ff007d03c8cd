"""Brackets of display pictures: the response that was applied is found, and with it gains, motion and light."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from small_brackets import (
    HAND,
    LOOK,
    TRIPOD,
    display_of,
    merged_display,
    reordered,
    shots,
    textured,
    with_metadata,
)

from hdrcli.align.warp import corner_motion, to_finer
from hdrcli.errors import UnreadableFileError, UnsuitableInputError
from hdrcli.images import DisplayImage, FloatArray
from hdrcli.recipes.stack_display import DisplayStack, Shot, stack_display
from hdrcli.recipes.stack_settings import StackSettings
from hdrcli.response.response import Response, srgb_response
from hdrcli.sensor.bracket import BracketSettings, DisplayBracket
from hdrcli.sensor.curves import SET_ASIDE
from hdrcli.sensor.motion import random_object
from hdrcli.training.single_metrics import fitted, ntire_mu_psnr
from hdrcli.training.stack_metrics import area_stops, response_error, used_codes
from hdrcli.training.stack_plain import curve_of, known_curve, light_of_codes

# As with all cameras: the times in the files are nearly true.
EXACT = replace(TRIPOD, error_stops=0.0)
STOPS = {"two": (0.0, 2.0), "five": (-4.0, -2.0, 0.0, 2.0, 3.0), "twice": (-2.0, 0.0, 0.0, 2.0)}


@pytest.fixture(scope="module")
def tripod() -> tuple[DisplayBracket, DisplayStack]:
    bracket = display_of(EXACT)
    return bracket, merged_display(bracket)


@pytest.fixture(scope="module")
def hand() -> tuple[DisplayBracket, DisplayStack]:
    bracket = display_of(replace(EXACT, shift_px=5.0, rotation_degrees=0.3), textured(3), seed=3)
    return bracket, merged_display(bracket)


def quality(bracket: DisplayBracket, light: FloatArray) -> float:
    return ntire_mu_psnr(fitted(light, bracket.truth), bracket.truth)


def unreadable() -> Shot:
    raise UnreadableFileError("broken.jpg is truncated.")


def of_one_value(shot: Shot, code: int, *, time_s: float) -> Shot:
    image = replace(shot.image, data=np.full_like(shot.image.data, code))
    return Shot("nothing.jpg", image, replace(shot.metadata, exposure_time_s=time_s))


@pytest.mark.parametrize("method", ["debevec", "robertson"])
@pytest.mark.parametrize("curve", SET_ASIDE, ids=[curve.family for curve in SET_ASIDE])
def test_the_response_that_was_applied_is_found(method: str, curve: object) -> None:
    bracket = display_of(EXACT, textured(2, (192, 256)), look=replace(LOOK, curve=curve))
    result = stack_display([lambda shot=shot: shot for shot in shots(bracket)], settings=StackSettings(response=method))
    assert response_error(result.response.curve, curve_of(bracket), used_codes(bracket.pictures)) < 4


def test_a_static_bracket_is_nearly_as_good_as_with_the_known_curve() -> None:
    below = []
    for seed in (1, 2, 3):
        bracket = display_of(scene=textured(seed), seed=seed)
        below.append(quality(bracket, known_curve(bracket)) - quality(bracket, merged_display(bracket).light))
    assert np.mean(below) < 0.5
    assert max(below) < 1


def test_the_gains_of_a_static_bracket_are_found(tripod: tuple[DisplayBracket, DisplayStack]) -> None:
    bracket, result = tripod
    np.testing.assert_allclose(result.bracket.gains, bracket.gains, rtol=0.005)
    assert result.warnings == result.notes == ()


def test_a_static_bracket_is_not_moved(tripod: tuple[DisplayBracket, DisplayStack]) -> None:
    _, result = tripod
    assert {found.model for found in result.bracket.registrations.values()} == {"none"}
    assert all(frame.shift == (0, 0) and frame.ghosts == 0 for frame in result.bracket.frames)


def test_the_motion_of_a_hand_is_found(hand: tuple[DisplayBracket, DisplayStack]) -> None:
    bracket, result = hand
    shape = bracket.truth.shape[:2]
    for index, found in result.bracket.registrations.items():
        off = corner_motion(to_finer(found.warp), shape) - corner_motion(bracket.warps[index], shape)
        assert np.abs(off).max() < 0.1
    np.testing.assert_allclose(result.bracket.gains, bracket.gains, rtol=0.01)
    assert quality(bracket, result.light) > quality(bracket, merged_display(bracket, align=False).light) + 3


@pytest.mark.parametrize("settings", [TRIPOD, HAND], ids=["tripod", "hand"])
def test_the_order_of_the_pictures_does_not_matter(settings: BracketSettings) -> None:
    bracket = display_of(settings, textured(4, (96, 128)))
    first = merged_display(bracket)
    for order in list(itertools.permutations(range(3)))[1::2]:
        other = merged_display(reordered(bracket, order))
        np.testing.assert_array_equal(other.light, first.light)
        np.testing.assert_allclose(other.response.curve, first.response.curve, rtol=1e-9)


@pytest.mark.parametrize("kind", sorted(STOPS))
def test_any_number_of_pictures_is_merged(kind: str) -> None:
    bracket = display_of(replace(EXACT, stops=STOPS[kind]), textured(2))
    result = merged_display(bracket)
    gains = np.array(bracket.gains) / bracket.gains[result.bracket.reference]
    np.testing.assert_allclose(result.bracket.gains, gains, rtol=0.02)
    assert np.isfinite(result.light).all()
    assert quality(bracket, result.light) > quality(bracket, known_curve(bracket)) - 1
    assert sum(frame.share for frame in result.bracket.frames) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (33, 20), (161, 191)])
@pytest.mark.parametrize("settings", [TRIPOD, HAND], ids=["tripod", "hand"])
def test_pictures_of_any_size_are_merged(size: tuple[int, int], settings: BracketSettings) -> None:
    scene = np.ascontiguousarray(textured(1, (320, 320))[: size[0], : size[1]])
    result = merged_display(display_of(settings, scene))
    assert result.light.shape == (*size, 3)
    assert np.isfinite(result.light).all()
    assert result.light.min() > 0


def test_a_response_that_is_given_is_used_as_it_is(tripod: tuple[DisplayBracket, DisplayStack]) -> None:
    bracket, _ = tripod
    known = Response(curve_of(bracket))
    result = merged_display(bracket, response=known)
    assert result.response is known
    assert quality(bracket, result.light) > quality(bracket, known_curve(bracket)) - 0.5


def test_without_recovering_the_curve_of_srgb_is_taken(tripod: tuple[DisplayBracket, DisplayStack]) -> None:
    result = stack_display(
        [lambda shot=shot: shot for shot in shots(tripod[0])], settings=StackSettings(response="srgb")
    )
    np.testing.assert_array_equal(result.response.curve, srgb_response().curve)
    assert result.samples is None


def test_pictures_of_one_exposure_are_averaged_and_it_is_said_that_srgb_is_assumed() -> None:
    bracket = display_of(replace(EXACT, stops=(0.0, 0.0, 0.0)))
    result = merged_display(bracket)
    np.testing.assert_allclose(result.bracket.gains, 1, rtol=0.005)
    assert any("curve of sRGB" in note for note in result.notes)


def test_without_overlap_stated_exposures_are_believed() -> None:
    result = merged_display(display_of(BracketSettings(stops=(-12.0, 0.0))))
    assert sorted(result.bracket.gains) == pytest.approx([1, 4096])
    assert any("taken as stated" in warning for warning in result.warnings)
    assert np.isfinite(result.light).all()


def test_without_overlap_and_exposures_nothing_can_be_merged() -> None:
    bracket = display_of(BracketSettings(stops=(-12.0, 0.0)))
    for frame in (0, 1):
        bracket = with_metadata(bracket, frame, exposure_time_s=None)
    with pytest.raises(UnsuitableInputError, match=r"share no range of light .* Give --ev or --times"):
        merged_display(bracket)


@pytest.mark.parametrize("missing", [(0, 1, 2), (1,)])
def test_pictures_that_state_no_exposure_are_merged(missing: tuple[int, ...]) -> None:
    bracket = display_of(EXACT)
    for frame in missing:
        bracket = with_metadata(bracket, frame, exposure_time_s=None)
    result = merged_display(bracket)
    assert result.bracket.reference == 1
    # Exposures and response explain the same codes, so without the one the other is known less.
    np.testing.assert_allclose(np.log2(result.bracket.gains), [-2, 0, 2], atol=0.3)
    assert all(frame.ev_stated is None for frame in result.bracket.frames)


@pytest.mark.parametrize(("code", "time_s"), [(0, 1e-5), (255, 10.0)], ids=["black", "clipped"])
def test_a_picture_that_shows_nothing_does_no_harm(
    code: int, time_s: float, tripod: tuple[DisplayBracket, DisplayStack]
) -> None:
    bracket, without = tripod
    three = shots(bracket)
    four = [*three, of_one_value(three[0], code, time_s=time_s)]
    result = stack_display([lambda shot=shot: shot for shot in four], settings=StackSettings(reference=1))
    assert result.bracket.registrations[3].model == "none"
    assert result.bracket.frames[3].share < 0.02
    assert quality(bracket, result.light) > quality(bracket, without.light) - 0.3


def test_a_moving_object_is_seen_once_and_nothing_else_is_lost() -> None:
    scene, other = textured(5, (256, 288)), textured(6, (256, 288))
    moving = random_object(np.random.default_rng(4), scene, other, frames=3, reference=1)
    bracket = display_of(scene=scene, moving=moving)
    assert bracket.moving is not None
    table = light_of_codes(bracket.captures[0].settings.curve)
    truth, gains, area = bracket.truth, bracket.gains, bracket.moving
    singles = [
        area_stops(table[codes] / np.float32(gain), truth, area, gains=gains)
        for codes, gain in zip(bracket.pictures, gains, strict=True)
    ]
    result, off = merged_display(bracket), merged_display(bracket, deghost="off")
    found, ghostly = (area_stops(fitted(one.light, truth), truth, area, gains=gains) for one in (result, off))
    assert found < max(0.25, 1.1 * min(singles))
    assert ghostly > 1.5 * found
    assert {one.model for one in result.bracket.registrations.values()} == {"none"}
    assert area_stops(fitted(result.light, truth), truth, ~area, gains=gains) < 0.1


@pytest.mark.parametrize("settings", [TRIPOD, HAND], ids=["tripod", "hand"])
def test_a_lamp_that_clips_everywhere_is_bright_and_white(settings: BracketSettings) -> None:
    scene = textured(7, (128, 160))
    scene[40:90, 50:110] = 500 * np.percentile(scene, 99)
    result = merged_display(display_of(replace(settings, clipped=0.2), scene))
    inside = result.light[56:74, 66:94]
    assert np.ptp(inside, axis=2).max() < 0.02 * inside.max()
    assert inside.min() > 0.95 / min(result.bracket.gains)
    assert inside.min() > 0.95 * result.light[:32].max()


def test_fusion_is_a_picture_of_the_same_size_and_profile(tripod: tuple[DisplayBracket, DisplayStack]) -> None:
    bracket, _ = tripod
    result = merged_display(bracket, method="fusion")
    assert result.light.shape == bracket.truth.shape
    assert 0 <= result.light.min() < result.light.max() <= 1.001
    middle = bracket.pictures[1] / 255
    assert abs(np.corrcoef(result.light.ravel(), middle.ravel())[0, 1]) > 0.8


def test_pictures_of_sixteen_bits_are_taken(tripod: tuple[DisplayBracket, DisplayStack]) -> None:
    bracket, eight = tripod
    deep = [replace(shot, image=DisplayImage(shot.image.data.astype(np.uint16) * 257)) for shot in shots(bracket)]
    result = stack_display([lambda shot=shot: shot for shot in deep])
    np.testing.assert_allclose(result.light, eight.light, rtol=1e-3)


def test_pictures_that_cannot_be_read_are_left_out(tripod: tuple[DisplayBracket, DisplayStack]) -> None:
    bracket, whole = tripod
    one, two, three = ((lambda shot=shot: shot) for shot in shots(bracket))
    result = stack_display([one, unreadable, two, three])
    assert result.left_out == ((1, "broken.jpg is truncated."),)
    np.testing.assert_array_equal(result.light, whole.light)
    with pytest.raises(UnsuitableInputError, match="chosen as the reference cannot be read"):
        stack_display([one, unreadable, two], settings=StackSettings(reference=1))
    with pytest.raises(UnreadableFileError, match=r"broken\.jpg"):
        stack_display([unreadable, one])


def test_pictures_that_do_not_belong_together_are_refused(tripod: tuple[DisplayBracket, DisplayStack]) -> None:
    one, two, _ = shots(tripod[0])
    smaller = replace(two, image=DisplayImage(np.ascontiguousarray(two.image.data[:, 1:])))
    foreign = replace(two, metadata=replace(two.metadata, make="Other", model="Model"))
    for message, other in (("191 x 160 pixels", smaller), ("of Other Model", foreign)):
        with pytest.raises(UnsuitableInputError, match=message):
            stack_display([lambda: one, lambda other=other: other])


def test_memory_does_not_grow_with_the_number_of_pictures() -> None:
    three = shots(display_of(HAND, textured(1, (128, 160))))

    def peak(number: int) -> int:
        many = [replace(three[index % 3], name=f"{index:02d}.jpg") for index in range(number)]
        tracemalloc.start()
        try:
            stack_display(
                [lambda shot=shot: replace(shot, image=DisplayImage(shot.image.data.copy())) for shot in many],
                settings=StackSettings(response="srgb"),
            )
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(3)
    assert peak(40) < 1.5 * peak(6)  # the codes alone of 40 pictures would be as much again
