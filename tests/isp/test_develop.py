"""The whole development: known colours come back, whatever the camera, light, phase and orientation."""

from __future__ import annotations

import os
import tracemalloc
from dataclasses import replace

import cv2
import numpy as np
import pytest

from hdrcli.errors import UsageError
from hdrcli.images import BAYER_PATTERNS, BayerImage, CameraProfile, FloatArray
from hdrcli.isp import highlights
from hdrcli.isp.colour import camera_to_space, space_to_space
from hdrcli.isp.demosaic import METHODS, TileDemosaicker
from hdrcli.isp.develop import DevelopSettings, develop
from hdrcli.isp.orient import orient
from hdrcli.isp.whitebalance import multipliers
from hdrcli.sensor.cameras import Camera, cameras, find_camera
from hdrcli.sensor.capture import daylight_neutral, scene_to_camera
from hdrcli.sensor.mosaic import mosaic

COLOUR_ATOL = 1e-3
INNER = np.s_[4:-4, 4:-4]  # mirrored gradients bend at the borders
CAMERA = find_camera("Canon EOS 6D")


def muted_scene(height: int = 64, width: int = 96) -> FloatArray:
    """Return gentle gradients inside every camera's gamut, below the clip."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    across, down = x / width, y / height
    planes = 0.15 + 0.1 * across, 0.2 + 0.05 * down - 0.03 * across, 0.25 - 0.1 * down
    return np.ascontiguousarray(np.stack(planes, axis=-1), dtype=np.float32)


def photograph(scene: FloatArray, camera: Camera, cfa: str = "RGGB") -> tuple[BayerImage, CameraProfile]:
    neutral = daylight_neutral(camera)
    bayer = BayerImage(mosaic(scene_to_camera(scene, camera, neutral), cfa), cfa)
    return bayer, replace(camera.profile(), as_shot_neutral=neutral)


@pytest.mark.parametrize("name", list(cameras()))
def test_a_scene_comes_back_through_every_camera(name: str) -> None:
    scene = muted_scene()
    bayer, profile = photograph(scene, cameras()[name])
    result = develop(bayer, profile, 1, DevelopSettings())
    np.testing.assert_allclose(result.data[INNER], scene[INNER], atol=COLOUR_ATOL)
    assert result.colour_space == "srgb-linear"


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
@pytest.mark.parametrize("method", ["directional", "malvar2004", "bilinear"])
def test_every_phase_and_method_gives_the_scene(cfa: str, method: str) -> None:
    scene = muted_scene(63, 95)
    bayer, profile = photograph(scene, CAMERA, cfa)
    result = develop(bayer, profile, 1, DevelopSettings(demosaic=method))
    np.testing.assert_allclose(result.data[INNER], scene[INNER], atol=COLOUR_ATOL)


@pytest.mark.parametrize("space", ["display-p3", "rec2020", "acescg", "aces2065-1"])
def test_other_spaces_hold_the_same_colours(space: str) -> None:
    scene = muted_scene()
    bayer, profile = photograph(scene, CAMERA)
    result = develop(bayer, profile, 1, DevelopSettings(colour_space=space))
    expected = scene @ space_to_space("srgb-linear", space).T.astype(np.float32)
    np.testing.assert_allclose(result.data[INNER], expected[INNER], atol=COLOUR_ATOL)
    assert result.colour_space == space


def test_camera_space_is_the_balanced_camera() -> None:
    bayer, profile = photograph(np.full((16, 16, 3), 0.25, np.float32), CAMERA)
    result = develop(bayer, profile, 1, DevelopSettings(colour_space="camera"))
    np.testing.assert_allclose(result.data, 0.25, rtol=1e-4)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_that_of_orient(orientation: int) -> None:
    bayer, profile = photograph(muted_scene(130, 600), CAMERA)
    upright = develop(bayer, profile, 1, DevelopSettings())
    turned = develop(bayer, profile, orientation, DevelopSettings())
    np.testing.assert_array_equal(turned.data, orient(upright.data, orientation))
    assert turned.data.flags.c_contiguous


def test_exposure_doubles_with_every_stop() -> None:
    bayer, profile = photograph(muted_scene(), CAMERA)
    plain = develop(bayer, profile, 1, DevelopSettings())
    brighter = develop(bayer, profile, 1, DevelopSettings(exposure_ev=2))
    np.testing.assert_allclose(brighter.data, 4 * plain.data, rtol=1e-5, atol=1e-7)


def test_one_is_the_clip_and_white_is_neutral() -> None:
    _, profile = photograph(muted_scene(), CAMERA)
    clipped = BayerImage(np.ones((40, 40), np.float32), "RGGB")
    white = {
        name: develop(clipped, profile, 1, DevelopSettings(highlights=name)).data for name in ("neutral", "rebuild")
    }
    np.testing.assert_allclose(white["neutral"], 1, rtol=1e-4)
    assert np.ptp(white["rebuild"], axis=2).max() < 1e-3
    assert white["rebuild"].min() > 1


def test_nothing_that_clips_turns_pink() -> None:
    light = np.geomspace(0.02, 20, 400, dtype=np.float32)
    ramp = np.ascontiguousarray(np.broadcast_to(light[None, :, None], (60, 400, 3)))
    bayer, profile = photograph(ramp, CAMERA)
    result = develop(replace(bayer, data=np.minimum(bayer.data, 1)), profile, 1, DevelopSettings()).data
    pink = np.minimum(result[..., 0], result[..., 2]) - result[..., 1]
    assert (pink / result[..., 1]).max() < 0.02
    unbalanced = develop(replace(bayer, data=np.minimum(bayer.data, 1)), profile, 1, DevelopSettings(highlights="off"))
    assert (np.minimum(unbalanced.data[..., 0], unbalanced.data[..., 2]) / unbalanced.data[..., 1]).max() > 1.5


def test_shadows_keep_their_negative_noise() -> None:
    noise = np.random.default_rng(1).normal(0, 1e-3, (64, 64)).astype(np.float32)
    _, profile = photograph(muted_scene(), CAMERA)
    result = develop(BayerImage(noise, "RGGB"), profile, 1, DevelopSettings()).data
    assert result.min() < -1e-3
    assert np.abs(result.mean(axis=(0, 1))).max() < 2e-4


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (3, 5)])
def test_tiny_frames_are_developed(shape: tuple[int, int]) -> None:
    _, profile = photograph(muted_scene(), CAMERA)
    result = develop(BayerImage(np.full(shape, 0.2, np.float32), "GBRG"), profile, 6, DevelopSettings())
    assert result.data.shape == (shape[1], shape[0], 3)
    assert np.isfinite(result.data).all()


def test_a_camera_of_which_nothing_is_known_is_developed() -> None:
    result = develop(BayerImage(np.full((20, 20), 0.2, np.float32), "RGGB"), CameraProfile(), 1, DevelopSettings())
    np.testing.assert_allclose(result.data, 0.2, rtol=1e-4)


def test_the_mosaic_is_not_changed() -> None:
    bayer, profile = photograph(muted_scene() * 4, CAMERA)
    before = bayer.data.copy()
    develop(bayer, profile, 6, DevelopSettings())
    np.testing.assert_array_equal(bayer.data, before)


@pytest.mark.parametrize("with_rgb", [False, True])
def test_memory_beside_the_picture_is_that_of_some_tiles(with_rgb: bool) -> None:
    bayer, profile = photograph(np.full((1500, 2000, 3), 0.99, np.float32), CAMERA)
    rgb = np.full((1500, 2000, 3), 0.9, np.float32) if with_rgb else None
    develop(bayer, profile, 1, DevelopSettings(), rgb=rgb)
    tracemalloc.start()
    try:
        result = develop(bayer, profile, 6, DevelopSettings(), rgb=rgb)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < result.data.nbytes + 5e6 * (os.cpu_count() or 1)


def textured(height: int = 64, width: int = 96) -> FloatArray:
    """Return camera RGB that no demosaicking can guess: every pixel has a colour of its own."""
    return np.random.default_rng(3).uniform(0.05, 0.85, (height, width, 3)).astype(np.float32)


def known(rgb: FloatArray, cfa: str = "RGGB") -> tuple[BayerImage, CameraProfile]:
    profile = replace(CAMERA.profile(), as_shot_neutral=daylight_neutral(CAMERA))
    return BayerImage(mosaic(np.minimum(rgb, 1), cfa), cfa), profile


@pytest.mark.parametrize("white_balance", ["camera", "2,1,1.5", "4200"])
@pytest.mark.parametrize("space", ["camera", "rec2020"])
def test_colours_that_are_known_are_those_of_the_picture(white_balance: str, space: str) -> None:
    rgb = textured()
    bayer, profile = known(rgb)
    settings = DevelopSettings(white_balance=white_balance, colour_space=space, exposure_ev=1)
    gains = multipliers(white_balance, camera=profile, bayer=bayer)
    red, green, blue = (1 / gain for gain in gains)
    matrix = 2 * camera_to_space(profile, neutral=(red, green, blue), colour_space=space)
    expected = (rgb * np.array(gains)) @ matrix.T
    np.testing.assert_allclose(develop(bayer, profile, 1, settings, rgb=rgb).data, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 2), (33, 47), (101, 515)])
def test_known_colours_of_any_size_and_phase_are_kept(shape: tuple[int, int], cfa: str) -> None:
    rgb = textured(*shape)
    bayer, profile = known(rgb, cfa)
    settings = DevelopSettings(white_balance="1,1,1", colour_space="camera")
    np.testing.assert_allclose(develop(bayer, profile, 1, settings, rgb=rgb).data, rgb, rtol=1e-6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_known_colours_are_turned_with_the_mosaic(orientation: int) -> None:
    rgb = textured(130, 600)
    rgb[40:60, 300:330] = 1
    bayer, profile = known(rgb)
    upright = develop(bayer, profile, 1, DevelopSettings(), rgb=rgb)
    turned = develop(bayer, profile, orientation, DevelopSettings(), rgb=rgb)
    np.testing.assert_array_equal(turned.data, orient(upright.data, orientation))


def test_known_colours_may_be_a_flipped_view() -> None:
    rgb = textured()
    bayer, profile = known(rgb)
    expected = develop(bayer, profile, 1, DevelopSettings(), rgb=rgb)
    view = np.ascontiguousarray(rgb[::-1, :, ::-1])[::-1, :, ::-1]
    np.testing.assert_array_equal(develop(bayer, profile, 1, DevelopSettings(), rgb=view).data, expected.data)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_is_named_demosaicks_the_mosaic(method: str) -> None:
    bayer, profile = known(textured())
    settings = DevelopSettings(demosaic=method)
    black = np.zeros((64, 96, 3), np.float32)
    expected = develop(bayer, profile, 1, settings)
    np.testing.assert_array_equal(develop(bayer, profile, 1, settings, rgb=black).data, expected.data)


def test_without_known_colours_auto_is_directional() -> None:
    bayer, profile = known(textured())
    expected = develop(bayer, profile, 1, DevelopSettings(demosaic="directional"))
    np.testing.assert_array_equal(develop(bayer, profile, 1, DevelopSettings()).data, expected.data)


def test_nothing_is_demosaicked_where_nothing_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = textured(200, 1100)
    rgb[150, 1050] = 1
    bayer, profile = known(rgb)
    places = []
    original = TileDemosaicker.__call__

    def watched(self: TileDemosaicker, rows: slice, columns: slice) -> FloatArray:
        places.append((rows, columns))
        return original(self, rows, columns)

    monkeypatch.setattr(TileDemosaicker, "__call__", watched)
    develop(bayer, profile, 1, DevelopSettings(), rgb=rgb)
    assert places == [(slice(96, 192), slice(1024, 1100))]


@pytest.mark.parametrize("method", highlights.METHODS)
def test_clipped_samples_and_their_neighbours_take_the_colours_of_the_mosaic(method: str) -> None:
    rgb = textured()
    rgb[20:40, 30:60] = 1
    bayer, profile = known(rgb)
    settings = DevelopSettings(highlights=method)
    result = develop(bayer, profile, 1, settings, rgb=rgb).data
    demosaicked = develop(bayer, profile, 1, settings).data
    np.testing.assert_array_equal(result[19:41, 29:61], demosaicked[19:41, 29:61])
    unfaded, _ = known(np.zeros_like(rgb))
    elsewhere = np.ones((64, 96), np.bool_)
    elsewhere[16:44, 26:64] = False
    from_rgb = develop(unfaded, profile, 1, settings, rgb=rgb).data
    np.testing.assert_allclose(result[elsewhere], from_rgb[elsewhere], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("colour", [daylight_neutral(CAMERA), (0.8, 1, 0.7), (1, 0.8, 0.5), (0.5, 0.6, 1)])
def test_a_ramp_through_the_clip_has_no_step_that_the_mosaic_has_not(colour: tuple[float, float, float]) -> None:
    light = np.linspace(0.5, 1.4, 700, dtype=np.float32)[None, :, None] * np.array(colour, np.float32)
    bayer, profile = known(np.ascontiguousarray(np.broadcast_to(light, (40, 700, 3))))
    # Wrong by 3 % everywhere, and by more past the clip, where it only knows 1.
    rgb = np.minimum(np.broadcast_to(light, (40, 700, 3)) * np.float32(0.97), 1)
    settings = DevelopSettings(colour_space="camera")
    usual = np.abs(np.diff(develop(bayer, profile, 1, settings).data, axis=1))
    steps = np.abs(np.diff(develop(bayer, profile, 1, settings, rgb=rgb).data, axis=1))
    of_rgb = np.abs(np.diff(rgb / np.array(profile.as_shot_neutral), axis=1))
    # Highlights are rebuilt a few pixels later, and the fade, which takes 60, adds to their rise.
    nearby = cv2.dilate(np.maximum(usual, of_rgb), np.ones((1, 9), np.uint8))
    assert (steps - 1.1 * nearby).max() < 0.002


@pytest.mark.parametrize("softness", [0.1, 1.5])
def test_known_colours_that_smear_past_the_edge_of_a_lamp_give_no_pink_rim(softness: float) -> None:
    lamp = np.full((64, 64, 3), 0.03, np.float32)
    lamp[16:48, 16:48] = 4
    camera = cv2.GaussianBlur(lamp, (0, 0), softness) * np.array(daylight_neutral(CAMERA), np.float32)
    bayer, profile = known(camera)
    smeared = np.asarray(cv2.GaussianBlur(np.minimum(camera, 1), (0, 0), 0.6), dtype=np.float32)
    result = develop(bayer, profile, 1, DevelopSettings(colour_space="camera"), rgb=smeared).data
    pink = np.minimum(result[..., 0], result[..., 2]) - result[..., 1]
    assert (pink / result[..., 1]).max() < 0.02  # 0.4 without the fade


def test_known_colours_of_another_size_are_refused() -> None:
    with pytest.raises(UsageError, match=r"\(4, 6, 3\) do not belong to a mosaic of shape \(4, 4\)"):
        develop(
            BayerImage(np.zeros((4, 4), np.float32), "RGGB"),
            CameraProfile(),
            1,
            DevelopSettings(),
            rgb=np.zeros((4, 6, 3), np.float32),
        )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (DevelopSettings(white_balance="sunny"), "no white balance"),
        (DevelopSettings(demosaic="amaze"), "no demosaicing method"),
        (DevelopSettings(highlights="blend"), "no highlight method"),
        (DevelopSettings(colour_space="adobe"), "no colour space"),
        (DevelopSettings(exposure_ev=float("nan")), "no number of stops"),
    ],
)
def test_unknown_settings_are_refused(settings: DevelopSettings, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        develop(BayerImage(np.zeros((4, 4), np.float32), "RGGB"), CameraProfile(), 1, settings)
