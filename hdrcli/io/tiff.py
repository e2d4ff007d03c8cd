"""TIFF files: finished pictures with 16 bits, and scene-linear light as 32-bit floats."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import tifffile

from hdrcli.images import DisplayImage, Metadata, SceneImage
from hdrcli.io.icc import icc_profile
from hdrcli.io.metadata import write_metadata

_ROWS_A_STRIP = 128


def write_tiff(path: Path, image: DisplayImage | SceneImage, *, metadata: Metadata) -> None:
    """Write a picture as TIFF, Deflate with predictor, on all cores.

    Parameters
    ----------
    path : Path
        Written in place; use `hdrcli.io.output.atomic_output`.
    image : DisplayImage or SceneImage
        A display picture keeps its 8 or 16 bits and its profile. A scene becomes 32-bit floats on its own scale (1.0
        is the clip of the reference exposure) with a linear profile of its colour space. Camera RGB gets none: no
        profile of primaries describes it.
    metadata : Metadata
        Becomes EXIF and XMP; the orientation is 1.

    Raises
    ------
    OutputError, OSError
        When writing fails.

    Notes
    -----
    32 bits and not half: few programs read 16-bit floats in TIFF.
    """
    if isinstance(image, DisplayImage):
        data = np.ascontiguousarray(image.data)
        profile = image.icc or icc_profile("srgb-linear", linear=False)
    else:
        data = np.ascontiguousarray(image.data, dtype=np.float32)
        camera = image.colour_space == "camera"
        profile = b"" if camera else icc_profile(image.colour_space, linear=True)
    tifffile.imwrite(
        path,
        data,
        photometric="rgb",
        compression="adobe_deflate",
        compressionargs={"level": 1},  # photographs hardly shrink further, at twice the time
        predictor=True,
        rowsperstrip=_ROWS_A_STRIP,
        maxworkers=os.cpu_count() or 1,
        iccprofile=profile or None,
        software=False,
        metadata=None,
    )
    write_metadata(path, metadata)
