"""One ordinary picture to HDR: read, give light back to what clips, convert, write."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli import __version__
from hdrcli.colourspaces import PRIMARIES
from hdrcli.errors import UnsuitableInputError, UsageError
from hdrcli.expand.clipping import brightest_stops, keep_well_exposed, measure_clipping
from hdrcli.expand.highlights import expand_highlights
from hdrcli.expand.learned import expand_learned
from hdrcli.images import DisplayImage, FloatArray, Metadata, SceneImage
from hdrcli.inference.session import Session
from hdrcli.io.output import atomic_output, check_output
from hdrcli.io.profile import matrix_encoded, own_light, primaries_matrix, profile_name
from hdrcli.isp.colour import space_to_space
from hdrcli.kernels import run_in_bands
from hdrcli.recipes.network import NetworkSettings, model_name, model_provenance, open_network
from hdrcli.recipes.outputs import OutputSettings, write_picture, write_preview
from hdrcli.recipes.picture import Picture, read_picture
from hdrcli.recipes.single_report import EXPANDED, SingleReport
from hdrcli.recipes.stopwatch import Progress, Stopwatch

TASK = "single"


@dataclass(frozen=True)
class SingleSettings(NetworkSettings, OutputSettings):
    """Everything that may be chosen, with what networks and outputs know; the defaults suit nearly every file.

    Attributes
    ----------
    blend : bool
        Keep what is well exposed as the profile says it, below the shoulder, and take only the rest from the network,
        which undoes the camera's curve. The classical method never changes it.
    embedded_hdr : bool
        Take the HDR that a file carries (gain map, PQ, HLG) instead of guessing it from its ordinary picture.
    colour_space : str
        "srgb-linear", "display-p3", "rec2020", "acescg" or "aces2065-1".
    exposure_ev : float
        The result is multiplied by 2 to this power.
    """

    blend: bool = False
    embedded_hdr: bool = True
    colour_space: str = "srgb-linear"
    exposure_ev: float = 0.0


def single(
    source: Path,
    output: Path,
    *,
    settings: SingleSettings | None = None,
    preview: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> SingleReport:
    """Turn one ordinary picture into HDR.

    Parameters
    ----------
    source : Path
        JPEG, PNG, TIFF, WebP, HEIC or AVIF, or a raw file of a Bayer sensor.
    output : Path
        The suffix chooses the format: .exr (scene-linear), .tif, .jpg or .png (tone-mapped), .avif (for HDR
        displays).
    settings : SingleSettings or None
    preview : Path or None
        A tone-mapped .jpg or .png besides.
    overwrite : bool
        Replace files that exist.
    progress : callable or None

    Returns
    -------
    SingleReport

    Raises
    ------
    UnreadableFileError, UnsupportedFileError
        When the source cannot be read as a picture.
    UnsuitableInputError
        When it is dual-ISO, or has no ordinary rendition and its HDR is not wanted.
    UsageError
        For an output or a colour space that a display picture cannot have.
    ModelError
        When the model is unknown or cannot run.
    OutputError
        When an output exists already or cannot be written; nothing is left half written.
    """
    settings = _checked(settings or SingleSettings(), output)
    watch = Stopwatch(progress)
    warnings: list[str] = []
    # First, because a model or a device that cannot be had should not cost the time to read the file.
    with watch.stage("load model", 0.0):
        network = open_network(settings, task=TASK, warn=warnings.append)
    for path in filter(None, (output, preview)):
        check_output(path, overwrite=overwrite, inputs=(source,))
    picture = read_picture(source, watch=watch)
    carried = _carried(source, picture, settings)
    if picture.hdr and picture.scene is None:
        warnings.append(f"the HDR that it carries ({picture.hdr}) cannot be decoded; it is expanded instead.")
    if carried is not None:
        light, matrix = carried.data, space_to_space(carried.colour_space, settings.colour_space)
    else:
        assert picture.image is not None  # or there would be HDR
        light = _expanded(picture.image, settings, network, watch)
        matrix = primaries_matrix(picture.image, colour_space=settings.colour_space)
    with watch.stage("convert", 0.7):
        clipping = None if picture.image is None else measure_clipping(picture.image)
        brightest = brightest_stops(light)
        scene = _converted(light, matrix, settings)
    above = EXPANDED if carried is None else picture.hdr
    metadata = _with_provenance(picture.metadata, settings, above, network)
    # Opened only now: a decoder that crashes must not leave a temporary file behind.
    with atomic_output(output, overwrite=overwrite, inputs=(source,)) as target:
        with watch.stage("write", 0.8):
            rendering = write_picture(target, scene, settings, metadata=metadata)
        if preview is not None:
            with watch.stage("preview", 0.95), atomic_output(preview, overwrite=overwrite, inputs=(source,)) as path:
                write_preview(path, scene, settings, metadata=metadata)
    return SingleReport(
        source=source,
        output=output,
        kind=picture.kind,
        bits=None if picture.image is None else 8 * picture.image.data.itemsize,
        size=picture.size,
        profile=_profile_name(picture),
        metadata=picture.metadata,
        hdr=picture.hdr,
        light=above,
        clipping=clipping,
        brightest_stops=brightest,
        model=model_name(None if network is None else network.model),
        blend=settings.blend or network is None,
        notes=picture.notes,
        warnings=tuple(warnings),
        seconds=watch.seconds,
        rendering=rendering,
    )


def single_image(
    image: DisplayImage,
    *,
    settings: SingleSettings | None = None,
    network: Session | None = None,
    watch: Stopwatch | None = None,
) -> SceneImage:
    """Give light back to a display picture that is in memory; `single` without the files.

    Parameters
    ----------
    image : DisplayImage
    settings : SingleSettings or None
    network : Session or None
        What `open_network` gave for the same settings, for many pictures; None to open it here.
    watch : Stopwatch or None

    Returns
    -------
    SceneImage
        (H, W, 3), 1.0 = white of the picture. Colours outside the space have components below 0.

    Raises
    ------
    UsageError
        When the colour space is unknown.
    ModelError
        When the model is unknown or cannot run.
    """
    settings = _checked(settings or SingleSettings())
    watch = watch or Stopwatch()
    if network is None:
        with watch.stage("load model", 0.0):
            network = open_network(settings, task=TASK)
    image = matrix_encoded(image.data, image.icc)
    light = _expanded(image, settings, network, watch)
    with watch.stage("convert", 0.7):
        return _converted(light, primaries_matrix(image, colour_space=settings.colour_space), settings)


def _checked(settings: SingleSettings, output: Path | None = None) -> SingleSettings:
    """Return the settings where they make sense for a display picture."""
    if output is not None and output.suffix.lower() == ".dng":
        raise UsageError(
            f"{str(output)!r} cannot be a DNG: a display picture has no mosaic. Choose .exr, .tif, .jpg, .png or .avif."
        )
    if settings.colour_space not in PRIMARIES:
        raise UsageError(
            f"A display picture has no colour space {settings.colour_space!r}; choose from {', '.join(PRIMARIES)}."
        )
    if not np.isfinite(settings.exposure_ev):
        raise UsageError(f"An exposure of {settings.exposure_ev} EV is no number of stops.")
    return settings


def _carried(source: Path, picture: Picture, settings: SingleSettings) -> SceneImage | None:
    """Return the HDR of the file where it is there and wanted."""
    if settings.embedded_hdr:
        return picture.scene
    if picture.image is None:
        raise UnsuitableInputError(
            f"{source.name} is {picture.hdr} throughout and has no ordinary picture to expand. "
            "Leave out --no-embedded-hdr to take its HDR."
        )
    return None


def _expanded(image: DisplayImage, settings: SingleSettings, network: Session | None, watch: Stopwatch) -> FloatArray:
    """Return scene light in the primaries of a picture, 1.0 = its white."""
    with watch.stage("expand", 0.2):
        if network is None:
            return expand_highlights(own_light(image))
        codes = image.data * np.float32(1 / np.iinfo(image.data.dtype).max)
        light = expand_learned(
            codes,
            network,
            tile=settings.tile,
            border=settings.border,
            progress=lambda share: watch.goes_on("expand", 0.2 + 0.5 * share),
        )
        return keep_well_exposed(light, own_light(image), codes) if settings.blend else light


def _converted(light: FloatArray, matrix: NDArray[np.float64], settings: SingleSettings) -> SceneImage:
    """Return light in the colour space and at the exposure of the settings; the array is used for the result."""
    scaled = (matrix * 2.0**settings.exposure_ev).astype(np.float32)

    def work(first: int, last: int) -> None:
        light[first:last] = cv2.transform(light[first:last], scaled)

    run_in_bands(work, len(light))
    return SceneImage(light, settings.colour_space)


def _profile_name(picture: Picture) -> str:
    if picture.image is not None:
        return profile_name(picture.image.icc)
    return picture.hdr if picture.scene is None else f"{picture.hdr}, {picture.scene.colour_space}"


def _with_provenance(metadata: Metadata, settings: SingleSettings, light: str, network: Session | None) -> Metadata:
    done = {"program": f"hdrcli {__version__}", "command": "single", "light": light}
    if light == EXPANDED:
        done |= model_provenance(None if network is None else network.model)
        done["blend"] = "yes" if settings.blend or network is None else "no"
    return replace(metadata, provenance={**metadata.provenance, **done})
