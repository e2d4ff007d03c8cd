"""Camera raw files through LibRaw: what the sensor counted, and what the file says about it.

Only 2x2 RGB Bayer sensors are read; everything else is refused with what was found. The name of a file never decides.
Two things are not left to LibRaw: float DNGs, of which it makes a 14-bit integer copy (`hdrcli.io.raw_float`), and
black levels of DNGs, which it rounds, and misplaces where the active area begins at an odd row or column.
"""

from __future__ import annotations

import io
import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import rawpy

from hdrcli.errors import UnreadableFileError, UnsupportedFileError
from hdrcli.images import BAYER_PATTERNS, MaskedBorders, Metadata, RawFrame
from hdrcli.io.camera_tags import camera_profile, dng_black, is_dng, raw_groups
from hdrcli.io.metadata import FileTags, metadata_of, read_tags
from hdrcli.io.raw_float import is_float_cfa, read_float_dng
from hdrcli.io.source import file_size

LARGEST_PIXELS = 1_000_000_000
# The tightest codec in use (Deflate) packs a thousand to one; what claims more was damaged, and would fill memory.
_PIXELS_PER_BYTE = 1024
# LibRaw's flip (bit 0 mirrors columns, bit 1 rows, bit 2 transposes first) as EXIF orientation.
_ORIENTATION_BY_FLIP = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}
_PICTURES = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG\r\n\x1a\n": "a PNG picture",
    b"GIF8": "a GIF picture",
    b"BM": "a BMP picture",
    b"8BPS": "a Photoshop document",
    b"v/1\x01": "an OpenEXR picture",
    b"#?RADIANCE": "a Radiance picture",
    b"\xff\x0a": "a JPEG XL picture",
    b"\0\0\0\x0cJXL ": "a JPEG XL picture",
    b"MLVI": "a Magic Lantern video (MLV)",
    b"RIFF": "a RIFF file (WebP, AVI)",
}


def read_raw(path: Path) -> RawFrame:
    """Read a camera raw file with a 2x2 RGB Bayer sensor.

    Parameters
    ----------
    path : Path
        Anything LibRaw decodes, whatever its name, and float CFA DNGs.

    Returns
    -------
    RawFrame
        Active area, CFA phase at its first pixel, stated levels, and what the file says about camera and exposure.
        Levels are as stated; `isp.linearise` measures them. The orientation is recorded, not applied.
        A float DNG comes as 16-bit counts: black at 512, its white level at 65535.

    Raises
    ------
    UnreadableFileError
        Missing, not permitted, empty, truncated, damaged, or larger than `LARGEST_PIXELS`.
    UnsupportedFileError
        Not a raw file, unknown to LibRaw, or of a sensor that is not 2x2 RGB Bayer.
    """
    size = file_size(path, wanted="a camera raw file")
    tags = read_tags(path)
    _refuse_pictures(path, tags)
    if tags is not None:
        _refuse_truncated(path, tags, size)
        if is_float_cfa(tags):
            return read_float_dng(path, tags, largest_pixels=min(LARGEST_PIXELS, _PIXELS_PER_BYTE * size))
    try:
        with rawpy.RawPy() as raw:
            _open(raw, path)
            if tags is None:
                _refuse_guess(path, size)
            _check_dimensions(path, raw.sizes, size)
            raw.unpack()
            return _frame(path, raw, tags)
    except rawpy.LibRawFileUnsupportedError as error:
        raise _unsupported(path, tags, error) from error
    except (rawpy.LibRawError, rawpy.NotSupportedError, MemoryError, NotImplementedError, RuntimeError) as error:
        raise UnreadableFileError(
            f"{path} cannot be decoded; it may be truncated or damaged (LibRaw: {_reason(error)})."
        ) from error


def _refuse_pictures(path: Path, tags: FileTags | None) -> None:
    """Refuse display pictures: LibRaw takes some of them for sensors (a grey 16-bit TIFF becomes RGGB)."""
    with path.open("rb") as file:
        head = file.read(16)
    kind = next((name for magic, name in _PICTURES.items() if head.startswith(magic)), "")
    if head[4:8] == b"ftyp" and head[8:11] in (b"hei", b"hev", b"mif", b"msf", b"avi"):
        kind = "a HEIF or AVIF picture"
    if not kind and tags is not None and tags.mime == "image/tiff" and _is_tiff_picture(tags):
        kind = "an ordinary TIFF picture"
    # A JPEG may carry a raw file behind it (Raspberry Pi); LibRaw knows, and only it.
    if kind and not (head.startswith(b"\xff\xd8\xff") and _opens(path)):
        raise UnsupportedFileError(f"{path} is {kind}, not a camera raw file.")


def _is_tiff_picture(tags: FileTags) -> bool:
    groups = tags.images()
    rendered = tags.numbers("Exif.Image.PhotometricInterpretation")[:1] in ((0,), (1,), (2,), (3,), (5,), (6,), (8,))
    private = any(key in tags.exif for key in ("Exif.Image.DNGVersion", "Exif.Photo.MakerNote", "Exif.Image.SubIFDs"))
    return rendered and groups == ("Image",) and not private


