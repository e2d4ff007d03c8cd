"""HEIC and AVIF pictures: HEIC through pillow-heif (the extra `heif`), AVIF through imagecodecs."""

from __future__ import annotations

import io
from pathlib import Path
from types import ModuleType
from typing import Any

import imagecodecs
import numpy as np

from hdrcli.errors import UnreadableFileError, UnsupportedFileError
from hdrcli.io.decoded import Decoded, check_size, damaged, full_range
from hdrcli.io.gainmap import APPLE_URN, GainMap, apple_gain_map
from hdrcli.io.isobmff import main_picture

_TONE_MAP_NOTE = "It carries an HDR rendition that no library here decodes; the ordinary picture alone is read."


def decode_avif(path: Path, data: bytes) -> Decoded:
    """Decode an AVIF picture; 10 and 12 bits are stretched to 16.

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
        A sequence: imagecodecs 2026.3.6 corrupts memory when it is asked for one frame, and all may be thousands.
    """
    if data[8:12] == b"avis":
        raise UnsupportedFileError(f"{path} is an AVIF animation, not a picture. Extract the frame that you want.")
    stated = main_picture(data)
    if stated.width:
        check_size(path, stated.width, stated.height)
    try:
        samples = imagecodecs.avif_decode(data)
    except Exception as error:  # AvifError, MemoryError: a damaged file by any name
        raise damaged(path, "an AVIF picture", error) from error
    samples = samples.reshape(*samples.shape[:2], -1)
    if samples.dtype != np.uint8:
        samples = full_range(samples, stated.bits or _bits(samples))
    return Decoded(
        np.ascontiguousarray(samples),
        stated.icc,
        stated.code_points,
        stated.orientation,
        has_gain_map=stated.has_gain_map,
        notes=(_TONE_MAP_NOTE,) if stated.has_gain_map else (),
    )


def decode_heic(path: Path, data: bytes, *, headroom: float | None) -> Decoded:
    """Decode the main picture of a HEIC file, already turned upright; 10 and 12 bits are stretched to 16.

    Parameters
    ----------
    path : Path
        For messages.
    data : bytes
        The whole file.
    headroom : float or None
        Of Apple's gain map, as the file's metadata state it.

    Raises
    ------
    UnreadableFileError
        Truncated, damaged, or too large.
    UnsupportedFileError
        When pillow-heif is not installed.
    """
    pillow_heif = _pillow_heif(path)
    stated = main_picture(data)
    if stated.width:
        check_size(path, stated.width, stated.height)
    try:
        file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
        main = file[file.primary_index]
        check_size(path, *main.size)
        samples = np.asarray(main)
        bits = int(main.info.get("bit_depth", 8))
        maps = main.info.get("aux", {}).get(APPLE_URN, [])
        codes = np.asarray(main.get_aux_image(maps[0])) if maps else None
    except UnreadableFileError:
        raise
    except Exception as error:  # libheif's errors come as ValueError, RuntimeError, OSError, EOFError ...
        raise damaged(path, "a HEIC picture", error) from error
    samples = samples.reshape(*samples.shape[:2], -1)
    if samples.dtype != np.uint8:
        samples = full_range(samples, bits)
    gain_map, note = _apple_map(codes, headroom)
    if codes is None and stated.has_gain_map:
        note = _TONE_MAP_NOTE
    return Decoded(
        np.ascontiguousarray(samples),
        stated.icc,
        stated.code_points,
        orientation=1,
        gain_map=gain_map,
        has_gain_map=stated.has_gain_map or codes is not None,
        notes=(note,) if note else (),
    )


def _pillow_heif(path: Path) -> ModuleType:
    try:
        import pillow_heif
    except ImportError as error:
        raise UnsupportedFileError(
            f"{path} is a HEIC picture, which needs pillow-heif: pip install 'hdrcli[heif]'."
        ) from error
    module: ModuleType = pillow_heif
    return module


def _apple_map(codes: Any, headroom: float | None) -> tuple[GainMap | None, str]:
    if codes is None:
        return None, ""
    if headroom is None:
        return None, "Its gain map is not applied: its headroom is not stated."
    try:
        return apple_gain_map(codes, headroom), ""
    except ValueError as error:
        return None, f"Its gain map is not applied: {error}."


def _bits(samples: Any) -> int:
    return 10 if int(samples.max()) < 1024 else 12
