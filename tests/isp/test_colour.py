"""Camera RGB to named spaces, held to colour-science and to the DNG specification."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from hdrcli.errors import UsageError
from hdrcli.images import CameraProfile, ColourMatrix, SceneImage
from hdrcli.io import icc
from hdrcli.isp.colour import (
    BRADFORD,
    COLOUR_SPACES,
    PRIMARIES,
    camera_to_space,
    convert,
    luminance_weights,
    matrix_source,
    neutral_temperature,
    rgb_to_xyz,
    space_to_space,
    xy_to_xyz,
    xyz_to_camera,
)
from hdrcli.sensor.cameras import cameras, find_camera
from hdrcli.sensor.capture import SRGB_TO_XYZ, daylight_neutral

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about plotting packages that are not installed
    import colour

PEERS = {
    "srgb-linear": "sRGB",
    "display-p3": "Display P3",
    "rec2020": "ITU-R BT.2020",
    "acescg": "ACEScg",
    "aces2065-1": "ACES2065-1",
}
CHROMATICITY_ATOL = 1e-9
MATRIX_ATOL = 5e-5  # IEC 61966-2-1 prints its matrix with four decimals
ROUND_TRIP_ATOL = 2e-5


@pytest.mark.parametrize("space", PEERS)
def test_primaries_and_matrices_are_those_of_colour_science(space: str) -> None:
    peer = colour.RGB_COLOURSPACES[PEERS[space]]
    np.testing.assert_allclose(PRIMARIES[space][:3], peer.primaries, atol=CHROMATICITY_ATOL)
    np.testing.assert_allclose(PRIMARIES[space].white, peer.whitepoint, atol=CHROMATICITY_ATOL)
    np.testing.assert_allclose(rgb_to_xyz(space), peer.matrix_RGB_to_XYZ, atol=MATRIX_ATOL)


def test_the_bradford_transform_is_that_of_colour_science() -> None:
    np.testing.assert_allclose(BRADFORD, colour.CHROMATIC_ADAPTATION_TRANSFORMS["Bradford"], atol=1e-9)


@pytest.mark.parametrize("space", PEERS)
def test_primaries_are_those_that_the_files_are_written_with(space: str) -> None:
    assert tuple(np.array(PRIMARIES[space]).ravel()) == icc.PRIMARIES[space]


@pytest.mark.parametrize("source", PEERS)
@pytest.mark.parametrize("target", PEERS)
def test_conversion_between_spaces_is_that_of_colour_science(source: str, target: str) -> None:
    peers = [colour.RGB_COLOURSPACES[PEERS[space]] for space in (source, target)]
    expected = colour.matrix_RGB_to_RGB(*peers, chromatic_adaptation_transform="Bradford")
    np.testing.assert_allclose(space_to_space(source, target), expected, atol=4e-4)


@pytest.mark.parametrize("space", COLOUR_SPACES)
@pytest.mark.parametrize("name", list(cameras()))
def test_balanced_white_is_white(name: str, space: str) -> None:
    camera = cameras()[name]
    for neutral in (daylight_neutral(camera), (0.9, 1.0, 0.4), (1.0, 0.02, 1.0)):
        matrix = camera_to_space(camera.profile(), neutral=neutral, colour_space=space)
        np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-9)
        assert np.isfinite(matrix).all()


def test_daylight_colours_come_back_through_the_camera() -> None:
    camera = find_camera("Nikon D850")
    neutral = daylight_neutral(camera)
    seen = camera.xyz_to_camera @ SRGB_TO_XYZ
    balanced = seen / seen.sum(axis=1, keepdims=True)
    matrix = camera_to_space(camera.profile(), neutral=neutral, colour_space="srgb-linear")
    np.testing.assert_allclose(matrix @ balanced, np.eye(3), atol=ROUND_TRIP_ATOL)


def test_camera_space_is_the_balanced_camera() -> None:
    np.testing.assert_array_equal(
        camera_to_space(find_camera("6D").profile(), neutral=(0.5, 1, 0.7), colour_space="camera"), np.eye(3)
    )


def two_illuminants() -> CameraProfile:
    warm, cold = find_camera("5D Mark III").xyz_to_camera, find_camera("Nikon D850").xyz_to_camera
    return CameraProfile(matrices=(ColourMatrix(warm, 17), ColourMatrix(cold, 21)))


def test_two_matrices_are_interpolated_by_inverse_temperature() -> None:
    camera = two_illuminants()
    warm, cold = (m.xyz_to_camera for m in camera.matrices)
    np.testing.assert_array_equal(xyz_to_camera(camera, 2000), warm)
    np.testing.assert_array_equal(xyz_to_camera(camera, 9000), cold)
    middle = 2 / (1 / 2850 + 1 / 6500)
    np.testing.assert_allclose(xyz_to_camera(camera, middle), (warm + cold) / 2)
    swapped = CameraProfile(matrices=camera.matrices[::-1])
    np.testing.assert_array_equal(xyz_to_camera(swapped, middle), xyz_to_camera(camera, middle))


@pytest.mark.parametrize("kelvin", [2900, 3500, 4500, 5500, 6400])
def test_the_temperature_of_a_neutral_is_found_with_two_matrices(kelvin: float) -> None:
    camera = two_illuminants()
    xy = colour.temperature.CCT_to_xy_Kang2002(kelvin)
    neutral = xyz_to_camera(camera, kelvin) @ xy_to_xyz((float(xy[0]), float(xy[1])))
    assert neutral_temperature(camera, tuple(neutral)) == pytest.approx(kelvin, rel=0.03)


@pytest.mark.parametrize("matrices", [(), (ColourMatrix(np.zeros((3, 3))),), (ColourMatrix(np.full((3, 3), np.nan)),)])
def test_without_a_matrix_the_camera_is_taken_for_srgb(matrices: tuple[ColourMatrix, ...]) -> None:
    camera = CameraProfile(matrices=matrices)
    np.testing.assert_array_equal(camera_to_space(camera, neutral=(1, 1, 1), colour_space="srgb-linear"), np.eye(3))
    np.testing.assert_allclose(
        camera_to_space(camera, neutral=(0.5, 1, 0.6), colour_space="rec2020"), space_to_space("srgb-linear", "rec2020")
    )
    assert matrix_source(camera) == "no colour matrix: camera RGB taken for sRGB"


def test_the_source_of_colours_is_told() -> None:
    assert matrix_source(find_camera("6D").profile()) == "colour matrix of the file"
    assert matrix_source(two_illuminants()).startswith("two colour matrices")


def test_scenes_are_converted_without_clipping() -> None:
    scene = SceneImage(np.array([[[0, 4, 0], [1, 1, 1], [0.2, 0.3, 0.4]]], np.float32), "rec2020")
    back = convert(convert(scene, "srgb-linear"), "rec2020")
    assert convert(scene, "srgb-linear").data.min() < 0
    np.testing.assert_allclose(back.data, scene.data, atol=1e-5)
    assert convert(scene, "rec2020") is scene


@pytest.mark.parametrize("space", PEERS)
def test_luminance_weights_sum_to_one(space: str) -> None:
    assert luminance_weights(space).sum() == pytest.approx(1)


def test_what_is_unknown_is_refused() -> None:
    camera = find_camera("6D").profile()
    with pytest.raises(UsageError, match=r"'adobe'; choose from srgb-linear"):
        camera_to_space(camera, neutral=(1, 1, 1), colour_space="adobe")
    with pytest.raises(UsageError, match="three positive numbers"):
        camera_to_space(camera, neutral=(0, 1, 1), colour_space="rec2020")
    with pytest.raises(UsageError, match="'camera'"):
        convert(SceneImage(np.zeros((1, 1, 3), np.float32), "camera"), "rec2020")