def _refuse_truncated(path: Path, tags: FileTags, size: int) -> None:
    """Refuse files that end within their raw data: JPEG decoders fill the rest with grey and say nothing."""
    for group in raw_groups(tags):
        if not is_dng(tags) and tags.numbers(f"Exif.{group}.Compression") != (7,):
            continue  # LibRaw notices; and some makers state lengths that were never true
        for kind in ("Strip", "Tile"):
            offsets = tags.numbers(f"Exif.{group}.{kind}Offsets")
            lengths = tags.numbers(f"Exif.{group}.{kind}ByteCounts")
            needed = max(map(sum, zip(offsets, lengths, strict=False)), default=0)
            if needed > size:
                raise UnreadableFileError(
                    f"{path} is truncated: it has {size} bytes, its raw data end at byte {needed:.0f}."
                )


def _opens(path: Path) -> bool:
    try:
        with rawpy.RawPy() as raw:
            _open(raw, path)
    except rawpy.LibRawError:
        return False
    return True


def _open(raw: Any, path: Path) -> None:
    try:
        raw.open_file(str(path))
    except UnicodeEncodeError:  # a name that is not valid UTF-8
        raw.open_buffer(io.BytesIO(path.read_bytes()))


def _refuse_guess(path: Path, size: int) -> None:
    """Refuse files that LibRaw recognises by nothing but their length (a table of old and industrial cameras).

    One byte more, and a guess by length fails; a real format does not mind.
    """
    if size > 256_000_000:  # longer than any of that table
        return
    try:
        with rawpy.RawPy() as raw:
            raw.open_buffer(io.BytesIO(path.read_bytes() + b"\0"))
    except rawpy.LibRawError as error:
        raise UnsupportedFileError(
            f"{path} is no known camera file: it has no header, and LibRaw would only guess a camera by its length."
        ) from error


def _check_dimensions(path: Path, sizes: Any, file_size: int) -> None:
    pixels = sizes.raw_height * sizes.raw_width
    if pixels > LARGEST_PIXELS:
        raise UnreadableFileError(
            f"{path} claims {sizes.raw_width} x {sizes.raw_height} pixels; more than {LARGEST_PIXELS:,} are not read."
        )
    if pixels > _PIXELS_PER_BYTE * file_size:
        raise UnreadableFileError(
            f"{path} is damaged: {file_size} bytes cannot hold {sizes.raw_width} x {sizes.raw_height} pixels."
        )


def _frame(path: Path, raw: Any, tags: FileTags | None) -> RawFrame:
    sizes = raw.sizes
    top, left, height, width = sizes.top_margin, sizes.left_margin, sizes.height, sizes.width
    _refuse_other_sensors(path, raw, tags)
    # A sensor turned by 45 degrees (Fuji Super CCD) has a "visible" area larger than what was read.
    if height < 2 or width < 2 or top + height > sizes.raw_height or left + width > sizes.raw_width:
        raise UnsupportedFileError(f"{path} does not hold an upright rectangle of pixels, which is all hdrcli reads.")
    pattern = raw.raw_pattern
    index = [int(pattern[(top + y) % 2, (left + x) % 2]) for y in (0, 1) for x in (0, 1)]
    cfa = "".join(chr(raw.color_desc[i]) for i in index)
    levels = [float(level) for level in raw.black_level_per_channel]
    black = (levels[index[0]], levels[index[1]], levels[index[2]], levels[index[3]])
    if tags is not None:
        black = dng_black(tags, origin=(top, left), libraw=black)
    sensor = raw.raw_image
    counts = np.array(sensor[top : top + height, left : left + width], dtype=np.uint16, order="C")
    metadata = _metadata(raw, tags)
    profile = camera_profile(tags, raw.camera_whitebalance, raw.rgb_xyz_matrix)
    return RawFrame(
        counts=counts,
        cfa=cfa,
        black=black,
        white=_white(raw.white_level, max(black), counts),
        borders=_borders(sensor, counts, (top, left), black),
        camera=replace(profile, make=metadata.make, model=metadata.model),
        metadata=metadata,
        pixel_aspect=float(sizes.pixel_aspect) if 0.1 < sizes.pixel_aspect < 10 else 1.0,
        name=path.name,
    )


def _refuse_other_sensors(path: Path, raw: Any, tags: FileTags | None) -> None:
    pattern = raw.raw_pattern
    colours = raw.color_desc.decode("ascii", "replace")
    if raw.raw_type != rawpy.RawType.Flat or pattern is None:
        linear = tags is not None and any(
            tags.numbers(f"Exif.{group}.PhotometricInterpretation") == (34892,) for group in tags.images()
        )
        found = "a linear DNG, already demosaicked" if linear else "a scan, sRAW, or stacked sensor"
        reason = f"it holds several colours at each pixel ({found})"
    elif pattern.shape == (1, 1):
        reason = "its sensor is monochrome"
    elif pattern.shape == (6, 6):
        reason = "its sensor has the 6 x 6 pattern of X-Trans"
    elif pattern.shape != (2, 2):
        reason = f"its colour filter repeats every {pattern.shape[0]} x {pattern.shape[1]} pixels"
    elif raw.num_colors != 3:
        reason = f"its colour filter has {raw.num_colors} colours ({colours})"
    else:
        cell = "".join(colours[int(i)] for i in pattern.flat)
        if cell in BAYER_PATTERNS:
            return
        reason = f"its colour filter ({cell}) is not a Bayer pattern"
    raise UnsupportedFileError(f"{path} is not from a Bayer sensor: {reason}. Develop it with a raw developer instead.")


