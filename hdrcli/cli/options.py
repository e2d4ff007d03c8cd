"""Every option that more than one command may have, defined once: one name, one meaning.

Where a value is one of several words, they are those of the library; a test holds the two against each other, because
the library is not imported here (`hdrcli --help` imports neither NumPy nor what needs it).
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hdrcli.cli.console import Screen

Command = Callable[..., Any]
Decorator = Callable[[Command], Command]

ROW_PATTERNS = ("HHLL", "LHHL", "LLHH", "HLLH")
DEMOSAIC_METHODS = ("auto", "directional", "malvar2004", "bilinear")
HIGHLIGHT_METHODS = ("neutral", "rebuild", "off")
COLOUR_SPACES = ("srgb-linear", "display-p3", "rec2020", "acescg", "aces2065-1", "camera")
COMPRESSIONS = ("zip", "piz", "dwaa")
MERGES = ("bayer", "rgb")
DNG_FORMATS = ("integer", "half")
TONEMAPS = ("reinhard", "reinhard-local", "none")
DEVICES = ("auto", "cpu", "cuda")
STACK_METHODS = ("hdr", "fusion")
RESPONSES = ("debevec", "robertson", "srgb")
DEGHOSTING = ("off", "low", "medium", "high")


def group(*options: Decorator) -> Decorator:
    """Return one decorator that adds `options`, in the order in which they then stand on the help page."""

    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def _iso_ratio(_: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Turn LOW/HIGH into the gain of the high rows over the low ones."""
    if value is None:
        return None
    match = re.fullmatch(r"\s*(\d+)\s*/\s*(\d+)\s*", value)
    if match is None:
        raise click.BadParameter(f"{value!r} is not LOW/HIGH, for example 100/1600", param=param)
    low, high = (int(number) for number in match.groups())
    if not 0 < low < high:
        raise click.BadParameter(f"the second ISO of {value!r} must be the higher one", param=param)
    return high / low


def _white_balance(_: click.Context, param: click.Parameter, value: str) -> str:
    """Check the form; what it means is for the library."""
    text = value.replace(" ", "").lower()
    number = r"(\d+\.?\d*|\.\d+)"
    if text in {"camera", "auto"} or re.fullmatch(rf"{number}(k|,{number},{number})?", text):
        return text
    raise click.BadParameter(f"{value!r} is none of camera, auto, three gains (2.1,1,1.6), kelvin (5200)", param=param)


