"""`hdrcli deinterlace`: dual-ISO raw files to scene-linear HDR."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hdrcli.cli import options
from hdrcli.cli.console import Answer, Screen, failure_object, run_all
from hdrcli.errors import OutputError, UsageError
from hdrcli.io.output import output_paths
from hdrcli.recipes.batch import Job, Outcome, Progress

if TYPE_CHECKING:
    from hdrcli.recipes.deinterlace import DeinterlaceSettings

EXAMPLES = """\b
Examples:
  hdrcli deinterlace IMG_1234.CR2 -o IMG_1234.dng
  hdrcli deinterlace *.CR2 -o developed/ --preview "developed/{stem}.jpg" --skip-existing
"""


@click.command("deinterlace", epilog=EXAMPLES)
@options.inputs
@options.output
@options.formats
@click.option("--layers", is_flag=True, help="Add the low and the high exposure to the EXR as layers.")
@click.option(
    "--save-exposures",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Also write the two reconstructed exposures there as DNG.",
)
@options.network
@options.iso
@click.option(
    "--pattern",
    type=click.Choice(options.ROW_PATTERNS),
    help="Which of the first four rows are high and low ISO, instead of the measured pattern.",
)
@click.option("--force", is_flag=True, help="Go on where the frame does not look dual-ISO.")
@options.levels
@click.option(
    "--merge",
    type=click.Choice(options.MERGES),
    default="bayer",
    show_default=True,
    help="Merge the exposures on the mosaic, or each after its own demosaicing.",
)
@click.option("--no-repair", is_flag=True, help="Leave hot and dead pixels; for stars.")
@options.developing
@options.toning
@options.batch
@options.reporting
def command(
    *,
    inputs: tuple[Path, ...],
    output: str | None,
    overwrite: bool,
    skip_existing: bool,
    preview: str | None,
    save_exposures: Path | None,
    jobs: int,
    screen: Screen,
    **choices: Any,
) -> int:
    """Turn dual-ISO raw files into clean scene-linear pictures.

    The rows of a dual-ISO frame are exposed at two ISO values in turn. Which rows, how far apart, and the levels are
    measured from the pixels. 1.0 in the result is the level at which the low-ISO rows clip.
    """
    if overwrite and skip_existing:
        raise UsageError("--overwrite and --skip-existing contradict each other; choose one.")
    outputs = _outputs_beside(inputs) if output is None else output_paths(inputs, output)
    previews = _previews(inputs, preview, outputs)
    for folder in (output, preview):
        _make_folder(folder)
    objects: dict[Path, object] = {}
    work: list[Job[Answer]] = []
    for source, target, small in zip(inputs, outputs, previews, strict=True):
        if skip_existing and target.exists():
            objects[source] = {"source": str(source), "output": str(target), "skipped": True}
            continue
        paths = {"preview": small, "save_exposures": save_exposures}
        work.append(Job(source, partial(_deinterlace, source, target, paths, overwrite, choices)))
    if objects:
        screen.note(f"{len(objects)} of {len(inputs)} inputs skipped: their outputs exist.")

    def on_outcome(outcome: Outcome[Answer]) -> None:
        if outcome.result is None:
            assert outcome.failure is not None  # an outcome is one or the other
            objects[outcome.source] = failure_object(outcome.source, outcome.failure)
            return
        objects[outcome.source] = outcome.result.facts
        screen.note(f"{outcome.source} -> {outcome.result.facts['output']}")
        for warning in outcome.result.warnings:
            screen.note(f"{outcome.source}: {warning}")
        for line in outcome.result.lines:
            screen.note(line, verbosity=1)

    code = run_all(work, workers=jobs, screen=screen, on_outcome=on_outcome)
    if screen.as_json:
        screen.data([objects[source] for source in inputs if source in objects])
    return code


def _outputs_beside(inputs: Sequence[Path]) -> list[Path]:
    """Return the default outputs: each input's name with .exr, in the folder of the input."""
    by_folder: dict[Path, list[Path]] = {}
    for source in inputs:
        by_folder.setdefault(source.parent, []).append(source)
    outputs: dict[Path, Path] = {}
    for folder, sources in by_folder.items():
        outputs.update(zip(sources, output_paths(sources, f"{folder}/"), strict=True))
    return [outputs[source] for source in inputs]


def _make_folder(output: str | None) -> None:
    """Make the folder of `FOLDER/` where it is missing; what contains it must be there."""
    if output is None or not output.endswith(("/", os.sep)):
        return
    try:
        Path(output).mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {output!r} cannot be made: {error.strerror}.") from error


def _previews(inputs: Sequence[Path], preview: str | None, outputs: Sequence[Path]) -> list[Path] | list[None]:
    if preview is None:
        return [None] * len(inputs)
    paths = output_paths(inputs, preview, default_suffix=".jpg")
    for path, output in zip(paths, outputs, strict=True):
        if path.suffix.lower() not in {".jpg", ".jpeg", ".png"}:
            raise UsageError(f"The preview {str(path)!r} must be a .jpg or .png.")
        if path == output:
            raise UsageError(f"{str(path)!r} cannot be the output and its preview; give them different names.")
    return paths


def _deinterlace(
    source: Path,
    target: Path,
    paths: Mapping[str, Path | None],
    overwrite: bool,
    choices: Mapping[str, Any],
    progress: Progress,
) -> Answer:
    """Run the recipe. Called in a worker, which alone imports what does the work."""
    from hdrcli.recipes.deinterlace import deinterlace

    settings = settings_from(choices)
    report = deinterlace(source, target, settings=settings, overwrite=overwrite, progress=progress, **paths)
    return Answer(report.as_dict(), report.lines(), report.warnings)


def settings_from(choices: Mapping[str, Any]) -> DeinterlaceSettings:
    """Return the settings of the recipe for the options of the command."""
    from hdrcli.isp.develop import DevelopSettings
    from hdrcli.recipes.deinterlace import DeinterlaceSettings

    develop = DevelopSettings(
        white_balance=choices["white_balance"],
        demosaic=choices["demosaic"],
        highlights=choices["highlights"],
        colour_space=choices["colour_space"],
        exposure_ev=choices["exposure"],
    )
    network = ("model", "device", "tile", "border")
    levels = ("gain", "force", "black_level", "white_level")
    look = ("merge", "denoise", "tonemap", "key", "white")
    return DeinterlaceSettings(
        row_pattern=choices["pattern"],
        repair=not choices["no_repair"],
        develop=develop,
        bits=int(choices["bits"]),
        compression=choices["compression"],
        layers=choices["layers"],
        linear=choices["linear"],
        dng_format=choices["dng_format"],
        **{name: choices[name] for name in (*network, *levels, *look)},
    )
