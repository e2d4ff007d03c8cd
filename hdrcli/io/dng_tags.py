"""What a DNG file says about its mosaic, as TIFF tags.

Every tag is made here from what this program knows; none is copied from an input.
Source: Adobe, Digital Negative Specification 1.4.0.0.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from hdrcli.images import CameraProfile, ColourMatrix, Metadata, NoiseModel, RawFrame
from hdrcli.io.icc import rgb_to_xyz

# TIFF field types.
BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL, DOUBLE = 1, 2, 3, 4, 5, 10, 12


class Tag(NamedTuple):
    """A tag in the form that tifffile takes: code, type, number of values, values, in the first page only."""

    code: int
    kind: int
    length: int
    value: object
    once: bool = True


def margins(frame: RawFrame) -> tuple[int, int]:
    """Return masked rows above and columns left of the active area in the file, even: LibRaw loses a line else."""
    if frame.borders is None:
        return 0, 0
    rows, columns = frame.borders.top.shape[0], frame.borders.left.shape[1]
    return rows + rows % 2, columns + columns % 2


def mosaic_tags(frame: RawFrame, noise: NoiseModel | None, *, shape: tuple[int, ...] | None = None) -> list[Tag]:
    """Return the tags that describe the mosaic: pattern, active area, masked areas, noise.

    Parameters
    ----------
    frame : RawFrame
    noise : NoiseModel or None
        Of one sample, in units of white above black.
    shape : tuple of 2 int, optional
        Size of the active area; that of the counts by default.
    """
    height, width = shape or frame.counts.shape
    top, left = margins(frame)
    cell = tuple("RGB".index(colour) for colour in frame.cfa)
    tags = [
        Tag(33421, SHORT, 2, (2, 2)),  # CFARepeatPatternDim
        Tag(33422, BYTE, 4, bytes(cell)),  # CFAPattern, at the first active pixel
        Tag(50710, BYTE, 3, bytes((0, 1, 2))),  # CFAPlaneColor
        Tag(50711, SHORT, 1, 1),  # CFALayout: rectangular
        Tag(50718, RATIONAL, 2, (*_rational(frame.pixel_aspect), 1, 1)),  # DefaultScale
        Tag(50719, LONG, 2, (0, 0)),  # DefaultCropOrigin, from the first active pixel
        Tag(50720, LONG, 2, (width, height)),  # DefaultCropSize
        Tag(50829, LONG, 4, (top, left, top + height, left + width)),  # ActiveArea
    ]
    masked = [(0, 0, top, left + width)] * (top > 0) + [(top, 0, top + height, left)] * (left > 0)
    if masked:
        edges = tuple(edge for area in masked for edge in area)
        tags.append(Tag(50830, LONG, len(edges), edges))  # MaskedAreas
    if noise is not None:
        tags.append(Tag(51041, DOUBLE, 2, (noise.shot, noise.read)))  # NoiseProfile, one for all planes
    return tags


def level_tags(black: tuple[float, float, float, float], white: float) -> list[Tag]:
    """Return the tags for black (by position in the cell, as in `RawFrame`) and white, in counts."""
    levels = tuple(number for level in black for number in _rational(level))
    return [
        Tag(50713, SHORT, 2, (2, 2)),  # BlackLevelRepeatDim
        Tag(50714, RATIONAL, 4, levels),
        Tag(50717, LONG, 1, round(white)),
    ]


def common_tags(
    camera: CameraProfile,
    metadata: Metadata,
    baseline_exposure: float,
    *,
    version: tuple[int, int],
    oldest: tuple[int, int],
) -> list[Tag]:
    """Return the tags of the first directory: camera, colour, orientation, exposure.

    Parameters
    ----------
    camera : CameraProfile
        Where it has no matrix, that of a camera whose channels are the sRGB primaries is written; where it has no
        neutral, that of daylight under the last matrix.
    metadata : Metadata
        Make and model where the camera has none, and the orientation.
    baseline_exposure : float
        In EV.
    version, oldest : tuple of 2 int
        DNG version of the file, and the oldest that a reader needs to know.
    """
    make, model = camera.make or metadata.make, camera.model or metadata.model
    name = " ".join(part for part in (make, model) if part) or "Unknown camera"
    matrices = camera.matrices or (ColourMatrix(np.asarray(np.linalg.inv(rgb_to_xyz("srgb-linear"))), 21),)
    neutral = camera.as_shot_neutral or _daylight_neutral(matrices[-1])
    tags = [
        _text(271, make),
        _text(272, model),
        Tag(274, SHORT, 1, metadata.orientation),
        Tag(50706, BYTE, 4, bytes((*version, 0, 0))),  # DNGVersion
        Tag(50707, BYTE, 4, bytes((*oldest, 0, 0))),  # DNGBackwardVersion
        _text(50708, name),  # UniqueCameraModel
        Tag(50728, RATIONAL, 3, tuple(number for value in neutral for number in _rational(value))),  # AsShotNeutral
        Tag(50730, SRATIONAL, 1, _rational(baseline_exposure)),  # BaselineExposure
    ]
    for number, matrix in enumerate(matrices[:2]):
        values = tuple(part for value in matrix.xyz_to_camera.ravel() for part in _rational(float(value)))
        tags.append(Tag(50721 + number, SRATIONAL, 9, values))  # ColorMatrix1, ColorMatrix2
        tags.append(Tag(50778 + number, SHORT, 1, matrix.illuminant))  # CalibrationIlluminant1, 2
    return [tag for tag in tags if tag.value != b""]


def _text(code: int, text: str) -> Tag:
    data = text.encode()
    return Tag(code, ASCII, len(data) + 1, data + b"\0" if data else b"")


def _rational(value: float) -> tuple[int, int]:
    # Numerator and denominator have 31 bits.
    fraction = Fraction(value).limit_denominator(min(1_000_000, int(2**31 / (abs(value) + 1))))
    return fraction.numerator, fraction.denominator


def _daylight_neutral(matrix: ColourMatrix) -> tuple[float, float, float]:
    neutral = matrix.xyz_to_camera @ rgb_to_xyz("srgb-linear").sum(axis=1)
    red, green, blue = np.maximum(neutral / neutral.max(), 0.01).tolist()
    return red, green, blue
