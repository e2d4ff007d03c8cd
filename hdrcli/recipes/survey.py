"""What files state of their exposures, read from their metadata alone; no pixel is decoded."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from hdrcli.io.display import declares_raw, display_kind
from hdrcli.io.metadata import FileTags, metadata_of, provenance_in, read_tags
from hdrcli.io.shot_tags import capture_time, is_camera_format, serial_number
from hdrcli.io.source import file_size
from hdrcli.recipes.bracket_set import DISPLAY, RAW, Grouping, Shot
from hdrcli.recipes.report import camera_name
from hdrcli.recipes.sets import GAP_S, group


def find_sets(paths: Iterable[Path], *, gap: float = GAP_S) -> Grouping:
    """Return the brackets among files, and which files are in none.

    Parameters
    ----------
    paths : iterable of Path
        Each file once.
    gap : float
        Longest pause inside a bracket in seconds, from the end of one exposure to the beginning of the next.

    Raises
    ------
    UnreadableFileError
        When one is no file, is empty, or cannot be opened.
    """
    return group([look_at(path) for path in paths], gap=gap)


def look_at(path: Path) -> Shot:
    """Return what a file states of its exposure.

    Raises
    ------
    UnreadableFileError
        When it is no file, is empty, or cannot be opened.
    """
    file_size(path, wanted="a picture or a camera raw file")
    tags = read_tags(path)
    kind = _kind(path, tags)
    if tags is None or not kind:
        return Shot(path, kind)
    metadata = metadata_of(tags)
    return Shot(
        path,
        kind,
        camera=camera_name(metadata),
        serial=serial_number(tags),
        lens=metadata.lens,
        size=(int(tags.image.pixelWidth()), int(tags.image.pixelHeight())),
        captured=capture_time(metadata),
        exposure_time_s=metadata.exposure_time_s,
        f_number=metadata.f_number,
        iso=metadata.iso,
        focal_length_mm=metadata.focal_length_mm,
        bias_ev=_finite(tags, "Exif.Photo.ExposureBiasValue", "Exif.Image.ExposureBiasValue"),
        mode=_whole(tags, "Exif.Photo.ExposureMode"),
        made_here=_is_result(tags),
    )


def _kind(path: Path, tags: FileTags | None) -> str:
    kind = display_kind(path)
    if kind and not (kind == "TIFF" and declares_raw(tags)):
        return DISPLAY
    return RAW if is_camera_format(tags) else ""


def _is_result(tags: FileTags) -> bool:
    """Tell results of this program from what cameras write, and from frames that its own camera model makes."""
    provenance = provenance_in(tags)
    return bool(provenance) and "simulated" not in provenance


def _finite(tags: FileTags, *keys: str) -> float | None:
    found = next((numbers[0] for numbers in map(tags.numbers, keys) if numbers), math.nan)
    return found if math.isfinite(found) else None


def _whole(tags: FileTags, key: str) -> int | None:
    found = _finite(tags, key)
    return None if found is None else int(found)