def _white(stated: float, black: float, counts: np.ndarray) -> float:
    """Return the stated saturation level, or the end of the counts' bit depth where the file states nonsense."""
    if black < stated <= 65535:
        return float(stated)
    return float(2 ** max(1, math.ceil(math.log2(max(int(counts.max()), int(black) + 1) + 1))) - 1)


def _borders(
    sensor: np.ndarray, counts: np.ndarray, origin: tuple[int, int], black: tuple[float, ...]
) -> MaskedBorders | None:
    """Return the masked samples left of and above the active area where there are any that saw no light."""
    top, left = origin
    height, width = counts.shape
    darkest = float(np.percentile(counts[::7, ::7], 1))
    beside = sensor[top : top + height, :left]
    above = sensor[:top, left : left + width]
    level = sum(black) / 4
    keep_left, keep_top = (_is_dark(margin, darkest, level) for margin in (beside, above))
    if not keep_left and not keep_top:
        return None
    return MaskedBorders(
        left=np.array(beside if keep_left else beside[:, :0], dtype=np.uint16, order="C"),
        top=np.array(above if keep_top else above[:0], dtype=np.uint16, order="C"),
    )


def _is_dark(margin: np.ndarray, darkest_active: float, black: float) -> bool:
    """Tell masked samples from lit ones and from padding.

    Masked: noise about one level that is no brighter than the darkest of the picture and no fraction of the stated
    black. Padding: no noise at all.
    """
    if margin.size == 0:
        return False
    low, middle, high = np.percentile(margin, (5, 50, 95))
    padding = margin.min() == margin.max()
    return bool(not padding and middle >= black / 2 and middle <= max(darkest_active, black) + (high - low) + 1)


def _metadata(raw: Any, tags: FileTags | None) -> Metadata:
    """Return what Exiv2 read, completed by what only LibRaw knows (old cameras, maker notes)."""
    stated = Metadata() if tags is None else metadata_of(tags)
    other, lens = raw.other, raw.lens
    # A stated exposure of 0 s means "not known"; LibRaw makes 1 s of it.
    silent = tags is None or "Exif.Photo.ExposureTime" not in tags.exif
    flip = _ORIENTATION_BY_FLIP.get(raw.sizes.flip)
    return replace(
        stated,
        exposure_time_s=stated.exposure_time_s or (_positive(other.shutter_speed) if silent else None),
        iso=stated.iso or _positive(other.iso_speed),
        f_number=stated.f_number or (_positive(other.aperture) if silent else None),
        focal_length_mm=stated.focal_length_mm or _positive(other.focal_length),
        captured=stated.captured or _time(other.timestamp),
        orientation=stated.orientation if flip is None else flip,
        lens=stated.lens or _printable(lens.model),
        artist=stated.artist or _printable(other.artist),
    )


def _positive(number: float) -> float | None:
    return float(number) if math.isfinite(number) and number > 0 else None


def _time(moment: datetime) -> str | None:
    return moment.strftime("%Y:%m:%d %H:%M:%S") if moment.year > 1980 else None


def _printable(text: str) -> str:
    text = text.strip()
    return text if text.isprintable() and any(map(str.isalpha, text)) else ""


def _unsupported(path: Path, tags: FileTags | None, error: Exception) -> UnsupportedFileError | UnreadableFileError:
    """Say what the file is that LibRaw does not take, as far as its tags tell."""
    reason = _reason(error)
    with path.open("rb") as file:
        head = file.read(16)
    if head[6:14] == b"HEAPCCDR":  # CRW has its directory at the end
        return UnreadableFileError(f"{path} is a truncated or damaged Canon CRW file (LibRaw: {reason}).")
    if tags is not None and raw_groups(tags):
        coding = tags.numbers(f"Exif.{raw_groups(tags)[0]}.Compression")
        codec = "GoPro VC-5" if coding == (9,) else f"compression {coding[0]:.0f}" if coding else "unknown compression"
        return UnsupportedFileError(f"{path} is a raw file of a kind that LibRaw cannot decode ({codec}): {reason}.")
    if tags is not None and is_dng(tags):
        return UnsupportedFileError(f"{path} is a DNG with no Bayer mosaic in it (LibRaw: {reason}).")
    return UnsupportedFileError(f"{path} is not a camera raw file that LibRaw knows: {reason}.")


def _reason(error: Exception) -> str:
    """Return LibRaw's own words."""
    first = error.args[0] if error.args else ""
    return (first.decode("utf-8", "replace") if isinstance(first, bytes) else str(first)) or type(error).__name__
