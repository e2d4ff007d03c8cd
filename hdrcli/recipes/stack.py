"""One bracket to HDR: read, survey, align, find ghosts, merge, develop, write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from hdrcli import __version__
from hdrcli.colourspaces import PRIMARIES
from hdrcli.errors import UnreadableFileError, UnsuitableInputError, UnsupportedFileError, UsageError
from hdrcli.images import DisplayImage, Metadata, SceneImage
from hdrcli.io.display import read_display
from hdrcli.io.output import atomic_output, check_distinct, check_output
from hdrcli.io.preview import write_display
from hdrcli.io.profile import primaries_matrix
from hdrcli.io.raw import read_raw
from hdrcli.io.tiff import write_tiff
from hdrcli.isp.develop import develop
from hdrcli.isp.hdr_rendering import HdrRendering
from hdrcli.isp.whitebalance import multipliers
from hdrcli.kernels import run_in_bands
from hdrcli.recipes.bracket_set import DISPLAY, RAW
from hdrcli.recipes.outputs import write_mosaic, write_picture, write_preview
from hdrcli.recipes.picture import is_display_picture
from hdrcli.recipes.report import camera_name
from hdrcli.recipes.stack_display import DisplayStack, Shot, stack_display
from hdrcli.recipes.stack_merge import MergedBracket
from hdrcli.recipes.stack_raw import RawStack, stack_raw
from hdrcli.recipes.stack_report import StackReport
from hdrcli.recipes.stack_saved import SavedFrames
from hdrcli.recipes.stack_settings import DEGHOSTING, METHODS, RESPONSES, StackSettings
from hdrcli.recipes.stopwatch import Progress, Stopwatch
from hdrcli.response.files import read_response, write_response
from hdrcli.response.plot import plot_response

Frame = TypeVar("Frame")

_FUSED = (".jpg", ".jpeg", ".png", ".tif", ".tiff")
_CLIPPED = 0.98


@dataclass(frozen=True)
class _Targets:
    """Where everything goes."""

    output: Path
    preview: Path | None
    save_response: Path | None
    plot: Path | None
    mask: Path | None
    overwrite: bool

    def all(self) -> list[Path]:
        paths = (self.output, self.preview, self.save_response, self.plot, self.mask)
        return [path for path in paths if path is not None]

    def opened(self, exits: ExitStack, sources: Sequence[Path]) -> dict[Path, Path]:
        """Return a temporary file for each, that takes its name when the context ends well."""
        inputs = tuple(sources)
        return {
            path: exits.enter_context(atomic_output(path, overwrite=self.overwrite, inputs=inputs))
            for path in self.all()
        }


def stack(
    sources: Sequence[Path],
    output: Path,
    *,
    settings: StackSettings | None = None,
    preview: Path | None = None,
    save_response: Path | None = None,
    plot: Path | None = None,
    save_aligned: Path | None = None,
    save_mask: Path | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> StackReport:
    """Merge a bracket.

    Parameters
    ----------
    sources : sequence of Path
        Two or more raw files of a Bayer sensor, or two or more display pictures, in any order.
    output : Path
        The suffix chooses the format: .exr (scene-linear), .tif, .dng (mosaic, of raw files), .jpg or .png
        (tone-mapped), .avif (for HDR displays). Of a fusion .jpg, .png or .tif.
    settings : StackSettings or None
    preview : Path or None
        A tone-mapped .jpg or .png besides.
    save_response, plot : Path or None
        Of display pictures, the response of the camera as text and as a .png or .svg.
    save_aligned : Path or None
        Folder for every frame that is merged, on the grid of the reference: of raw files 16-bit .dng, of pictures
        16-bit .tif, named by the stems of the sources.
    save_mask : Path or None
        A grey .png of the size of the result: white where every frame is merged, black where one is not because it
        shows something else.
    overwrite : bool
        Replace files that exist.
    progress : callable or None

    Returns
    -------
    StackReport

    Raises
    ------
    UnreadableFileError, UnsupportedFileError
        When fewer than two sources can be read, or one is of a kind that is not read at all.
    UnsuitableInputError
        When the frames do not belong together, are dual-ISO, or share no range of light.
    UsageError
        For settings that contradict each other or the sources.
    OutputError
        When an output exists already or cannot be written; nothing is left half written.
    """
    settings = settings or StackSettings()
    targets = _Targets(output, preview, save_response, plot, save_mask, overwrite)
    _check(sources, settings, targets)
    watch = Stopwatch(progress)
    for path in targets.all():
        check_output(path, overwrite=overwrite, inputs=tuple(sources))
    are_pictures = _are_pictures(sources)
    kind = DISPLAY if are_pictures else RAW
    saved = SavedFrames(sources, save_aligned, kind=kind, mask=save_mask is not None, overwrite=overwrite)
    check_distinct([*targets.all(), *saved.paths])
    merge = _stack_pictures if are_pictures else _stack_raw_files
    with saved:
        return merge(sources, targets, settings, saved, watch)


def _check(sources: Sequence[Path], settings: StackSettings, targets: _Targets) -> None:
    """Refuse settings that make no sense, whatever the files hold."""
    if len(sources) < 2:
        raise UsageError("A bracket has two frames or more; `hdrcli single` makes HDR of one picture.")
    for name, value, known in (
        ("deghosting", settings.deghost, DEGHOSTING),
        ("method", settings.method, METHODS),
        ("response", settings.response, RESPONSES),
    ):
        if value not in known:
            raise UsageError(f"There is no {name} {value!r}; choose from {', '.join(known)}.")
    for values in (settings.evs, settings.times):
        if values is not None and len(values) != len(sources):
            raise UsageError(f"{len(values)} exposures are given for {len(sources)} frames.")
    if settings.evs is not None and settings.times is not None:
        raise UsageError("Exposures are given both in stops and in seconds; one of them is enough.")
    if settings.times is not None and min(settings.times) <= 0:
        raise UsageError("An exposure time is above 0 seconds.")
    if settings.reference is not None and not 0 <= settings.reference < len(sources):
        raise UsageError(f"There is no frame {settings.reference} among {len(sources)}.")
    if settings.method == "fusion" and targets.output.suffix.lower() not in _FUSED:
        raise UsageError(
            f"A fusion is a display picture without HDR: {str(targets.output)!r} must be a .jpg, .png or .tif."
        )
    if settings.method == "fusion" and (targets.save_response or targets.plot):
        raise UsageError("A fusion needs no response of the camera, so there is none to save or to draw.")
    if targets.mask is not None and targets.mask.suffix.lower() != ".png":
        raise UsageError(f"The mask {str(targets.mask)!r} must be a .png.")


def _are_pictures(sources: Sequence[Path]) -> bool:
    """Tell brackets of display pictures from raw ones; what cannot be read is of the kind of the others."""
    kinds: dict[bool, list[Path]] = {True: [], False: []}
    for source in sources:
        if source.exists() and source.stat().st_size:
            kinds[is_display_picture(source)].append(source)
    if all(kinds.values()):
        # The beginning of a damaged file may tell another kind.
        kinds = {kind: [path for path in paths if _can_be_read(path, kind)] for kind, paths in kinds.items()}
    if all(kinds.values()):
        raise UnsuitableInputError(
            f"{kinds[True][0].name} is a display picture and {kinds[False][0].name} is not; merge the raw files of a "
            "bracket or its pictures."
        )
    return bool(kinds[True])


def _can_be_read(source: Path, is_picture: bool) -> bool:
    try:
        if is_picture:
            read_display(source)
        else:
            read_raw(source)
    except (UnreadableFileError, UnsupportedFileError):
        return False
    return True


def _stack_raw_files(
    sources: Sequence[Path], targets: _Targets, settings: StackSettings, saved: SavedFrames, watch: Stopwatch
) -> StackReport:
    if targets.save_response or targets.plot:
        raise UsageError("Raw files are linear: there is no response to save or to draw.")
    if settings.method == "fusion":
        raise UsageError("Fusion is for display pictures; raw files are merged to HDR (write a .jpg for a display).")
    frames = [partial(_announced, watch, source, read_raw) for source in sources]
    result = stack_raw(frames, settings=settings, watch=watch, follow=saved.take if saved.wanted else None)
    metadata = _with_provenance(result.metadata, settings, result.bracket)
    everywhere = float(np.mean(result.mosaic.data >= np.float32(_CLIPPED * result.range)))
    is_mosaic, rendering = targets.output.suffix.lower() == ".dng", None
    with ExitStack() as opened:
        # Opened only now: a decoder that crashes must not leave a temporary file behind.
        files = targets.opened(opened, sources)
        if is_mosaic:
            with watch.stage("write", 0.75):
                white = max(result.range, 1.0)
                write_mosaic(
                    files[targets.output], result.mosaic, result.camera, settings, metadata=metadata, white=white
                )
        if not is_mosaic or targets.preview is not None:
            with watch.stage("develop", 0.75):
                scene = develop_stack(result, settings=settings)
            with watch.stage("write", 0.85):
                rendering = _write_scene(files, scene, targets, settings, metadata)
        if targets.mask is not None:
            saved.write_mask(files[targets.mask], metadata, orientation=metadata.orientation)
    height, width = result.mosaic.data.shape
    return _report(
        sources,
        targets,
        settings,
        result,
        size=(width, height),
        rendering=rendering,
        everywhere=everywhere,
        watch=watch,
    )


def develop_stack(result: RawStack, *, settings: StackSettings | None = None) -> SceneImage:
    """Develop a merged bracket: white balance, demosaicking, highlights, colour, orientation.

    Parameters
    ----------
    result : RawStack
    settings : StackSettings or None

    Returns
    -------
    SceneImage
        Oriented for viewing, 1.0 = clip of the reference.
    """
    settings = settings or StackSettings()
    mosaic, brightest = result.mosaic, result.range
    gains = multipliers(settings.develop.white_balance, camera=result.camera, bayer=mosaic)
    # Highlights are rebuilt where the shortest exposure clips, and developing takes the clip to be 1.0.
    scaled = replace(mosaic, data=mosaic.data * np.float32(1 / brightest))
    chosen = replace(
        settings.develop,
        white_balance=",".join(f"{gain:.9g}" for gain in gains),
        exposure_ev=settings.develop.exposure_ev + float(np.log2(brightest)),
    )
    return develop(scaled, result.camera, result.metadata.orientation, chosen)


def _stack_pictures(
    sources: Sequence[Path], targets: _Targets, settings: StackSettings, saved: SavedFrames, watch: Stopwatch
) -> StackReport:
    if targets.output.suffix.lower() == ".dng":
        raise UsageError(f"{str(targets.output)!r} cannot be a DNG: display pictures have no mosaic.")
    if settings.develop.colour_space not in PRIMARIES:
        raise UsageError(
            f"Display pictures have no colour space {settings.develop.colour_space!r}; choose from "
            f"{', '.join(PRIMARIES)}."
        )
    known = None if settings.response_file is None else read_response(settings.response_file)
    shots = [partial(_announced, watch, source, _read_shot) for source in sources]
    follow = saved.take if saved.wanted else None
    result = stack_display(shots, settings=settings, response=known, watch=watch, follow=follow)
    metadata = _with_provenance(result.metadata, settings, result.bracket)
    everywhere, rendering = 0.0, None
    if settings.method == "hdr":
        everywhere = float(np.mean(result.light.max(axis=2) >= np.float32(_CLIPPED / min(result.bracket.gains))))
    with ExitStack() as opened, watch.stage("write", 0.85):
        files = targets.opened(opened, sources)
        if settings.method == "fusion":
            for path in filter(None, (targets.output, targets.preview)):
                _write_fused(files[path], result, metadata)
        else:
            rendering = _write_scene(files, _picture_scene(result, settings), targets, settings, metadata)
        if targets.save_response is not None:
            write_response(files[targets.save_response], result.response)
        if targets.plot is not None:
            plot_response(files[targets.plot], result.response, result.samples)
        if targets.mask is not None:
            saved.write_mask(files[targets.mask], metadata)
    height, width = result.light.shape[:2]
    return _report(
        sources,
        targets,
        settings,
        result,
        size=(width, height),
        rendering=rendering,
        everywhere=everywhere,
        watch=watch,
    )


def _write_scene(
    files: dict[Path, Path], scene: SceneImage, targets: _Targets, settings: StackSettings, metadata: Metadata
) -> HdrRendering | None:
    """Write the picture, but for a DNG, and its preview to their temporary files."""
    rendering = None
    if targets.output.suffix.lower() != ".dng":
        rendering = write_picture(files[targets.output], scene, settings, metadata=metadata)
    if targets.preview is not None:
        write_preview(files[targets.preview], scene, settings, metadata=metadata)
    return rendering


def _announced(watch: Stopwatch, source: Path, read: Callable[[Path], Frame]) -> Frame:
    """Read a file after saying which: a decoder may crash."""
    watch.goes_on(f"read {source.name}")
    return read(source)


def _read_shot(source: Path) -> Shot:
    file = read_display(source)
    if file.image is None:
        raise UnsuitableInputError(
            f"{source.name} is {file.hdr} throughout: it is HDR already, and no frame of a bracket."
        )
    return Shot(source.name, file.image, file.metadata)


def _picture_scene(result: DisplayStack, settings: StackSettings) -> SceneImage:
    """Return merged pictures in the colour space and at the exposure of the settings."""
    colours = DisplayImage(np.zeros((1, 1, 3), np.uint8), result.icc)
    matrix = primaries_matrix(colours, colour_space=settings.develop.colour_space)
    scaled = (matrix * 2.0**settings.develop.exposure_ev).astype(np.float32)
    data = np.empty_like(result.light)

    def work(first: int, last: int) -> None:
        data[first:last] = cv2.transform(result.light[first:last], scaled)

    run_in_bands(work, len(data))
    return SceneImage(data, settings.develop.colour_space)


def _write_fused(path: Path, result: DisplayStack, metadata: Metadata) -> None:
    """Write a fusion, in the colour profile of the pictures: 16 bits in TIFF and PNG, 8 in JPEG."""
    deep = path.suffix.lower() not in (".jpg", ".jpeg")
    kind, most = (np.uint16, 65535) if deep else (np.uint8, 255)
    data = np.rint(np.clip(result.light, 0, 1) * np.float32(most)).astype(kind)
    image = DisplayImage(data, result.icc)
    if path.suffix.lower() in (".tif", ".tiff"):
        write_tiff(path, image, metadata=metadata)
    else:
        write_display(path, image, metadata=metadata)


def _with_provenance(metadata: Metadata, settings: StackSettings, bracket: MergedBracket) -> Metadata:
    done = {
        "program": f"hdrcli {__version__}",
        "command": "stack",
        "method": settings.method,
        "reference": bracket.frames[bracket.reference].name,
        "frames": " ".join(frame.name for frame in bracket.frames),
        "exposures": " ".join(f"{frame.ev_used:+.3f}" for frame in bracket.frames),
        "deghost": settings.deghost,
    }
    return replace(metadata, provenance={**metadata.provenance, **done})


def _report(
    sources: Sequence[Path],
    targets: _Targets,
    settings: StackSettings,
    result: RawStack | DisplayStack,
    *,
    size: tuple[int, int],
    everywhere: float,
    rendering: HdrRendering | None,
    watch: Stopwatch,
) -> StackReport:
    raw = isinstance(result, RawStack)
    recovered = "none" if raw or settings.method == "fusion" else settings.response
    if settings.response_file is not None and not raw:
        recovered = settings.response_file.name
    return StackReport(
        sources=tuple(sources),
        output=targets.output,
        kind="raw" if raw else "display",
        reference=result.bracket.frames[result.bracket.reference].name,
        size=size,
        camera=camera_name(result.metadata),
        metadata=result.metadata,
        frames=result.bracket.frames,
        clipped_everywhere=everywhere,
        response=recovered,
        method=settings.method,
        left_out=tuple((sources[index].name, reason) for index, reason in result.left_out),
        notes=() if isinstance(result, RawStack) else result.notes,
        warnings=result.warnings,
        seconds=watch.seconds,
        rendering=rendering,
    )
