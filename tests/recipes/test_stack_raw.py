"""Raw brackets: what was applied is found, what nothing is known of is said, and nothing depends on the order."""

from __future__ import annotations

import itertools
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from small_brackets import CAMERA, HAND, TRIPOD, merged_raw, raw_of, reordered, textured, with_metadata

from hdrcli.align.warp import corner_motion, to_finer
from hdrcli.errors import UnreadableFileError, UnsuitableInputError
from hdrcli.images import FloatArray, RawFrame
from hdrcli.merge.cells import bayer_cells
from hdrcli.recipes.stack_raw import RawStack, stack_raw
from hdrcli.recipes.stack_settings import StackSettings
from hdrcli.sensor.bracket import BracketSettings, RawBracket
from hdrcli.sensor.capture import CaptureSettings, capture, daylight_neutral
from hdrcli.sensor.motion import random_object
from hdrcli.training.stack_metrics import area_stops, merged_mosaic_psnr
from hdrcli.training.stack_plain import known_exposures, linear_samples

STOPS = {"two": (0.0, 2.0), "far": (-3.0, 0.0), "five": (-4.0, -2.0, 0.0, 2.0, 3.0), "twice": (-2.0, 0.0, 0.0, 2.0)}


@pytest.fixture(scope="module")
def tripod() -> tuple[RawBracket, RawStack]:
    bracket = raw_of()
    return bracket, merged_raw(bracket)


@pytest.fixture(scope="module")
def hand() -> tuple[RawBracket, RawStack]:
    bracket = raw_of(HAND)
    return bracket, merged_raw(bracket)


def quality(bracket: RawBracket, mosaic: FloatArray) -> float:
    return merged_mosaic_psnr(mosaic, bracket.truth_mosaic, bracket.gains)


def unreadable() -> RawFrame:
    raise UnreadableFileError("broken.CR2 is truncated.")


def dark(frame: RawFrame, level: float) -> RawFrame:
    """Return the frame with nothing but one level in it, 0 for black and 1 for the clip, and a little noise."""
    rng = np.random.default_rng(5)
    counts = frame.black[0] + level * (frame.white - frame.black[0]) + rng.normal(0, 4, frame.counts.shape)
    return replace(frame, counts=np.clip(np.rint(counts), 0, frame.white).astype(np.uint16))


def test_a_static_bracket_is_as_good_as_with_known_exposures() -> None:
    below = []
    for seed in (1, 2, 3):
        bracket = raw_of(scene=textured(seed), seed=seed)
        below.append(quality(bracket, known_exposures(bracket)) - quality(bracket, merged_raw(bracket).mosaic.data))
    assert np.mean(below) < 0.3
    assert max(below) < 0.45


def test_the_gains_of_a_static_bracket_are_found(tripod: tuple[RawBracket, RawStack]) -> None:
    bracket, result = tripod
    np.testing.assert_allclose(result.bracket.gains, bracket.gains, rtol=0.005)
    assert result.range == pytest.approx(1 / min(bracket.gains), rel=0.005)
    assert [frame.ev_stated for frame in result.bracket.frames] == pytest.approx([-2, 0, 2])
    assert result.warnings == ()


def test_a_static_bracket_is_not_moved(tripod: tuple[RawBracket, RawStack]) -> None:
    _, result = tripod
    assert {found.model for found in result.bracket.registrations.values()} == {"none"}
    assert all(frame.shift == (0, 0) and frame.rotation_deg == 0 for frame in result.bracket.frames)
    assert all(frame.ghosts == 0 for frame in result.bracket.frames)


def test_the_motion_and_the_gains_of_a_hand_are_found(hand: tuple[RawBracket, RawStack]) -> None:
    bracket, result = hand
    np.testing.assert_allclose(result.bracket.gains, bracket.gains, rtol=0.005)
    shape = bracket.truth_mosaic.shape
    for index, found in result.bracket.registrations.items():
        off = corner_motion(to_finer(found.warp), shape) - corner_motion(bracket.warps[index], shape)
        assert np.abs(off).max() < 0.1
    assert all(frame.ghosts < 0.01 for frame in result.bracket.frames)


