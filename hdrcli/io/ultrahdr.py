"""JPEG files with a gain map: an ordinary picture, and behind it what turns it into the HDR picture.

The base is the picture that every viewer shows; viewers that know gain maps multiply it, as far as the display allows.
The map is a second JPEG of the full size with a gain for each channel. It is described twice, for older and newer
viewers: by XMP of Adobe's "Gain map specification 1.0" in the container of Android's "Ultra HDR image format 1.1", and
by ISO 21496-1. The Multi-Picture Format (CIPA DC-007) says where it lies.

`hdrcli.io.gainmap` reads what is written here.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import OutputError
from hdrcli.images import DisplayImage, FloatArray, Metadata, SceneImage
from hdrcli.io.gainmap import ISO_NAME
from hdrcli.io.jpeg_segments import APP1, APP2, EXIF_NAME, XMP_NAME, head_end, insert_segments, segment
from hdrcli.io.metadata import encode_metadata
from hdrcli.io.preview import encode_jpeg
from hdrcli.isp.colour import space_to_space
from hdrcli.kernels import run_in_bands

_OFFSET = 1 / 64  # added to base and HDR, so that gains of dark pixels stay small
_MOST_GAIN, _LEAST_GAIN = 8.0, -4.0  # stops
_SMALLEST_RANGE = 1 / 16  # stops
# Gains multiply the base with its errors.
_BASE_QUALITY, _MAP_QUALITY = 95, 90
_EMPTY_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b"</rdf:RDF></x:xmpmeta>"
)
_ADOBE = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"'


@dataclass(frozen=True)
class _Gains:
    """Codes of a gain map, 0..255 for log2 gains from `low` to `high`."""

    codes: NDArray[np.uint8]
    low: float
    high: float


def write_ultra_hdr(
    path: Path, base: DisplayImage, base_light: SceneImage, hdr_light: SceneImage, *, peak: float, metadata: Metadata
) -> None:
    """Write a JPEG with a gain map.

    Parameters
    ----------
    path : Path
        Written in place; use `hdrcli.io.output.atomic_output`.
    base : DisplayImage
        The ordinary picture.
    base_light : SceneImage
        Its light before it was cut to 0..1 and rounded to codes, in its primaries, 1.0 = white.
    hdr_light : SceneImage
        The HDR picture in any named space, 1.0 = white of the base; colours outside the primaries of the base are cut.
    peak : float
        Of the display that shows all of the HDR picture, over white; more than 1.
    metadata : Metadata
        Becomes EXIF and XMP.

    Raises
    ------
    OutputError, OSError
        When writing fails.
    """
    gains = _gains(base_light, hdr_light)
    headroom = math.log2(peak)
    encoded_map = bytes(imagecodecs.jpeg8_encode(gains.codes, level=_MAP_QUALITY, subsampling="444"))
    second = insert_segments(
        encoded_map,
        segment(APP1, XMP_NAME + _map_xmp(gains, headroom)),
        segment(APP2, ISO_NAME + _iso_description(gains, headroom)),
    )
    exif, xmp = encode_metadata(metadata)
    try:
        first = insert_segments(
            encode_jpeg(base, quality=_BASE_QUALITY),
            segment(APP1, EXIF_NAME + exif),
            segment(APP1, XMP_NAME + _container_xmp(xmp, len(second))),
            segment(APP2, ISO_NAME + bytes(4)),  # versions alone: the description is with the map
        )
    except ValueError as error:
        raise OutputError(f"{path} cannot be written: {error}.") from error
    path.write_bytes(_with_index(first, second) + second)


def _gains(base_light: SceneImage, hdr_light: SceneImage) -> _Gains:
    """Return the gains (hdr + offset) / (base + offset)."""
    base, hdr = base_light.data, hdr_light.data
    matrix = space_to_space(hdr_light.colour_space, base_light.colour_space).T.astype(np.float32)
    height = len(base)
    extremes = np.zeros((2, height), np.float32)

    def logarithm(first: int, last: int) -> FloatArray:
        above = np.maximum(hdr[first:last] @ matrix, 0) + np.float32(_OFFSET)
        below = np.fmin(np.fmax(base[first:last], 0), 1) + np.float32(_OFFSET)  # of NaN and 0, the latter
        return np.asarray(np.log2(above / below), dtype=np.float32)

    def measure(first: int, last: int) -> None:
        gain = logarithm(first, last)
        extremes[:, first:last] = gain.min(axis=(1, 2)), gain.max(axis=(1, 2))

    run_in_bands(measure, height)
    low = max(float(extremes[0].min()), _LEAST_GAIN)
    high = min(max(float(extremes[1].max()), low + _SMALLEST_RANGE), _MOST_GAIN)
    codes = np.empty(base.shape, np.uint8)

    def encode(first: int, last: int) -> None:
        share = (logarithm(first, last) - np.float32(low)) * np.float32(255 / (high - low))
        codes[first:last] = np.rint(np.clip(share, 0, 255))

    run_in_bands(encode, height)
    return _Gains(codes, low, high)


def _map_xmp(gains: _Gains, headroom: float) -> bytes:
    entries = {
        "GainMapMin": gains.low,
        "GainMapMax": gains.high,
        "Gamma": 1.0,
        "OffsetSDR": _OFFSET,
        "OffsetHDR": _OFFSET,
        "HDRCapacityMin": 0.0,
        "HDRCapacityMax": headroom,
    }
    stated = " ".join(f'hdrgm:{name}="{value:.6f}"' for name, value in entries.items())
    return _described(_EMPTY_XMP, f'<rdf:Description rdf:about="" {_ADOBE} {stated} hdrgm:BaseRenditionIsHDR="False"/>')


def _container_xmp(packet: bytes, map_bytes: int) -> bytes:
    """Return the base picture's XMP with the list of what is in the file."""
    items = "".join(
        f'<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{semantic}" Item:Mime="image/jpeg"{size}/>'
        "</rdf:li>"
        for semantic, size in (("Primary", ""), ("GainMap", f' Item:Length="{map_bytes}"'))
    )
    description = (
        f'<rdf:Description rdf:about="" {_ADOBE} xmlns:Container="http://ns.google.com/photos/1.0/container/" '
        'xmlns:Item="http://ns.google.com/photos/1.0/container/item/">'
        f"<Container:Directory><rdf:Seq>{items}</rdf:Seq></Container:Directory></rdf:Description>"
    )
    return _described(packet or _EMPTY_XMP, description)


