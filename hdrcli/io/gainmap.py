"""Gain maps: the second picture that turns an ordinary one into the HDR picture that it was made from.

Three ways to describe one are read: ISO 21496-1 (binary), the XMP namespace "hdrgm" of Adobe's "Gain map
specification 1.0" (Android's Ultra HDR uses it too), and Apple's own ("Applying Apple HDR effect to your photos").
All come down to log2 gains that multiply the linear base picture, which is what `GainMap` holds:

    hdr = (base + offset_base) * 2 ** gain - offset_alternate

with the full gain, for a display that shows all of it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.images import DisplayImage, FloatArray, SceneImage
from hdrcli.io.profile import channels_of, linearise, primaries_matrix

Triple = tuple[float, float, float]

ISO_NAME = b"urn:iso:std:iso:ts:21496:-1\0"
APPLE_URN = "urn:com:apple:photo:2020:aux:hdrgainmap"
_ADOBE = "http://ns.adobe.com/hdr-gain-map/1.0/"
_APPLE = "http://ns.apple.com/HDRGainMap/1.0/"
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_MOST_STOPS = 16.0  # no display shows more; what states more was damaged


@dataclass(frozen=True)
class GainMap:
    """Gains over the linear base picture.

    Attributes
    ----------
    gain : ndarray (h, w, 1) or (h, w, 3), float32
        Log2, at any size: it is stretched over the base.
    offset_base, offset_alternate : tuple of 3 float
        In units of the base's white.
    icc : bytes
        Profile whose primaries the gains refer to; empty for those of the base.
    """

    gain: FloatArray
    offset_base: Triple = (0.0, 0.0, 0.0)
    offset_alternate: Triple = (0.0, 0.0, 0.0)
    icc: bytes = b""


def apply_gain_map(base: DisplayImage, gain_map: GainMap) -> SceneImage:
    """Return the HDR picture of a base and its gain map.

    Parameters
    ----------
    base : DisplayImage
        In the order in which the file stores it, as the map is.
    gain_map : GainMap

    Returns
    -------
    SceneImage
        Linear sRGB, unlimited (colours outside of it have negative components); 1.0 = white of the base.
    """
    height, width = base.data.shape[:2]
    scene = linearise(base).data
    own = primaries_matrix(DisplayImage(base.data[:1, :1], gain_map.icc or base.icc))
    to_own, to_srgb = np.linalg.inv(own).astype(np.float32), own.astype(np.float32)
    gain = cv2.resize(gain_map.gain, (width, height), interpolation=cv2.INTER_LINEAR).reshape(height, width, -1)
    before = np.array(gain_map.offset_base, np.float32)
    after = np.array(gain_map.offset_alternate, np.float32)
    for first in range(0, height, 256):
        band = cv2.transform(scene[first : first + 256], to_own)
        band = (band + before) * np.exp2(gain[first : first + 256]) - after
        scene[first : first + 256] = cv2.transform(band, to_srgb)
    return SceneImage(scene, "srgb-linear")


def iso_gain_map(codes: NDArray[np.uint8], description: bytes, *, icc: bytes = b"") -> GainMap:
    """Return a gain map described by ISO 21496-1.

    Parameters
    ----------
    codes : ndarray (h, w) or (h, w, 3), uint8
    description : bytes
        The standard's metadata, from the version numbers on.
    icc : bytes
        Profile of the map, which names the primaries of the HDR picture.

    Raises
    ------
    ValueError
        When the description is damaged, or of a picture whose base is the HDR one.
    """
    try:
        minimum_version, _, flags = struct.unpack_from(">HHB", description)
        if minimum_version != 0:
            raise ValueError(f"version {minimum_version} of its description is unknown")
        channels = 3 if flags & 0x80 else 1
        numbers = _fractions(description[5:], channels, common=bool(flags & 0x08))
    except struct.error as error:
        raise ValueError("its description is cut short") from error
    base_headroom, alternate_headroom = numbers[:2]
    if base_headroom >= alternate_headroom:
        raise ValueError("it leads from an HDR base to an ordinary picture")
    fields = list(zip(*(numbers[2 + 5 * c : 7 + 5 * c] for c in range(channels)), strict=True))
    minimum, maximum, gamma, before, after = (_triple(field) for field in fields)
    return GainMap(_log_gain(codes, minimum, maximum, gamma), before, after, b"" if flags & 0x40 else _usable(icc))


def adobe_gain_map(codes: NDArray[np.uint8], xmp: bytes) -> GainMap | None:
    """Return a gain map described by XMP of the namespace "hdrgm"; None where the XMP has no such entries.

    Parameters
    ----------
    codes : ndarray (h, w) or (h, w, 3), uint8
    xmp : bytes

    Raises
    ------
    ValueError
        When entries make no sense, or the base is the HDR picture.
    """
    entries = _xmp_entries(xmp, _ADOBE)
    if "GainMapMax" not in entries:
        return None
    if entries.get("BaseRenditionIsHDR", ["False"])[0].lower() == "true":
        raise ValueError("it leads from an HDR base to an ordinary picture")

    def values(name: str, default: float) -> Triple:
        return _triple([float(value) for value in entries.get(name, [str(default)])])

    gain = _log_gain(codes, values("GainMapMin", 0.0), values("GainMapMax", 1.0), values("Gamma", 1.0))
    return GainMap(gain, values("OffsetSDR", 1 / 64), values("OffsetHDR", 1 / 64))


def apple_gain_map(codes: NDArray[np.uint8], headroom: float) -> GainMap:
    """Return a gain map as Apple describes it: hdr = base * (1 + (headroom - 1) * light of the map).

    Parameters
    ----------
    codes : ndarray (h, w), uint8
        Encoded with the curve of BT.709.
    headroom : float
        Brightest white over white of the base.

    Raises
    ------
    ValueError
        When the headroom is below 1 or absurd.
    """
    if not 1 <= headroom <= 2**_MOST_STOPS:
        raise ValueError(f"its headroom of {headroom:g} makes no sense")
    steps = np.arange(256) / 255
    light = np.where(steps < 0.081, steps / 4.5, ((steps + 0.099) / 1.099) ** (1 / 0.45))
    table = np.log2(1 + (headroom - 1) * light).astype(np.float32)
    return GainMap(table[codes.reshape(*codes.shape[:2], -1)[..., :1]])


def apple_headroom(xmp: bytes) -> float | None:
    """Return the headroom that XMP of Apple's namespace states; None where it does not."""
    stated = _xmp_entries(xmp, _APPLE).get("HDRGainMapHeadroom")
    return float(stated[0]) if stated else None