def test_a_hand_is_better_followed_than_not(hand: tuple[RawBracket, RawStack]) -> None:
    bracket, result = hand
    inner = np.zeros(bracket.truth_mosaic.shape, dtype=bool)
    inner[8:-8, 8:-8] = True  # beyond it some frames do not reach

    def figure(mosaic: FloatArray) -> float:
        return merged_mosaic_psnr(mosaic, bracket.truth_mosaic, bracket.gains, where=inner)

    aligned = figure(result.mosaic.data)
    assert aligned > figure(merged_raw(bracket, align=False).mosaic.data) + 3
    assert aligned > figure(linear_samples(bracket.frames[bracket.reference])) + 3


@pytest.mark.parametrize("settings", [TRIPOD, HAND], ids=["tripod", "hand"])
def test_the_order_of_the_frames_does_not_matter(settings: BracketSettings) -> None:
    bracket = raw_of(replace(settings, stops=(-2.0, 0.0, 0.0, 2.0)), textured(4, (96, 128)))
    first = merged_raw(bracket)
    for order in list(itertools.permutations(range(4)))[5::6]:
        other = merged_raw(reordered(bracket, order))
        np.testing.assert_array_equal(other.mosaic.data, first.mosaic.data)
        names = [result.bracket.frames[result.bracket.reference].name for result in (first, other)]
        assert names[0] == names[1]
        assert [frame.name for frame in other.bracket.frames] == [bracket.frames[index].name for index in order]


@pytest.mark.parametrize("kind", sorted(STOPS))
def test_any_number_of_frames_is_merged(kind: str) -> None:
    bracket = raw_of(replace(TRIPOD, stops=STOPS[kind]), textured(2))
    result = merged_raw(bracket)
    reference = result.bracket.reference
    gains = np.array(bracket.gains) / bracket.gains[reference]
    measured = [frame.ev_measured is not None for frame in result.bracket.frames]
    np.testing.assert_allclose(np.array(result.bracket.gains)[measured], gains[measured], rtol=0.005)
    assert np.count_nonzero(measured) >= len(gains) - 1
    assert np.isfinite(result.mosaic.data).all()
    assert sum(frame.share for frame in result.bracket.frames) == pytest.approx(1, abs=0.1)
    if reference == bracket.reference:
        assert quality(bracket, result.mosaic.data) > quality(bracket, known_exposures(bracket)) - 0.6


@pytest.mark.parametrize("size", [(161, 192), (160, 191), (161, 191)])
@pytest.mark.parametrize("settings", [TRIPOD, HAND], ids=["tripod", "hand"])
def test_odd_sizes_are_merged_to_the_last_row(size: tuple[int, int], settings: BracketSettings) -> None:
    bracket = raw_of(settings, textured(1, size))
    result = merged_raw(bracket)
    assert result.mosaic.data.shape == size
    edge = np.zeros(size, dtype=bool)
    edge[-1], edge[:, -1] = True, True
    inside = bracket.truth_mosaic[edge] < 0.8
    error = np.log2(np.maximum(result.mosaic.data[edge], 1e-4) / bracket.truth_mosaic[edge])[inside]
    assert np.abs(error).mean() < 0.1


@pytest.mark.parametrize("size", [(2, 2), (16, 16), (16, 300), (33, 20)])
def test_the_smallest_frames_are_merged(size: tuple[int, int]) -> None:
    scene = textured(1, (320, 320))[: size[0], : size[1]]
    result = merged_raw(raw_of(scene=np.ascontiguousarray(scene)))
    assert result.mosaic.data.shape == size
    assert np.isfinite(result.mosaic.data).all()


def test_the_same_frame_twice_changes_nothing() -> None:
    bracket = raw_of(scene=textured(1, (96, 128)))
    short, middle, _ = bracket.frames
    one = stack_raw([lambda: short, lambda: middle])
    two = stack_raw([lambda: short, lambda: middle, lambda: replace(middle, name="copy")])
    assert two.bracket.gains[2] == pytest.approx(two.bracket.gains[1], rel=1e-5)
    # The reference is another frame now, and with it the scale; the light is the same.
    first, second = (result.mosaic.data * np.float32(result.bracket.gains[0]) for result in (one, two))
    seen = first > 0.01
    assert np.abs(np.log(first[seen] / second[seen])).mean() < 0.02


