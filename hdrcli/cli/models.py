"""`hdrcli models`: which networks there are, what they are, and whether they work here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from hdrcli.cli import options
from hdrcli.cli.console import Screen, one_line
from hdrcli.errors import ModelError, UsageError

if TYPE_CHECKING:
    from hdrcli.inference.registry import Model

EXAMPLES = """\b
Examples:
  hdrcli models
  hdrcli models check
"""

_NONE = "No models are shipped with this version; --model none is the classical method."


@click.command("models", epilog=EXAMPLES)
@click.argument("action", type=click.Choice(("list", "check", "show")), default="list")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@options.device
@options.reporting
def command(*, action: str, names: tuple[str, ...], device: str, screen: Screen) -> int:
    """List the networks that are shipped, check that they work here, or show what is known of some.

    \b
    list   name, task, version, size, and which are used without --model (without an action)
    check  run each on a stored input and compare the result with the stored one
    show   everything the manifests say: training, quality, tiles

    NAME is one of the list, or the path of a folder with a model. The answer goes to standard output.
    """  # noqa: D301  # click's mark for lines that stay as they are
    if action == "list":
        if names:
            raise UsageError("'hdrcli models list' takes no names; 'hdrcli models show NAME' tells of one.")
        return _list(screen)
    if action == "check":
        return _check(names, device=device, screen=screen)
    if not names:
        raise UsageError("Say which model to show: 'hdrcli models show NAME'; 'hdrcli models' lists them.")
    return _show(names, screen=screen)


def _list(screen: Screen) -> int:
    """Print a line a model."""
    from hdrcli.inference.registry import find_model, shipped_names

    facts: list[dict[str, object]] = []
    errors: list[ModelError] = []
    for name in shipped_names():
        try:
            facts.append(_summary(find_model(name)))
        except ModelError as error:
            errors.append(error)
    if screen.as_json:
        screen.data([facts])
    elif facts:
        click.echo("\n".join(_table(facts)))
    elif not errors:
        screen.note(_NONE)
    return _report(screen, errors)


def _check(names: Sequence[str], *, device: str, screen: Screen) -> int:
    """Run models on what is stored with them."""
    from hdrcli.inference.check import check_model
    from hdrcli.inference.registry import find_model, shipped_names

    names = names or shipped_names()
    if not names:
        screen.note(_NONE)
    results: list[dict[str, object]] = []
    errors: list[ModelError] = []
    for name in names:
        try:
            difference = check_model(find_model(name), device=device, warn=screen.note)
        except ModelError as error:
            results.append({"name": name, "ok": False, "error": one_line(str(error))})
            errors.append(error)
            continue
        results.append({"name": name, "ok": True, "difference": difference})
        if not screen.as_json:
            click.echo(f"{name}: ok (largest difference {difference:.1e})")
    if screen.as_json:
        screen.data([results])
    return _report(screen, errors)


def _show(names: Sequence[str], *, screen: Screen) -> int:
    """Print what the manifests of models say."""
    from hdrcli.inference.registry import MANIFEST, find_model

    facts: list[dict[str, object]] = []
    errors: list[ModelError] = []
    for name in names:
        try:
            folder = find_model(name).folder
        except ModelError as error:
            errors.append(error)
            continue
        facts.append({"folder": str(folder), **json.loads((folder / MANIFEST).read_text(encoding="utf-8"))})
    if facts and screen.as_json:
        screen.data(facts)
    elif facts:
        click.echo("\n\n".join("\n".join(_lines(entry)) for entry in facts))
    return _report(screen, errors)


def _report(screen: Screen, errors: Sequence[ModelError]) -> int:
    """Print why models failed; return the exit code."""
    for error in errors:
        screen.note(f"hdrcli: {one_line(str(error))}", verbosity=-1)
    return ModelError.exit_code if errors else 0


def _summary(model: Model) -> dict[str, object]:
    """Return what the list says of a model."""
    manifest = model.manifest
    return {
        "name": model.name,
        "task": manifest.task,
        "version": manifest.version,
        "default": manifest.default_for == manifest.task,
        "parameters": manifest.parameters,
        "bytes": model.size,
        "description": manifest.description,
    }


def _table(facts: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the list for people, in columns."""
    rows = [("name", "task", "version", "default", "parameters", "size", "")]
    rows += [
        (
            entry["name"],
            entry["task"],
            entry["version"],
            "yes" if entry["default"] else "",
            f"{entry['parameters']:,}",
            f"{entry['bytes'] / 1e6:.1f} MB",
            entry["description"],
        )
        for entry in facts
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    right = {"parameters", "size"}
    return [
        "  ".join(
            cell.rjust(width) if title in right else cell.ljust(width)
            for cell, width, title in zip(row, widths, rows[0], strict=True)
        ).rstrip()
        for row in rows
    ]


def _lines(facts: Mapping[str, object], indent: str = "") -> Iterator[str]:
    """Yield what a manifest says for people, one entry a line, what belongs together indented."""
    for key, value in facts.items():
        title = f"{indent}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield title
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
            for entry in value:
                yield title
                yield from _lines(entry if isinstance(entry, Mapping) else {"": entry}, indent + "  ")
        elif value not in ("", [], None):
            text = ", ".join(map(str, value)) if isinstance(value, list) else f"{value}"
            yield f"{title:<{max(20, len(title) + 2)}}{one_line(text)}"
