"""Writing a result: the suffix of the path chooses the format, and with it how the picture is rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hdrcli.images import BayerImage, CameraProfile, DisplayImage, Metadata, SceneImage
from hdrcli.io.dng import merged_to_counts, write_dng, write_dng_half
from hdrcli.io.exr import write_exr
from hdrcli.io.icc import icc_profile
from hdrcli.io.preview import write_display
from hdrcli.io.tiff import write_tiff
from hdrcli.isp.colour import convert
from hdrcli.isp.tonemap import encode_display, reinhard_global, reinhard_local

# Screens and browsers know these; a picture in any other space is shown in sRGB.
_SCREEN_SPACES = ("srgb-linear", "display-p3")


@dataclass(frozen=True)
class OutputSettings:
    """How a result is written.

    Attributes
    ----------
    tonemap : str
        "reinhard", "reinhard-local" or "none", for display files and previews.
    key, white : float or None
        Key and white point of the tone curve; None for automatic.
    bits : int
        16 or 32 bit floats in EXR.
    compression : str
        Of EXR: "zip", "piz" or "dwaa".
    linear : bool
        Write TIFF as scene-linear floats instead of a tone-mapped picture.
    dng_format : str
        "integer" (16 bit, lossless JPEG) or "half" (floats, Deflate).
    """

    tonemap: str = "reinhard"
    key: float | None = None
    white: float | None = None
    bits: int = 16
    compression: str = "zip"
    linear: bool = False
    dng_format: str = "integer"


def write_picture(
    path: Path,
    scene: SceneImage,
    settings: OutputSettings,
    *,
    metadata: Metadata,
    layers: Mapping[str, SceneImage] | None = None,
) -> None:
    """Write a developed picture as .exr, .tif, .jpg or .png.

    Parameters
    ----------
    path : Path
        Written directly; see `io.output.atomic_output`.
    scene : SceneImage
    settings : OutputSettings
    metadata : Metadata
    layers : mapping of str to SceneImage, or None
        Further layers of an .exr.
    """
    suffix = path.suffix.lower()
    if suffix == ".exr":
        write_exr(path, scene, metadata=metadata, bits=settings.bits, compression=settings.compression, layers=layers)
    elif suffix in (".tif", ".tiff"):
        linear = settings.linear or settings.tonemap == "none"
        write_tiff(path, scene if linear else render(scene, settings, bits=16), metadata=metadata)
    else:
        write_display(path, render(scene, settings, bits=8), metadata=metadata)


def write_mosaic(
    path: Path, image: BayerImage, camera: CameraProfile, settings: OutputSettings, *, metadata: Metadata
) -> None:
    """Write a mosaic, 1.0 = clip, as .dng in 16-bit integers or half floats."""
    if settings.dng_format == "half":
        write_dng_half(path, image, camera=camera, metadata=metadata)
    else:
        frame, baseline_exposure = merged_to_counts(image, camera=camera, metadata=metadata)
        write_dng(path, frame, baseline_exposure=baseline_exposure)


def render(scene: SceneImage, settings: OutputSettings, *, bits: int) -> DisplayImage:
    """Return the picture for a screen: tone-mapped, encoded with the sRGB curve, 8 or 16 bits."""
    if scene.colour_space not in (*_SCREEN_SPACES, "camera"):
        scene = convert(scene, "srgb-linear")
    shown = scene.data
    if settings.tonemap != "none":
        operator = reinhard_local if settings.tonemap == "reinhard-local" else reinhard_global
        shown = operator(scene, key=settings.key, white=settings.white)
    space = scene.colour_space if scene.colour_space in _SCREEN_SPACES else "srgb-linear"
    return encode_display(shown, bits=bits, icc=icc_profile(space, linear=False))
