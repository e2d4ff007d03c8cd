"""One dual-ISO raw file to HDR: read, analyse, repair, reconstruct, merge, develop, write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hdrcli import __version__
from hdrcli.dualiso.detect import DualIsoAnalysis, analyse, normalise
from hdrcli.dualiso.interpolate import Reconstruction, reconstruct
from hdrcli.dualiso.learned import reconstruct_learned
from hdrcli.errors import UnsuitableInputError
from hdrcli.images import BayerImage, Exposure, Metadata, RawFrame, SceneImage
from hdrcli.inference.registry import Model
from hdrcli.inference.session import Session
from hdrcli.io.output import atomic_output, check_output, make_folder
from hdrcli.io.raw import read_raw
from hdrcli.isp.defects import repair_defects
from hdrcli.isp.develop import DevelopSettings, develop
from hdrcli.isp.orient import orient
from hdrcli.isp.whitebalance import multipliers
from hdrcli.merge.rgb import high_exposure_weight, low_exposure_weight, merge_rgb
from hdrcli.recipes.deinterlace_report import DeinterlaceReport
from hdrcli.recipes.network import NetworkSettings, model_name, model_provenance, open_network
from hdrcli.recipes.outputs import OutputSettings, write_mosaic, write_picture, write_preview
from hdrcli.recipes.report import camera_name
from hdrcli.recipes.stopwatch import Progress, Stopwatch


@dataclass(frozen=True)
class DeinterlaceSettings(NetworkSettings, OutputSettings):
    """Everything that may be chosen, with what networks and outputs know; the defaults suit nearly every file.

    Attributes
    ----------
    row_pattern : str or None
        Row classes of the first four rows ("HHLL", "LHHL", "LLHH", "HLLH") instead of the measured ones.
    gain : float or None
        Ratio of high to low ISO instead of the measured one.
    force : bool
        Go on although the frame does not look dual-ISO.
    black_level, white_level : float or None
        Counts, instead of the measured or stated levels.
    merge : str
        "bayer": on the mosaic, one demosaicking; "rgb": both exposures developed, then equation 19 of the paper.
    repair : bool
        Repair hot and dead pixels.
    denoise : float
        Strength of noise reduction, 1.0 as the noise model says or the network was taught, 0.0 none.
    develop : DevelopSettings
    layers : bool
        Add the low and the high exposure as EXR layers.
    """

    row_pattern: str | None = None
    gain: float | None = None
    force: bool = False
    black_level: float | None = None
    white_level: float | None = None
    merge: str = "bayer"
    repair: bool = True
    denoise: float = 1.0
    develop: DevelopSettings = field(default_factory=DevelopSettings)
    layers: bool = False


@dataclass(frozen=True)
class DeinterlacedFrame:
    """A reconstructed frame, before it is developed: the result of the recipe on arrays.

    Attributes
    ----------
    reconstruction : Reconstruction
        The merged mosaic, and both exposures on demand.
    analysis : DualIsoAnalysis
    repaired : int
        Hot and dead samples replaced.
    model : Model or None
        The network that reconstructed it; None for the classical method.
    """

    reconstruction: Reconstruction
    analysis: DualIsoAnalysis
    repaired: int
    model: Model | None = None


def deinterlace(
    source: Path,
    output: Path,
    *,
    settings: DeinterlaceSettings | None = None,
    preview: Path | None = None,
    save_exposures: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> DeinterlaceReport:
    """Turn a dual-ISO raw file into HDR.

    Parameters
    ----------
    source : Path
        Any raw file of a 2x2 RGB Bayer sensor.
    output : Path
        The suffix chooses the format: .exr (scene-linear), .tif, .dng (mosaic), .jpg or .png (tone-mapped),
        .avif (for HDR displays).
    settings : DeinterlaceSettings or None
    preview : Path or None
        A tone-mapped .jpg or .png besides.
    save_exposures : Path or None
        Folder for the two reconstructed exposures as DNG.
    overwrite : bool
        Replace files that exist.
    progress : callable or None

    Returns
    -------
    DeinterlaceReport

    Raises
    ------
    UnreadableFileError, UnsupportedFileError
        When the source cannot be read as Bayer raw.
    UnsuitableInputError
        When it is not dual-ISO (and not forced).
    ModelError
        When the model is unknown.
    OutputError
        When an output exists already or cannot be written; nothing is left half written.
    """
    settings = settings or DeinterlaceSettings()
    watch = Stopwatch(progress)
    mosaic_only = output.suffix.lower() == ".dng" and preview is None
    warnings: list[str] = []
    # First, because a model or a device that cannot be had should not cost the time to read the file.
    with watch.stage("load model", 0.0):
        network = open_deinterlacer(settings, warn=warnings.append)
    exposure_paths = _exposure_paths(save_exposures, source)
    for path in filter(None, (output, preview, *exposure_paths)):
        check_output(path, overwrite=overwrite, inputs=(source,))
    with watch.stage("read", 0.02):
        raw = read_raw(source)
    result = deinterlace_frame(raw, settings=settings, network=network, watch=watch)
    metadata = _with_provenance(raw.metadata, settings, result)
    with watch.stage("develop", 0.6):
        scene = None if mosaic_only else develop_frame(result, raw, settings=settings)
    rendering = None
    # Opened only now: a decoder that crashes must not leave a temporary file behind.
    with atomic_output(output, overwrite=overwrite, inputs=(source,)) as target:
        with watch.stage("write", 0.8):
            if scene is None or output.suffix.lower() == ".dng":
                write_mosaic(target, result.reconstruction.merged, raw.camera, settings, metadata=metadata)
            else:
                layers = _layers(result, raw, settings) if settings.layers else None
                rendering = write_picture(target, scene, settings, metadata=metadata, layers=layers)
        if preview is not None and scene is not None:
            with watch.stage("preview", 0.95), atomic_output(preview, overwrite=overwrite, inputs=(source,)) as path:
                write_preview(path, scene, settings, metadata=metadata)
        if exposure_paths:
            with watch.stage("exposures", 0.97):
                _write_exposures(exposure_paths, source, result, raw, metadata, overwrite=overwrite)
    size = raw.counts.shape[1], raw.counts.shape[0]
    return DeinterlaceReport(
        source,
        output,
        camera_name(raw.camera),
        size,
        raw.metadata,
        result.analysis,
        result.repaired,
        model_name(result.model),
        tuple(warnings),
        watch.seconds,
        rendering,
    )


def deinterlace_frame(
    raw: RawFrame,
    *,
    settings: DeinterlaceSettings | None = None,
    network: Session | None = None,
    watch: Stopwatch | None = None,
) -> DeinterlacedFrame:
    """Reconstruct a dual-ISO frame that is in memory; `deinterlace` without the files.

    Parameters
    ----------
    raw : RawFrame
    settings : DeinterlaceSettings or None
    network : Session or None
        What `open_deinterlacer` gave for the same settings, for many frames; None to open it here.
    watch : Stopwatch or None

    Returns
    -------
    DeinterlacedFrame

    Raises
    ------
    UnsuitableInputError
        When the frame is not dual-ISO (and not forced).
    ModelError
        When the model is unknown or cannot run.
    """
    settings = settings or DeinterlaceSettings()
    watch = watch or Stopwatch()
    if network is None:
        with watch.stage("load model", 0.0):
            network = open_deinterlacer(settings)
    with watch.stage("detect", 0.15):
        analysis = analyse(
            raw,
            row_pattern=settings.row_pattern,
            gain=settings.gain,
            black_level=settings.black_level,
            white_level=settings.white_level,
        )
        if not analysis.is_dual_iso and not settings.force:
            name = raw.name or "The frame"
            if analysis.verdict == "unknown":
                raise UnsuitableInputError(
                    f"{name} does not show what it is: {analysis.reason}. Say so by --iso LOW/HIGH."
                )
            raise UnsuitableInputError(
                f"{name} does not look dual-ISO: {analysis.reason}. "
                "Open it in any raw developer, or force with --force and --iso LOW/HIGH."
            )
        frame = normalise(raw, analysis)
    with watch.stage("repair", 0.25):
        frame, repaired = repair_defects(frame) if settings.repair else (frame, 0)
    with watch.stage("reconstruct", 0.3):
        if network is None:
            return DeinterlacedFrame(reconstruct(frame, denoise=settings.denoise), analysis, repaired)
        reconstruction = reconstruct_learned(
            frame,
            network,
            denoise=settings.denoise,
            tile=settings.tile,
            border=settings.border,
            progress=lambda share: watch.goes_on("reconstruct", 0.32 + 0.28 * share),
        )
    return DeinterlacedFrame(reconstruction, analysis, repaired, network.model)


def open_deinterlacer(settings: DeinterlaceSettings, *, warn: Callable[[str], None] | None = None) -> Session | None:
    """Return the network that the settings ask for, as `hdrcli.recipes.network.open_network` does.

    Without noise reduction there is none, because no network leaves the noise.
    """
    return open_network(settings, task="deinterlace", needed=settings.denoise > 0, warn=warn)


def develop_frame(
    result: DeinterlacedFrame, raw: RawFrame, *, settings: DeinterlaceSettings | None = None
) -> SceneImage:
    """Develop a reconstructed frame: white balance, demosaicking, highlights, colour, orientation.

    Parameters
    ----------
    result : DeinterlacedFrame
    raw : RawFrame
        Where it came from: colour matrices and orientation.
    settings : DeinterlaceSettings or None

    Returns
    -------
    SceneImage
        Oriented for viewing, 1.0 = clip of the low exposure.
    """
    settings = settings or DeinterlaceSettings()
    orientation = raw.metadata.orientation
    balanced = _balanced(result, raw, settings)
    if settings.merge == "bayer":
        rgb = result.reconstruction.rgb
        return develop(result.reconstruction.merged, raw.camera, orientation, balanced, rgb=rgb)
    low, high = result.reconstruction.low, result.reconstruction.high
    merged = merge_rgb(
        develop(low.image, raw.camera, 1, balanced),
        develop(_on_low_scale(high), raw.camera, 1, balanced),
        low_weight=low_exposure_weight(low.image),
        high_weight=high_exposure_weight(high.image),
    )
    return replace(merged, data=orient(merged.data, orientation))


def _balanced(result: DeinterlacedFrame, raw: RawFrame, settings: DeinterlaceSettings) -> DevelopSettings:
    """Fix the white balance by the merged picture, so that every exposure of the frame gets the same."""
    gains = multipliers(settings.develop.white_balance, camera=raw.camera, bayer=result.reconstruction.merged)
    return replace(settings.develop, white_balance=",".join(f"{gain:.9g}" for gain in gains))


def _on_low_scale(exposure: Exposure) -> BayerImage:
    image = exposure.image
    return BayerImage(image.data / np.float32(exposure.gain), image.cfa)


def _layers(result: DeinterlacedFrame, raw: RawFrame, settings: DeinterlaceSettings) -> dict[str, SceneImage]:
    low, high = result.reconstruction.low, result.reconstruction.high
    balanced = _balanced(result, raw, settings)
    return {
        name: develop(image, raw.camera, raw.metadata.orientation, balanced)
        for name, image in (("low", low.image), ("high", _on_low_scale(high)))
    }


def _exposure_paths(folder: Path | None, source: Path) -> list[Path]:
    """Return where the low and the high exposure go, in a folder that is made where it is missing."""
    if folder is None:
        return []
    make_folder(folder)
    return [folder / f"{source.stem}-{name}.dng" for name in ("low", "high")]


def _write_exposures(
    paths: Sequence[Path],
    source: Path,
    result: DeinterlacedFrame,
    raw: RawFrame,
    metadata: Metadata,
    *,
    overwrite: bool,
) -> None:
    for target, exposure in zip(paths, (result.reconstruction.low, result.reconstruction.high), strict=True):
        with atomic_output(target, overwrite=overwrite, inputs=(source,)) as path:
            write_mosaic(path, exposure.image, raw.camera, OutputSettings(), metadata=metadata)


def _with_provenance(metadata: Metadata, settings: DeinterlaceSettings, result: DeinterlacedFrame) -> Metadata:
    analysis = result.analysis
    done = {
        "program": f"hdrcli {__version__}",
        "command": "deinterlace",
        **model_provenance(result.model),
        "merge": settings.merge,
        "denoise": f"{settings.denoise:g}",
        "rowPattern": analysis.row_pattern,
        "isoRatio": f"{analysis.gain:.4f}",
        "blackDelta": f"{analysis.black_delta:.3f}",
        "whiteLow": f"{analysis.white_low:.1f}",
        "whiteHigh": f"{analysis.white_high:.1f}",
        "repairedPixels": str(result.repaired),
    }
    return replace(metadata, provenance={**metadata.provenance, **done})