def test_wrong_times_in_files_are_noticed_and_not_believed() -> None:
    bracket = with_metadata(raw_of(), 2, exposure_time_s=1 / 60 * 4 * 2**0.5)
    result = merged_raw(bracket)
    np.testing.assert_allclose(result.bracket.gains, bracket.gains, rtol=0.005)
    (warning,) = result.warnings
    assert warning == "frame-3: the pixels say +1.97 EV, the file +2.50 EV; taken as measured."


def test_exposures_that_are_given_are_taken_as_they_are() -> None:
    result = merged_raw(raw_of(), evs=(5.0, 7.0, 9.5))
    assert result.bracket.gains == pytest.approx((0.25, 1, 2**2.5))
    (warning,) = result.warnings
    assert warning == "frame-3: the pixels say +1.97 EV, the option +2.50 EV; taken as given."
    assert merged_raw(raw_of(), times=(0.25, 1.0, 4.0)).bracket.gains == pytest.approx((0.25, 1, 4))


@pytest.mark.parametrize("missing", [(0,), (1,), (2,), (0, 2), (0, 1, 2)])
def test_frames_that_state_no_exposure_are_measured(missing: tuple[int, ...]) -> None:
    bracket = raw_of()
    for frame in missing:
        bracket = with_metadata(bracket, frame, exposure_time_s=None)
    result = merged_raw(bracket)
    assert result.bracket.reference == 1
    np.testing.assert_allclose(result.bracket.gains, bracket.gains, rtol=0.005)
    stated = [frame.ev_stated for frame in result.bracket.frames]
    # What the others state says nothing where the reference is silent.
    expected = [None if frame in missing or 1 in missing else 2.0 * frame - 2 for frame in range(3)]
    assert stated == pytest.approx(expected)
    assert result.warnings == ()


def test_colours_that_do_not_clip_tell_the_exposure_where_green_does() -> None:
    scene = np.broadcast_to(np.array([0.25, 1.0, 0.25], np.float32), textured(1).shape)
    scene = (scene * np.random.default_rng(1).uniform(0.9, 1.1, (*scene.shape[:2], 1))).astype(np.float32)
    bracket = raw_of(BracketSettings(stops=(0.0, 1.2), clipped=0.01, error_stops=0.2), scene=scene)
    result = merged_raw(bracket)
    longer = bracket.frames[1]
    assert np.mean(linear_samples(longer)[0::2, 1::2] >= 0.98) > 0.95  # green
    np.testing.assert_allclose(result.bracket.gains, bracket.gains, rtol=0.005)
    assert not any("cannot be measured" in text for text in result.warnings)


def test_without_overlap_stated_exposures_are_believed() -> None:
    bracket = raw_of(BracketSettings(stops=(-12.0, 0.0)))
    result = merged_raw(bracket)
    assert sorted(result.bracket.gains) == pytest.approx([1, 4096])
    (warning,) = result.warnings
    assert "cannot be measured" in warning
    assert "taken as stated" in warning


def test_a_frame_that_moved_and_cannot_be_aligned_is_left_out() -> None:
    bracket = raw_of(replace(HAND, stops=(-2.0, 0.0, 7.0)))
    result = merged_raw(bracket)
    assert result.bracket.registrations[0].model != "none"
    assert result.bracket.frames[2].share == 0
    (warning,) = (text for text in result.warnings if "left out" in text)
    assert warning.startswith("frame-3: left out; the camera moved")
    still = merged_raw(raw_of(replace(TRIPOD, stops=(-2.0, 0.0, 7.0))))
    assert not any("left out" in text for text in still.warnings)


