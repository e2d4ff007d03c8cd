"""What the commands share that make pictures of files: names, skipping, workers, reports."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hdrcli.cli.console import Answer, Screen, failure_facts, run_all
from hdrcli.errors import OutputError, SomeInputsFailedError, UsageError
from hdrcli.io.output import output_paths
from hdrcli.recipes.batch import Job, Outcome, Progress

if TYPE_CHECKING:
    from hdrcli.isp.develop import DevelopSettings

Work = Callable[[Path, Path | None, Progress], Answer]
"""Makes the output, and the preview where there is one. Called in a worker; it must be picklable."""

# Options that are settings of the recipes by the same name.
NETWORK_SETTINGS = ("model", "device", "tile", "border")
_OUTPUT_SETTINGS = ("compression", "linear", "tonemap", "key", "white", "peak")


@dataclass(frozen=True)
class Item:
    """What becomes one output.

    Attributes
    ----------
    inputs : tuple of Path
    name : Path
        Its stem names the output, which goes into its folder by default.
    work : callable
    """

    inputs: tuple[Path, ...]
    name: Path
    work: Work

    def facts(self) -> dict[str, object]:
        """Return what `--json` names it by."""
        if len(self.inputs) == 1:
            return {"source": str(self.inputs[0])}
        return {"sources": [str(path) for path in self.inputs]}


@dataclass(frozen=True)
class Conversion:
    """What the user asked for, apart from how it is done; by the names of the options.

    Attributes
    ----------
    inputs : tuple of Path
    output, preview : str or None
        File, folder or template; None for an output beside the input, and for no preview.
    overwrite, skip_existing : bool
    jobs : int
        Inputs worked on at a time.
    """

    inputs: tuple[Path, ...]
    output: str | None
    preview: str | None
    overwrite: bool
    skip_existing: bool
    jobs: int

    def items(self, work: Callable[[Path, Path, Path | None, Progress], Answer]) -> list[Item]:
        """Return the inputs as items of their own; `work` takes the input first."""
        return [Item((source,), source, partial(work, source)) for source in self.inputs]

    def outputs(self, items: Sequence[Item], suffix: str = ".exr") -> tuple[list[Path], list[Path] | list[None]]:
        """Return output and preview of each item; `suffix` is that of outputs which the user did not name.

        Raises
        ------
        UsageError
            When names or options contradict each other.
        """
        if self.overwrite and self.skip_existing:
            raise UsageError("--overwrite and --skip-existing contradict each other; choose one.")
        names = [item.name for item in items]
        if self.output is None:
            outputs = _outputs_beside(names, suffix)
        else:
            outputs = output_paths(names, self.output, default_suffix=suffix)
        return outputs, _previews(names, self.preview, outputs)

    def run(
        self,
        items: Sequence[Item],
        screen: Screen,
        *,
        suffix: str = ".exr",
        noun: str = "inputs",
        mixed: bool = False,
        more_facts: Sequence[object] = (),
    ) -> int:
        """Convert every item, report on the screen, and return the exit code.

        Parameters
        ----------
        items : sequence of Item
        screen : Screen
        suffix : str
            Of outputs that the user did not name.
        noun : str
            What several items are called.
        mixed : bool
            Whether an option that one item refuses may suit another.
        more_facts : sequence of object
            What `--json` is to print after the reports.

        Raises
        ------
        UsageError
            When names or options contradict each other.
        OutputError
            When a folder cannot be made.
        """
        outputs, previews = self.outputs(items, suffix)
        for folder in (self.output, self.preview):
            _make_folder(folder)
        facts: dict[int, object] = {
            index: {**item.facts(), "output": str(target), "skipped": True}
            for index, (item, target) in enumerate(zip(items, outputs, strict=True))
            if self.skip_existing and target.exists()
        }
        to_do = [index for index in range(len(items)) if index not in facts]
        if facts:
            screen.note(f"{len(facts)} of {len(items)} {noun} skipped: their outputs exist.")
        jobs = [
            Job(items[i].inputs[0], partial(items[i].work, outputs[i], previews[i]), items[i].inputs[1:]) for i in to_do
        ]
        indices = iter(to_do)
        incomplete: list[int] = []

        def on_outcome(outcome: Outcome[Answer]) -> None:
            index = next(indices)
            facts[index] = _reported(outcome, items[index], screen)
            if outcome.result is not None and not outcome.result.complete:
                incomplete.append(index)

        code = run_all(jobs, workers=self.jobs, screen=screen, on_outcome=on_outcome, noun=noun, mixed=mixed)
        if screen.as_json:
            screen.data([*(facts[index] for index in sorted(facts)), *more_facts])
        return code or (SomeInputsFailedError.exit_code if incomplete else 0)


def conversion_of(choices: dict[str, Any]) -> Conversion:
    """Take what a `Conversion` holds out of the options of a command."""
    return Conversion(**{field.name: choices.pop(field.name) for field in fields(Conversion)})


def output_settings(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of every output for the options of a command."""
    return {"bits": int(choices["bits"]), **{name: choices[name] for name in _OUTPUT_SETTINGS}}


def develop_settings(choices: Mapping[str, Any]) -> DevelopSettings:
    """Return how a mosaic is developed, for the options of a command."""
    from hdrcli.isp.develop import DevelopSettings

    return DevelopSettings(
        white_balance=choices["white_balance"],
        demosaic=choices["demosaic"],
        highlights=choices["highlights"],
        colour_space=choices["colour_space"],
        exposure_ev=choices["exposure"],
    )


def _reported(outcome: Outcome[Answer], item: Item, screen: Screen) -> object:
    """Tell people what became of an item, and return what `--json` says of it."""
    if outcome.result is None:
        assert outcome.failure is not None  # an outcome is one or the other
        return {**item.facts(), **failure_facts(outcome.failure)}
    others = f" and {len(item.inputs) - 1} more" if len(item.inputs) > 1 else ""
    screen.note(f"{outcome.source}{others} -> {outcome.result.facts['output']}")
    for warning in outcome.result.warnings:
        screen.note(f"{outcome.source}: {warning}")
    for line in outcome.result.lines:
        screen.note(line, verbosity=1)
    return outcome.result.facts


def _outputs_beside(names: Sequence[Path], suffix: str) -> list[Path]:
    """Return the default outputs: each name with a suffix, in its folder."""
    by_folder: dict[Path, list[Path]] = {}
    for name in names:
        by_folder.setdefault(name.parent, []).append(name)
    outputs: dict[Path, Path] = {}
    for folder, of_folder in by_folder.items():
        paths = output_paths(of_folder, f"{folder}/", default_suffix=suffix)
        outputs.update(zip(of_folder, paths, strict=True))
    return [outputs[name] for name in names]


def _make_folder(output: str | None) -> None:
    """Make the folder of `FOLDER/` where it is missing; what contains it must be there."""
    if output is None or not output.endswith(("/", os.sep)):
        return
    try:
        Path(output).mkdir(exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {output!r} cannot be made: {error.strerror}.") from error


def _previews(names: Sequence[Path], preview: str | None, outputs: Sequence[Path]) -> list[Path] | list[None]:
    if preview is None:
        return [None] * len(names)
    paths = output_paths(names, preview, default_suffix=".jpg")
    for path, output in zip(paths, outputs, strict=True):
        if path.suffix.lower() not in {".jpg", ".jpeg", ".png"}:
            raise UsageError(f"The preview {str(path)!r} must be a .jpg or .png.")
        if path == output:
            raise UsageError(f"{str(path)!r} cannot be the output and its preview; give them different names.")
    return paths
