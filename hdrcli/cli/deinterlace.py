"""`hdrcli deinterlace`: dual-ISO raw files to scene-linear HDR."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hdrcli.cli import options
from hdrcli.cli.console import Answer, Screen
from hdrcli.cli.conversion import NETWORK_SETTINGS, conversion_of, develop_settings, output_settings
from hdrcli.recipes.batch import Progress

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
@options.dng_format
@options.preview
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
@options.denoise
@options.colour
@options.toning
@options.batch
@options.reporting
def command(*, save_exposures: Path | None, screen: Screen, **choices: Any) -> int:
    """Turn dual-ISO raw files into clean scene-linear pictures.

    The rows of a dual-ISO frame are exposed at two ISO values in turn. Which rows, how far apart, and the levels are
    measured from the pixels. 1.0 in the result is the level at which the low-ISO rows clip.
    """
    conversion = conversion_of(choices)
    work = partial(_deinterlace, save_exposures, conversion.overwrite, choices)
    return conversion.run(conversion.items(work), screen)


def _deinterlace(
    save_exposures: Path | None,
    overwrite: bool,
    choices: Mapping[str, Any],
    source: Path,
    target: Path,
    preview: Path | None,
    progress: Progress,
) -> Answer:
    """Run the recipe. Called in a worker, which alone imports what does the work."""
    from hdrcli.recipes.deinterlace import deinterlace

    report = deinterlace(
        source,
        target,
        settings=settings_from(choices),
        preview=preview,
        save_exposures=save_exposures,
        overwrite=overwrite,
        progress=progress,
    )
    return Answer(report.as_dict(), report.lines(), report.warnings)


def settings_from(choices: Mapping[str, Any]) -> DeinterlaceSettings:
    """Return the settings of the recipe for the options of the command."""
    from hdrcli.recipes.deinterlace import DeinterlaceSettings

    as_named = ("gain", "force", "black_level", "white_level", "merge", "denoise", "layers", "dng_format")
    return DeinterlaceSettings(
        row_pattern=choices["pattern"],
        repair=not choices["no_repair"],
        develop=develop_settings(choices),
        **output_settings(choices),
        **{name: choices[name] for name in (*NETWORK_SETTINGS, *as_named)},
    )
