"""Simulated display pictures have the exposure, the noise and the coding that the settings state."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.curves import FAMILIES, SET_ASIDE, CameraCurve
from hdrcli.sensor.display import (
    DisplaySettings,
    channel_noise,
    decode_jpeg,
    display_capture,
    random_settings,
)

PLAIN = DisplaySettings(blur_px=0)
CAMERA = find_camera("550D")


def scene(seed: int = 1, size: tuple[int, int] = (64, 96)) -> FloatArray:
    return np.random.default_rng(seed).lognormal(0, 1.5, (*size, 3)).astype(np.float32)


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.25])
def test_the_share_of_clipped_pixels_is_as_asked_for(share: float) -> None:
    shot = display_capture(scene(), replace(PLAIN, clipped=share), rng())
    assert np.mean((shot.truth > 1 + 1e-6).any(axis=2)) == pytest.approx(share, abs=1e-3)
    if share:
        assert np.all(shot.picture[shot.truth > 1] == 255)


def test_without_noise_the_picture_is_the_truth_through_the_curve() -> None:
    settings = replace(PLAIN, curve=CameraCurve("film", (2.0, 0.3, 2.2)))
    shot = display_capture(scene(), settings, rng())
    expected = 255 * settings.curve.encode(shot.truth)
    assert np.abs(shot.picture - expected).max() <= 0.5 + 1e-3


def test_the_truth_is_the_scene_but_for_exposure_and_cast() -> None:
    light = scene()
    shot = display_capture(light, replace(PLAIN, cast=(1.2, 1.0, 0.8)), rng())
    np.testing.assert_allclose(shot.truth, light * shot.exposure * np.array([1.2, 1.0, 0.8]), rtol=1e-5)


def test_the_scale_of_the_scene_does_not_matter() -> None:
    one, other = (display_capture(scene() * np.float32(factor), PLAIN, rng()) for factor in (1, 50))
    np.testing.assert_allclose(one.truth, other.truth, rtol=1e-4)


@pytest.mark.parametrize("level", [0.02, 0.3])
def test_noise_has_the_variance_of_the_balanced_channels(level: float) -> None:
    flat = np.full((200, 200, 3), level, np.float32)
    flat[0, 0] = 1.0  # sets the exposure
    settings = replace(PLAIN, clipped=0.0, camera=CAMERA, iso=1600, curve=CameraCurve("gamma", (1.0,)))
    shot = display_capture(flat, settings, rng())
    for channel, model in enumerate(channel_noise(CAMERA, 1600)):
        codes = shot.picture[1:, 1:, channel].astype(np.float64) / 255
        rounding = 1 / 12 / 255**2
        assert codes.var() - rounding == pytest.approx(float(model.variance(np.float32(level))), rel=0.08)
        assert codes.mean() == pytest.approx(level, abs=1e-3)


def test_red_and_blue_are_noisier_than_green_by_their_gains() -> None:
    red, green, blue = channel_noise(CAMERA, 100)
    assert green == CAMERA.noise(100)
    assert red.shot > green.shot
    assert blue.shot > green.shot


def test_noise_reduction_and_interpolation_leave_less_noise() -> None:
    flat = np.full((100, 100, 3), 0.2, np.float32)
    flat[0, 0] = 1.0
    noisy = replace(PLAIN, clipped=0.0, camera=CAMERA, iso=3200)
    spread = [
        display_capture(flat, settings, rng()).picture[1:, 1:].std()
        for settings in (noisy, replace(noisy, grain_px=0.8), replace(noisy, grain_px=0.8, noise_left=0.3))
    ]
    assert spread[0] > 1.5 * spread[1] > 3 * spread[2]


def test_what_comes_back_is_what_the_jpeg_file_holds() -> None:
    shot = display_capture(scene(), replace(PLAIN, quality=70), rng())
    assert shot.encoded.startswith(b"\xff\xd8\xff")
    np.testing.assert_array_equal(shot.picture, decode_jpeg(shot.encoded))


def test_lower_quality_and_coarser_chroma_make_smaller_files_and_larger_errors() -> None:
    clean = display_capture(scene(), PLAIN, rng()).picture.astype(np.float64)
    assert display_capture(scene(), PLAIN, rng()).encoded == b""
    sizes, errors = [], []
    for quality, subsampling in ((100, "4:4:4"), (100, "4:2:2"), (100, "4:2:0"), (60, "4:2:0")):
        shot = display_capture(scene(), replace(PLAIN, quality=quality, subsampling=subsampling), rng())
        sizes.append(len(shot.encoded))
        errors.append(np.abs(shot.picture - clean).mean())
    assert sizes == sorted(sizes, reverse=True)
    assert errors == sorted(errors)


def test_equal_generators_make_equal_pictures() -> None:
    one, other = (display_capture(scene(), random_settings(rng(5)), rng(6)) for _ in range(2))
    assert one.settings == other.settings
    assert one.encoded == other.encoded


def test_random_settings_stay_within_what_is_documented() -> None:
    generator = rng(2)
    drawn = [random_settings(generator) for _ in range(300)]
    assert {settings.curve.family for settings in drawn} == set(FAMILIES)
    assert max(settings.clipped for settings in drawn) <= 0.25
    assert {settings.subsampling for settings in drawn} == {"4:4:4", "4:2:2", "4:2:0"}
    qualities = [settings.quality for settings in drawn]
    assert min(qualities) >= 60  # type: ignore[type-var]
    assert max(qualities) <= 100  # type: ignore[type-var,operator]


def test_a_given_curve_leaves_the_other_draws_as_they_are() -> None:
    assert random_settings(rng(3), curve=SET_ASIDE[0]) == replace(random_settings(rng(3)), curve=SET_ASIDE[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clipped": 0.4}, "Between 0 and 25% of the pixels clip"),
        ({"quality": 0}, "quality is between 1 and 100"),
        ({"subsampling": "4:1:1"}, "no subsampling '4:1:1'"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        display_capture(scene(), replace(PLAIN, **change), rng())  # type: ignore[arg-type]


def test_a_black_scene_makes_a_black_picture() -> None:
    shot = display_capture(np.zeros((8, 8, 3), np.float32), PLAIN, rng())
    assert not shot.picture.any()
