"""JPEG, PNG and WebP pictures, mostly through Pillow."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from PIL import Image, UnidentifiedImageError

from hdrcli.colourspaces import D65, Primaries
from hdrcli.errors import UnreadableFileError, UnsupportedFileError
from hdrcli.io.code_points import CodePoints
from hdrcli.io.decoded import Decoded, check_size, damaged
from hdrcli.io.gainmap import (
    APPLE_URN,
    ISO_NAME,
    GainMap,
    adobe_gain_map,
    apple_gain_map,
    apple_headroom,
    iso_gain_map,
)
from hdrcli.io.icc import matrix_profile

_SRGB_CHROMATICITIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
_MP_ENTRIES = 0xB002
_MOST_PICTURES = 64  # of a file, that are looked at
_NOT_RGB = {"CMYK": "CMYK or YCCK", "LAB": "CIELAB", "HSV": "HSV", "F": "floating point", "I": "32-bit integer"}


def decode_web(path: Path, data: bytes, kind: str, *, maker_headroom: float | None = None) -> Decoded:
    """Decode a JPEG, PNG or WebP picture, the first frame of an animation.

    Parameters
    ----------
    path : Path
        For messages.
    data : bytes
        The whole file.
    kind : str
        "JPEG", "PNG" or "WebP".
    maker_headroom : float or None
        What the maker note says about an Apple gain map.

    Raises
    ------
    UnreadableFileError
        Truncated, damaged, or too large.
    UnsupportedFileError
        Neither RGB nor grey.
    """
    with _opened(path, data, kind) as image:
        check_size(path, *image.size)
        if image.mode in _NOT_RGB:
            raise UnsupportedFileError(
                f"{path} holds {_NOT_RGB[image.mode]} colours, which mean light only on the press they were made for. "
                "Convert it to RGB with its profile first."
            )
        notes: tuple[str, ...] = ()
        frames = getattr(image, "n_frames", 1)
        icc = image.info.get("icc_profile") or b""
        if kind == "PNG":
            samples = _png_samples(data, image)
            points, own_profile = _png_colours(data, image.info)
            icc = icc or own_profile
        else:
            samples, points = _samples(image), None
        has_map, gain_map, note = False, None, ""
        if kind == "JPEG":
            has_map, gain_map, note = _jpeg_gain_map(path, data, maker_headroom)
        if note:
            notes = (note,)
        elif frames > 1 and not has_map:
            notes = (f"It holds {frames} pictures, of which the first is read.",)
    return Decoded(samples, icc, points, None, gain_map, has_map, notes)


@contextmanager
def _opened(path: Path, data: bytes, kind: str) -> Iterator[Image.Image]:
    """Give Pillow's picture; everything that Pillow raises becomes one error of ours."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures, odd EXIF; the limit is `check_size`'s
            with Image.open(io.BytesIO(data), formats=(kind.upper(),)) as image:
                yield image
    except (UnreadableFileError, UnsupportedFileError):
        raise
    except Image.DecompressionBombError as error:
        raise UnreadableFileError(f"{path} claims too many pixels: {error}") from error
    except UnidentifiedImageError as error:
        raise damaged(path, f"a {kind} picture", Exception("its header makes no sense")) from error
    except Exception as error:  # damaged files raise anything from OSError to struct.error
        raise damaged(path, f"a {kind} picture", error) from error


def _samples(image: Image.Image) -> Any:
    """Return 8-bit samples (H, W, C), palettes resolved, a single transparent colour as alpha."""
    if image.mode in ("P", "PA") or "transparency" in image.info:
        transparent = image.mode == "PA" or "transparency" in image.info
        image = image.convert("RGBA" if transparent else "RGB")
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    samples = np.asarray(image)
    return samples.reshape(*samples.shape[:2], -1)


def _png_samples(data: bytes, image: Image.Image) -> Any:
    if data[24] != 16:
        return _samples(image)
    samples = imagecodecs.png_decode(data)  # Pillow keeps 8 bits of colour
    if samples.ndim == 3 and samples.shape[2] in (2, 4):
        return samples
    key = dict(_png_chunks(data)).get(b"tRNS")
    samples = samples.reshape(*samples.shape[:2], -1)
    if key is None:
        return samples
    colour = np.frombuffer(key, ">u2")[: samples.shape[2]]
    opaque = np.where((samples == colour).all(axis=2, keepdims=True), 0, 65535).astype(np.uint16)
    return np.concatenate([samples, opaque], axis=2)


