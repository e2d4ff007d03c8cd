"""Brackets as cameras write them, small, made where they are tested."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import numpy as np
from display_files import photograph, raw_photograph, saved

from hdrcli.images import Metadata
from hdrcli.io.dng import write_dng
from hdrcli.io.metadata import write_metadata

NOON = datetime(2024, 6, 1, 12, 0, 0)


def stated(ev: float, at: datetime, *, base_s: float = 1 / 60) -> Metadata:
    """Return what a camera states of an exposure that is `ev` stops longer than `base_s`."""
    exif = {
        "Exif.Photo.DateTimeOriginal": f"{at:%Y:%m:%d %H:%M:%S}",
        "Exif.Photo.SubSecTimeOriginal": f"{at.microsecond // 10_000:02d}",
        "Exif.Photo.OffsetTimeOriginal": "+02:00",
        "Exif.Photo.BodySerialNumber": "4711",
    }
    return Metadata(
        exposure_time_s=base_s * 2.0**ev,
        iso=100.0,
        f_number=8.0,
        focal_length_mm=35.0,
        captured=exif["Exif.Photo.DateTimeOriginal"],
        make="Maker",
        model="Model 1",
        lens="35mm",
        exif=MappingProxyType(exif),
    )


def write_bracket(
    folder: Path,
    evs: Sequence[float],
    *,
    number: int = 1,
    at: datetime = NOON,
    suffix: str = ".jpg",
) -> list[Path]:
    """Write frames of one scene, half a second apart, and return their paths: IMG_0001 and so on.

    Parameters
    ----------
    folder : Path
    evs : sequence of float
        Exposures of the frames.
    number : int
        Of the first.
    at : datetime
        When the first is exposed.
    suffix : str
        ".dng" makes raw frames.
    """
    paths = []
    for offset, ev in enumerate(evs):
        path = folder / f"IMG_{number + offset:04d}{suffix}"
        metadata = stated(ev, at)
        if suffix == ".dng":
            raw = raw_photograph(exposure=2.0**ev)
            facts = {name: getattr(metadata, name) for name in ("exposure_time_s", "captured", "exif", "lens")}
            write_dng(path, replace(raw, metadata=replace(raw.metadata, **facts)))
        else:
            codes = np.clip(photograph() * 2.0 ** (ev / 2.2), 0, 255).astype(np.uint8)
            write_metadata(saved(path, codes), metadata)
        paths.append(path)
        at += timedelta(seconds=(metadata.exposure_time_s or 0) + 0.5)
    return paths
