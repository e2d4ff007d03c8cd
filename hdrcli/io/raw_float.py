"""Float CFA DNGs (HDRMerge, hdrcli's half float), which LibRaw would cut down to 14-bit integers.

A `RawFrame` holds 16-bit counts, so the floats are scaled to that: black at `BLACK`, the stated white at 65535. Below
that step of 1/65023 of the white level shadows are lost; the noise of any camera's single exposure is above it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from hdrcli.errors import UnreadableFileError, UnsupportedFileError
from hdrcli.images import BAYER_PATTERNS, CountArray, RawFrame
from hdrcli.io.camera_tags import camera_profile, raw_groups
from hdrcli.io.metadata import FileTags, metadata_of

BLACK = 512  # room for the noise below black
_CFA = 32803
_CFA_DIMENSIONS, _CFA_PATTERN, _BLACK_LEVEL, _WHITE_LEVEL, _ACTIVE_AREA = 33421, 33422, 50714, 50717, 50829


def is_float_cfa(tags: FileTags) -> bool:
    """Return whether the largest mosaic in the file is stored as floating point."""
    groups = raw_groups(tags)
    return bool(groups) and tags.numbers(f"Exif.{groups[0]}.SampleFormat") == (3,)


def read_float_dng(path: Path, tags: FileTags, *, largest_pixels: int) -> RawFrame:
    """Read a float CFA DNG as 16-bit counts.

    Parameters
    ----------
    path : Path
    tags : FileTags
        Of the same file.
    largest_pixels : int
        Refuse more than this before anything is decoded.

    Returns
    -------
    RawFrame
        Black 512, white 65535; samples above the file's white level are cut there, NaN is black.

    Raises
    ------
    UnreadableFileError
        Truncated or damaged, or too large.
    UnsupportedFileError
        Not a 2x2 RGB Bayer mosaic.
    """
    try:
        with tifffile.TiffFile(path) as tif:
            page = _mosaic(tif)
            if page.imagewidth * page.imagelength > largest_pixels:
                raise UnreadableFileError(
                    f"{path} claims {page.imagewidth} x {page.imagelength} pixels, more than the file can hold."
                )
            cfa = _cfa(page)
            top, left, bottom, right = _active_area(page)
            black, white = _levels(page)
            data = page.asarray()[top:bottom, left:right]
    except UnreadableFileError:
        raise
    except Exception as error:  # a damaged file can raise anything from the parser and from a dozen codecs
        raise UnreadableFileError(
            f"{path} is a float DNG that cannot be decoded; it may be damaged ({error})."
        ) from error
    if cfa not in BAYER_PATTERNS or data.ndim != 2 or min(data.shape) < 2:
        raise UnsupportedFileError(f"{path} is a float DNG without a 2x2 RGB Bayer pattern. Develop it elsewhere.")
    metadata = metadata_of(tags)
    neutral = tags.numbers("Exif.Image.AsShotNeutral")
    multipliers = [1 / value if value > 0 else 0.0 for value in neutral]
    profile = camera_profile(tags, multipliers, np.zeros((4, 3), np.float32))
    return RawFrame(
        counts=_to_counts(data, black, white),
        cfa=cfa,
        black=(float(BLACK),) * 4,
        white=65535.0,
        camera=replace(profile, make=metadata.make, model=metadata.model),
        metadata=metadata,
        name=path.name,
    )


def _mosaic(tif: Any) -> Any:
    """Return the largest page, or sub-page of a page, that holds a mosaic."""
    pages = [page for top in tif.pages for page in (top, *(top.pages or ()))]
    return max((page for page in pages if page.photometric == _CFA), key=lambda page: page.imagewidth)


def _cfa(page: Any) -> str:
    if tuple(page.tags.valueof(_CFA_DIMENSIONS, (2, 2))) != (2, 2):
        return ""
    return "".join("RGB"[colour] if colour < 3 else "?" for colour in bytes(page.tags.valueof(_CFA_PATTERN, b"")))


def _active_area(page: Any) -> tuple[int, int, int, int]:
    area = page.tags.valueof(_ACTIVE_AREA, (0, 0, page.imagelength, page.imagewidth))
    top, left, bottom, right = (int(edge) for edge in area)
    return top, left, bottom, right


def _levels(page: Any) -> tuple[float, float]:
    """Return black (mean of all positions) and white; DNG's defaults for floats are 0 and 1."""
    black = np.atleast_1d(page.tags.valueof(_BLACK_LEVEL, 0))
    if len(black) > 1 and page.tags[_BLACK_LEVEL].dtype in (5, 10):  # (un)signed rationals
        black = black[0::2] / np.maximum(black[1::2], 1)
    white = np.atleast_1d(page.tags.valueof(_WHITE_LEVEL, 1))
    low, high = float(black.mean()), float(white[0])
    return (low, high) if 0 <= low < high else (0.0, 1.0)


def _to_counts(data: np.ndarray, black: float, white: float) -> CountArray:
    counts = np.empty(data.shape, dtype=np.uint16)
    scale = (65535 - BLACK) / (white - black)
    for first in range(0, len(data), 512):
        band = data[first : first + 512].astype(np.float32)
        band = np.nan_to_num((band - np.float32(black)) * np.float32(scale), nan=0.0, posinf=65535.0, neginf=0.0)
        counts[first : first + 512] = np.clip(np.rint(band + np.float32(BLACK)), 0, 65535)
    return counts
