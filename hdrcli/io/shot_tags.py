"""When and by which camera a file was exposed, finer than an output needs to know."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from fractions import Fraction

import exiv2

from hdrcli.images import Metadata
from hdrcli.io.metadata import FileTags

_OFFSET = re.compile(r"([+-])(\d\d):?(\d\d)")
# What Exiv2 knows as an image and no camera writes.
_NO_CAMERA_WRITES = {
    "image/bmp",
    "image/x-ms-bmp",
    "image/gif",
    "image/jp2",
    "image/pgf",
    "image/targa",
    "image/x-exv",
    "image/x-photoshop",
}


def capture_time(metadata: Metadata) -> datetime | None:
    """Return when an exposure was made, with fractions of seconds and the offset to UTC as far as they are stated.

    Parameters
    ----------
    metadata : Metadata
        As `io.metadata` reads it.

    Returns
    -------
    datetime or None
        Without a time zone where the file states none; None where it states no time, or one that never was.
    """
    if metadata.captured is None:
        return None
    try:
        time = datetime.strptime(metadata.captured, "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    # Fraction and offset belong to the time of exposure, not to that of the last change, which may stand in for it.
    if "Exif.Photo.DateTimeOriginal" not in metadata.exif:
        return time
    digits = metadata.exif.get("Exif.Photo.SubSecTimeOriginal", "").strip()
    if digits.isascii() and digits.isdigit():
        time += timedelta(microseconds=int(Fraction(int(digits), 10 ** len(digits)) * 10**6))
    offset = _OFFSET.fullmatch(metadata.exif.get("Exif.Photo.OffsetTimeOriginal", "").strip())
    if offset is None or int(offset[2]) > 23:
        return time
    from_utc = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
    return time.replace(tzinfo=timezone(-from_utc if offset[1] == "-" else from_utc))


def serial_number(tags: FileTags) -> str:
    """Return the serial number of the camera from EXIF or maker notes; empty where there is none."""
    found = exiv2.serialNumber(tags.image.exifData())
    # Canon's oldest files hold a second number that differs from file to file.
    words = "" if found is None else str(found.print(tags.image.exifData())).split("\0")[0]
    return words.split()[0] if words.split() else ""


def is_camera_format(tags: FileTags | None) -> bool:
    """Tell files that cameras write, by their container, from others that Exiv2 knows: sidecars, Photoshop, clips."""
    return tags is not None and tags.mime.startswith("image/") and tags.mime not in _NO_CAMERA_WRITES
