"""Scene-linear OpenEXR files, written so that a reader need not guess, and read as scenes.

Light is stored as it is in `SceneImage`: 1.0 is the clip of the reference exposure, values above it and small
negatives are kept. Chromaticities are always written, except for camera RGB: those are responses of a sensor, not
amounts of three lights, so no primaries exist that describe them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from hdrcli.errors import OutputError, UnreadableFileError, UnsupportedFileError, UsageError
from hdrcli.images import FloatArray, Metadata, SceneImage
from hdrcli.io.icc import PRIMARIES
from hdrcli.kernels import run_in_bands

COMPRESSIONS = ("zip", "piz", "dwaa")
_HALF_MAX = 65504.0
# Names of linear, scene-referred colour spaces that OpenEXR 3.4 and the ASWF Color Interop Forum agreed on.
_INTEROP = {
    "srgb-linear": "lin_rec709_scene",
    "display-p3": "lin_p3d65_scene",
    "rec2020": "lin_rec2020_scene",
    "acescg": "lin_ap1_scene",
    "aces2065-1": "lin_ap0_scene",
}
_LARGEST_PIXELS = 400_000_000

Attributes = dict[str, object]


def write_exr(
    path: Path,
    scene: SceneImage,
    *,
    metadata: Metadata,
    bits: int = 16,
    compression: str = "zip",
    layers: Mapping[str, SceneImage] | None = None,
) -> None:
    """Write a scene, read it back and compare.

    Parameters
    ----------
    path : Path
        Written in place; use `hdrcli.io.output.atomic_output`.
    scene : SceneImage
        Channels R, G, B.
    metadata : Metadata
        Becomes standard attributes (owner, capDate, expTime, aperture, isoSpeed, nominalFocalLength, camera and lens,
        position), `exif:NAME` attributes for the rest, and `hdrcli:KEY` attributes for the provenance.
    bits : int
        16 for half (a layer with values beyond 65504 becomes 32-bit by itself), 32 for float.
    compression : str
        "zip" and "piz" are lossless; "dwaa" is not.
    layers : mapping of str to SceneImage, optional
        Further pictures of the same size and colour space; "low" becomes the channels low.R, low.G and low.B.

    Raises
    ------
    UsageError
        For another `bits` or `compression`.
    ValueError
        Where a layer differs from the scene in size or colour space.
    OutputError
        When writing fails or the file does not read back as written.
    """
    if bits not in (16, 32) or compression not in COMPRESSIONS:
        raise UsageError(f"EXR has 16 or 32 bits and compression {', '.join(COMPRESSIONS)}; not {bits}, {compression}.")
    pictures = {"RGB": scene, **(layers or {})}
    for name, layer in pictures.items():
        if layer.data.shape != scene.data.shape or layer.colour_space != scene.colour_space:
            raise ValueError(f"layer {name!r} differs from the scene in size or colour space")
    channels = {name: _samples(layer.data, bits) for name, layer in pictures.items()}
    attributes = _attributes(metadata, scene.colour_space)
    storage = {
        "compression": getattr(OpenEXR, f"{compression.upper()}_COMPRESSION"),
        "type": OpenEXR.scanlineimage,
    }
    _use_all_cores()
    try:
        # OpenEXR.File changes the dictionaries it is given.
        with OpenEXR.File({**storage, **attributes}, dict(channels)) as file:
            file.write(str(path))
        _check(path, channels, attributes, exact=compression != "dwaa")
    except (RuntimeError, ValueError) as error:
        raise OutputError(f"{str(path)!r} cannot be written: {_last_sentence(error)}.") from error


def read_exr(path: Path) -> SceneImage:
    """Read the channels R, G and B of a scanline or tiled EXR file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    SceneImage
        float32 as stored, in the colour space that the chromaticities tell (linear sRGB where there are none, as the
        format defines).

    Raises
    ------
    UnreadableFileError
        When the file is missing, damaged or truncated.
    UnsupportedFileError
        When it has no R, G and B, or primaries that this program does not know.
    """
    if not path.is_file():
        raise UnreadableFileError(f"{str(path)!r} does not exist or is no file.")
    _use_all_cores()
    try:
        with OpenEXR.File(str(path), separate_channels=True, header_only=True) as file:
            header = dict(file.header())
        lower, upper = header["dataWindow"]
        if int(upper[0] - lower[0] + 1) * int(upper[1] - lower[1] + 1) > _LARGEST_PIXELS:
            raise UnsupportedFileError(f"{str(path)!r} claims more than {_LARGEST_PIXELS // 1_000_000} megapixels.")
        names = {channel.name for channel in header["channels"]}
        if not {"R", "G", "B"} <= names:
            raise UnsupportedFileError(f"{str(path)!r} has no channels R, G and B but {', '.join(sorted(names))}.")
        with OpenEXR.File(str(path), separate_channels=True) as file:
            planes = [np.asarray(file.channels()[name].pixels, dtype=np.float32) for name in "RGB"]
            data = np.stack(planes, axis=2)
    except (RuntimeError, ValueError, KeyError) as error:
        if isinstance(error, UnsupportedFileError):
            raise
        raise UnreadableFileError(f"{str(path)!r} is no EXR file or is damaged: {_last_sentence(error)}") from error
    return SceneImage(data, _colour_space(path, header))


def _use_all_cores() -> None:
    # OpenEXR compresses in the calling thread alone unless told otherwise; 18 megapixels take twice the time.
    cores = os.cpu_count() or 1
    if OpenEXR.global_thread_count() < cores:
        OpenEXR.set_global_thread_count(cores)


def _samples(data: FloatArray, bits: int) -> NDArray[np.float16] | FloatArray:
    """Return `data` as half where asked for and possible, else as float32; NaN and infinity stay what they are."""
    data = np.ascontiguousarray(data, dtype=np.float32)
    if bits == 32:
        return data
    half = np.empty(data.shape, dtype=np.float16)
    overflows: list[int] = []

    def convert(first: int, last: int) -> None:
        band = data[first:last]
        ordinary = max(float(band.max()), -float(band.min())) <= _HALF_MAX  # false for NaN, too
        if not ordinary and np.any(np.isfinite(band) & (np.abs(band) > _HALF_MAX)):
            overflows.append(first)
        with np.errstate(over="ignore"):
            half[first:last] = band

    run_in_bands(convert, data.shape[0])
    return data if overflows else half


def _attributes(metadata: Metadata, colour_space: str) -> Attributes:
    exif = dict(metadata.exif)
    attributes: Attributes = {
        "owner": metadata.copyright or metadata.artist,
        "artist": metadata.artist,
        "capDate": metadata.captured,
        "expTime": metadata.exposure_time_s,
        "aperture": metadata.f_number,
        "isoSpeed": metadata.iso,
        "nominalFocalLength": metadata.focal_length_mm,
        "cameraMake": metadata.make,
        "cameraModel": metadata.model,
        "lensModel": metadata.lens,
        "utcOffset": _utc_offset(exif.get("Exif.Photo.OffsetTimeOriginal", "")),
        "latitude": _degrees(exif, "Latitude", negative="S"),
        "longitude": _degrees(exif, "Longitude", negative="W"),
        "altitude": _altitude(exif),
        "colorInteropID": _INTEROP.get(colour_space),
        "chromaticities": PRIMARIES.get(colour_space),
        "hdrcli:colour-space": colour_space,
    }
    for key, value in exif.items():
        attributes.setdefault(f"exif:{key.rpartition('.')[2]}", value)
    for key, value in metadata.provenance.items():
        attributes[f"hdrcli:{key}"] = value
    return {
        name: float(value) if isinstance(value, int) else value
        for name, value in attributes.items()
        if value is not None and value != ""
    }


def _utc_offset(offset: str) -> float | None:
    """Return the seconds to add to local time for UTC, from EXIF's "+02:00"."""
    try:
        hours, minutes = offset[1:].split(":")
        return (int(hours) * 3600 + int(minutes) * 60) * (1.0 if offset[0] == "-" else -1.0)
    except (ValueError, IndexError):
        return None


