"""Simulated brackets hold what they state: exposures, warps, the moving object, noise that motion does not change."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import cv2
import numpy as np
import pytest

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray
from hdrcli.sensor.bracket import BracketSettings, DisplayBracket, RawBracket, display_bracket, raw_bracket
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.curves import CameraCurve
from hdrcli.sensor.display import DisplaySettings, decode_jpeg
from hdrcli.sensor.motion import MovingObject, hand_held_warp, random_object, seen_scenes
from hdrcli.training.metrics import mu_law, psnr

CAMERA = find_camera("5D Mark III")
TRIPOD = BracketSettings()
HAND = BracketSettings(shift_px=5, rotation_degrees=0.3)
LOOK = DisplaySettings(curve=CameraCurve("film", (1.5, 0.2, 2.2)), cast=(1.1, 1.0, 0.9), camera=CAMERA, quality=95)


def textured(seed: int = 1, size: tuple[int, int] = (256, 320)) -> FloatArray:
    """Return a scene of six stops with detail on all scales."""
    rng = np.random.default_rng(seed)
    stops = np.zeros((*size, 3))
    for side in (4, 16, 64):
        coarse = rng.normal(0, 1, (size[0] // side, size[1] // side, 3)).astype(np.float32)
        stops += cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(2.0**stops, dtype=np.float32)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def inner(picture: FloatArray) -> FloatArray:
    return picture[16:-16, 16:-16]


def brought_back(bracket: RawBracket | DisplayBracket, frame: int, *, warp: np.ndarray) -> FloatArray:
    """Return the truth of a frame on the reference."""
    truth = bracket.captures[frame].truth / np.float32(bracket.gains[frame])
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(truth, warp, truth.shape[1::-1], flags=flags))


def agreement(picture: FloatArray, truth: FloatArray) -> float:
    return psnr(inner(mu_law(np.minimum(picture, 1)) - mu_law(np.minimum(truth, 1))))


def bracket_of(kind: str, settings: BracketSettings, moving: MovingObject | None = None) -> RawBracket | DisplayBracket:
    if kind == "raw":
        return raw_bracket(textured(), CAMERA, settings, rng(), moving=moving)
    return display_bracket(textured(), LOOK, settings, rng(), moving=moving)


@pytest.mark.parametrize("kind", ["raw", "display"])
def test_the_truth_warped_as_stated_is_the_truth_of_the_other_frame(kind: str) -> None:
    bracket = bracket_of(kind, HAND)
    for frame in (0, 2):
        shift = bracket.warps[frame] @ [160, 128, 1] - [160, 128, 1]
        assert 0 < np.abs(shift[:2]).max() < 6
        back = brought_back(bracket, frame, warp=bracket.warps[frame])
        assert agreement(back, bracket.truth) > 50
        # Neither the inverse of the warp nor none at all will do.
        assert agreement(brought_back(bracket, frame, warp=np.linalg.inv(bracket.warps[frame])), bracket.truth) < 35
        assert agreement(bracket.captures[frame].truth / bracket.gains[frame], bracket.truth) < 35
    np.testing.assert_array_equal(bracket.warps[1], np.eye(3))


def test_a_view_warped_by_whole_pixels_is_the_scene_shifted() -> None:
    warp = np.array([[1, 0, 3], [0, 1, -2], [0, 0, 1.0]])
    straight, shifted = seen_scenes(textured(), [np.eye(3), warp])
    np.testing.assert_allclose(inner(shifted)[10:-10, 10:-10], straight[28:-24, 23:-29], rtol=1e-4)


def test_a_scene_without_detail_is_seen_as_it_is_up_to_the_edges() -> None:
    flat = np.full((64, 80, 3), 0.3, np.float32)
    warp = hand_held_warp(rng(), flat.shape, shift_px=5, rotation_degrees=0.3)
    np.testing.assert_allclose(seen_scenes(flat, [warp])[0], flat, rtol=1e-4)


def test_nothing_rings_beside_a_lamp() -> None:
    scene = np.full((64, 64, 3), 0.01, np.float32)
    scene[30:34, 30:34] = 1000
    warp = np.array([[1, 0, 0.5], [0, 1, 0.3], [0, 0, 1.0]])
    view = seen_scenes(scene, [warp])[0]
    assert view.min() > 0.009
    assert view[:24].max() < 0.0105


def test_warps_stay_in_their_ranges_and_turn_about_the_centre() -> None:
    source = rng()
    centre, corner = np.array([319.5, 255.5, 1]), np.array([0, 0, 1.0])
    shifts, turns = [], []
    for _ in range(200):
        warp = hand_held_warp(source, (512, 640, 3), shift_px=5, rotation_degrees=0.3)
        shifts.append((warp @ centre - centre)[:2])
        turns.append(np.rad2deg(np.arctan2(warp[1, 0], warp[0, 0])))
        assert np.linalg.norm((warp @ corner - warp @ centre)[:2]) == pytest.approx(np.hypot(319.5, 255.5))
    assert 4.5 < np.abs(shifts).max() <= 5
    assert 0.27 < np.abs(turns).max() <= 0.3
    assert np.abs(np.mean(shifts)) < 0.6


@pytest.mark.parametrize("kind", ["raw", "display"])
def test_gains_are_those_of_the_truths_and_near_the_nominal_ones(kind: str) -> None:
    bracket = bracket_of(kind, TRIPOD)
    assert bracket.reference == 1
    assert bracket.gains[1] == 1
    for shot, gain, stops in zip(bracket.captures, bracket.gains, TRIPOD.stops, strict=True):
        np.testing.assert_allclose(shot.truth, bracket.truth * np.float32(gain), rtol=1e-4)
        assert abs(np.log2(gain) - stops) <= 0.05
    exact = bracket_of(kind, replace(TRIPOD, error_stops=0.0))
    assert exact.gains == (0.25, 1.0, 4.0)


@pytest.mark.parametrize("clipped", [0.02, 0.08])
def test_the_stated_share_of_the_reference_clips(clipped: float) -> None:
    settings = replace(TRIPOD, clipped=clipped)
    raw = raw_bracket(textured(), CAMERA, settings, rng())
    assert np.mean(raw.truth_mosaic > 1) == pytest.approx(clipped, abs=1e-3)
    assert np.mean(raw.frames[1].counts >= CAMERA.white(100)) == pytest.approx(clipped, abs=0.01)
    display = display_bracket(textured(), LOOK, settings, rng())
    assert np.mean((display.truth > 1).any(axis=2)) == pytest.approx(clipped, abs=1e-3)


@pytest.mark.parametrize(
    ("stops", "reference"), [((-2, 0, 2), 1), ((0, -2, 2), 0), ((0, 2), 0), ((4, 2, -2, 0), 3), ((1,), 0)]
)
def test_the_reference_is_in_the_middle_by_exposure(stops: tuple[float, ...], reference: int) -> None:
    bracket = raw_bracket(textured(), CAMERA, BracketSettings(stops=stops, error_stops=0), rng())
    assert bracket.reference == reference
    np.testing.assert_allclose(bracket.gains, 2.0 ** (np.array(stops) - stops[reference]))


def test_metadata_is_that_of_a_burst_with_nominal_exposures() -> None:
    settings = replace(TRIPOD, iso=400.0)
    raw, display = raw_bracket(textured(), CAMERA, settings, rng()), display_bracket(textured(), LOOK, settings, rng())
    for metadata in ([frame.metadata for frame in raw.frames], display.metadata):
        times = [one.exposure_time_s for one in metadata]
        np.testing.assert_allclose(times, [1 / 240, 1 / 60, 1 / 15])
        assert [one.iso for one in metadata] == [400.0] * 3
        assert [one.f_number for one in metadata] == [8.0] * 3
        assert [str(one.captured)[-2:] for one in metadata] == ["00", "01", "02"]
    assert [frame.name for frame in raw.frames] == ["frame-1", "frame-2", "frame-3"]
    assert raw.frames[0].metadata.model


def test_samples_of_all_frames_agree_but_for_noise() -> None:
    bracket = raw_bracket(textured(), CAMERA, TRIPOD, rng())
    for shot, gain in zip(bracket.captures, bracket.gains, strict=True):
        black, white = np.float32(shot.raw.black[0]), np.float32(shot.raw.white)
        light = (shot.raw.counts - black) / (white - black)
        true = bracket.truth_mosaic * np.float32(gain)
        well_exposed = (true > 0.05) & (true < 0.9)
        off = (light - true)[well_exposed] / np.sqrt(shot.noise_low.variance(true[well_exposed]))
        assert abs(off.mean()) < 0.05
        assert 0.9 < off.std() < 1.15


def test_pictures_are_of_one_curve_and_one_cast_and_their_files_hold_them() -> None:
    bracket = display_bracket(textured(), LOOK, replace(TRIPOD, shift_px=2.0), rng())
    for shot in bracket.captures:
        np.testing.assert_array_equal(decode_jpeg(shot.encoded), shot.picture)
        off = shot.picture - 255 * LOOK.curve.encode(shot.truth)
        assert abs(off.mean()) < 1
        assert off.std() < 7
    plain = display_bracket(textured(), replace(LOOK, cast=(1, 1, 1)), TRIPOD, rng())
    ratio = bracket.truth.mean(axis=(0, 1)) / plain.truth.mean(axis=(0, 1))
    assert ratio[0] / ratio[2] == pytest.approx(1.1 / 0.9, rel=1e-3)


def test_motion_changes_neither_exposures_nor_noise() -> None:
    still, held = (raw_bracket(textured(), CAMERA, settings, rng()) for settings in (TRIPOD, HAND))
    assert still.gains == held.gains
    np.testing.assert_array_equal(still.frames[1].counts, held.frames[1].counts)
    assert (still.frames[0].counts != held.frames[0].counts).mean() > 0.2


def test_the_object_is_where_the_mask_says_and_elsewhere_in_every_frame() -> None:
    scene = textured()
    moving = random_object(rng(), scene, textured(2), frames=3, reference=1)
    bracket = raw_bracket(scene, CAMERA, TRIPOD, rng(), moving=moving)
    empty = raw_bracket(scene, CAMERA, TRIPOD, rng())
    assert bracket.moving is not None
    assert empty.moving is None
    changed = []
    for shot, other in zip(bracket.captures, empty.captures, strict=True):
        # The object may change the exposure, which the pixels that it never reaches tell.
        ratio = shot.truth / other.truth
        changed.append((np.abs(ratio / np.median(ratio) - 1) > 5e-3).any(axis=2))
    assert not (np.logical_or.reduce(changed) & ~bracket.moving).any()
    centres = [np.argwhere(mask).mean(axis=0) for mask in changed]
    for one, next_one in pairwise(centres):
        assert 11 < np.linalg.norm(next_one - one) < 46
    assert np.count_nonzero(bracket.moving) > np.count_nonzero(changed[0])


def test_objects_have_the_sizes_and_brightnesses_asked_for() -> None:
    scene = np.full((256, 256, 3), 0.2, np.float32)
    levels = []
    for seed in range(30):
        thing = random_object(rng(seed), scene, textured(2), frames=3, reference=1)
        rows, columns = np.nonzero(thing.cover > 0.5)
        longest = max(np.ptp(rows), np.ptp(columns))
        assert 40 < longest <= 112
        levels.append(np.median(thing.radiance[thing.cover > 0.5].mean(axis=1)) / 0.2)
        places = np.array(thing.places)
        assert places.min() >= 0
        assert (places + thing.cover.shape <= (256, 256)).all()
    assert 0.3 <= min(levels) < 0.5
    assert 1.8 < max(levels) <= 3.001


def test_an_equal_seed_makes_an_equal_bracket_and_another_does_not() -> None:
    one, same, other = (raw_bracket(textured(), CAMERA, HAND, rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.frames[2].counts, same.frames[2].counts)
    assert one.gains == same.gains != other.gains
    assert not np.array_equal(one.warps[0], other.warps[0])


@pytest.mark.parametrize("settings", [replace(TRIPOD, stops=()), replace(TRIPOD, clipped=1.0)])
def test_nonsense_is_refused(settings: BracketSettings) -> None:
    with pytest.raises(UsageError):
        raw_bracket(textured(), CAMERA, settings, rng())


def test_an_object_that_does_not_fit_is_refused() -> None:
    small = textured(size=(128, 320))
    with pytest.raises(UsageError, match="256 pixels"):
        random_object(rng(), small, textured(2), frames=3, reference=1)
    thing = random_object(rng(), textured(), textured(2), frames=2, reference=1)
    with pytest.raises(UsageError, match="2 places, the bracket 3 frames"):
        raw_bracket(textured(), CAMERA, TRIPOD, rng(), moving=thing)