def apple_maker_headroom(maker_note: bytes) -> float | None:
    """Return the headroom by the maker note's entries 33 and 48, as Apple's formula has it; None without them."""
    if not maker_note.startswith(b"Apple iOS\0") or len(maker_note) < 16:
        return None
    order = "<" if maker_note[12:14] == b"II" else ">"
    found: dict[int, float] = {}
    (count,) = struct.unpack_from(f"{order}H", maker_note, 14)
    for start in range(16, min(16 + 12 * count, len(maker_note) - 11), 12):
        tag, kind, number, offset = struct.unpack_from(f"{order}HHII", maker_note, start)
        if tag in (33, 48) and (kind, number) == (10, 1) and offset + 8 <= len(maker_note):
            numerator, denominator = struct.unpack_from(f"{order}ii", maker_note, offset)
            found[tag] = numerator / denominator if denominator else math.nan
    if 33 not in found or 48 not in found:
        return None
    brightness, share = found[33], found[48]
    if brightness < 1:
        stops = -20.0 * share + 1.8 if share <= 0.01 else -0.101 * share + 1.601
    else:
        stops = -70.0 * share + 3.0 if share <= 0.01 else -0.303 * share + 2.303
    return float(2.0 ** max(stops, 0.0)) if math.isfinite(stops) else None


def _fractions(body: bytes, channels: int, *, common: bool) -> list[float]:
    """Return both headrooms, then minimum, maximum, gamma and the two offsets of each channel."""
    signed = [False, False, *[True, True, False, True, True] * channels]
    if common:
        (denominator,) = struct.unpack_from(">I", body)
        layout = ">4x" + "".join("i" if s else "I" for s in signed)
        pairs: Iterable[tuple[int, int]] = ((value, denominator) for value in struct.unpack_from(layout, body))
    else:
        values = struct.unpack_from(">" + "".join("iI" if s else "II" for s in signed), body)
        pairs = zip(values[::2], values[1::2], strict=True)
    pairs = list(pairs)
    if any(below == 0 for _, below in pairs):
        raise ValueError("its description divides by zero")
    return [above / below for above, below in pairs]


def _log_gain(codes: NDArray[np.uint8], minimum: Triple, maximum: Triple, gamma: Triple) -> FloatArray:
    extremes = (*minimum, *maximum)
    if not all(math.isfinite(value) and abs(value) <= _MOST_STOPS for value in extremes) or not min(gamma) > 0:
        raise ValueError("its gains make no sense")
    steps = np.arange(256) / 255
    tables = [
        (low + (high - low) * steps ** (1 / power)).astype(np.float32)
        for low, high, power in zip(minimum, maximum, gamma, strict=True)
    ]
    if codes.ndim == 3 and codes.shape[2] == 3:
        return np.stack([table[codes[..., channel]] for channel, table in enumerate(tables)], axis=-1)
    grey = codes.reshape(codes.shape[:2])
    return np.stack([table[grey] for table in (tables if len(set(extremes + gamma)) > 3 else tables[:1])], axis=-1)


def _triple(values: Iterable[float]) -> Triple:
    first, *others = values
    if len(others) not in (0, 2):
        raise ValueError(f"it has values for {1 + len(others)} channels")
    return (first, others[0], others[1]) if others else (first, first, first)


def _usable(icc: bytes) -> bytes:
    return icc if channels_of(icc) == "RGB" else b""


def _xmp_entries(xmp: bytes, namespace: str) -> dict[str, list[str]]:
    """Return the entries of a namespace, in either of XMP's spellings: as attributes or as elements with lists."""
    try:
        root = ElementTree.fromstring(xmp[: xmp.rfind(b">") + 1])
    except (ElementTree.ParseError, ValueError):
        return {}
    entries: dict[str, list[str]] = {}
    prefix = f"{{{namespace}}}"
    for element in root.iter():
        entries.update({key.removeprefix(prefix): [value] for key, value in element.items() if key.startswith(prefix)})
        if element.tag.startswith(prefix):
            items = [item.text or "" for item in element.iter(f"{{{_RDF}}}li")]
            entries[element.tag.removeprefix(prefix)] = items or [element.text or ""]
    return entries
