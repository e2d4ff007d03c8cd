"""AVIF files with HDR: 10 bits, PQ, Rec. 2020 (the code points 9/16/9 of ITU-T H.273, full range).

imagecodecs compresses the picture (AV1, colours not subsampled) and writes a container without metadata. The container
is put together again here (ISO/IEC 23008-12, HEIF; AV1 image file format 1.1) with EXIF, XMP and the content light
levels of CTA-861.3, which displays set their own roll-off by.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray, Metadata, SceneImage
from hdrcli.io.code_points import REFERENCE_WHITE, light_to_pq
from hdrcli.io.isobmff import box, boxes
from hdrcli.io.metadata import encode_metadata
from hdrcli.isp.colour import convert
from hdrcli.kernels import run_in_bands

_BITS = 10
_SPEED = 8  # of 0 to 10: slower ones take minutes for what a higher quality gives for fewer bytes
_PRIMARIES, _TRANSFER, _MATRIX = 9, 16, 9


def write_avif(path: Path, light: SceneImage, *, metadata: Metadata, quality: int = 95) -> None:
    """Write an HDR picture as AVIF.

    Parameters
    ----------
    path : Path
        Written in place; use `hdrcli.io.output.atomic_output`.
    light : SceneImage
        As a display shows it, in any named space: 1.0 = 203 cd/m2. What lies outside of Rec. 2020 or above the
        10,000 cd/m2 of PQ is cut.
    metadata : Metadata
        Becomes EXIF and XMP.
    quality : int
        1 to 100.

    Raises
    ------
    OutputError, OSError
        When writing fails.
    """
    light = convert(light, "rec2020")
    codes, levels = _codes(light.data), _light_levels(light.data)
    del light  # the encoder needs several times the memory of the codes, and callers may have no use for it either
    picture = imagecodecs.avif_encode(
        codes,
        level=quality,
        speed=_SPEED,
        bitspersample=_BITS,
        pixelformat="444",
        primaries=_PRIMARIES,
        transfer=_TRANSFER,
        matrix=_MATRIX,
        numthreads=os.cpu_count() or 1,
    )
    exif, xmp = encode_metadata(metadata)
    path.write_bytes(_container(bytes(picture), exif, xmp, levels))


def _codes(light: FloatArray) -> NDArray[np.uint16]:
    codes = np.empty(light.shape, np.uint16)
    top = np.float32(2**_BITS - 1)

    def band(first: int, last: int) -> None:
        codes[first:last] = np.rint(np.clip(light_to_pq(np.maximum(light[first:last], 0)), 0, 1) * top)

    run_in_bands(band, len(light))
    return codes


def _light_levels(light: FloatArray) -> tuple[int, int]:
    """Return MaxCLL and MaxFALL in cd/m2: the brightest pixel and the mean of all, each by its largest channel."""
    brightest, total = np.zeros(len(light)), np.zeros(len(light))

    def band(first: int, last: int) -> None:
        largest = np.maximum(light[first:last].max(axis=2), 0)
        brightest[first:last], total[first:last] = largest.max(axis=1), largest.sum(axis=1, dtype=np.float64)

    run_in_bands(band, len(light))
    levels = brightest.max(), total.sum() / (light.shape[0] * light.shape[1])
    first, second = (round(min(float(level) * REFERENCE_WHITE, 65535)) for level in levels)
    return first, second


def _container(picture: bytes, exif: bytes, xmp: bytes, light_levels: tuple[int, int]) -> bytes:
    """Return an AVIF file of the samples and properties of another, with metadata as further items."""
    whole = dict(boxes(picture))
    described = dict(boxes(whole[b"meta"][4:]))
    properties = [*boxes(box(described[b"iprp"], b"ipco")), (b"clli", struct.pack(">HH", *light_levels))]
    items = [(b"av01", b"", whole[b"mdat"])]
    if exif:
        items.append((b"Exif", b"", struct.pack(">I", 0) + exif))  # where its TIFF header is
    if xmp:
        items.append((b"mime", b"application/rdf+xml\0", xmp))
    # Where samples begin is known when the boxes before them are; their length does not depend on it.
    head = b""
    for _ in range(2):
        start = len(head) + 8
        meta = [
            _boxed(b"hdlr", described[b"hdlr"]),
            _boxed(b"pitm", described[b"pitm"]),
            _locations([len(data) for *_, data in items], start),
            _information([(kind, detail) for kind, detail, _ in items]),
            _references(len(items)),
            _boxed(b"iprp", _boxed(b"ipco", *(_boxed(*entry) for entry in properties)), _associations(properties)),
        ]
        head = _boxed(b"ftyp", whole[b"ftyp"]) + _boxed(b"meta", bytes(4), *meta)
    return head + _boxed(b"mdat", *(data for *_, data in items))


def _boxed(kind: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


def _locations(lengths: list[int], start: int) -> bytes:
    entries = b""
    for number, length in enumerate(lengths, start=1):
        entries += struct.pack(">HHHII", number, 0, 1, start, length)  # in this file, in one piece
        start += length
    offsets_and_lengths_of_four_bytes = 0x4400
    return _boxed(b"iloc", struct.pack(">IHH", 0, offsets_and_lengths_of_four_bytes, len(lengths)), entries)


def _information(kinds: list[tuple[bytes, bytes]]) -> bytes:
    entries = [
        _boxed(b"infe", struct.pack(">IHH4s", 2 << 24, number, 0, kind), b"\0", detail)
        for number, (kind, detail) in enumerate(kinds, start=1)
    ]
    return _boxed(b"iinf", struct.pack(">IH", 0, len(entries)), *entries)


def _references(items: int) -> bytes:
    """Return that all items but the first describe the first."""
    describing = [_boxed(b"cdsc", struct.pack(">HHH", number, 1, 1)) for number in range(2, items + 1)]
    return _boxed(b"iref", bytes(4), *describing)


def _associations(properties: list[tuple[bytes, bytes]]) -> bytes:
    """Return that the first item has all properties; a reader must understand the configuration of the decoder."""
    numbers = bytes(number | (0x80 if kind == b"av1C" else 0) for number, (kind, _) in enumerate(properties, start=1))
    return _boxed(b"ipma", struct.pack(">IIHB", 0, 1, 1, len(numbers)), numbers)