class Number(click.FloatRange):
    """A number in a range; infinities and what is no number are refused."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number that `value` is."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number of any use here.", param, ctx)
        return number


def choice(name: str, words: tuple[str, ...], text: str, *, default: str) -> Decorator:
    """Return an option whose value is one of some words."""
    return click.option(name, type=click.Choice(words), default=default, show_default=True, help=text)


# Files are not looked at while parsing: a missing input is exit code 3, not a wrong usage.
inputs = click.argument("inputs", metavar="INPUT...", nargs=-1, required=True, type=click.Path(path_type=Path))

output = group(
    click.option(
        "-o",
        "--output",
        metavar="OUTPUT",
        help="File, FOLDER/, or template such as {stem}-hdr.tif; the suffix chooses the format: .exr .tif .dng .jpg "
        ".png .avif. Default: named after the input with .exr, beside it.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace outputs that exist; an input is never written to."),
    click.option("--skip-existing", is_flag=True, help="Leave out inputs whose output exists."),
)

formats = group(
    choice("--bits", ("16", "32"), "Of the floats in an EXR.", default="16"),
    choice("--compression", COMPRESSIONS, "Of an EXR; dwaa is lossy.", default="zip"),
    click.option("--linear", is_flag=True, help="Write .tif as scene-linear floats instead of tone-mapped."),
)

dng_format = choice(
    "--dng-format",
    DNG_FORMATS,
    "16-bit integers, which every raw developer opens, or half floats, which hold more range.",
    default="integer",
)

preview = click.option(
    "--preview", metavar="PATH", help="Also write a tone-mapped .jpg or .png: file, FOLDER/ or template."
)

device = choice(
    "--device", DEVICES, "Where networks run; auto: on an NVIDIA GPU where one can be used.", default="auto"
)

network = group(
    click.option(
        "--model",
        default="auto",
        show_default=True,
        metavar="NAME|PATH|none",
        help="Network that reconstructs the picture (hdrcli models lists them); auto: the best; none: the classical "
        "method.",
    ),
    device,
    click.option("--tile", type=click.IntRange(min=16), metavar="SAMPLES", help="Side of the network's tiles."),
    click.option("--border", type=click.IntRange(min=0), metavar="SAMPLES", help="Overlap of the network's tiles."),
)

iso = click.option(
    "--iso",
    "gain",
    callback=_iso_ratio,
    metavar="LOW/HIGH",
    help="The two ISO values, such as 100/1600, instead of the measured ratio.",
)

levels = group(
    click.option("--black-level", type=Number(min=0), metavar="COUNTS", help="Instead of the measured one."),
    click.option("--white-level", type=Number(min=1), metavar="COUNTS", help="Instead of the measured one."),
)

developing = group(
    click.option(
        "--white-balance",
        callback=_white_balance,
        default="camera",
        show_default=True,
        metavar="camera|auto|R,G,B|KELVIN",
        help="As shot, found from the picture, gains, or a colour temperature.",
    ),
    choice(
        "--demosaic",
        DEMOSAIC_METHODS,
        "How colours are completed; auto: by the network where it does that, else directional.",
        default="auto",
    ),
    choice("--highlights", HIGHLIGHT_METHODS, "What becomes of clipped colours.", default="rebuild"),
)

denoise = click.option(
    "--denoise",
    type=Number(min=0),
    default=1.0,
    show_default=True,
    metavar="STRENGTH",
    help="Noise reduction on the mosaic; 1 as the measured noise says, 0 none.",
)

colour = group(
    click.option(
        "--colour-space",
        "--color-space",
        "colour_space",
        type=click.Choice(COLOUR_SPACES),
        default="srgb-linear",
        show_default=True,
        help="Of the result; its linear form in scene-linear files.",
    ),
    click.option(
        "--exposure", type=Number(), default=0.0, show_default=True, metavar="EV", help="Brighten by EV stops."
    ),
)

toning = group(
    choice("--tonemap", TONEMAPS, "For .tif, .jpg, .png and previews.", default="reinhard"),
    click.option(
        "--key",
        type=Number(min=0, min_open=True),
        metavar="GREY",
        help="Brightness of tone-mapped and HDR display pictures: where the mean goes, 0.18 for a usual scene. "
        "Default: measured.",
    ),
    click.option(
        "--white",
        type=Number(min=0, min_open=True),
        metavar="LEVEL",
        help="Level that becomes white in the tone-mapped picture. Default: measured.",
    ),
    click.option(
        "--peak",
        type=Number(min=203, max=10000),
        metavar="NITS",
        help="Peak of an HDR display in cd/m2 (white is 203): makes .jpg an HDR picture, with a gain map. .avif is HDR "
        "always, for 1000 by default.",
    ),
)

gap = click.option(
    "--gap",
    type=Number(min=0),
    metavar="SECONDS",
    help="Longest pause inside a bracket, from the end of an exposure to the beginning of the next. Default: 3.",
)

batch = click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True, metavar="N", help="Inputs worked on at a time."
)


def reporting(command: Callable[..., int]) -> Callable[..., int]:
    """Add -v, -q, --json and --traceback, and hand the command the `Screen` they make as `screen`."""

    @click.option("-v", "--verbose", count=True, help="Report what was measured and where the time went.")
    @click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
    @click.option("--json", "as_json", is_flag=True, help="Print the report as JSON to standard output.")
    @click.option("--traceback", is_flag=True, help="With an error, print where in the program it arose.")
    @functools.wraps(command)
    def with_screen(*, quiet: bool, verbose: int, as_json: bool, traceback: bool, **others: Any) -> int:
        verbosity = -1 if quiet else verbose
        return command(screen=Screen(verbosity=verbosity, traceback=traceback, as_json=as_json), **others)

    return with_screen
