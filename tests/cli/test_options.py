"""The command line and the library agree: same words, same defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest

from hdrcli.cli import deinterlace, options, single, stack
from hdrcli.inference import session
from hdrcli.io import exr
from hdrcli.isp import colour, develop, highlights
from hdrcli.recipes import stack_settings
from hdrcli.recipes.deinterlace import DeinterlaceSettings
from hdrcli.recipes.single import SingleSettings
from hdrcli.recipes.stack_settings import StackSettings
from hdrcli.sensor.mosaic import ROW_PATTERNS

NETWORK = "--model other --device cpu --tile 256 --border 8 "
OUTPUT = "--tonemap reinhard-local --key 0.2 --white 3 --bits 32 --compression piz --linear --peak 600 "
COLOUR = "--colour-space acescg --exposure 1.5 "


FRAMES = [Path("x.dng"), Path("y.dng")]


def choices(*words: str, command: click.Command = deinterlace.command) -> dict[str, Any]:
    """Return what a command gets from its options for `words`."""
    values: dict[str, Any] = command.make_context(command.name, [*words, "x.dng"]).params
    return values


def unchanged(changed: object, usual: object) -> list[str]:
    """Return the names of what is equal in two settings."""
    return [name for name in vars(usual) if getattr(changed, name) == getattr(usual, name)]


def test_without_options_the_settings_are_those_of_the_library() -> None:
    assert deinterlace.settings_from(choices()) == DeinterlaceSettings()
    assert single.settings_from(choices(command=single.command)) == SingleSettings()
    assert stack.settings_from(choices(command=stack.command), FRAMES) == StackSettings()


def test_every_setting_of_deinterlace_has_an_option_that_changes_it() -> None:
    words = (
        "--pattern LHHL --iso 100/800 --force --black-level 100 --white-level 9000 --merge rgb --no-repair "
        "--denoise 0.5 --layers --dng-format half --white-balance 2,1,1.5 --demosaic bilinear --highlights off "
    )
    words += NETWORK + OUTPUT + COLOUR
    changed, usual = deinterlace.settings_from(choices(*words.split())), DeinterlaceSettings()
    assert unchanged(changed, usual) == unchanged(changed.develop, usual.develop) == []
    assert changed.gain == 8.0


def test_every_setting_of_single_has_an_option_that_changes_it() -> None:
    words = "--blend --no-embedded-hdr " + NETWORK + OUTPUT + COLOUR
    changed = single.settings_from(choices(*words.split(), command=single.command))
    assert unchanged(changed, SingleSettings()) == ["dng_format"]  # a display picture has no mosaic


def test_every_setting_of_stack_has_an_option_that_changes_it() -> None:
    words = (
        "--ev 0,-2.5 --times 1/60,1/15 --reference y.dng --no-align --deghost high --method fusion "
        "--response curve.csv --black-level 100 --white-level 9000 --dng-format half --white-balance 2,1,1.5 "
        "--demosaic bilinear --highlights off "
    )
    words += OUTPUT + COLOUR
    changed = stack.settings_from(choices(*words.split(), command=stack.command), FRAMES)
    assert unchanged(changed, StackSettings()) == ["response"]  # the file takes its place
    assert unchanged(changed.develop, StackSettings().develop) == []
    assert (changed.evs, changed.times, changed.reference) == ((0.0, -2.5), (1 / 60, 1 / 15), 1)
    assert changed.response_file == Path("curve.csv")
    robertson = choices("--response", "robertson", "--reference", "1", command=stack.command)
    assert stack.settings_from(robertson, FRAMES) == StackSettings(response="robertson", reference=0)


@pytest.mark.parametrize(
    ("offered", "known"),
    [
        (options.ROW_PATTERNS, ROW_PATTERNS),
        (options.DEMOSAIC_METHODS, develop.DEMOSAIC_METHODS),
        (options.HIGHLIGHT_METHODS, highlights.METHODS),
        (options.COLOUR_SPACES, colour.COLOUR_SPACES),
        (options.COMPRESSIONS, exr.COMPRESSIONS),
        (options.DEVICES, session.DEVICES),
        (options.STACK_METHODS, stack_settings.METHODS),
        (options.RESPONSES, stack_settings.RESPONSES),
        (options.DEGHOSTING, stack_settings.DEGHOSTING),
    ],
)
def test_choices_are_those_of_the_library(offered: tuple[str, ...], known: Any) -> None:
    assert set(offered) == set(known)


@pytest.mark.parametrize("spelling", ["--colour-space", "--color-space"])
def test_both_spellings_of_colour_are_known(spelling: str) -> None:
    assert choices(spelling, "rec2020")["colour_space"] == "rec2020"


@pytest.mark.parametrize("text", ["camera", "AUTO", "2.1,1,1.6", "2.1, 1, .9", "5200", "5200K"])
def test_forms_of_white_balance(text: str) -> None:
    assert choices("--white-balance", text)["white_balance"] == text.replace(" ", "").lower()


@pytest.mark.parametrize("text", ["", "1,2", "-1,1,1", "daylight", "1,1,1,1"])
def test_other_forms_of_white_balance_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        choices("--white-balance", text)