def test_without_overlap_and_exposures_nothing_can_be_merged() -> None:
    bracket = raw_of(BracketSettings(stops=(-12.0, 0.0)))
    for frame in (0, 1):
        bracket = with_metadata(bracket, frame, exposure_time_s=None)
    with pytest.raises(UnsuitableInputError, match=r"share no range of light .* Give --ev or --times"):
        merged_raw(bracket)


@pytest.mark.parametrize("level", [0.0, 1.0], ids=["black", "clipped"])
def test_a_frame_that_shows_nothing_does_no_harm(level: float, tripod: tuple[RawBracket, RawStack]) -> None:
    bracket, without = tripod
    nothing = dark(bracket.frames[0], level)
    time_s = 1e-5 if level == 0 else 10.0
    named = replace(nothing, name="nothing", metadata=replace(nothing.metadata, exposure_time_s=time_s))
    frames = [*bracket.frames, named]
    result = stack_raw([lambda frame=frame: frame for frame in frames], settings=StackSettings(reference=1))
    assert result.bracket.registrations[3].model == "none"
    assert result.bracket.frames[3].share < 0.02
    assert quality(bracket, result.mosaic.data) > quality(bracket, without.mosaic.data) - 0.1


def test_the_reference_can_be_chosen(tripod: tuple[RawBracket, RawStack]) -> None:
    bracket, middle = tripod
    result = merged_raw(bracket, reference=0)
    assert result.bracket.reference == 0
    assert result.range == 1.0
    assert result.metadata == bracket.frames[0].metadata
    np.testing.assert_allclose(result.bracket.gains, np.array(bracket.gains) / bracket.gains[0], rtol=0.005)
    same = np.abs(np.log2(result.mosaic.data / np.float32(bracket.gains[0]) / middle.mosaic.data))
    assert same[bracket.truth_mosaic > 0.02].mean() < 0.01


def test_a_moving_object_is_seen_once_and_nothing_else_is_lost() -> None:
    scene, other = textured(5, (256, 288)), textured(6, (256, 288))
    moving = random_object(np.random.default_rng(5), scene, other, frames=3, reference=1)
    bracket = raw_of(scene=scene, moving=moving)
    still = raw_of(scene=scene, moving=replace(moving, places=(moving.places[1],) * 3))
    assert bracket.moving is not None
    truth, gains = bracket.truth_mosaic, bracket.gains
    singles = [
        area_stops(linear_samples(frame) / np.float32(gain), truth, bracket.moving, gains=gains)
        for frame, gain in zip(bracket.frames, gains, strict=True)
    ]
    result, off = merged_raw(bracket), merged_raw(bracket, deghost="off")
    found, ghostly = (area_stops(one.mosaic.data, truth, bracket.moving, gains=gains) for one in (result, off))
    assert found < max(0.25, 1.1 * min(singles))
    assert ghostly > 2 * found
    outside = [
        area_stops(merge.mosaic.data, truth, ~bracket.moving, gains=gains) for merge in (result, merged_raw(still))
    ]
    assert outside[0] < 1.5 * outside[1] + 0.01
    assert {one.model for one in result.bracket.registrations.values()} == {"none"}
    assert 0.01 < max(frame.ghosts for frame in result.bracket.frames) < 0.4


@pytest.mark.parametrize("settings", [TRIPOD, HAND], ids=["tripod", "hand"])
def test_a_lamp_that_clips_everywhere_is_bright_and_white(settings: BracketSettings) -> None:
    scene = textured(7, (128, 160))
    scene[40:90, 50:110] = 500 * np.percentile(scene, 99)
    result = merged_raw(raw_of(replace(settings, clipped=0.2), scene))
    cells, _ = bayer_cells(result.mosaic.data, result.mosaic.cfa)
    inside = cells[28:37, 33:47]
    assert inside.min() > 0.95 * result.range  # every colour: developing knows that this is the clip
    assert inside.min() > 0.95 * cells.max(axis=2)[:18].max()


