"""The whole development: known colours come back, whatever the camera, light, phase and orientation."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from hdrcli.errors import UsageError
from hdrcli.images import BAYER_PATTERNS, BayerImage, CameraProfile, FloatArray
from hdrcli.isp.colour import space_to_space
from hdrcli.isp.develop import DevelopSettings, develop
from hdrcli.isp.orient import orient
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


def test_memory_beside_the_picture_is_a_second_mosaic_at_most() -> None:
    bayer, profile = photograph(np.full((1500, 2000, 3), 0.9, np.float32), CAMERA)
    develop(bayer, profile, 1, DevelopSettings())
    tracemalloc.start()
    try:
        result = develop(bayer, profile, 6, DevelopSettings())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < result.data.nbytes + 1.1 * bayer.data.nbytes + 30e6


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