def _png_colours(data: bytes, info: dict[Any, Any]) -> tuple[CodePoints | None, bytes]:
    """Return what cICP says, and a profile made of cHRM and gAMA, in the order of PNG 3, 4.3."""
    points = dict(_png_chunks(data)).get(b"cICP", b"")
    if len(points) == 4:
        return CodePoints(points[0], points[1]), b""
    if "srgb" in info or "gamma" not in info:
        return None, b""
    gamma = float(info["gamma"])
    corners = tuple(float(value) for value in info.get("chromaticity", _SRGB_CHROMATICITIES))
    like_srgb = np.allclose(corners, _SRGB_CHROMATICITIES, atol=2e-3)
    if not 0.1 <= gamma <= 10 or (like_srgb and abs(gamma - 1 / 2.2) < 2e-3):
        return None, b""  # 1/2.2 is how writers of sRGB put it
    white, red, green, blue = zip(corners[0::2], corners[1::2], strict=True)
    primaries = Primaries(red, green, blue, D65 if like_srgb else white)
    columns = np.array([[x, y, 1 - x - y] for x, y in primaries])
    if columns[:, 1].min() <= 0 or abs(np.linalg.det(columns[:3])) < 1e-3:
        return None, b""
    return None, matrix_profile(primaries, gamma=1 / gamma, name="PNG chunks (hdrcli)")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield type and content of the chunks before the picture's samples."""
    start = 8
    while start + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, start)
        body = data[start + 8 : start + 8 + size]
        if kind == b"IDAT" or data[start + 8 + size : start + 12 + size] != struct.pack(">I", zlib.crc32(kind + body)):
            return
        yield kind, body
        start += 12 + size


def _jpeg_gain_map(path: Path, data: bytes, maker_headroom: float | None) -> tuple[bool, GainMap | None, str]:
    """Return whether there is a gain map behind the picture, the map if it can be read, else why it cannot."""
    for part in _further_jpegs(data):
        try:
            with _opened(path, part, "JPEG") as second:
                check_size(path, *second.size)
                blocks = [body for marker, body in getattr(second, "applist", []) if marker == "APP2"]
                iso = next((body.removeprefix(ISO_NAME) for body in blocks if body.startswith(ISO_NAME)), b"")
                xmp = second.info.get("xmp") or b""
                is_apple = APPLE_URN.encode() in xmp
                if not iso and not is_apple and b"hdr-gain-map" not in xmp:
                    continue
                icc = second.info.get("icc_profile") or b""
                codes = np.asarray(second if second.mode in ("L", "RGB") else second.convert("RGB"))
        except (UnreadableFileError, UnsupportedFileError):
            return True, None, "Its gain map is damaged; the ordinary picture alone is read."
        try:
            if len(iso) > 4:
                return True, iso_gain_map(codes, iso, icc=icc), ""
            if is_apple:
                headroom = apple_headroom(xmp) or maker_headroom
                if headroom is None:
                    raise ValueError("its headroom is not stated")
                return True, apple_gain_map(codes, headroom), ""
            found = adobe_gain_map(codes, xmp)
            if found is not None:
                return True, found, ""
        except ValueError as error:
            return True, None, f"Its gain map is not applied: {error}."
    return False, None, ""


def _further_jpegs(data: bytes) -> Iterator[bytes]:
    """Yield the JPEG files behind the first one, as the index of the Multi-Picture Format (CIPA DC-007) lists them.

    Pillow keeps the index to itself where XMP speaks of a gain map.
    """
    marked = re.search(rb"\xff\xe2..MPF\0(II\*\0|MM\0\*)", data[: 1 << 20], re.DOTALL)
    if marked is None:
        return
    header = marked.start(1)
    order = "<" if marked[1].startswith(b"II") else ">"
    try:
        directory = header + struct.unpack_from(f"{order}I", data, header + 4)[0]
        (fields,) = struct.unpack_from(f"{order}H", data, directory)
        stated = [struct.unpack_from(f"{order}HHII", data, directory + 2 + 12 * field) for field in range(fields)]
        size, at = next(((size, at) for tag, _, size, at in stated if tag == _MP_ENTRIES), (0, 0))
        numbers = range(1, min(size // 16, _MOST_PICTURES))
        entries = [struct.unpack_from(f"{order}4xII4x", data, header + at + 16 * number) for number in numbers]
    except struct.error:
        return
    for length, start in entries:
        part = data[header + start : header + start + length]
        if part.startswith(b"\xff\xd8\xff"):
            yield part