def test_frames_that_cannot_be_read_are_left_out(tripod: tuple[RawBracket, RawStack]) -> None:
    bracket, _ = tripod
    first, middle, last = ((lambda frame=frame: frame) for frame in bracket.frames)
    result = stack_raw([first, unreadable, middle, last])
    assert result.left_out == ((1, "broken.CR2 is truncated."),)
    assert [frame.name for frame in result.bracket.frames] == ["frame-1", "frame-2", "frame-3"]
    np.testing.assert_array_equal(result.mosaic.data, stack_raw([first, middle, last]).mosaic.data)
    chosen = stack_raw([unreadable, first, middle], settings=StackSettings(evs=(7.0, -2.0, 0.0), reference=2))
    assert chosen.bracket.frames[chosen.bracket.reference].name == "frame-2"
    assert chosen.bracket.gains == pytest.approx((0.25, 1))


def test_the_reference_must_be_readable(tripod: tuple[RawBracket, RawStack]) -> None:
    first, middle, _ = ((lambda frame=frame: frame) for frame in tripod[0].frames)
    with pytest.raises(UnsuitableInputError, match="chosen as the reference cannot be read"):
        stack_raw([first, unreadable, middle], settings=StackSettings(reference=1))


def test_one_frame_alone_is_no_bracket(tripod: tuple[RawBracket, RawStack]) -> None:
    with pytest.raises(UnreadableFileError, match=r"broken\.CR2"):
        stack_raw([unreadable, lambda: tripod[0].frames[0], unreadable])


def test_frames_that_do_not_belong_together_are_refused(tripod: tuple[RawBracket, RawStack]) -> None:
    one, two, _ = tripod[0].frames
    others = {
        "190 x 160 pixels": replace(two, counts=np.ascontiguousarray(two.counts[:, 2:])),
        "of Other Model": replace(two, metadata=replace(two.metadata, make="Other", model="Model")),
        "begins with": replace(two, cfa="GBRG"),
    }
    for message, other in others.items():
        with pytest.raises(UnsuitableInputError, match=message):
            stack_raw([lambda: one, lambda other=other: other])


def test_a_dual_iso_frame_is_refused_and_told_where_it_goes(tripod: tuple[RawBracket, RawStack]) -> None:
    settings = CaptureSettings(iso=(100, 1600), exposure=0.3, neutral=daylight_neutral(CAMERA))
    frame = capture(textured(1), CAMERA, settings, np.random.default_rng(1)).raw
    one = tripod[0].frames[0]
    named = replace(frame, name="dual.CR2", metadata=one.metadata)
    with pytest.raises(UnsuitableInputError, match=r"dual\.CR2 is dual-ISO.*hdrcli deinterlace"):
        stack_raw([lambda: one, lambda: named])


def test_other_focal_lengths_are_a_warning() -> None:
    bracket = raw_of(scene=textured(1, (96, 128)))
    bracket = with_metadata(with_metadata(bracket, 0, focal_length_mm=35.0), 2, focal_length_mm=50.0)
    (warning,) = merged_raw(bracket).warnings
    assert warning == "frame-3 was taken at 50 mm, frame-1 at 35 mm; aligned all the same."


def test_frames_are_read_twice_and_stay_as_they_are(tripod: tuple[RawBracket, RawStack]) -> None:
    frames, reads = tripod[0].frames, [0, 0, 0]
    before = [frame.counts.copy() for frame in frames]

    def read(index: int) -> RawFrame:
        reads[index] += 1
        return frames[index]

    stack_raw([lambda index=index: read(index) for index in range(3)])
    assert max(reads) <= 2
    for frame, counts in zip(frames, before, strict=True):
        np.testing.assert_array_equal(frame.counts, counts)


def test_memory_does_not_grow_with_the_number_of_frames() -> None:
    bracket = raw_of(HAND, textured(1, (96, 128)))

    def peak(number: int) -> int:
        frames = [replace(bracket.frames[index % 3], name=f"{index:02d}") for index in range(number)]
        tracemalloc.start()
        try:
            stack_raw([lambda frame=frame: replace(frame, counts=frame.counts.copy()) for frame in frames])
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(3)  # what is compiled and kept is no part of it
    # Bands of rows that run side by side differ by up to half; the samples of 24 frames would be as much again.
    assert peak(24) < 1.6 * peak(6)
