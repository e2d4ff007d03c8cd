"""Mosaics as DNG files that every raw developer opens.

Raw developers agree on little. 16-bit integers with lossless JPEG are what all of them read exactly. Half floats with
Deflate and predictor 34894 are read by darktable, RawTherapee and what is built on LibRaw (which cuts them to
integers), but not by dcraw. BaselineExposure is honoured by Adobe's programs and ignored by the others, which is why a
preview of the finished picture is worth embedding.

Format: Adobe, Digital Negative Specification 1.4.0.0; TIFF 6.0.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from hdrcli import __version__
from hdrcli.errors import UsageError
from hdrcli.images import (
    BayerImage,
    CameraProfile,
    CountArray,
    DisplayImage,
    Metadata,
    NoiseModel,
    RawFrame,
)
from hdrcli.io.dng_tags import LONG, Tag, common_tags, level_tags, margins, mosaic_tags
from hdrcli.io.metadata import write_metadata
from hdrcli.io.preview import eight_bit
from hdrcli.kernels import run_in_bands

COMPRESSIONS = ("jpeg", "none")
_TILE = 256
_PREVIEW_LONG_SIDE = 2048
_DITHER_SEED = 20131
# White is exact in half precision: rounded up, it would be out of the range that LibRaw leaves alone.
_HALF_BLACK, _HALF_WHITE = 128.0, 32752.0


def write_dng(
    path: Path,
    frame: RawFrame,
    *,
    compression: str = "jpeg",
    baseline_exposure: float = 0.0,
    preview: DisplayImage | None = None,
    noise: NoiseModel | None = None,
) -> None:
    """Write counts as a 16-bit integer mosaic.

    Parameters
    ----------
    path : Path
        Written in place; use `hdrcli.io.output.atomic_output`.
    frame : RawFrame
        Where it has masked borders, they are written around the active area and named by MaskedAreas.
    compression : str
        "jpeg" for lossless JPEG in tiles, "none" for plain strips.
    baseline_exposure : float
        EV by which a raw developer should brighten.
    preview : DisplayImage, optional
        The finished picture as it should appear, upright; embedded as JPEG of at most 2048 pixels a side.
    noise : NoiseModel, optional
        Of one sample, in units of white above black.

    Raises
    ------
    UsageError
        For another compression.
    OutputError, OSError
        When writing fails.

    Notes
    -----
    A camera without a colour matrix gets that of a camera whose channels are the sRGB primaries: raw developers
    show absurd colours where the tag is missing.
    """
    if compression not in COMPRESSIONS:
        raise UsageError(f"DNG compression is one of {', '.join(COMPRESSIONS)}; not {compression!r}.")
    tags = mosaic_tags(frame, noise) + level_tags(frame.black, frame.white)
    shape = _full_shape(frame)
    raw: dict[str, Any] = {"shape": shape, "dtype": np.uint16}
    if compression == "jpeg" and shape[1] >= 16:
        tile = _tile_shape(shape)
        tiles = _tiles(lambda first, last: _full_rows(frame, first, last), shape, tile, _lossless_jpeg)
        # tifffile would state 12 bits for JPEG, and RawTherapee would believe it for cameras that it knows.
        raw |= {"data": tiles, "tile": tile, "compression": 7, "bitspersample": 16}
    else:
        raw |= {"data": _full_rows(frame, 0, shape[0]), "rowsperstrip": 64}
    common = common_tags(frame.camera, frame.metadata, baseline_exposure, version=(1, 4), oldest=(1, 1))
    _write(path, raw, tags, common, _prepared(preview, frame.metadata.orientation))
    write_metadata(path, frame.metadata, orientation=frame.metadata.orientation)


def write_dng_half(
    path: Path,
    image: BayerImage,
    *,
    camera: CameraProfile,
    metadata: Metadata,
    white: float = 1.0,
    baseline_exposure: float = 0.0,
    preview: DisplayImage | None = None,
) -> None:
    """Write a linear mosaic as half floats, tiled, Deflate, predictor 34894.

    Parameters
    ----------
    path : Path
        Written in place; use `hdrcli.io.output.atomic_output`.
    image : BayerImage
    camera, metadata
        As those of a `RawFrame`.
    white : float
        Level of `image` that becomes the white level; what is brighter is clipped.
    baseline_exposure, preview
        As in `write_dng`.

    Notes
    -----
    Black is 128 and white 32752 in the file. LibRaw keeps such values as they are, cut to integers; it stretches any
    other range, and a range with values above white by content. It has no values below 0, hence the room under black.
    """
    data = image.data
    levels = RawFrame(
        np.empty((0, 0), np.uint16), image.cfa, (_HALF_BLACK,) * 4, _HALF_WHITE, camera=camera, metadata=metadata
    )
    tags = mosaic_tags(levels, image.noise, shape=data.shape) + level_tags(levels.black, levels.white)
    scale = np.float32((_HALF_WHITE - _HALF_BLACK) / white)

    def rows(first: int, last: int) -> NDArray[Any]:
        counts = data[first:last] * scale + np.float32(_HALF_BLACK)
        half: NDArray[np.float16] = np.nan_to_num(np.clip(counts, 0, _HALF_WHITE)).astype(np.float16)
        return half

    tile = _tile_shape(data.shape)

    raw: dict[str, Any] = {
        "shape": data.shape,
        "dtype": np.float16,
        "data": _tiles(rows, data.shape, tile, _deflated_half),
        "tile": tile,
        "compression": 8,
        "predictor": 34894,
    }
    common = common_tags(camera, metadata, baseline_exposure, version=(1, 4), oldest=(1, 4))
    _write(path, raw, tags, common, _prepared(preview, metadata.orientation))
    write_metadata(path, metadata, orientation=metadata.orientation)


def merged_to_counts(
    image: BayerImage,
    *,
    camera: CameraProfile,
    metadata: Metadata,
    black: int = 1024,
    white: float = 1.0,
) -> tuple[RawFrame, float]:
    """Spread a linear mosaic over 16-bit counts.

    Parameters
    ----------
    image : BayerImage
    camera, metadata
        For the frame.
    black : int
        Counts of zero light: room for negative noise. 1024 is more than 20 standard deviations of the read noise of
        every calibrated camera at ISO 800 and below, and costs 1.6 % of the range.
    white : float
        Level of `image` that becomes 65535; what is brighter is clipped. It never depends on content, so that frames
        of a sequence keep their brightness in programs that ignore BaselineExposure.

    Returns
    -------
    frame : RawFrame
        Each sample is rounded up or down at random in proportion to its distance (the same way at every call), so
        that means below one count survive; exact values stay exact.
    baseline_exposure : float
        EV that undoes the scaling: log2(white).
    """
    height, width = image.data.shape
    counts = np.empty((height, width), dtype=np.uint16)
    scale = np.float32((65535 - black) / white)
    dither = np.random.default_rng(_DITHER_SEED).random((64, width), dtype=np.float32)
    # Neighbouring bands take the same rows of noise at other columns, lest a pattern repeat every 64 rows.
    shifts = np.random.default_rng(_DITHER_SEED + 1).integers(0, width, -(-height // 64))

    def work(first: int, last: int) -> None:
        for top in range(first, last, 64):
            bottom = min(top + 64, last)
            level = image.data[top:bottom] * scale
            level += np.float32(black)
            level += np.roll(dither, shifts[top // 64], axis=1)[: bottom - top]
            np.clip(level, 0, 65535, out=level)  # what is no number becomes 0 below
            counts[top:bottom] = np.nan_to_num(level, copy=False)

    run_in_bands(work, height, multiple=64)
    frame = RawFrame(counts, image.cfa, (float(black),) * 4, 65535.0, camera=camera, metadata=metadata)
    return frame, float(np.log2(white))


def _full_shape(frame: RawFrame) -> tuple[int, int]:
    height, width = frame.counts.shape
    top, left = margins(frame)
    return height + top, width + left


def _full_rows(frame: RawFrame, first: int, last: int) -> CountArray:
    """Return rows of the frame within its borders.

    The corner that neither border holds repeats the top border; an odd border gets its outermost line twice.
    """
    if frame.borders is None:
        return frame.counts[first:last]
    top, left = margins(frame)
    doubled = top - frame.borders.top.shape[0]
    above = frame.borders.top[np.maximum(np.arange(min(first, top), min(last, top)) - doubled, 0)]
    corner = np.resize(above, (len(above), left))
    active = slice(max(first - top, 0), max(last - top, 0))
    beside = frame.borders.left[active]
    beside = np.pad(beside, ((0, 0), (left - beside.shape[1], 0)), mode="edge")
    return np.vstack([np.hstack([corner, above]), np.hstack([beside, frame.counts[active]])])


def _tile_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return rows and columns of a tile: 256 by 256 with exceptions.

    It is never wider than the picture: dcraw and LibRaw begin a new row there. It is never half as wide: LibRaw takes
    the two components of such a tile for a whole row. A narrow tile is longer, so that its byte count needs a LONG:
    RawTherapee takes no SHORT there.
    """
    columns = min(_TILE, max(shape[1] // 16 * 16, 16))
    if 2 * columns == shape[1]:
        columns -= 16
    return -(-_TILE * _TILE // columns // 16) * 16, columns


def _tiles(
    rows: Callable[[int, int], NDArray[Any]],
    shape: tuple[int, ...],
    tile: tuple[int, int],
    encode: Callable[[NDArray[Any]], bytes],
) -> Iterator[bytes]:
    """Yield encoded tiles row by row: only one row of tiles is held at a time."""
    height, width = shape
    length, columns = tile
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="hdrcli-tile") as pool:
        for first in range(0, height, length):
            band = rows(first, min(first + length, height))
            band = np.pad(band, ((0, length - band.shape[0]), (0, -width % columns)), mode="edge")
            yield from pool.map(encode, np.split(band, band.shape[1] // columns, axis=1))


def _lossless_jpeg(tile: CountArray) -> bytes:
    # Even and odd columns as two components, as Adobe writes mosaics: the predictor then sees its own colour.
    return bytes(
        imagecodecs.jpeg8_encode(
            np.ascontiguousarray(tile).reshape(tile.shape[0], -1, 2),
            lossless=True,
            predictor=1,
            bitspersample=16,
            colorspace="unspecified",
            outcolorspace="unspecified",
        )
    )


def _deflated_half(tile: NDArray[np.float16]) -> bytes:
    """Return a tile with its bytes split in planes, differenced over two samples (predictor 34894), and deflated."""
    planes = imagecodecs.floatpred_encode(np.ascontiguousarray(tile), axis=-1, dist=2)
    return bytes(imagecodecs.zlib_encode(planes.tobytes(), level=4))


def _prepared(preview: DisplayImage | None, orientation: int) -> NDArray[np.uint8] | None:
    """Return the preview as 8-bit RGB of bounded size, turned back to how the sensor lies (the tag turns it again)."""
    if preview is None:
        return None
    eight = eight_bit(preview)
    scale = _PREVIEW_LONG_SIDE / max(eight.shape[:2])
    if scale < 1:
        size = [max(1, round(side * scale)) for side in eight.shape[1::-1]]
        eight = np.asarray(cv2.resize(eight, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    return np.ascontiguousarray(_as_sensor_lies(eight, orientation))


def _as_sensor_lies(upright: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo EXIF orientation 1 to 8."""
    if orientation >= 5:  # rows and columns are exchanged
        upright = upright.transpose(1, 0, 2)
    if orientation in (3, 4, 6, 7):
        upright = upright[::-1]
    if orientation in (2, 3, 7, 8):
        upright = upright[:, ::-1]
    return upright


def _write(
    path: Path,
    raw: dict[str, Any],
    mosaic: list[Tag],
    common: list[Tag],
    preview: NDArray[np.uint8] | None,
) -> None:
    software = f"hdrcli {__version__}"
    with tifffile.TiffWriter(path, bigtiff=False, byteorder="<") as file:
        if preview is not None:
            height = preview.shape[0]
            encoded = bytes(imagecodecs.jpeg8_encode(preview, level=88, subsampling="420"))
            file.write(
                iter([encoded]),
                shape=preview.shape,
                dtype=np.uint8,
                photometric="ycbcr",
                subsampling=(2, 2),
                compression=7,
                rowsperstrip=height,
                subfiletype=1,
                subifds=1,
                software=software,
                extratags=[*common, Tag(50970, LONG, 1, 1)],  # PreviewColorSpace
                metadata=None,
            )
        file.write(
            **raw,
            photometric="cfa",
            subfiletype=0,
            software=software if preview is None else False,
            extratags=mosaic if preview is not None else mosaic + common,
            metadata=None,
        )
    if preview is not None:
        # tifffile calls the field IFD, which TIFF 6.0 does not know yet and some validators complain about.
        with tifffile.TiffFile(path, mode="r+") as written:
            pointer = written.pages.first.tags[330]
            pointer.overwrite(pointer.value, dtype=LONG)
