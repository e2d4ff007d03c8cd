"""The segments at the head of a JPEG file (ITU-T T.81, Annex B): where metadata, profiles and gain maps are kept."""

from __future__ import annotations

import struct
from collections.abc import Iterator

APP1, APP2 = 0xE1, 0xE2
EXIF_NAME = b"Exif\0\0"
XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
"""What the APP1 segments of EXIF and XMP begin with."""

_COMMENT, _START_OF_SCAN = 0xFE, 0xDA


def segment(marker: int, body: bytes) -> bytes:
    """Return a segment.

    Raises
    ------
    ValueError
        When the body is longer than the 65,533 bytes that a segment holds.
    """
    if len(body) > 65533:
        raise ValueError(f"{len(body)} bytes do not fit into a segment of a JPEG")
    return struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body


def head_segments(jpeg: bytes) -> Iterator[tuple[int, bytes, int]]:
    """Yield marker, body and end of every segment before the picture's samples."""
    start = 2
    while start + 4 <= len(jpeg):
        _, marker, size = struct.unpack_from(">BBH", jpeg, start)
        if marker == _START_OF_SCAN:
            return
        end = start + 2 + size
        yield marker, jpeg[start + 4 : end], end
        start = end


def head_end(jpeg: bytes) -> int:
    """Return where the segments for applications end that a JPEG begins with."""
    end = 2
    for marker, _, behind in head_segments(jpeg):
        if not (0xE0 <= marker <= 0xEF or marker == _COMMENT):
            break
        end = behind
    return end


def insert_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """Return a JPEG with segments behind those for applications that it has already."""
    end = head_end(jpeg)
    return jpeg[:end] + b"".join(segments) + jpeg[end:]
