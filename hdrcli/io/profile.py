"""From a display picture and its ICC profile to linear light.

Profiles are not taken apart here: LittleCMS is asked what it makes of ramps of each channel. Where its answers are
three curves and a matrix, as for every camera, phone and monitor space, that pair is used, without limits: colours
outside of the target have negative components. Other profiles (tables, greys) are applied by LittleCMS itself.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from functools import lru_cache

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import ImageCms

from hdrcli.images import DisplayImage, FloatArray, SceneImage
from hdrcli.io.code_points import CodePoints, Samples
from hdrcli.io.icc import icc_profile
from hdrcli.isp.colour import space_to_space
from hdrcli.kernels import run_in_bands

_RELATIVE_COLORIMETRIC = 1
_SEPARABLE_ATOL = 2e-3  # of linear light; tables that describe a matrix space agree to about this


@dataclass(frozen=True)
class Encoding:
    """Curves and a matrix that turn codes into linear sRGB.

    Attributes
    ----------
    curves : ndarray (3, levels), float32
        Light of R, G, B by code, 1.0 at the highest code.
    to_srgb : ndarray (3, 3), float64
        From that light to linear sRGB, unlimited; white stays white.
    """

    curves: FloatArray
    to_srgb: NDArray[np.float64]


def linearise(image: DisplayImage, *, colour_space: str = "srgb-linear") -> SceneImage:
    """Return a display picture as linear light, by its profile.

    Parameters
    ----------
    image : DisplayImage
    colour_space : str
        Target, any of `hdrcli.colourspaces.PRIMARIES`.

    Returns
    -------
    SceneImage
        1.0 = white of the picture. Nothing is cut: colours that the target does not hold have components below 0 or
        above 1.
    """
    image = matrix_encoded(image.data, image.icc)
    encoding = _known_encoding(image)
    matrix = (space_to_space("srgb-linear", colour_space) @ encoding.to_srgb).astype(np.float32)
    light = np.empty(image.data.shape, np.float32)

    def work(first: int, last: int) -> None:
        light[first:last] = cv2.transform(_by_curves(image.data[first:last], encoding), matrix)

    run_in_bands(work, len(light))
    return SceneImage(light, colour_space)


def own_light(image: DisplayImage) -> FloatArray:
    """Return a display picture as linear light in its own primaries, in which its channels clip.

    Parameters
    ----------
    image : DisplayImage
        With a profile of three curves and a matrix, as `matrix_encoded` gives it.

    Returns
    -------
    ndarray (H, W, 3), float32
        0 to 1.0 = white of the picture. `primaries_matrix` brings it to a colour space.
    """
    encoding = _known_encoding(image)
    light = np.empty(image.data.shape, np.float32)

    def work(first: int, last: int) -> None:
        light[first:last] = _by_curves(image.data[first:last], encoding)

    run_in_bands(work, len(light))
    return light


def primaries_matrix(image: DisplayImage, *, colour_space: str = "srgb-linear") -> NDArray[np.float64]:
    """Return the matrix (3, 3) from the linear RGB of a picture's own primaries to that of a colour space.

    For light that is worked on before it is converted, as `own_light` gives it, and for whoever finds it by other means
    than the profile's curves: a network takes `image.data` as the camera wrote it.
    """
    encoding = _known_encoding(matrix_encoded(image.data[:1, :1], image.icc))
    return np.asarray(space_to_space("srgb-linear", colour_space) @ encoding.to_srgb)


def matrix_encoded(samples: Samples, icc: bytes) -> DisplayImage:
    """Return samples with a profile of three curves and a matrix, converted only where theirs is not of that kind.

    Parameters
    ----------
    samples : ndarray (H, W, 3), uint8 or uint16
        For a grey profile, of three equal channels.
    icc : bytes
        A profile that `channels_of` knows as "RGB" or "GRAY"; sRGB where empty.

    Returns
    -------
    DisplayImage
        The samples themselves with their profile; or 16 bits in Rec. 2020 primaries with the sRGB curve (profiles of
        tables), or 16 bits sRGB (profiles of grey), relative to white, without black point compensation.
    """
    if not icc or encoding_of(icc, np.iinfo(samples.dtype).max + 1) is not None:
        return DisplayImage(samples, icc)
    top = np.iinfo(samples.dtype).max
    if channels_of(icc) == "GRAY":
        ramp = np.linspace(0, 1, top + 1, dtype=np.float32)[None]
        table = _sixteen_bits(_convert(ramp, icc, icc_profile("srgb-linear", linear=False)))[0]
        return DisplayImage(table[samples[..., 0]], b"")
    target = icc_profile("rec2020", linear=False)
    converted = np.empty(samples.shape, np.uint16)

    def work(first: int, last: int) -> None:
        band = samples[first:last].astype(np.float32) / np.float32(top)
        converted[first:last] = _sixteen_bits(_convert(band, icc, target))

    run_in_bands(work, len(samples))
    return DisplayImage(converted, target)


def channels_of(icc: bytes) -> str:
    """Return "RGB", "GRAY", "CMYK" or whatever a profile's header says it describes; empty when it is damaged."""
    if len(icc) < 132 or icc[36:40] != b"acsp" or int.from_bytes(icc[:4], "big") > len(icc):
        return ""
    colours = icc[16:20].decode("latin-1").strip()
    if colours in ("RGB", "GRAY"):  # LittleCMS has the last word
        black = np.zeros((1, 1, 3) if colours == "RGB" else (1, 1), np.float32)
        try:
            _convert(black, icc, icc_profile("srgb-linear", linear=True))
        except Exception:  # imagecodecs raises its own kinds of error, all of which mean a damaged profile
            return ""
    return colours


