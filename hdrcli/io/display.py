"""Display pictures: JPEG, PNG, TIFF, WebP, HEIC and AVIF, and the HDR that some of them carry.

The content of a file decides what it is, never its name. What comes out is the picture upright, with three channels,
in the codes of the file: nothing is decoded by a curve and no colour is converted unless the profile leaves no choice,
so that a network sees what the camera wrote. `hdrcli.io.profile` makes light of it.

Rules where a file leaves a choice
    Alpha that is opaque everywhere is dropped; any transparency is refused, for what is behind it is not in the file.
    Of animations and pages the first is read, and a note says so; AVIF animations are refused.
    The profile comes first, then code points (those of PQ and HLG before the profile), then EXIF (Adobe RGB); what
    says nothing is sRGB. A damaged profile is as good as none, and a note says so.
    In HEIC and AVIF the container's rotation holds and EXIF's does not; everywhere else EXIF's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hdrcli.colourspaces import D65, Primaries
from hdrcli.errors import UnreadableFileError, UnsupportedFileError
from hdrcli.images import DisplayImage, Metadata, SceneImage
from hdrcli.io.camera_tags import is_dng, raw_groups
from hdrcli.io.code_points import CodePoints, decode_hdr, profile_of
from hdrcli.io.decoded import Decoded
from hdrcli.io.gainmap import apple_maker_headroom, apply_gain_map
from hdrcli.io.heif import decode_avif, decode_heic
from hdrcli.io.icc import matrix_profile
from hdrcli.io.isobmff import is_heif
from hdrcli.io.metadata import FileTags, metadata_of, read_tags
from hdrcli.io.profile import channels_of, code_points_of, matrix_encoded
from hdrcli.io.source import file_size
from hdrcli.io.tiff_picture import decode_tiff
from hdrcli.io.web_pictures import decode_web
from hdrcli.isp.orient import orient

_ADOBE_RGB = Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65)  # Adobe RGB (1998), gamma 563/256
_LARGEST_FILE = 2**31


@dataclass(frozen=True)
class DisplayFile:
    """What a file of a display picture holds.

    Attributes
    ----------
    image : DisplayImage or None
        The ordinary picture: uint8 or uint16 (H, W, 3), full range, upright; grey as three equal channels. Its `icc`
        is always of three curves and a matrix (or empty, for sRGB), and describes `data` exactly: Display P3 and
        Adobe RGB pictures come in their own primaries and codes. Only pictures with profiles of other kinds are
        converted, to 16 bits in Rec. 2020 with the sRGB curve (grey ones to sRGB). None for PQ and HLG pictures,
        which have no ordinary rendition.
    scene : SceneImage or None
        The HDR picture that the file carries, upright: 1.0 = white of the ordinary picture for gain maps, 203 cd/m2
        for PQ and HLG. None for ordinary pictures, and where the HDR could not be decoded.
    hdr : str
        "gain map", "PQ" or "HLG"; empty for ordinary pictures. "gain map" with no `scene` is HDR that could not be
        decoded; `notes` say why.
    metadata : Metadata
        With orientation 1.
    notes : tuple of str
        Sentences for the report: what was left out or assumed.
    """

    image: DisplayImage | None
    scene: SceneImage | None
    hdr: str
    metadata: Metadata
    notes: tuple[str, ...] = ()


def read_display(path: Path) -> DisplayFile:
    """Read a display picture, and the HDR that it carries.

    Parameters
    ----------
    path : Path
        JPEG, PNG, TIFF (8 or 16 bits), WebP, HEIC (with the extra `heif`) or AVIF, whatever its name.

    Raises
    ------
    UnreadableFileError
        Missing, not permitted, empty, truncated, damaged, or larger than `hdrcli.io.decoded.LARGEST_PIXELS`.
    UnsupportedFileError
        Of another kind (camera raw files too), CMYK, partly transparent, or not of 8 or 16 bits.

    Examples
    --------
    >>> file = read_display(Path("picture.jpg"))  # doctest: +SKIP
    >>> scene = file.scene or linearise(file.image)  # doctest: +SKIP
    """
    size = file_size(path, wanted="a picture")
    kind = display_kind(path)
    tags = read_tags(path)
    if not kind:
        raise UnsupportedFileError(f"{path} is not a JPEG, PNG, TIFF, WebP, HEIC or AVIF picture.")
    if kind == "TIFF" and declares_raw(tags):
        raise UnsupportedFileError(f"{path} is a camera raw file, not a display picture. Develop it first.")
    if size > _LARGEST_FILE:
        raise UnreadableFileError(f"{path} has {size:,} bytes, more than any picture that is read here.")
    decoded = _decode(path, path.read_bytes(), kind, tags)
    metadata = Metadata() if tags is None else metadata_of(tags)
    orientation = metadata.orientation if decoded.orientation is None else decoded.orientation
    samples, more_notes = _three_channels(path, decoded.samples)
    notes = (*decoded.notes, *more_notes)
    metadata = replace(metadata, orientation=1)

    icc, note = _usable_profile(decoded.icc, grey=decoded.samples.shape[2] < 3)
    notes = (*notes, note) if note else notes
    points = _hdr_points(decoded.code_points, icc)
    if points is not None:
        light = decode_hdr(samples, points)
        scene = SceneImage(orient(light.data, orientation), light.colour_space)
        return DisplayFile(None, scene, points.hdr, metadata, notes)

    if not icc and decoded.code_points is not None:
        icc, note = profile_of(decoded.code_points)
        notes = (*notes, note) if note else notes
    elif not icc and not decoded.icc and tags is not None and _is_adobe_rgb(tags):
        icc = matrix_profile(_ADOBE_RGB, gamma=563 / 256, name="Adobe RGB (1998), by EXIF (hdrcli)")
    image = matrix_encoded(samples, icc)
    data: Any = image.data  # of either type; `orient` keeps it
    upright = DisplayImage(orient(data, orientation), image.icc)
    carried = None if decoded.gain_map is None else apply_gain_map(image, decoded.gain_map)
    return DisplayFile(
        image=upright,
        scene=None if carried is None else SceneImage(orient(carried.data, orientation), carried.colour_space),
        hdr="gain map" if decoded.has_gain_map else "",
        metadata=metadata,
        notes=notes,
    )


def display_kind(path: Path) -> str:
    """Return "JPEG", "PNG", "TIFF", "WebP", "HEIC" or "AVIF" by the first bytes of a file, else an empty string.

    Many raw files are TIFF by their first bytes.

    Raises
    ------
    UnreadableFileError
        When the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            head = file.read(64)
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror}.") from error
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WebP"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    return is_heif(head)


