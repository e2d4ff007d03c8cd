"""The types that flow between the rooms: arrays together with what is needed to understand them.

All are frozen and hold C-contiguous arrays; functions return new ones and never change an input.
One scale for scene light holds throughout: 1.0 is the level at which the reference exposure clips
(for dual-ISO frames the low-ISO rows). It is never normalised by content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
CountArray = NDArray[np.uint16]
MaskArray = NDArray[np.bool_]

BAYER_PATTERNS = ("RGGB", "BGGR", "GRBG", "GBRG")


def shift_cfa(cfa: str, rows: int, columns: int) -> str:
    """Return the Bayer pattern seen after cropping `rows` from the top and `columns` from the left.

    >>> shift_cfa("RGGB", 1, 0)
    'GBRG'
    """
    return "".join(cfa[2 * ((y + rows) % 2) + (x + columns) % 2] for y in (0, 1) for x in (0, 1))


@dataclass(frozen=True)
class NoiseModel:
    """Variance of one sample as a function of its own linear value.

    variance(x) = shot * max(x, 0) + read, with x in units of the exposure's clip (black 0, clip 1).

    Attributes
    ----------
    shot : float
        Slope of the photon noise, in units of clip (one over the full well in electrons).
    read : float
        Variance of the read noise, in clip squared.
    """

    shot: float
    read: float

    def variance(self, x: FloatArray) -> FloatArray:
        """Return the variance at linear values `x` (any shape, float32, clip 1.0), same shape."""
        return np.float32(self.shot) * np.maximum(x, np.float32(0)) + np.float32(self.read)


@dataclass(frozen=True)
class ColourMatrix:
    """Maps CIE XYZ to camera RGB under one illuminant, as the DNG tag ColorMatrix does.

    Attributes
    ----------
    xyz_to_camera : ndarray (3, 3), float64
        Rows R, G, B of the camera; input XYZ of the illuminant's white.
    illuminant : int
        EXIF LightSource code: 17 standard light A, 21 D65, 23 D50.
    """

    xyz_to_camera: NDArray[np.float64]
    illuminant: int = 21


@dataclass(frozen=True)
class CameraProfile:
    """What turns camera RGB into colour.

    Attributes
    ----------
    make, model : str
        As in the file; empty where unknown.
    matrices : tuple of ColourMatrix
        None, one or two (two illuminants); empty where the camera is unknown.
    as_shot_neutral : tuple of 3 float, or None
        Camera RGB of a neutral object as shot, largest value 1 (the inverse of the white-balance gains).
    """

    make: str = ""
    model: str = ""
    matrices: tuple[ColourMatrix, ...] = ()
    as_shot_neutral: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Metadata:
    """What travels from an input to every output.

    Attributes
    ----------
    exposure_time_s, iso, f_number, focal_length_mm : float or None
        None where the file does not say; never zero.
    captured : str or None
        Date and time of the exposure, "YYYY:MM:DD HH:MM:SS" as in EXIF.
    orientation : int
        EXIF orientation 1 to 8; pixel data in this program is as the sensor wrote it until `isp.orient`.
    make, model, lens, artist, copyright : str
        Empty where unknown.
    exif : mapping of str to str
        Allow-listed EXIF and GPS entries by Exiv2 key ("Exif.Photo.LensModel"), values in Exiv2's text form.
    provenance : mapping of str to str
        What this program did: version, command, options, measurements.
    """

    exposure_time_s: float | None = None
    iso: float | None = None
    f_number: float | None = None
    focal_length_mm: float | None = None
    captured: str | None = None
    orientation: int = 1
    make: str = ""
    model: str = ""
    lens: str = ""
    artist: str = ""
    copyright: str = ""
    exif: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    provenance: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True)
class MaskedBorders:
    """Optically black samples beside the active area, for measuring black.

    Attributes
    ----------
    left : ndarray (H, n), uint16
        Masked columns left of the active rows (n may be 0); row i lies beside active row i.
    top : ndarray (m, W), uint16
        Masked rows above the active columns (m may be 0); the last row lies directly above active row 0.
    """

    left: CountArray
    top: CountArray


@dataclass(frozen=True)
class RawFrame:
    """Sensor counts as read, before anything is done to them.

    Attributes
    ----------
    counts : ndarray (H, W), uint16
        Active area only.
    cfa : str
        Colours of the 2x2 cell at row 0, column 0 of `counts`, row by row: "RGGB", "BGGR", "GRBG" or "GBRG".
    black : tuple of 4 float
        Stated black level in counts, by position in the cell in the order of `cfa`.
    white : float
        Stated saturation level in counts.
    borders : MaskedBorders or None
        Masked samples where the file has them.
    camera : CameraProfile
    metadata : Metadata
    pixel_aspect : float
        Width of a pixel over its height; 1.0 for almost every camera.
    name : str
        Name of the file for messages.
    """

    counts: CountArray
    cfa: str
    black: tuple[float, float, float, float]
    white: float
    borders: MaskedBorders | None = None
    camera: CameraProfile = field(default_factory=CameraProfile)
    metadata: Metadata = field(default_factory=Metadata)
    pixel_aspect: float = 1.0
    name: str = ""


@dataclass(frozen=True)
class BayerImage:
    """One linear exposure on the mosaic.

    Attributes
    ----------
    data : ndarray (H, W), float32
        Black 0, clip 1.0 of the reference exposure; negative noise is kept, merged frames go on above the noise floor
        of either exposure and up to 1.0.
    cfa : str
        As in `RawFrame`.
    noise : NoiseModel or None
        Variance of `data` by value where one model describes all samples.
    """

    data: FloatArray
    cfa: str
    noise: NoiseModel | None = None


@dataclass(frozen=True)
class Exposure:
    """One exposure of a scene on the scale of its own clip.

    Attributes
    ----------
    image : BayerImage
        1.0 = clip of this exposure.
    gain : float
        Level of this exposure over that of the reference for the same light, each in units of its own clip: the ratio
        of their counts (16 for ISO 1600 beside 100) where both clip at the same count.
    """

    image: BayerImage
    gain: float


@dataclass(frozen=True)
class SceneImage:
    """Scene-linear colour.

    Attributes
    ----------
    data : ndarray (H, W, 3), float32
        1.0 = clip of the reference exposure; values above 1.0 and small negatives are legal.
    colour_space : str
        "camera", "srgb-linear", "display-p3", "rec2020", "acescg" or "aces2065-1" (all linear light).
    """

    data: FloatArray
    colour_space: str = "srgb-linear"


@dataclass(frozen=True)
class DisplayImage:
    """Display-encoded colour, ready for a screen.

    Attributes
    ----------
    data : ndarray (H, W, 3), uint8 or uint16
        Full range, encoded as `icc` says; the orientation is already applied.
    icc : bytes
        ICC profile of the encoding; sRGB where empty.
    """

    data: NDArray[np.uint8] | NDArray[np.uint16]
    icc: bytes = b""