def profile_name(icc: bytes) -> str:
    """Return what a profile calls itself, for reports; "sRGB" where there is none."""
    if not icc:
        return "sRGB"
    try:
        name = ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.profile_description
    except OSError:  # what Pillow makes of a damaged profile
        name = None
    return " ".join((name or "").split()) or "a profile without a name"


def code_points_of(icc: bytes) -> CodePoints | None:
    """Return the code points in a profile's tag "cicp" (ICC.1:2022, 9.2.17), which PQ and HLG profiles have."""
    count = int.from_bytes(icc[128:132], "big")
    for start in range(132, min(132 + 12 * count, len(icc) - 11), 12):
        signature, offset, size = struct.unpack_from(">4sII", icc, start)
        if signature == b"cicp" and size >= 12 and offset + 12 <= len(icc):
            return CodePoints(icc[offset + 8], icc[offset + 9])
    return None


@lru_cache(maxsize=8)
def encoding_of(icc: bytes, levels: int) -> Encoding | None:
    """Return the curves and the matrix that an RGB profile amounts to; None where it is not of that kind.

    Parameters
    ----------
    icc : bytes
        sRGB where empty.
    levels : int
        Number of codes, 256 or 65536.
    """
    icc = icc or icc_profile("srgb-linear", linear=False)
    if channels_of(icc) != "RGB":
        return None
    ramp = np.linspace(0, 1, levels, dtype=np.float32)
    matrix = np.empty((3, 3))
    curves = np.empty((3, levels), np.float32)
    for channel in range(3):
        alone = np.zeros((1, levels, 3), np.float32)
        alone[0, :, channel] = ramp
        seen = _light(alone, icc)[0].astype(np.float64)
        column = seen[-1]
        if not column @ column > 0:
            return None
        matrix[:, channel] = column
        curves[channel] = seen @ column / (column @ column)
    mixed = np.random.default_rng(1).integers(0, levels, (1, 512, 3))
    mixed[0, 0] = 0
    predicted = np.stack([curves[i][mixed[..., i]] for i in range(3)], -1) @ matrix.T
    actual = _light((mixed / (levels - 1)).astype(np.float32), icc)
    if np.abs(predicted - actual).max() > _SEPARABLE_ATOL:
        return None
    white = matrix.sum(axis=1)
    if np.abs(white - 1).max() < 1e-3:  # whole numbers of 1/65536 in the profile add up to this
        matrix = matrix / white[:, None]
    return Encoding(curves, matrix)


def _light(encoded: FloatArray, icc: bytes) -> FloatArray:
    """Return linear sRGB, unlimited where the profile is a matrix, of encoded RGB 0..1."""
    return _convert(encoded, icc, icc_profile("srgb-linear", linear=True))


def _convert(encoded: FloatArray, icc: bytes, target: bytes) -> FloatArray:
    """Return RGB (H, W, 3) of the profile `target`; in floats, for LittleCMS samples the curves of integers coarsely.

    Parameters
    ----------
    encoded : ndarray (H, W, 3) or, for grey, (H, W), float32, 0..1
    icc, target : bytes
    """
    converted = imagecodecs.cms_transform(
        encoded,
        icc,
        target,
        colorspace="rgb" if encoded.ndim == 3 else "gray",
        outcolorspace="rgb",
        outdtype=np.float32,
        intent=_RELATIVE_COLORIMETRIC,
    )
    return np.asarray(converted, np.float32)


def _by_curves(samples: Samples, encoding: Encoding) -> FloatArray:
    """Return light (h, w, 3) in the primaries of the picture."""
    light = np.empty(samples.shape, np.float32)
    for channel, curve in enumerate(encoding.curves):
        light[..., channel] = curve[samples[..., channel]]
    return light


def _sixteen_bits(encoded: FloatArray) -> NDArray[np.uint16]:
    codes: NDArray[np.uint16] = np.rint(np.clip(encoded, 0, 1) * np.float32(65535)).astype(np.uint16)
    return codes


def _known_encoding(image: DisplayImage) -> Encoding:
    encoding = encoding_of(image.icc, np.iinfo(image.data.dtype).max + 1)
    if encoding is None:
        raise ValueError("A profile of hdrcli's own is not a matrix profile.")
    return encoding