def is_camera_raw(path: Path) -> bool:
    """Tell a camera raw file from a picture, where both are TIFF by their first bytes.

    Raises
    ------
    UnreadableFileError
        When the file cannot be opened.
    """
    return display_kind(path) == "TIFF" and declares_raw(read_tags(path))


def declares_raw(tags: FileTags | None) -> bool:
    """Tell a camera raw file from a picture by its tags, where both are TIFF by their first bytes."""
    return tags is not None and (tags.mime != "image/tiff" or is_dng(tags) or bool(raw_groups(tags)))


def _decode(path: Path, data: bytes, kind: str, tags: FileTags | None) -> Decoded:
    try:
        if kind == "TIFF":
            return decode_tiff(path, data)
        if kind == "AVIF":
            return decode_avif(path, data)
        if kind == "HEIC":
            return decode_heic(path, data, headroom=_stated_headroom(tags) or _maker_headroom(tags))
        return decode_web(path, data, kind, maker_headroom=_maker_headroom(tags))
    except MemoryError as error:
        raise UnreadableFileError(f"{path} does not fit into memory.") from error


def _three_channels(path: Path, samples: Any) -> tuple[Any, tuple[str, ...]]:
    """Return samples (H, W, 3): without an alpha that hides nothing, grey in all channels."""
    notes: tuple[str, ...] = ()
    channels = samples.shape[2]
    if channels in (2, 4):
        hidden = float(np.count_nonzero(samples[..., -1] != np.iinfo(samples.dtype).max)) / samples[..., -1].size
        if hidden:
            raise UnsupportedFileError(
                f"{path} is transparent in {max(100 * hidden, 0.01):.2f} % of its pixels, and what is behind them is "
                "not in the file. Flatten it onto a background first."
            )
        notes = ("Its alpha channel is opaque everywhere and left out.",)
        samples = samples[..., :-1]
    if samples.shape[2] == 1:
        samples = np.repeat(samples, 3, axis=2)
    return np.ascontiguousarray(samples), notes


def _usable_profile(icc: bytes, *, grey: bool) -> tuple[bytes, str]:
    """Return the profile, or nothing and a remark where it is damaged or of another kind of picture."""
    if not icc:
        return b"", ""
    colours = channels_of(icc)
    if colours == "RGB" or (colours == "GRAY" and grey):
        return icc, ""
    reason = f"for {colours} pictures" if colours else "damaged"
    return b"", f"Its colour profile is {reason}, and sRGB is assumed."


def _hdr_points(stated: CodePoints | None, icc: bytes) -> CodePoints | None:
    """Return the code points of a PQ or HLG picture, from the container or from the profile."""
    found = (stated, code_points_of(icc) if icc else None)
    return next((points for points in found if points is not None and points.hdr), None)


def _is_adobe_rgb(tags: FileTags) -> bool:
    """Tell what cameras call Adobe RGB: the option file of DCF 2.0, or the value that some write against EXIF."""
    interoperability = tags.text("Exif.Iop.InteroperabilityIndex").strip("\0 ")
    return interoperability == "R03" or tags.numbers("Exif.Photo.ColorSpace") == (2,)


def _stated_headroom(tags: FileTags | None) -> float | None:
    """Return the headroom of Apple's gain map in the file's XMP."""
    key = "Xmp.HDRGainMap.HDRGainMapHeadroom"
    values = [] if tags is None else [str(entry.value()) for entry in tags.image.xmpData() if entry.key() == key]
    try:
        return float(values[0]) if values else None
    except ValueError:
        return None


def _maker_headroom(tags: FileTags | None) -> float | None:
    if tags is None or "Exif.Photo.MakerNote" not in tags.exif:
        return None
    note = bytes(tags.exif["Exif.Photo.MakerNote"].value().data())
    headroom = apple_maker_headroom(note)
    return headroom if headroom is not None and math.isfinite(headroom) else None
