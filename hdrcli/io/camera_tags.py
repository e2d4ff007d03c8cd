"""What tags say about a camera: DNG colour matrices and black levels, as-shot neutral."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hdrcli.images import CameraProfile, ColourMatrix
from hdrcli.io.metadata import FileTags

_CFA = 32803  # PhotometricInterpretation of a mosaic
_D65 = 21


def is_dng(tags: FileTags) -> bool:
    """Return whether the file declares itself a DNG."""
    return "Exif.Image.DNGVersion" in tags.exif


def raw_groups(tags: FileTags) -> tuple[str, ...]:
    """Return the Exiv2 groups ("Image", "SubImage1", ...) that hold a mosaic, largest first."""
    mosaics = (name for name in tags.images() if tags.numbers(f"Exif.{name}.PhotometricInterpretation") == (_CFA,))
    return tuple(sorted(mosaics, key=lambda name: tags.numbers(f"Exif.{name}.ImageWidth"), reverse=True))


def camera_profile(
    tags: FileTags | None, multipliers: Sequence[float], libraw_matrix: NDArray[np.float32]
) -> CameraProfile:
    """Return the colour profile of a camera; make and model are left to the caller.

    Parameters
    ----------
    tags : FileTags or None
    multipliers : sequence of 4 float
        LibRaw's as-shot white-balance multipliers R, G, B, G2 in any scale. For DNGs they are the inverse of the
        tag AsShotNeutral, with any scale of that tag (Magic Lantern writes 1, 2.477, 1.462).
    libraw_matrix : ndarray (4, 3)
        LibRaw's own XYZ (D65) to camera RGB; all zero where LibRaw does not know the camera.
    """
    if tags is not None and is_dng(tags):
        stated = "Exif.Image.AsShotNeutral" in tags.exif or "Exif.Image.AsShotWhiteXY" in tags.exif
        return CameraProfile(
            matrices=_dng_matrices(tags), as_shot_neutral=as_shot_neutral(multipliers) if stated else None
        )
    known = np.array(libraw_matrix[:3], dtype=np.float64)
    # Equal multipliers are LibRaw's way to say that the file has none: no sensor sees white in equal counts.
    unknown = len({value for value in multipliers if value}) == 1
    return CameraProfile(
        matrices=(ColourMatrix(known, _D65),) if known.any() and np.isfinite(known).all() else (),
        as_shot_neutral=None if unknown else as_shot_neutral(multipliers),
    )


def as_shot_neutral(multipliers: Sequence[float]) -> tuple[float, float, float] | None:
    """Return camera RGB of white (largest 1.0) from multipliers R, G, B; None where one is zero or absurd.

    >>> as_shot_neutral([2.0, 1.0, 1.6, 0.0])
    (0.5, 1.0, 0.625)
    >>> as_shot_neutral([0.0, 1.0, 0.0, 0.0])
    """
    gains = [float(value) for value in multipliers[:3]]
    if len(gains) < 3 or not all(math.isfinite(gain) and gain > 0 for gain in gains) or max(gains) > 50 * min(gains):
        return None
    least = min(gains)
    return least / gains[0], least / gains[1], least / gains[2]


def dng_black(
    tags: FileTags, *, origin: tuple[int, int], libraw: tuple[float, float, float, float]
) -> tuple[float, float, float, float]:
    """Return the black level by CFA position at an origin, as the DNG states it.

    LibRaw rounds the levels to whole counts, and where the active area begins at an odd row or column it drops that
    row or column without moving the levels along.

    Parameters
    ----------
    tags : FileTags
    origin : tuple of 2 int
        Row and column of the first sample that is used, in the whole mosaic.
    libraw : tuple of 4 float
        LibRaw's levels, returned for other files, for levels that vary along rows, and where the two disagree on
        average (LibRaw knows better for some cameras that write DNG).
    """
    groups = raw_groups(tags)
    if not is_dng(tags) or not groups:
        return libraw
    group = f"Exif.{groups[0]}"
    levels = tags.numbers(f"{group}.BlackLevel")
    height, width = (int(n) for n in (tags.numbers(f"{group}.BlackLevelRepeatDim") or (1, 1))[:2])
    varies = any(f"{group}.BlackLevelDelta{axis}" in tags.exif for axis in "HV")
    if varies or not {height, width} <= {1, 2} or len(levels) != height * width:
        return libraw
    area = tags.numbers(f"{group}.ActiveArea") or (0, 0)
    top, left = origin[0] - int(area[0]), origin[1] - int(area[1])
    first, second, third, fourth = (
        levels[(top + y) % height * width + (left + x) % width] for y in (0, 1) for x in (0, 1)
    )
    agrees = abs(first + second + third + fourth - sum(libraw)) <= 4
    return (first, second, third, fourth) if agrees else libraw


def _dng_matrices(tags: FileTags) -> tuple[ColourMatrix, ...]:
    """Return the matrices of DNG 1.6, chapter 6: AnalogBalance x CameraCalibration x ColorMatrix."""
    balance = _finite(tags, "Exif.Image.AnalogBalance", 3)
    signatures = {tags.text(f"Exif.Image.{owner}CalibrationSignature") for owner in ("Camera", "Profile")}
    matrices = []
    for number in (1, 2):
        stated = _finite(tags, f"Exif.Image.ColorMatrix{number}", 9)
        if stated is None or not stated.any():
            continue
        matrix = stated.reshape(3, 3)
        calibration = _finite(tags, f"Exif.Image.CameraCalibration{number}", 9)
        if calibration is not None and len(signatures) == 1:  # meant for this profile
            matrix = calibration.reshape(3, 3) @ matrix
        if balance is not None:
            matrix = np.diag(balance) @ matrix
        illuminant = tags.numbers(f"Exif.Image.CalibrationIlluminant{number}") or (0,)
        code = int(illuminant[0]) if illuminant[0] not in (0, 255) else _D65  # unknown, other
        matrices.append(ColourMatrix(matrix, code))
    return tuple(matrices)


def _finite(tags: FileTags, key: str, count: int) -> NDArray[np.float64] | None:
    values = np.array(tags.numbers(key), dtype=np.float64)
    return values if values.size == count and np.isfinite(values).all() else None
