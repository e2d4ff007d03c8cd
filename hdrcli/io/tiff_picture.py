"""Display pictures in TIFF files, 8 and 16 bits."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from hdrcli.errors import UnreadableFileError, UnsupportedFileError
from hdrcli.io.decoded import Decoded, check_size, damaged

# tifffile tells stderr what it thinks of odd tags; messages are hdrcli's to write.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_REFUSED = {
    4: "a mask",
    5: "CMYK or other inks, which mean light only on the press they were made for",
    8: "CIELAB colours",
    9: "CIELAB colours",
    10: "CIELAB colours",
    32844: "LogLuv light",
    32845: "LogLuv light",
}
_JPEG = (6, 7)
_REDUCED = 1  # bit of NewSubfileType


def decode_tiff(path: Path, data: bytes) -> Decoded:
    """Decode the first page of a TIFF file that is not a reduced copy of another, such as a thumbnail.

    Parameters
    ----------
    path : Path
        For messages.
    data : bytes
        The whole file.

    Raises
    ------
    UnreadableFileError
        Truncated, damaged, or too large.
    UnsupportedFileError
        Neither RGB nor grey nor a palette, or not of 8 or 16 bits.
    """
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as tif:
            # Scanners put the picture below its thumbnail (sub-directories), others beside it.
            pages = _in_full(tif.pages) or [sub for page in tif.pages for sub in _in_full(page.pages or ())]
            page: Any = pages[0] if pages else tif.pages[0]
            check_size(path, page.imagewidth, page.imagelength)
            _refuse_others(path, page)
            _refuse_truncated(path, page, len(data))
            samples = _samples(page)
            icc = page.iccprofile or b""
    except (UnreadableFileError, UnsupportedFileError):
        raise
    except Exception as error:  # a damaged file can raise anything from the parser and from a dozen codecs
        raise damaged(path, "a TIFF picture", error) from error
    notes = (f"It holds {len(pages)} pages, of which the first is read.",) if len(pages) > 1 else ()
    return Decoded(samples, bytes(icc), notes=notes)


def _in_full(pages: Any) -> list[Any]:
    return [page for page in pages if not int(getattr(page, "subfiletype", 0)) & _REDUCED]


def _refuse_others(path: Path, page: Any) -> None:
    photometric = int(page.photometric)
    kind = _REFUSED.get(photometric)
    if photometric == _YCBCR and int(page.compression) not in _JPEG:
        kind = "YCbCr samples without JPEG compression"
    if kind or photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR):
        what = kind or f"samples of the kind {photometric}"
        raise UnsupportedFileError(f"{path} holds {what}. Convert it to RGB with its profile first.")
    if page.dtype not in (np.uint8, np.uint16) or page.bitspersample not in (8, 16):
        kind = "floating point" if page.sampleformat == 3 else "integer"
        raise UnsupportedFileError(
            f"{path} holds {kind} samples of {page.bitspersample} bits; 8 or 16 bits are read. Convert it first."
        )
    if page.imagedepth != 1:
        raise UnsupportedFileError(f"{path} holds a volume, not a picture.")


def _refuse_truncated(path: Path, page: Any, size: int) -> None:
    """Refuse files whose strips or tiles lie beyond the end: some codecs fill up with black and say nothing."""
    needed = max(
        (start + length for start, length in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0
    )
    if needed > size or not page.dataoffsets:
        raise UnreadableFileError(f"{path} is truncated: it has {size} bytes, its picture ends at byte {needed}.")


def _samples(page: Any) -> Any:
    """Return samples (H, W, C), C 1 to 4, with palettes resolved and channels that are no alpha left out."""
    data = page.asarray(maxworkers=1)
    if int(page.planarconfig) == 2 and page.samplesperpixel > 1:
        data = np.moveaxis(data, 0, -1)
    data = data.reshape(page.imagelength, page.imagewidth, -1)
    photometric = int(page.photometric)
    if photometric == _PALETTE:
        colours = np.asarray(page.colormap, np.uint16).T
        if not (colours % 256).any() or not (colours % 257).any():  # 8 bits in either way of writing them as 16
            colours = (colours >> 8).astype(np.uint8)
        return colours[data[..., 0]]
    if photometric == _WHITE_IS_ZERO:
        data = np.concatenate([np.iinfo(data.dtype).max - data[..., :1], data[..., 1:]], axis=-1)
    count = 1 if photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) else 3
    extra = tuple(int(kind) for kind in page.extrasamples or ())
    # 0 is "not specified": Photoshop's saved selections, for one, which hide nothing.
    alphas = [count + i for i, kind in enumerate(extra) if kind in (1, 2) and count + i < data.shape[2]]
    return np.ascontiguousarray(data[..., [*range(count), *alphas[:1]]])
