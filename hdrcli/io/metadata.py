"""EXIF of any file that Exiv2 knows, and its way into every file that hdrcli writes.

What travels is an allow-list. Copying whatever the input holds breaks outputs: an ActiveArea, an opcode list or a
preview of the camera's file is wrong beside other pixels, and maker notes hold offsets into a file that is not there.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import exiv2

from hdrcli import __version__
from hdrcli.errors import OutputError, UnreadableFileError
from hdrcli.images import Metadata
from hdrcli.io.jpeg_segments import APP1, EXIF_NAME, XMP_NAME, head_segments

# Exiv2 prints what it thinks of a file to stderr, which belongs to the messages of hdrcli.
exiv2.LogMsg.setLevel(exiv2.LogMsg.Level.mute)

NAMESPACE = "urn:hdrcli:xmp:1.0/"
exiv2.XmpProperties.registerNs(NAMESPACE, "hdrcli")

_IMAGE_TAGS = "Make Model ImageDescription DateTime Artist Copyright"
_PHOTO_TAGS = (
    "ExposureTime FNumber ExposureProgram ISOSpeedRatings SensitivityType StandardOutputSensitivity "
    "RecommendedExposureIndex ISOSpeed ExifVersion DateTimeOriginal DateTimeDigitized OffsetTime OffsetTimeOriginal "
    "OffsetTimeDigitized SubSecTime SubSecTimeOriginal SubSecTimeDigitized ShutterSpeedValue ApertureValue "
    "BrightnessValue ExposureBiasValue MaxApertureValue SubjectDistance SubjectDistanceRange MeteringMode LightSource "
    "Flash FocalLength FocalLengthIn35mmFilm ExposureMode SceneCaptureType DigitalZoomRatio LensSpecification "
    "LensMake LensModel LensSerialNumber BodySerialNumber CameraOwnerName UserComment"
)
_GPS_TAGS = (
    "GPSVersionID GPSLatitudeRef GPSLatitude GPSLongitudeRef GPSLongitude GPSAltitudeRef GPSAltitude GPSTimeStamp "
    "GPSSatellites GPSStatus GPSMeasureMode GPSDOP GPSSpeedRef GPSSpeed GPSTrackRef GPSTrack GPSImgDirectionRef "
    "GPSImgDirection GPSMapDatum GPSDestLatitudeRef GPSDestLatitude GPSDestLongitudeRef GPSDestLongitude "
    "GPSDestBearingRef GPSDestBearing GPSDestDistanceRef GPSDestDistance GPSProcessingMethod GPSAreaInformation "
    "GPSDateStamp GPSDifferential GPSHPositioningError"
)
ALLOWED = frozenset(
    f"Exif.{group}.{tag}"
    for group, tags in (("Image", _IMAGE_TAGS), ("Photo", _PHOTO_TAGS), ("GPSInfo", _GPS_TAGS))
    for tag in tags.split()
)
# TIFF/EP keeps in IFD0 what EXIF keeps in its own directory; outputs follow EXIF.
_TIFF_EP = (
    "ExposureTime FNumber ExposureProgram ISOSpeedRatings DateTimeOriginal ShutterSpeedValue ApertureValue "
    "BrightnessValue ExposureBiasValue MaxApertureValue SubjectDistance MeteringMode LightSource Flash FocalLength"
)
# Magic Lantern and others write 0 for "not known"; carried on, it reads as an exposure of no time.
_MEANINGLESS_AT_ZERO = "ExposureTime FNumber ISOSpeedRatings FocalLength FocalLengthIn35mmFilm MaxApertureValue"
_LONGEST_VALUE = 4096
_NO_LENS = re.compile(r"(\(?\d+\)?|n/?a|none|unknown.*|manual lens.*|-*|0+ ?mm.*)", re.IGNORECASE)
_TIME = re.compile(r"(\d{4})[:.-](\d\d)[:.-](\d\d)[ T](\d\d)[:.](\d\d)[:.](\d\d)")


@dataclass(frozen=True)
class FileTags:
    """All tags of a file as Exiv2 sees them, read on demand.

    Attributes
    ----------
    mime : str
        Kind of the container by its content, for example "image/tiff" (DNG and many raw files too).
    exif : mapping of str to exiv2.Exifdatum
        By Exiv2 key. (Exiv2's own look-up ends the process on a key that it does not know.)
    image : exiv2.Image
        Owner of the entries.
    """

    mime: str
    exif: Mapping[str, Any]
    image: Any

    def text(self, key: str) -> str:
        """Return the value of `key` in Exiv2's text form without surrounding blanks; empty where absent."""
        return _readable(str(self.exif[key].value())) if key in self.exif else ""

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return the numbers of `key` (rationals divided; NaN for x/0); empty where absent or not numeric."""
        try:
            return tuple(_number(word) for word in self.text(key).split())
        except ValueError:
            return ()

    def images(self) -> tuple[str, ...]:
        """Return the Exiv2 groups that may hold a picture: the main directory first, then its sub-directories."""
        groups = {key.split(".")[1] for key in self.exif}
        return tuple(name for name in ("Image", *(f"SubImage{i}" for i in range(1, 10))) if name in groups)


def read_tags(path: Path) -> FileTags | None:
    """Return all tags of a file, or None where Exiv2 does not know its container or finds it damaged.

    Raises
    ------
    UnreadableFileError
        When the file cannot be opened at all.
    """
    try:
        with path.open("rb"):
            pass
        try:
            image = exiv2.ImageFactory.open(str(path))
        except TypeError:  # a name that is not valid UTF-8
            image = exiv2.ImageFactory.open(path.read_bytes())
        image.readMetadata()
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror}.") from error
    except (exiv2.Exiv2Error, ValueError, MemoryError, ArithmeticError, LookupError, RuntimeError):
        return None  # C++ exceptions on damaged containers come as any of these
    exif = image.exifData()
    entries: dict[str, Any] = {}
    for datum in exif:
        entries.setdefault(datum.key(), datum)
    return FileTags(str(image.mimeType()), entries, image)


def read_metadata(path: Path) -> Metadata:
    """Return what an output should know about a file; fields stay empty where the file or Exiv2 is silent.

    Parameters
    ----------
    path : Path
        Camera file, DNG, JPEG, PNG, TIFF, HEIC and whatever else Exiv2 reads.

    Returns
    -------
    Metadata
        `exif` holds allow-listed entries only; `provenance` is empty: it is written, not inherited.

    Raises
    ------
    UnreadableFileError
        When the file cannot be opened.
    """
    tags = read_tags(path)
    return Metadata() if tags is None else metadata_of(tags)


def metadata_of(tags: FileTags) -> Metadata:
    """Return what an output should know about the file that `tags` come from."""
    exif = _allowed_entries(tags)
    exposure_time_s, f_number, lens = _exposure_time(tags), _f_number(tags), _lens(tags)
    if exposure_time_s is None:
        exif.pop("Exif.Photo.ShutterSpeedValue", None)
    if f_number is None:
        exif.pop("Exif.Photo.ApertureValue", None)
    if lens:
        exif["Exif.Photo.LensModel"] = lens
    orientation = tags.numbers("Exif.Image.Orientation")
    times = (exif.get(f"Exif.{key}", "") for key in ("Photo.DateTimeOriginal", "Image.DateTime"))
    return Metadata(
        exposure_time_s=exposure_time_s,
        iso=_iso(tags),
        f_number=f_number,
        focal_length_mm=_first_positive(tags, "Exif.Photo.FocalLength", "Exif.Image.FocalLength"),
        captured=next((time for time in map(_normal_time, times) if time), None),
        orientation=int(orientation[0]) if orientation and orientation[0] in range(1, 9) else 1,
        make=exif.get("Exif.Image.Make", ""),
        model=exif.get("Exif.Image.Model", "") or tags.text("Exif.Image.UniqueCameraModel"),
        lens=lens,
        artist=exif.get("Exif.Image.Artist", ""),
        copyright=exif.get("Exif.Image.Copyright", ""),
        exif=MappingProxyType(exif),
    )


def write_metadata(path: Path, metadata: Metadata, *, orientation: int = 1) -> None:
    """Put metadata into an existing JPEG, PNG, TIFF or DNG file; its pixels and its own tags stay as they are.

    Parameters
    ----------
    path : Path
        A finished file, changed in place.
    metadata : Metadata
        Entries of `exif` outside the allow-list are ignored; plain fields fill what `exif` does not say.
    orientation : int
        EXIF orientation of the pixels in this file: 1 for rendered pictures, that of the sensor for a DNG.

    Raises
    ------
    OutputError
        When the file cannot be opened or written.
    """
    try:
        with path.open("r+b") as file:
            # In memory, and written by Python: Exiv2 itself says nothing when the disk is full. The map is private and
            # can be written since Exiv2 changes small things in place.
            size = file.seek(0, 2)
            image = exiv2.ImageFactory.open(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
            image.readMetadata()
            _fill(image, metadata, orientation)
            image.writeMetadata()
            content = image.io()
            content.open()
            file.seek(0)
            file.write(content.mmap())
            if content.size() < size:
                file.truncate()
    except (exiv2.Exiv2Error, ValueError, OSError) as error:
        raise OutputError(f"Metadata cannot be written into {path}: {error}.") from error


def encode_metadata(metadata: Metadata, *, orientation: int = 1) -> tuple[bytes, bytes]:
    """Return what `write_metadata` writes as EXIF (a TIFF structure) and XMP (a packet, empty without provenance).

    For containers that Exiv2 does not write, and for those that it would break.

    Raises
    ------
    OutputError
        When Exiv2 cannot encode it.
    """
    try:
        image = exiv2.ImageFactory.create(exiv2.ImageType.jpeg)  # in memory; a picture of one pixel
        image.readMetadata()
        _fill(image, metadata, orientation)
        image.writeMetadata()
        content = image.io()
        content.open()
        bodies = [body for marker, body, _ in head_segments(bytes(content.mmap())) if marker == APP1]
    except (exiv2.Exiv2Error, ValueError, OSError) as error:
        raise OutputError(f"Metadata cannot be encoded: {error}.") from error
    exif, xmp = (b"".join(body[len(n) :] for body in bodies if body.startswith(n)) for n in (EXIF_NAME, XMP_NAME))
    return exif, xmp


def _fill(image: Any, metadata: Metadata, orientation: int) -> None:
    exif = image.exifData()
    for key, value in _entries(metadata).items():
        # One odd entry of a camera must not cost the user the picture.
        with contextlib.suppress(ValueError, exiv2.Exiv2Error):
            exif[key] = value
    exif["Exif.Image.Orientation"] = str(orientation)
    exif["Exif.Image.Software"] = exif["Exif.Image.ProcessingSoftware"] = f"hdrcli {__version__}"
    xmp = image.xmpData()
    for name, value in metadata.provenance.items():
        xmp[f"Xmp.hdrcli.{_xml_name(name)}"] = value


def _entries(metadata: Metadata) -> dict[str, str]:
    """Return the entries to write: the allow-listed ones, completed from the plain fields."""
    plain: dict[str, str] = {
        "Exif.Image.Make": metadata.make,
        "Exif.Image.Model": metadata.model,
        "Exif.Image.Artist": metadata.artist,
        "Exif.Image.Copyright": metadata.copyright,
        "Exif.Photo.LensModel": metadata.lens,
        "Exif.Photo.DateTimeOriginal": metadata.captured or "",
        "Exif.Photo.ExifVersion": "48 50 51 50",  # "0232", the first with what is written here
    }
    for key, number in (
        ("Exif.Photo.ExposureTime", metadata.exposure_time_s),
        ("Exif.Photo.FNumber", metadata.f_number),
        ("Exif.Photo.FocalLength", metadata.focal_length_mm),
    ):
        if number is not None:
            plain[key] = _rational(number)
    if metadata.iso is not None:
        plain["Exif.Photo.ISOSpeedRatings"] = str(min(round(metadata.iso), 65535))  # 16 bits; EXIF 2.3 has a way out:
        if metadata.iso > 65535:
            plain["Exif.Photo.SensitivityType"] = "2"
            plain["Exif.Photo.RecommendedExposureIndex"] = str(round(metadata.iso))
    stated = {key: value for key, value in metadata.exif.items() if key in ALLOWED and value}
    return {key: value for key, value in (plain | stated).items() if value}


def _allowed_entries(tags: FileTags) -> dict[str, str]:
    entries: dict[str, str] = {}
    for key in sorted(ALLOWED & tags.exif.keys()):
        value = tags.text(key) if tags.exif[key].size() <= _LONGEST_VALUE else ""
        if value:
            entries[key] = value
    for tag in _TIFF_EP.split():
        value = tags.text(f"Exif.Image.{tag}")
        if value:
            entries.setdefault(f"Exif.Photo.{tag}", value)
    for tag in _MEANINGLESS_AT_ZERO.split():
        numbers = tags.numbers(f"Exif.Photo.{tag}") or tags.numbers(f"Exif.Image.{tag}")
        if numbers and not numbers[0] > 0:
            entries.pop(f"Exif.Photo.{tag}", None)
    return entries


def _exposure_time(tags: FileTags) -> float | None:
    stated = _first_stated(tags, "Exif.Photo.ExposureTime", "Exif.Image.ExposureTime")
    if stated is not None:
        return stated or None
    apex = _first_number(tags, "Exif.Photo.ShutterSpeedValue", "Exif.Image.ShutterSpeedValue")
    return None if apex is None or abs(apex) > 40 else 2.0**-apex


def _f_number(tags: FileTags) -> float | None:
    stated = _first_stated(tags, "Exif.Photo.FNumber", "Exif.Image.FNumber")
    if stated is not None:
        return stated or None
    apex = _first_number(tags, "Exif.Photo.ApertureValue", "Exif.Image.ApertureValue")
    return None if apex is None or abs(apex) > 40 else 2.0 ** (apex / 2)


def _iso(tags: FileTags) -> float | None:
    rated = _first_positive(tags, "Exif.Photo.ISOSpeedRatings", "Exif.Image.ISOSpeedRatings")
    if rated is not None and rated < 65535:
        return rated
    wide = ("RecommendedExposureIndex", "ISOSpeed", "StandardOutputSensitivity")
    beyond = _first_positive(tags, *(f"Exif.Photo.{tag}" for tag in wide))
    if beyond is not None:
        return beyond
    found = exiv2.isoSpeed(tags.image.exifData())  # maker notes
    words = "" if found is None else str(found.print(tags.image.exifData()))
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*", words)
    return (float(match[1]) or None) if match else rated


def _lens(tags: FileTags) -> str:
    stated = tags.text("Exif.Photo.LensModel")
    if stated and not _NO_LENS.fullmatch(stated):
        return stated
    found = exiv2.lensName(tags.image.exifData())  # maker notes
    named = "" if found is None else _readable(str(found.print(tags.image.exifData())))
    return "" if _NO_LENS.fullmatch(named) else named


def _first_stated(tags: FileTags, *keys: str) -> float | None:
    """Return the first of the keys that is there at all, 0.0 where its value makes no sense."""
    value = _first_number(tags, *keys)
    return None if value is None else (value if 0 < value < math.inf else 0.0)


def _first_positive(tags: FileTags, *keys: str) -> float | None:
    return _first_stated(tags, *keys) or None


def _first_number(tags: FileTags, *keys: str) -> float | None:
    return next((numbers[0] for numbers in map(tags.numbers, keys) if numbers), None)


def _number(word: str) -> float:
    numerator, slash, denominator = word.partition("/")
    if not slash:
        return float(numerator)
    return float(numerator) / float(denominator) if float(denominator) else math.nan


def _normal_time(value: str) -> str:
    match = _TIME.match(value)
    return "{}:{}:{} {}:{}:{}".format(*match.groups()) if match and int(match[1]) > 0 else ""


def _rational(number: float) -> str:
    """Return `number` as EXIF wants it, short exposures as 1/N."""
    if 0 < number < 0.3 and abs(number * round(1 / number) - 1) < 1e-3:
        return f"1/{round(1 / number)}"
    fraction = Fraction(number).limit_denominator(100_000)
    return f"{fraction.numerator}/{fraction.denominator}"


def _readable(value: str) -> str:
    """Return text that was UTF-8, or Latin-1 as older cameras write it, up to the first zero."""
    value = value.split("\0", 1)[0].strip()
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        value = value.encode("utf-8", "surrogateescape").decode("latin-1")
    return value


def _xml_name(name: str) -> str:
    cleaned = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return cleaned if re.match(r"[A-Za-z]", cleaned) else f"x{cleaned}"


def provenance_of(path: Path) -> Mapping[str, str]:
    """Return what hdrcli wrote about its own work into a file; empty for files that it did not write."""
    tags = read_tags(path)
    return {} if tags is None else provenance_in(tags)


def provenance_in(tags: FileTags) -> Mapping[str, str]:
    """Return what hdrcli wrote about its own work into the file that `tags` come from."""
    prefix = "Xmp.hdrcli."
    return {
        datum.key().removeprefix(prefix): str(datum.value())
        for datum in tags.image.xmpData()
        if datum.key().startswith(prefix)
    }
