"""White balance in its four forms, and what stands in where the file says nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hdrcli.errors import UsageError
from hdrcli.images import BayerImage, CameraProfile, ColourMatrix
from hdrcli.isp.colour import neutral_temperature
from hdrcli.isp.whitebalance import multipliers, white_balance
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.capture import daylight_neutral, scene_to_camera
from hdrcli.sensor.mosaic import mosaic

CAMERA = find_camera("Canon EOS 5D Mark III")
PROFILE = CAMERA.profile()
DAYLIGHT = daylight_neutral(CAMERA)
ANGLE_DEGREES = 2.0


def grey_scene(neutral: tuple[float, float, float], *, noise: float = 0.0) -> BayerImage:
    """Return a mosaic of grey and coloured patches whose colours cancel, in light of a given neutral."""
    rng = np.random.default_rng(0)
    patches = rng.uniform(0.05, 0.6, (32, 32, 1)) * rng.uniform(0.7, 1.3, (32, 32, 3))
    scene = np.repeat(np.repeat(patches.astype(np.float32), 16, axis=0), 16, axis=1)
    samples = mosaic(scene_to_camera(scene, CAMERA, neutral), CAMERA.cfa)
    noisy = samples + rng.normal(0, noise, samples.shape)
    return BayerImage(np.minimum(noisy, 1).astype(np.float32), CAMERA.cfa)


def angle(gains: tuple[float, float, float], neutral: tuple[float, float, float]) -> float:
    balanced = np.array(gains) * np.array(neutral)
    return float(np.degrees(np.arccos(min(1.0, balanced.sum() / np.sqrt(3) / np.linalg.norm(balanced)))))


def test_as_shot_inverts_the_neutral_with_smallest_factor_one() -> None:
    balance = white_balance("camera", camera=replace(PROFILE, as_shot_neutral=(0.5, 1.0, 0.8)), bayer=None)
    np.testing.assert_allclose(balance.gains, (2, 1, 1.25))
    assert balance.source == "as shot"


@pytest.mark.parametrize("neutral", [None, (0.0, 1.0, 1.0), (float("nan"), 1.0, 1.0), (0.001, 1.0, 1.0)])
def test_daylight_stands_in_for_a_missing_white_balance(neutral: tuple[float, float, float] | None) -> None:
    balance = white_balance("camera", camera=replace(PROFILE, as_shot_neutral=neutral), bayer=None)
    assert angle(balance.gains, DAYLIGHT) < 0.1
    assert balance.source == "daylight, as the file holds no white balance"


def test_the_picture_stands_in_where_there_is_no_matrix_either() -> None:
    balance = white_balance("camera", camera=CameraProfile(), bayer=grey_scene(DAYLIGHT))
    assert angle(balance.gains, DAYLIGHT) < ANGLE_DEGREES
    assert balance.source == "grey edges of the picture, as the file holds no white balance"


def test_nothing_known_is_no_balance() -> None:
    balance = white_balance("camera", camera=CameraProfile(), bayer=None)
    assert balance.gains == (1.0, 1.0, 1.0)
    assert balance.source.startswith("none")


@pytest.mark.parametrize("neutral", [DAYLIGHT, (0.9, 1.0, 0.35), (0.45, 1.0, 0.95)])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_auto_finds_the_light_of_a_scene_that_is_grey_on_average(
    neutral: tuple[float, float, float], noise: float
) -> None:
    gains = multipliers("auto", camera=PROFILE, bayer=grey_scene(neutral, noise=noise))
    assert angle(gains, neutral) < ANGLE_DEGREES
    assert min(gains) == 1.0


def test_auto_is_not_misled_by_clipped_areas() -> None:
    bayer = grey_scene(DAYLIGHT)
    data = bayer.data.copy()
    data[:, 256:] = 1.0
    gains = multipliers("auto", camera=PROFILE, bayer=replace(bayer, data=data))
    assert angle(gains, DAYLIGHT) < 2 * ANGLE_DEGREES


@pytest.mark.parametrize("level", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(1, 1), (6, 9), (200, 300)])
def test_auto_falls_back_to_daylight_where_the_picture_tells_nothing(level: float, shape: tuple[int, int]) -> None:
    balance = white_balance("auto", camera=PROFILE, bayer=BayerImage(np.full(shape, level, np.float32), "RGGB"))
    assert angle(balance.gains, DAYLIGHT) < 0.1
    assert balance.source == "daylight, as the picture tells nothing"


@pytest.mark.parametrize(
    ("spec", "gains"), [("2,1,1.5", (2, 1, 1.5)), (" 1, .5,0.75 ", (2, 1, 1.5)), ("3,3,3", (1, 1, 1))]
)
def test_factors_are_taken_relative_to_their_smallest(spec: str, gains: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(multipliers(spec, camera=CameraProfile(), bayer=None), gains)


@pytest.mark.parametrize("kelvin", [2000, 2856, 4000, 4500, 5000, 6504, 10000])
def test_a_temperature_gives_the_neutral_of_that_light(kelvin: int) -> None:
    gains = multipliers(f"{kelvin}K", camera=PROFILE, bayer=None)
    red, green, blue = (1 / gain for gain in gains)
    assert neutral_temperature(PROFILE, (red, green, blue)) == pytest.approx(kelvin, rel=0.02)


def test_the_temperature_of_daylight_is_the_daylight_balance() -> None:
    assert angle(multipliers("6504", camera=PROFILE, bayer=None), DAYLIGHT) < 0.1


@pytest.mark.parametrize(
    "spec", ["", "sunny", "1,2", "1,2,3,4", "0,1,1", "-1,1,1", "1;1;1", "nan,1,1", "inf", "1e3", "500", "30000", "K"]
)
def test_other_words_are_refused(spec: str) -> None:
    with pytest.raises(UsageError):
        multipliers(spec, camera=PROFILE, bayer=None)


def test_a_temperature_without_a_matrix_is_refused() -> None:
    for camera in (CameraProfile(), CameraProfile(matrices=(ColourMatrix(np.zeros((3, 3))),))):
        with pytest.raises(UsageError, match="colour matrix"):
            multipliers("5200", camera=camera, bayer=None)
