"""`hdrcli stack`: brackets to scene-linear HDR."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hdrcli.cli import options
from hdrcli.cli.console import Answer, Screen
from hdrcli.cli.conversion import Conversion, Item, conversion_of, develop_settings, output_settings
from hdrcli.cli.survey import Survey, files_of, survey
from hdrcli.errors import SomeInputsFailedError, UnsuitableInputError, UsageError
from hdrcli.io.output import named_together, output_paths
from hdrcli.recipes.batch import Progress
from hdrcli.recipes.bracket_set import Grouping, aligned_paths
from hdrcli.recipes.sets import GAP_S, group, one_set

if TYPE_CHECKING:
    from hdrcli.recipes.stack_settings import StackSettings

EXAMPLES = """\b
Examples:
  hdrcli stack IMG_1234.CR2 IMG_1235.CR2 IMG_1236.CR2 -o window.exr
  hdrcli stack DCIM/ -o merged/ --auto --preview "merged/{stem}.jpg" --skip-existing
"""


def _numbers(positive: bool) -> Callable[[click.Context, click.Parameter, str | None], tuple[float, ...] | None]:
    """Return the callback of a comma list of numbers; fractions such as 1/60 are numbers."""

    def parse(_: click.Context, param: click.Parameter, value: str | None) -> tuple[float, ...] | None:
        if value is None:
            return None
        try:
            numbers = tuple(_number(word) for word in value.split(","))
        except (ValueError, ZeroDivisionError):
            raise click.BadParameter(f"{value!r} is no list such as -2,0,2 or 1/60,1/15,1/4", param=param) from None
        if not all(math.isfinite(number) and (number > 0 or not positive) for number in numbers):
            raise click.BadParameter(f"{value!r} holds what cannot be", param=param)
        return numbers

    return parse


def _number(word: str) -> float:
    """Return the number that a word such as -2, 0.5 or 1/60 is."""
    numerator, slash, denominator = word.partition("/")
    return float(numerator) / float(denominator) if slash else float(numerator)


def _response(_: click.Context, param: click.Parameter, value: str) -> str:
    """Take a word, or what looks like the path of a file; whether that is there shows when it is read."""
    if value in options.RESPONSES or Path(value).suffix or Path(value).name != value:
        return value
    known = ", ".join(options.RESPONSES)
    raise click.BadParameter(f"{value!r} is none of {known}, nor a file with a suffix", param=param)


def _mask(_: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and Path(value).suffix.lower() != ".png":
        raise click.BadParameter(f"{value!r} must be a .png", param=param)
    return value


def _plot(_: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
    if value is not None and value.suffix.lower() not in {".png", ".svg"}:
        raise click.BadParameter(f"{str(value)!r} must be a .png or .svg", param=param)
    return value


finding = options.group(
    click.option("--auto", is_flag=True, help="Find the brackets among files and in folders; merge each to a file."),
    options.gap,
    click.option("--dry-run", is_flag=True, help="Say what would be merged, and write nothing."),
)
exposures = options.group(
    click.option(
        "--ev",
        "evs",
        callback=_numbers(positive=False),
        metavar="EV,EV,...",
        help="Exposure of each input in stops, larger is brighter, instead of the measured one.",
    ),
    click.option(
        "--times",
        callback=_numbers(positive=True),
        metavar="S,S,...",
        help="Exposure time of each input in seconds, such as 1/60,1/15,1/4, instead.",
    ),
    click.option(
        "--reference",
        metavar="NAME|NUMBER",
        help="Input that gives the geometry, what moved, and the scale: its name, or its place from 1. Default: by "
        "rule.",
    ),
)
merging = options.group(
    click.option("--no-align", is_flag=True, help="Leave the frames where they are."),
    options.choice(
        "--deghost",
        options.DEGHOSTING,
        "How readily what moves between frames is taken from one of them.",
        default="medium",
    ),
    options.choice("--method", options.STACK_METHODS, "HDR, or exposure fusion to an ordinary picture.", default="hdr"),
)
response = options.group(
    click.option(
        "--response",
        callback=_response,
        default="debevec",
        show_default=True,
        metavar=f"{'|'.join(options.RESPONSES)}|FILE",
        help="How the curve of the camera is found for JPEG and other display pictures; a FILE: as saved before.",
    ),
    click.option(
        "--save-response", type=click.Path(path_type=Path), metavar="FILE", help="Write the curve found, as text."
    ),
    click.option(
        "--plot",
        type=click.Path(path_type=Path),
        callback=_plot,
        metavar="PATH",
        help="Draw the curve found to a .png or .svg.",
    ),
)

saving = options.group(
    click.option(
        "--save-aligned",
        type=click.Path(path_type=Path),
        metavar="FOLDER",
        help="Also write every frame there as it was aligned: a DNG of each raw file, a TIFF of each picture.",
    ),
    click.option(
        "--save-mask",
        callback=_mask,
        metavar="PATH",
        help="Also write a grey .png, file or template: white where all frames are merged, black where one is not.",
    ),
)


@click.command("stack", epilog=EXAMPLES)
@options.inputs
@options.output
@options.formats
@options.dng_format
@options.preview
@finding
@exposures
@merging
@saving
@response
@options.levels
@options.developing
@options.colour
@options.toning
@options.batch
@options.reporting
def command(*, auto: bool, gap: float | None, dry_run: bool, screen: Screen, **choices: Any) -> int:
    """Merge exposure brackets, raw files or pictures, to one picture each.

    Two or more frames of one scene, in any order. How far apart they are exposed is measured, hand-held frames are
    aligned, and what moved is taken from one of them. 1.0 in the result is the level at which the reference frame
    clips. Without --auto all inputs are one bracket; the result is named after the first and the last.

    Exit code 1: a frame was left out, or some of several brackets failed.
    """
    conversion = conversion_of(choices)
    if auto:
        return _merge_found(conversion, choices, GAP_S if gap is None else gap, dry_run, screen)
    if gap is not None:
        raise UsageError("--gap is for finding brackets; add --auto.")
    sources = conversion.inputs
    _check_bracket(sources, choices)
    (item,) = _items([(sources, named_together(sources))], conversion, choices)
    if not dry_run:
        return conversion.run([item], screen, suffix=_suffix(choices), noun="brackets")
    seen = survey(sources, workers=conversion.jobs, screen=screen)
    if seen.code == 0:
        _show(Grouping((one_set(seen.shots, "as named"),), ()), [item], conversion, _suffix(choices), screen)
    return seen.code


def _merge_found(conversion: Conversion, choices: Mapping[str, Any], gap: float, dry_run: bool, screen: Screen) -> int:
    """Find the brackets, merge each, and return the exit code."""
    _check_automatic(choices)
    results = None if conversion.output is None else Path(conversion.output)
    seen = survey(files_of(conversion.inputs, except_in=results), workers=conversion.jobs, screen=screen)
    found = group(seen.shots, gap=gap)
    items = _items([(one.files, one.name) for one in found.sets], conversion, choices)
    if choices["save_aligned"] is not None:
        _check_aligned(found, choices["save_aligned"])
    for item in items:
        reference_index(choices["reference"], item.inputs)
    if dry_run and items:
        _show(found, items, conversion, _suffix(choices), screen)
        return seen.code
    for line in found.lines_of_singles():
        screen.note(line)
    if not items:
        return _none_found(seen)
    code = conversion.run(
        items,
        screen,
        suffix=_suffix(choices),
        noun="brackets",
        mixed=len({one.kind for one in found.sets}) > 1,
        more_facts=[*seen.failures, *({**single.as_dict(), "skipped": True} for single in found.singles)],
    )
    return code or (SomeInputsFailedError.exit_code if seen.code else 0)


def _items(
    brackets: Sequence[tuple[tuple[Path, ...], Path]], conversion: Conversion, choices: Mapping[str, Any]
) -> list[Item]:
    """Return what is to be done for each bracket, given by its files and its name."""
    masks = _mask_paths([name for _, name in brackets], choices["save_mask"])
    return [
        Item(files, name, partial(_stack, conversion.overwrite, choices, files, mask))
        for (files, name), mask in zip(brackets, masks, strict=True)
    ]


def _mask_paths(names: Sequence[Path], template: str | None) -> list[Path] | list[None]:
    """Return where the mask of each bracket goes."""
    if template is None or not names:
        return [None] * len(names)
    if len(names) > 1 and "{" not in template:
        raise UsageError(f"{len(names)} brackets cannot share the mask {template!r}; put {{stem}} into its name.")
    return output_paths(names, template)


def _check_aligned(found: Grouping, folder: Path) -> None:
    """Refuse one folder for the aligned frames of all brackets where two of them have one name."""
    for kind in {one.kind for one in found.sets}:
        aligned_paths([path for one in found.sets if one.kind == kind for path in one.files], folder, kind=kind)


def _none_found(seen: Survey) -> int:
    if seen.code:
        return seen.code
    raise UnsuitableInputError(
        f"There is no bracket among {len(seen.shots)} files. --gap allows for longer pauses; without --auto all inputs "
        "are one bracket."
    )


def _check_bracket(sources: Sequence[Path], choices: Mapping[str, Any]) -> None:
    """Refuse what cannot be one bracket, before any work."""
    for path in sources:
        if path.is_dir():
            raise UsageError(f"{path} is a folder; add --auto to merge the brackets in it.")
        if sources.count(path) > 1:
            raise UsageError(f"{path} is given {sources.count(path)} times; each frame counts once.")
    if len(sources) < 2:
        raise UsageError(
            f"A bracket has two frames or more, and {sources[0]} is one; `hdrcli single` makes HDR of one picture."
        )
    if choices["evs"] is not None and choices["times"] is not None:
        raise UsageError("--ev and --times say the same; choose one.")
    for option, values in (("--ev", choices["evs"]), ("--times", choices["times"])):
        if values is not None and len(values) != len(sources):
            raise UsageError(f"{option} has {len(values)} values for {len(sources)} inputs; give one for each.")
    reference_index(choices["reference"], sources)


def _check_automatic(choices: Mapping[str, Any]) -> None:
    """Refuse options that speak of one bracket where there may be several."""
    of_one = {"evs": "--ev", "times": "--times", "save_response": "--save-response", "plot": "--plot"}
    for name, option in of_one.items():
        if choices[name] is not None:
            raise UsageError(f"{option} is for one bracket; with --auto there may be several.")
    if choices["reference"] is not None and not choices["reference"].isdecimal():
        raise UsageError("With --auto, --reference is the place of a frame in its bracket, from 1.")


def _show(found: Grouping, items: Sequence[Item], conversion: Conversion, suffix: str, screen: Screen) -> None:
    """Print what would be merged to which file."""
    outputs, _ = conversion.outputs(items, suffix)
    if screen.as_json:
        sets = [{**one.as_dict(), "output": str(output)} for one, output in zip(found.sets, outputs, strict=True)]
        screen.data([{**found.as_dict(), "sets": sets}])
        return
    for one, output in zip(found.sets, outputs, strict=True):
        names = " ".join(path.name for path in one.files)
        skipped = ", skipped: the output exists" if conversion.skip_existing and output.exists() else ""
        click.echo(f"{names} -> {output} ({one.steps}; {one.reason}{skipped})")
    for line in found.lines_of_singles():
        click.echo(line)


def _suffix(choices: Mapping[str, Any]) -> str:
    """Return the suffix of outputs that the user did not name."""
    return ".jpg" if choices["method"] == "fusion" else ".exr"


def _stack(
    overwrite: bool,
    choices: Mapping[str, Any],
    sources: tuple[Path, ...],
    mask: Path | None,
    target: Path,
    preview: Path | None,
    progress: Progress,
) -> Answer:
    """Run the recipe. Called in a worker, which alone imports what does the work."""
    from hdrcli.recipes.stack import stack

    report = stack(
        sources,
        target,
        settings=settings_from(choices, sources),
        preview=preview,
        save_response=choices["save_response"],
        plot=choices["plot"],
        save_aligned=choices["save_aligned"],
        save_mask=mask,
        overwrite=overwrite,
        progress=progress,
    )
    left_out = [f"{name} is left out: {reason}" for name, reason in report.left_out]
    return Answer(report.as_dict(), report.lines(), [*left_out, *report.warnings], complete=not left_out)


def settings_from(choices: Mapping[str, Any], sources: Sequence[Path]) -> StackSettings:
    """Return the settings of the recipe for the options of the command and the frames of a bracket."""
    from hdrcli.recipes.stack_settings import StackSettings

    words = choices["response"] in options.RESPONSES
    as_named = ("evs", "times", "deghost", "method", "black_level", "white_level", "dng_format")
    return StackSettings(
        reference=reference_index(choices["reference"], sources),
        align=not choices["no_align"],
        response=choices["response"] if words else "debevec",
        response_file=None if words else Path(choices["response"]),
        develop=develop_settings(choices),
        **output_settings(choices),
        **{name: choices[name] for name in as_named},
    )


def reference_index(reference: str | None, sources: Sequence[Path]) -> int | None:
    """Return the index of the frame that a user names or counts from 1; None for None.

    Raises
    ------
    UsageError
        When no frame, or more than one, is meant.
    """
    if reference is None:
        return None
    named = [index for index, path in enumerate(sources) if reference in (str(path), path.name)]
    if len(named) > 1:
        raise UsageError(f"--reference {reference} is the name of {len(named)} inputs; give its path or its place.")
    if named:
        return named[0]
    if reference.isdecimal() and 1 <= int(reference) <= len(sources):
        return int(reference) - 1
    files = f"{sources[0].name} ... {sources[-1].name}"
    raise UsageError(
        f"--reference {reference} is neither the name nor the place (1 to {len(sources)}) of a frame of {files}."
    )
