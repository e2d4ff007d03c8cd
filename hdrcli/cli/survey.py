"""Which files there are, and what they state of their exposures; for commands that find brackets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hdrcli.cli.console import Screen, failure_object, run_all
from hdrcli.io.folder import files_in
from hdrcli.recipes.batch import Job, Outcome, Progress
from hdrcli.recipes.bracket_set import Shot


@dataclass(frozen=True)
class Survey:
    """What is known of files.

    Attributes
    ----------
    shots : list of Shot
        One of each file that can be read.
    failures : list of object
        What `--json` says of each of the others, on which the screen has reported.
    code : int
        Exit code of these.
    """

    shots: list[Shot]
    failures: list[object]
    code: int


def files_of(inputs: Sequence[Path], *, besides: Sequence[Path] = (), except_in: Path | None = None) -> list[Path]:
    """Return files as they are and those of folders in their place, each once.

    Parameters
    ----------
    inputs : sequence of Path
    besides : sequence of Path
        Files that are known already.
    except_in : Path or None
        A folder whose files are not wanted.

    Raises
    ------
    UnreadableFileError
        When a folder cannot be read.
    """
    known = {_identity(path) for path in besides}
    found: dict[str, Path] = {}
    for path in inputs:
        for file in files_in(path, except_in=except_in) if path.is_dir() else [path]:
            found.setdefault(_identity(file), file)
    return [file for identity, file in found.items() if identity not in known]


def survey(files: Sequence[Path], *, workers: int, screen: Screen) -> Survey:
    """Read what files state of their exposures, and report on those that cannot be read."""
    shots: list[Shot] = []
    failures: list[object] = []

    def on_outcome(outcome: Outcome[Shot]) -> None:
        if outcome.result is not None:
            shots.append(outcome.result)
        elif outcome.failure is not None:
            failures.append(failure_object(outcome.source, outcome.failure))

    jobs = [Job(path, partial(look_at, path)) for path in files]
    code = run_all(jobs, workers=workers, screen=screen, on_outcome=on_outcome, noun="files")
    return Survey(shots, failures, code)


def _identity(path: Path) -> str:
    return os.path.normcase(os.path.realpath(path))


def look_at(path: Path, _: Progress) -> Shot:
    """Return what a file states. Called in a worker, which alone imports what reads it."""
    from hdrcli.recipes import survey

    return survey.look_at(path)
