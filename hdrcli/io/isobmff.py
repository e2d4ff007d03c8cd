"""What the boxes of a HEIC or AVIF file say about its main picture (ISO/IEC 23008-12, HEIF).

Only what the decoders do not tell: size before decoding, bit depth, code points and profile, rotation and mirroring,
and whether there is a gain map. Boxes that are damaged are skipped; the decoders are the judges of files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

from hdrcli.io.code_points import CodePoints

# EXIF orientation by quarter turns anticlockwise, alone and followed by a mirror: 0 swaps top and bottom, 1 left and
# right.
_TURNS = (1, 8, 3, 6)
_TURNS_MIRRORED = {0: (4, 5, 2, 7), 1: (2, 7, 4, 5)}


@dataclass(frozen=True)
class MainPicture:
    """Properties of the main picture of a HEIF container.

    Attributes
    ----------
    width, height : int
        As stored, 0 where not stated.
    bits : int
        Of each channel, 0 where not stated.
    code_points : CodePoints or None
    icc : bytes
    orientation : int
        What rotation and mirror amount to, as EXIF orientation.
    has_gain_map : bool
        Whether the container holds a tone map derivation (ISO 21496-1).
    """

    width: int = 0
    height: int = 0
    bits: int = 0
    code_points: CodePoints | None = None
    icc: bytes = b""
    orientation: int = 1
    has_gain_map: bool = False


def is_heif(head: bytes) -> str:
    """Return "HEIC", "AVIF" or an empty string by the first bytes of a file (32 at least)."""
    if head[4:8] != b"ftyp":
        return ""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[start : start + 4] for start in range(16, end - 3, 4))}
    if brands & {b"avif", b"avis"}:
        return "AVIF"
    return "HEIC" if brands & {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"} else ""


def main_picture(data: bytes) -> MainPicture:
    """Return what the boxes of a whole HEIF file say about its main picture."""
    try:
        return _main_picture(data)
    except (struct.error, IndexError, ValueError):
        return MainPicture()


def _main_picture(data: bytes) -> MainPicture:
    meta = dict(boxes(box(data, b"meta")[4:]))
    main = _item_number(meta[b"pitm"]) if b"pitm" in meta else 1
    picture = MainPicture(has_gain_map=b"tmap" in _item_types(meta.get(b"iinf", b"")))
    properties = list(boxes(box(meta.get(b"iprp", b""), b"ipco")))
    turns, mirror = 0, None
    for index in _properties_of(box(meta.get(b"iprp", b""), b"ipma"), main):
        kind, body = properties[index - 1] if 1 <= index <= len(properties) else (b"", b"")
        if kind == b"ispe":
            width, height = struct.unpack_from(">4xII", body)
            picture = replace(picture, width=width, height=height)
        elif kind == b"pixi" and body[4]:
            picture = replace(picture, bits=body[5])
        elif kind == b"av1C" and not picture.bits:
            picture = replace(picture, bits=(12 if body[2] & 0x20 else 10) if body[2] & 0x40 else 8)
        elif kind == b"colr" and body[:4] == b"nclx":
            picture = replace(picture, code_points=CodePoints(*struct.unpack_from(">HH", body, 4)))
        elif kind == b"colr" and body[:4] in (b"prof", b"rICC"):
            picture = replace(picture, icc=body[4:])
        elif kind == b"irot":
            turns = body[0] & 3
        elif kind == b"imir":
            mirror = body[0] & 1
    orientation = _TURNS[turns] if mirror is None else _TURNS_MIRRORED[mirror][turns]
    return replace(picture, orientation=orientation)


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of the boxes that follow each other."""
    start = 0
    while start + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, start)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            header = 16
        elif size == 0:
            size = len(data) - start
        if size < header:
            return
        yield kind, data[start + header : start + size]
        start += size


def box(data: bytes, wanted: bytes) -> bytes:
    """Return the content of the first box of a type; empty where there is none."""
    return next((body for kind, body in boxes(data) if kind == wanted), b"")


def _item_number(body: bytes) -> int:
    wide = body[0] > 0
    return int.from_bytes(body[4 : 8 if wide else 6], "big")


def _item_types(body: bytes) -> set[bytes]:
    if not body:
        return set()
    entries = boxes(body[8 if body[0] else 6 :])
    return {entry[10 if entry[0] > 2 else 8 :][:4] for kind, entry in entries if kind == b"infe" and entry[0] >= 2}


def _properties_of(body: bytes, item: int) -> list[int]:
    """Return the numbers of an item's properties, counted from 1, in their order."""
    if not body:
        return []
    wide_items, wide_numbers = body[0] > 0, body[3] & 1
    (entries,) = struct.unpack_from(">I", body, 4)
    start = 8
    for _ in range(entries):
        length = 4 if wide_items else 2
        number = int.from_bytes(body[start : start + length], "big")
        count = body[start + length]
        start += length + 1
        size = 2 if wide_numbers else 1
        if number == item:
            cells = [int.from_bytes(body[start + size * i : start + size * (i + 1)], "big") for i in range(count)]
            return [cell & (0x7FFF if wide_numbers else 0x7F) for cell in cells]
        start += size * count
    return []