def _described(packet: bytes, description: str) -> bytes:
    return packet.replace(b"</rdf:RDF>", description.encode() + b"</rdf:RDF>", 1)


def _iso_description(gains: _Gains, headroom: float) -> bytes:
    """Return the metadata of ISO 21496-1: one set of numbers for all channels, in the colours of the base."""
    millionths = 1_000_000
    signed = [(round(value * millionths), millionths) for value in (gains.low, gains.high)]
    gamma, offset = (1, 1), (1, 64)
    fractions = struct.pack(">IIII", 0, 1, round(headroom * millionths), millionths)
    fractions += struct.pack(">iIiIIIiIiI", *signed[0], *signed[1], *gamma, *offset, *offset)
    uses_base_colours = 0x40
    return struct.pack(">HHB", 0, 0, uses_base_colours) + fractions


def _with_index(first: bytes, second: bytes) -> bytes:
    """Return the first picture with the index of the Multi-Picture Format, which counts from its own header."""
    entries_at = 8 + 2 + 3 * 12 + 4
    header_at = head_end(first) + 4 + 4  # behind marker and size of the segment, and its name
    whole = len(first) + 4 + 4 + entries_at + 2 * 16
    index = struct.pack(">2sHIH", b"MM", 42, 8, 3)
    index += struct.pack(">HHI4s", 0xB000, 7, 4, b"0100")  # version
    index += struct.pack(">HHII", 0xB001, 4, 1, 2)  # number of pictures
    index += struct.pack(">HHII", 0xB002, 7, 32, entries_at)
    index += struct.pack(">I", 0)  # no further directory
    index += struct.pack(">IIIHH", 0x030000, whole, 0, 0, 0)  # the baseline picture, which begins with the file
    index += struct.pack(">IIIHH", 0, len(second), whole - header_at, 0, 0)
    return insert_segments(first, segment(APP2, b"MPF\0" + index))