def _degrees(exif: Mapping[str, str], axis: str, *, negative: str) -> float | None:
    """Return degrees from EXIF's degrees, minutes and seconds as fractions ("46/1 57/1 305/10")."""
    parts = [_fraction(part) for part in exif.get(f"Exif.GPSInfo.GPS{axis}", "").split()]
    if not parts or None in parts:
        return None
    angle = sum(part / 60.0**place for place, part in enumerate(parts) if part is not None)
    return -angle if exif.get(f"Exif.GPSInfo.GPS{axis}Ref", "").startswith(negative) else angle


def _altitude(exif: Mapping[str, str]) -> float | None:
    altitude = _fraction(exif.get("Exif.GPSInfo.GPSAltitude", ""))
    below_sea = exif.get("Exif.GPSInfo.GPSAltitudeRef", "0").strip().startswith("1")
    return -altitude if altitude is not None and below_sea else altitude


def _fraction(text: str) -> float | None:
    numerator, _, denominator = text.partition("/")
    try:
        return float(numerator) / float(denominator or "1")
    except (ValueError, ZeroDivisionError):
        return None


def _check(
    path: Path,
    channels: Mapping[str, NDArray[np.float16] | FloatArray],
    attributes: Attributes,
    *,
    exact: bool,
) -> None:
    """Raise ValueError unless the file holds what was meant to be written (values only where lossless)."""
    with OpenEXR.File(str(path)) as file:
        if not file.parts:
            raise ValueError("The file is not complete when read back.")
        header, stored = file.header(), file.channels()
        missing = [name for name, value in attributes.items() if not _alike(header.get(name), value)]
        if missing:
            raise ValueError(f"The attributes {', '.join(missing)} read back differently.")
        for name, written in channels.items():
            read = stored[name].pixels if name in stored else np.empty(0)
            if read.shape != written.shape or read.dtype != written.dtype:
                raise ValueError(f"The layer {name!r} reads back with another size or type.")
            # As bits: NaN equals itself.
            if exact and not np.array_equal(read.view(np.uint8), written.view(np.uint8)):
                raise ValueError(f"The layer {name!r} reads back with other values.")


def _alike(read: object, written: object) -> bool:
    if isinstance(written, str) or read is None:
        return read == written
    return bool(np.allclose(np.float32(read), np.float32(written), rtol=1e-5, atol=1e-6))  # type: ignore[arg-type]


def _colour_space(path: Path, header: Mapping[str, object]) -> str:
    if header.get("hdrcli:colour-space") == "camera":
        return "camera"
    stated = header.get("chromaticities")
    if stated is None:
        return "srgb-linear"
    for name, known in PRIMARIES.items():
        if np.allclose(np.array(stated, dtype=np.float64), known, atol=2e-3):
            return name
    raise UnsupportedFileError(
        f"{str(path)!r} has unknown primaries {np.round(np.array(stated), 4).tolist()}; "
        f"known are those of {', '.join(PRIMARIES)}."
    )


def _last_sentence(error: Exception) -> str:
    """Return the reason alone: OpenEXR puts the (temporary) file name in a sentence before it."""
    text = str(error).strip()
    return text.rpartition('". ')[2].rstrip(".")
