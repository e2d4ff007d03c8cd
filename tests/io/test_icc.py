"""Profiles mean to a colour management system what their names say."""

from __future__ import annotations

import io
import struct
import warnings

import imagecodecs
import numpy as np
import pytest
from PIL import ImageCms

from hdrcli.errors import UsageError
from hdrcli.io.icc import PRIMARIES, icc_profile, rgb_to_xyz

SPACES = tuple(PRIMARIES)
IN_COLOUR_SCIENCE = {
    "srgb-linear": "sRGB",
    "display-p3": "Display P3",
    "rec2020": "ITU-R BT.2020",
    "acescg": "ACEScg",
    "aces2065-1": "ACES2065-1",
}
LCMS_ATOL = 1e-3
# Within the gamut of every space here, so that nothing is cut by the destination.
COLOURS = np.array(
    [[0.2, 0.2, 0.2], [0.5, 0.4, 0.3], [0.1, 0.3, 0.2], [0.3, 0.25, 0.6], [1, 1, 1], [0.001] * 3, [0, 0, 0]]
)


@pytest.fixture(scope="module")
def colour_science() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import colour

        return colour


def srgb_decoded(encoded: np.ndarray) -> np.ndarray:
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def convert(colours: np.ndarray, source: bytes, destination: bytes) -> np.ndarray:
    """Relative colorimetric through LittleCMS, on floats."""
    pixels = np.ascontiguousarray(colours[None], dtype=np.float32)
    converted = imagecodecs.cms_transform(
        pixels, source, destination, colorspace="rgb", outcolorspace="rgb", intent=1, outdtype="float32"
    )
    return np.asarray(converted)[0]


@pytest.mark.parametrize("space", SPACES)
def test_primaries_and_matrices_are_those_of_colour_science(space: str, colour_science: object) -> None:
    known = colour_science.RGB_COLOURSPACES[IN_COLOUR_SCIENCE[space]]  # type: ignore[attr-defined]
    np.testing.assert_allclose(PRIMARIES[space][:6], known.primaries.ravel(), atol=1e-6)
    np.testing.assert_allclose(PRIMARIES[space][6:], known.whitepoint, atol=1e-6)
    np.testing.assert_allclose(rgb_to_xyz(space), known.matrix_RGB_to_XYZ, atol=1e-4)


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("space", SPACES)
def test_littlecms_turns_every_space_into_srgb_as_colour_science_does(
    space: str, linear: bool, colour_science: object
) -> None:
    decoded = COLOURS if linear else srgb_decoded(COLOURS)
    expected = colour_science.RGB_to_RGB(  # type: ignore[attr-defined]
        decoded,
        colour_science.RGB_COLOURSPACES[IN_COLOUR_SCIENCE[space]],  # type: ignore[attr-defined]
        colour_science.RGB_COLOURSPACES["sRGB"],  # type: ignore[attr-defined]
        chromatic_adaptation_transform="Bradford",
    )
    found = convert(COLOURS, icc_profile(space, linear=linear), icc_profile("srgb-linear", linear=True))
    inside = (expected >= 0).all(axis=1) & (expected <= 1).all(axis=1)
    assert inside.sum() >= 4
    np.testing.assert_allclose(found[inside], expected[inside], atol=LCMS_ATOL)


@pytest.mark.parametrize("space", SPACES)
def test_the_curve_is_that_of_srgb(space: str) -> None:
    grey = np.linspace(0, 1, 65)[:, None].repeat(3, axis=1)
    found = convert(grey, icc_profile(space, linear=False), icc_profile(space, linear=True))
    np.testing.assert_allclose(found, srgb_decoded(grey), atol=LCMS_ATOL)


def test_the_srgb_profile_agrees_with_the_one_of_littlecms() -> None:
    theirs = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    colours = np.random.default_rng(1).random((200, 3))
    np.testing.assert_allclose(
        convert(colours, icc_profile("srgb-linear", linear=False), theirs), colours, atol=LCMS_ATOL
    )


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("space", SPACES)
def test_pillow_opens_every_profile_and_shows_its_name(space: str, linear: bool) -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(icc_profile(space, linear=linear)))
    name = ImageCms.getProfileDescription(profile)
    assert "hdrcli" in name
    assert ("linear" in name) == linear
    assert profile.profile.xcolor_space == "RGB "
    assert ImageCms.isIntentSupported(profile, ImageCms.Intent.RELATIVE_COLORIMETRIC, ImageCms.Direction.INPUT) == 1


def test_profiles_state_their_size_and_are_the_same_every_time() -> None:
    for space in SPACES:
        profile = icc_profile(space, linear=True)
        icc_profile.cache_clear()
        assert profile == icc_profile(space, linear=True)
        assert struct.unpack(">I", profile[:4])[0] == len(profile)
        assert len(profile) < 1000


@pytest.mark.parametrize("space", ["camera", "srgb", ""])
def test_spaces_without_primaries_have_no_profile(space: str) -> None:
    with pytest.raises(UsageError, match="There is no ICC profile"):
        icc_profile(space, linear=True)
