"""What the commands share that make one output of each input: names, skipping, workers, reports."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from hdrcli.cli.console import Answer, Screen, failure_object, run_all
from hdrcli.errors import OutputError, UsageError
from hdrcli.io.output import output_paths
from hdrcli.recipes.batch import Job, Outcome, Progress

Work = Callable[[Path, Path, Path | None, Progress], Answer]
"""Makes the output, and the preview where there is one, of an input. Called in a worker; it must be picklable."""

# Options that are settings of the recipes by the same name.
NETWORK_SETTINGS = ("model", "device", "tile", "border")
_OUTPUT_SETTINGS = ("compression", "linear", "tonemap", "key", "white", "peak")


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

    def run(self, work: Work, screen: Screen) -> int:
        """Convert every input, report on the screen, and return the exit code.

        Raises
        ------
        UsageError
            When names or options contradict each other.
        OutputError
            When a folder cannot be made.
        """
        if self.overwrite and self.skip_existing:
            raise UsageError("--overwrite and --skip-existing contradict each other; choose one.")
        outputs = _outputs_beside(self.inputs) if self.output is None else output_paths(self.inputs, self.output)
        previews = _previews(self.inputs, self.preview, outputs)
        for folder in (self.output, self.preview):
            _make_folder(folder)
        objects: dict[Path, object] = {}
        jobs: list[Job[Answer]] = []
        for source, target, small in zip(self.inputs, outputs, previews, strict=True):
            if self.skip_existing and target.exists():
                objects[source] = {"source": str(source), "output": str(target), "skipped": True}
            else:
                jobs.append(Job(source, partial(work, source, target, small)))
        if objects:
            screen.note(f"{len(objects)} of {len(self.inputs)} inputs skipped: their outputs exist.")

        def on_outcome(outcome: Outcome[Answer]) -> None:
            objects[outcome.source] = _reported(outcome, screen)

        code = run_all(jobs, workers=self.jobs, screen=screen, on_outcome=on_outcome)
        if screen.as_json:
            screen.data([objects[source] for source in self.inputs if source in objects])
        return code


def conversion_of(choices: dict[str, Any]) -> Conversion:
    """Take what a `Conversion` holds out of the options of a command."""
    return Conversion(**{field.name: choices.pop(field.name) for field in fields(Conversion)})


def output_settings(choices: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of every output for the options of a command."""
    return {"bits": int(choices["bits"]), **{name: choices[name] for name in _OUTPUT_SETTINGS}}


def _reported(outcome: Outcome[Answer], screen: Screen) -> object:
    """Tell people what became of an input, and return what `--json` says of it."""
    if outcome.result is None:
        assert outcome.failure is not None  # an outcome is one or the other
        return failure_object(outcome.source, outcome.failure)
    screen.note(f"{outcome.source} -> {outcome.result.facts['output']}")
    for warning in outcome.result.warnings:
        screen.note(f"{outcome.source}: {warning}")
    for line in outcome.result.lines:
        screen.note(line, verbosity=1)
    return outcome.result.facts


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
