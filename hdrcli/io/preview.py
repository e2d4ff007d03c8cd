"""JPEG and PNG files of finished pictures, with profile and metadata, and of masks."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UsageError
from hdrcli.images import DisplayImage, Metadata
from hdrcli.io.icc import icc_profile
from hdrcli.io.jpeg_segments import APP2, insert_segments, segment
from hdrcli.io.metadata import write_metadata


def write_display(path: Path, image: DisplayImage, *, metadata: Metadata, quality: int = 92) -> None:
    """Write a finished picture as JPEG or PNG, whichever the suffix says.

    Parameters
    ----------
    path : Path
        .jpg, .jpeg or .png; written in place, use `hdrcli.io.output.atomic_output`.
    image : DisplayImage
        PNG keeps 16 bits, JPEG has 8.
    metadata : Metadata
        Becomes EXIF; the orientation is 1 since the picture is upright already.
    quality : int
        Of JPEG, 1 to 100; the colours are not subsampled.

    Raises
    ------
    UsageError
        For another suffix or quality.
    OutputError, OSError
        When writing fails.
    """
    suffix = path.suffix.lower()
    if suffix in (".jpg", ".jpeg"):
        encoded = encode_jpeg(image, quality=quality)
    elif suffix == ".png":
        # Paeth and run lengths: a third of the time of zlib's default for photographs, and smaller files.
        filtering, strategy = imagecodecs.PNG.FILTER.PAETH, imagecodecs.PNG.STRATEGY.RLE
        png = bytes(imagecodecs.png_encode(np.ascontiguousarray(image.data), filter=filtering, strategy=strategy))
        encoded = _with_png_profile(png, _profile(image))
    else:
        raise UsageError(f"{str(path)!r} names neither JPEG (.jpg, .jpeg) nor PNG (.png).")
    path.write_bytes(encoded)
    write_metadata(path, metadata)


def write_grey(path: Path, levels: NDArray[np.uint8], *, metadata: Metadata) -> None:
    """Write a mask as PNG, grey, without a profile.

    Parameters
    ----------
    path : Path
        Written in place; use `hdrcli.io.output.atomic_output`.
    levels : ndarray (H, W), uint8
        0 black to 255 white, upright.
    metadata : Metadata
        Becomes EXIF and XMP; the orientation is 1.

    Raises
    ------
    OutputError, OSError
        When writing fails.
    """
    path.write_bytes(bytes(imagecodecs.png_encode(np.ascontiguousarray(levels))))
    write_metadata(path, metadata)


def encode_jpeg(image: DisplayImage, *, quality: int = 92) -> bytes:
    """Return a picture as a JPEG file with its profile; the colours are not subsampled.

    Raises
    ------
    UsageError
        When the quality is not 1 to 100.
    """
    if not 1 <= quality <= 100:
        raise UsageError(f"JPEG quality is 1 to 100; not {quality}.")
    jpeg = bytes(imagecodecs.jpeg8_encode(eight_bit(image), level=quality, subsampling="444"))
    return _with_jpeg_profile(jpeg, _profile(image))


def eight_bit(image: DisplayImage) -> NDArray[np.uint8]:
    """Return the picture with 8 bits a sample, (H, W, 3), rounded."""
    if image.data.dtype == np.uint8:
        return np.ascontiguousarray(image.data, dtype=np.uint8)
    # Multiplying rounds to the nearest of the 256 levels, each 257 apart.
    return np.asarray(cv2.convertScaleAbs(image.data, alpha=1 / 257), dtype=np.uint8)


def _profile(image: DisplayImage) -> bytes:
    return image.icc or icc_profile("srgb-linear", linear=False)


def _with_jpeg_profile(jpeg: bytes, profile: bytes) -> bytes:
    """Put the profile in APP2 segments behind JFIF's APP0 (ICC.1:2010, Annex B.4)."""
    room = 65535 - 2 - 14
    pieces = [profile[start : start + room] for start in range(0, len(profile), room)]
    return insert_segments(
        jpeg,
        *(
            segment(APP2, b"ICC_PROFILE\0" + bytes((number, len(pieces))) + piece)
            for number, piece in enumerate(pieces, start=1)
        ),
    )


def _with_png_profile(png: bytes, profile: bytes) -> bytes:
    """Put the profile in an iCCP chunk behind the header (PNG, 11.3.2.3)."""
    body = b"iCCPICC profile\0\0" + zlib.compress(profile)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    end_of_header = 8 + 25
    return png[:end_of_header] + chunk + png[end_of_header:]
