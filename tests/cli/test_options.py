"""The command line and the library agree: same words, same defaults."""

from __future__ import annotations

from typing import Any

import click
import pytest

from hdrcli.cli import options
from hdrcli.cli.deinterlace import command, settings_from
from hdrcli.inference import session
from hdrcli.io import exr
from hdrcli.isp import colour, develop, highlights
from hdrcli.recipes.deinterlace import DeinterlaceSettings
from hdrcli.sensor.mosaic import ROW_PATTERNS


def choices(*words: str) -> dict[str, Any]:
    """Return what the command gets from its options for `words`."""
    values: dict[str, Any] = command.make_context("deinterlace", [*words, "x.dng"]).params
    return values


def test_without_options_the_settings_are_those_of_the_library() -> None:
    assert settings_from(choices()) == DeinterlaceSettings()


def test_every_setting_has_an_option_that_changes_it() -> None:
    words = (
        "--model other --pattern LHHL --iso 100/800 --force --black-level 100 --white-level 9000 --merge rgb "
        "--no-repair --denoise 0.5 --tonemap reinhard-local --key 0.2 --white 3 --bits 32 --compression piz "
        "--layers --linear --dng-format half --white-balance 2,1,1.5 --demosaic bilinear --highlights off "
        "--colour-space acescg --exposure 1.5 --device cpu --tile 256 --border 8"
    )
    changed, usual = settings_from(choices(*words.split())), DeinterlaceSettings()
    same = [name for name in vars(usual) if getattr(changed, name) == getattr(usual, name)]
    same += [name for name in vars(usual.develop) if getattr(changed.develop, name) == getattr(usual.develop, name)]
    assert same == []
    assert changed.gain == 8.0


@pytest.mark.parametrize(
    ("offered", "known"),
    [
        (options.ROW_PATTERNS, ROW_PATTERNS),
        (options.DEMOSAIC_METHODS, develop.DEMOSAIC_METHODS),
        (options.HIGHLIGHT_METHODS, highlights.METHODS),
        (options.COLOUR_SPACES, colour.COLOUR_SPACES),
        (options.COMPRESSIONS, exr.COMPRESSIONS),
        (options.DEVICES, session.DEVICES),
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
