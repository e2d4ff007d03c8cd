"""Writing a result: the suffix of the path chooses the format, and with it how the picture is rendered."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from hdrcli.errors import UsageError
from hdrcli.images import BayerImage, CameraProfile, DisplayImage, Metadata, SceneImage
from hdrcli.io.avif import write_avif
from hdrcli.io.code_points import PQ_PEAK, REFERENCE_WHITE
from hdrcli.io.dng import merged_to_counts, write_dng, write_dng_half
from hdrcli.io.exr import write_exr
from hdrcli.io.icc import icc_profile
from hdrcli.io.preview import write_display
from hdrcli.io.tiff import write_tiff
from hdrcli.io.ultrahdr import write_ultra_hdr
from hdrcli.isp.colour import convert
from hdrcli.isp.hdr_rendering import HdrRendering, hdr_rendering, render_hdr
from hdrcli.isp.tonemap import encode_display, reinhard_global, reinhard_local

# Screens and browsers know these; a picture in any other space is shown in sRGB.
_SCREEN_SPACES = ("srgb-linear", "display-p3")

USUAL_PEAK = 1000.0
"""In cd/m2, of the displays that HDR pictures are made for where nothing else is said."""


@dataclass(frozen=True)
class OutputSettings:
    """How a result is written.

    Attributes
    ----------
    tonemap : str
        "reinhard", "reinhard-local" or "none", for display files and previews.
    key, white : float or None
        Key and white point of the tone curve; None for automatic. They place the mid-tones of HDR pictures, too.
    peak : float or None
        Of the display in cd/m2, 203 to 10,000. With it a JPEG becomes an HDR picture with a gain map; AVIF is HDR
        always, for `USUAL_PEAK` where it is None.
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
    peak: float | None = None
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
) -> HdrRendering | None:
    """Write a developed picture as .exr, .tif, .jpg, .png or .avif.

    Parameters
    ----------
    path : Path
        Written directly; see `io.output.atomic_output`.
    scene : SceneImage
    settings : OutputSettings
    metadata : Metadata
    layers : mapping of str to SceneImage, or None
        Further layers of an .exr.

    Returns
    -------
    HdrRendering or None
        How the scene is shown in a file for HDR displays; None for other files.

    Raises
    ------
    UsageError
        When the peak is out of range, or key or white is not positive.
    """
    suffix = path.suffix.lower()
    rendering = None
    if suffix == ".exr":
        write_exr(path, scene, metadata=metadata, bits=settings.bits, compression=settings.compression, layers=layers)
    elif suffix in (".tif", ".tiff"):
        linear = settings.linear or settings.tonemap == "none"
        write_tiff(path, scene if linear else render(scene, settings, bits=16), metadata=metadata)
    elif _is_hdr_display(suffix, settings.peak):
        rendering = _hdr_rendering(scene, settings)
        metadata = replace(metadata, provenance={**metadata.provenance, **_provenance(rendering)})
        if suffix == ".avif":
            write_avif(path, render_hdr(scene, rendering), metadata=metadata)
        else:
            shown, light = _tone_mapped(scene, settings), render_hdr(scene, rendering)
            write_ultra_hdr(path, _encoded(shown, bits=8), shown, light, peak=rendering.peak, metadata=metadata)
    else:
        write_display(path, render(scene, settings, bits=8), metadata=metadata)
    return rendering


def write_preview(path: Path, scene: SceneImage, settings: OutputSettings, *, metadata: Metadata) -> None:
    """Write an ordinary picture, tone-mapped by the settings, as .jpg or .png."""
    write_display(path, render(scene, settings, bits=8), metadata=metadata)


def _is_hdr_display(suffix: str, peak: float | None) -> bool:
    """Tell whether a file is a picture for HDR displays; a JPEG is where a peak beyond diffuse white is asked for."""
    return suffix == ".avif" or (suffix in (".jpg", ".jpeg") and peak not in (None, REFERENCE_WHITE))


def write_mosaic(
    path: Path,
    image: BayerImage,
    camera: CameraProfile,
    settings: OutputSettings,
    *,
    metadata: Metadata,
    white: float = 1.0,
) -> None:
    """Write a mosaic as .dng in 16-bit integers or half floats; light ends at `white`, where 1.0 is ordinary white."""
    if settings.dng_format == "half":
        ev = math.log2(white)
        write_dng_half(path, image, camera=camera, metadata=metadata, white=white, baseline_exposure=ev)
    else:
        frame, baseline_exposure = merged_to_counts(image, camera=camera, metadata=metadata, white=white)
        write_dng(path, frame, baseline_exposure=baseline_exposure)


def render(scene: SceneImage, settings: OutputSettings, *, bits: int) -> DisplayImage:
    """Return the picture for a screen: tone-mapped, encoded with the sRGB curve, 8 or 16 bits."""
    return _encoded(_tone_mapped(scene, settings), bits=bits)


def _tone_mapped(scene: SceneImage, settings: OutputSettings) -> SceneImage:
    """Return light of a screen, 1.0 = white, in a space that screens know; camera RGB is taken for sRGB."""
    if scene.colour_space == "camera":
        scene = replace(scene, colour_space="srgb-linear")
    elif scene.colour_space not in _SCREEN_SPACES:
        scene = convert(scene, "srgb-linear")
    if settings.tonemap == "none":
        return scene
    operator = reinhard_local if settings.tonemap == "reinhard-local" else reinhard_global
    return replace(scene, data=operator(scene, key=settings.key, white=settings.white))


def _encoded(shown: SceneImage, *, bits: int) -> DisplayImage:
    return encode_display(shown.data, bits=bits, icc=icc_profile(shown.colour_space, linear=False))


def _hdr_rendering(scene: SceneImage, settings: OutputSettings) -> HdrRendering:
    peak = USUAL_PEAK if settings.peak is None else settings.peak
    if not REFERENCE_WHITE <= peak <= PQ_PEAK:
        raise UsageError(f"A peak of {peak:g} cd/m2 is not between {REFERENCE_WHITE:g} and {PQ_PEAK:g}.")
    return hdr_rendering(
        scene,
        peak=peak / REFERENCE_WHITE,
        key=settings.key,
        white=settings.white,
        automatic=settings.tonemap != "none",
    )


def _provenance(rendering: HdrRendering) -> dict[str, str]:
    return {
        "diffuseWhite": f"{1 / rendering.scale:.6g}",
        "peakNits": f"{rendering.peak * REFERENCE_WHITE:.6g}",
    }
