"""What the commands say: messages and progress on standard error, data on standard output, exit codes."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from hdrcli.errors import ModelError, SomeInputsFailedError, UsageError
from hdrcli.recipes.batch import Failure, Job, Outcome, run_jobs

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Result = TypeVar("Result")

_INPUTS_DO_NOT_MATTER = {UsageError.exit_code, ModelError.exit_code}


def one_line(text: str) -> str:
    """Return `text` on one line."""
    return " ".join(text.split())


@dataclass(frozen=True)
class Answer:
    """What a worker sends back: a report in plain words, so that the waiting side need not import what made it.

    Attributes
    ----------
    facts : dict of str to object
        For JSON.
    lines : list of str
        For people who want to know all.
    warnings : sequence of str
        For everyone: what worked otherwise than asked.
    complete : bool
        False where the result lacks something of what was asked for, which makes exit code 1.
    """

    facts: dict[str, object]
    lines: list[str]
    warnings: Sequence[str] = ()
    complete: bool = True


class Screen:
    """Where a command speaks.

    Parameters
    ----------
    verbosity : int
        -1 errors only, 0 one line an output, 1 the report as well.
    traceback : bool
        Also print Python's account of errors, and what libraries print.
    as_json : bool
        The result is wanted as JSON on standard output.
    """

    def __init__(self, *, verbosity: int = 0, traceback: bool = False, as_json: bool = False) -> None:
        self.verbosity = verbosity
        self.traceback = traceback
        self.as_json = as_json
        self._live: Progress | None = None

    def note(self, text: str, *, verbosity: int = 0) -> None:
        """Print a line for people, unless they want less."""
        if self.verbosity >= verbosity:
            self._print(text)

    def failure(self, failure: Failure) -> None:
        """Print why an input failed."""
        if self.traceback and failure.traceback:
            self._print(failure.traceback.rstrip())
        hint = "" if failure.expected else " Run it again with --traceback and report what it prints."
        self._print(f"hdrcli: {one_line(failure.message)}{hint}")

    def data(self, objects: Sequence[object]) -> None:
        """Print results as JSON on standard output: one object, or a list where there are several."""
        content = objects[0] if len(objects) == 1 else objects
        click.echo(json.dumps(_finite(content), indent=2))

    @contextmanager
    def progress(self, sources: Sequence[Path]) -> Iterator[Bars | None]:
        """Show a bar a running input, on a terminal only (None elsewhere)."""
        if self.verbosity < 0 or not sys.stderr.isatty():
            yield None
            return
        # Not for those who pipe: importing rich takes as long as all the rest of a short command.
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        live = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        with live:
            self._live = live
            try:
                yield Bars(live, sources)
            finally:
                self._live = None

    def _print(self, text: str) -> None:
        if self._live is None:
            click.echo(text, err=True)
        else:
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)


class Bars:
    """One bar for each input at work, and one for the whole where there are several."""

    def __init__(self, live: Progress, sources: Sequence[Path]) -> None:
        self.live = live
        self.sources = sources
        self.bars: dict[int, TaskID] = {}
        self.whole = live.add_task(f"{len(sources)} files", total=len(sources)) if len(sources) > 1 else None

    def advance(self, index: int, stage: str, fraction: float) -> None:
        """Note that input `index` is in `stage`, and which share of it is done."""
        if index not in self.bars:
            self.bars[index] = self.live.add_task("", total=1.0)
        self.live.update(self.bars[index], description=f"{self.sources[index].name}: {stage}", completed=fraction)

    def finish(self, index: int) -> None:
        """Note that input `index` is done with."""
        if index in self.bars:
            self.live.remove_task(self.bars.pop(index))
        if self.whole is not None:
            self.live.advance(self.whole)


def run_all(
    jobs: Sequence[Job[Result]],
    *,
    workers: int,
    screen: Screen,
    on_outcome: Callable[[Outcome[Result]], None],
    bars: bool = True,
    noun: str = "inputs",
    mixed: bool = False,
) -> int:
    """Run jobs, report those that fail, and return the exit code.

    A failure that any input would meet (an option, the model, the device) ends the run, unless they are `mixed`: raw
    files and pictures differ in the options that they refuse.
    """
    failed: list[tuple[Path, int]] = []
    with screen.progress([job.source for job in jobs]) if bars else nullcontext() as live:
        watch = live.advance if live is not None else None
        with closing(run_jobs(jobs, workers=workers, watch=watch, native_messages=screen.traceback)) as outcomes:
            for index, outcome in enumerate(outcomes):
                if live is not None:
                    live.finish(index)
                on_outcome(outcome)
                if outcome.failure is None:
                    continue
                screen.failure(outcome.failure)
                failed.append((outcome.source, outcome.failure.exit_code))
                if outcome.failure.exit_code in _INPUTS_DO_NOT_MATTER and not mixed:
                    return outcome.failure.exit_code
    if not failed:
        return 0
    if len(jobs) == 1:
        return failed[0][1]
    names = ", ".join(f"{source.name} ({code})" for source, code in failed)
    screen.note(f"hdrcli: {len(failed)} of {len(jobs)} {noun} failed: {names}.", verbosity=-1)
    return SomeInputsFailedError.exit_code


def failure_object(source: Path, failure: Failure) -> dict[str, object]:
    """Return what `--json` says of an input that failed."""
    return {"source": str(source), **failure_facts(failure)}


def failure_facts(failure: Failure) -> dict[str, object]:
    """Return what `--json` says of a failure."""
    return {"error": one_line(failure.message), "exit_code": failure.exit_code}


def _finite(value: object) -> object:
    """Replace what JSON has no word for (NaN, infinity) by null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return value
