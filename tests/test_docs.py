"""The pages speak of every command and option there is, and of none that there is not."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hdrcli.cli.main import COMMANDS, cli

PROJECT = Path(__file__).resolve().parent.parent
PAGE = (PROJECT / "docs" / "cli.md").read_text(encoding="utf-8")
PAGES = [PROJECT / "README.md", PROJECT / "examples" / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]


def section(name: str) -> str:
    """Return the part of the page on a command."""
    return PAGE.partition(f"\n## hdrcli {name}\n")[2].partition("\n## ")[0]


def command_of(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


def words_of(command: click.Command) -> set[str]:
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return {word for option in options for word in (*option.opts, *option.secondary_opts)}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section_with_every_option(name: str) -> None:
    assert f"| `hdrcli {name}` |" in PAGE
    general = PAGE.partition("\n## hdrcli ")[0]
    missing = {word for word in words_of(command_of(name)) if f"`{word}" not in section(name) + general}
    assert not missing


@pytest.mark.parametrize("name", COMMANDS)
def test_no_section_speaks_of_an_option_that_is_not_there(name: str) -> None:
    known = words_of(command_of(name)) | {"--help", "--version"}
    assert set(re.findall(r"`(--[a-z-]+)", section(name))) <= known


@pytest.mark.parametrize("name", COMMANDS)
def test_every_choice_is_named(name: str) -> None:
    for parameter in command_of(name).params:
        if isinstance(parameter.type, click.Choice):
            for choice in parameter.type.choices:
                assert re.search(rf"\b{re.escape(choice)}\b", section(name)), f"{parameter.name}: {choice}"


def test_the_examples_of_the_help_are_on_the_page() -> None:
    for name in COMMANDS:
        epilog = command_of(name).epilog or ""
        for line in re.findall(r"hdrcli .*", epilog):
            assert line in section(name)


def commands_of(page: Path) -> Iterator[list[str]]:
    """Yield what follows `hdrcli` in the lines of code of a page, without comments."""
    for block in re.findall(
        r"^```(?:sh)?\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE
    ):
        for line in re.findall(r"(?:^|/bin/)hdrcli ([a-z].*)", block, flags=re.MULTILINE):
            yield shlex.split(line, comments=True)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_commands_on_pages_are_understood(page: Path) -> None:
    for name, *words in commands_of(page):
        assert name in COMMANDS
        command_of(name).make_context(name, words)  # raises at an option or a choice that there is not


def test_pages_show_every_command() -> None:
    shown = {name for page in PAGES for name, *_ in commands_of(page)}
    assert shown == set(COMMANDS)


def test_examples_on_pages_are_there() -> None:
    named = {
        path
        for page in PAGES
        for path in re.findall(r"\bexamples/[a-z0-9_/-]+\.[a-z]+", page.read_text(encoding="utf-8"))
    }
    assert {"examples/room.jpg", "examples/bracket/room-1.dng"} <= named
    assert [path for path in named if not (PROJECT / path).is_file()] == []


def test_readme_and_page_know_every_command() -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    assert all(f"hdrcli {name}" in text for name in COMMANDS)
    assert "docs/cli.md" in text


def test_every_exit_code_is_explained() -> None:
    from hdrcli import errors

    codes = {error.exit_code for error in vars(errors).values() if hasattr(error, "exit_code")}
    for code in codes | {0, 130}:
        assert f"\n| {code} |" in PAGE
