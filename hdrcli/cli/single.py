"""`hdrcli single`: ordinary pictures to scene-linear HDR."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hdrcli.cli import options
from hdrcli.cli.console import Answer, Screen
from hdrcli.cli.conversion import NETWORK_SETTINGS, conversion_of, output_settings
from hdrcli.recipes.batch import Progress

if TYPE_CHECKING:
    from hdrcli.recipes.single import SingleSettings

EXAMPLES = """\b
Examples:
  hdrcli single IMG_1234.jpg -o IMG_1234.exr
  hdrcli single *.heic -o hdr/ --preview "hdr/{stem}.jpg" --exposure -1 --skip-existing
"""


@click.command("single", epilog=EXAMPLES)
@options.inputs
@options.output
@options.formats
@options.preview
@options.network
@click.option(
    "--blend/--no-blend",
    default=False,
    show_default=True,
    help="Keep what is well exposed as the picture's profile says it, or take all light from the network, which undoes "
    "the camera's curve.",
)
@click.option(
    "--no-embedded-hdr",
    is_flag=True,
    help="Expand the ordinary picture of a file that carries HDR (a gain map) instead of taking that.",
)
@options.colour
@options.toning
@options.batch
@options.reporting
def command(*, screen: Screen, **choices: Any) -> int:
    """Give light above white back to single pictures.

    JPEG, PNG, TIFF, WebP, HEIC, AVIF, or raw files, which are developed first. What clips is given the light that it
    may have had, and the camera's curve is undone as far as it can be told. 1.0 in the result is white of the picture.
    """
    conversion = conversion_of(choices)
    return conversion.run(conversion.items(partial(_single, conversion.overwrite, choices)), screen)


def _single(
    overwrite: bool,
    choices: Mapping[str, Any],
    source: Path,
    target: Path,
    preview: Path | None,
    progress: Progress,
) -> Answer:
    """Run the recipe. Called in a worker, which alone imports what does the work."""
    from hdrcli.recipes.single import single

    settings = settings_from(choices)
    report = single(source, target, settings=settings, preview=preview, overwrite=overwrite, progress=progress)
    return Answer(report.as_dict(), report.lines(), report.warnings)


def settings_from(choices: Mapping[str, Any]) -> SingleSettings:
    """Return the settings of the recipe for the options of the command."""
    from hdrcli.recipes.single import SingleSettings

    return SingleSettings(
        blend=choices["blend"],
        embedded_hdr=not choices["no_embedded_hdr"],
        colour_space=choices["colour_space"],
        exposure_ev=choices["exposure"],
        **output_settings(choices),
        **{name: choices[name] for name in NETWORK_SETTINGS},
    )
