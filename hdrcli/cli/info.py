"""`hdrcli info`: what a file is, what was measured, which command fits; and which files are brackets."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click

from hdrcli.cli import options
from hdrcli.cli.console import Answer, Screen, failure_object, run_all
from hdrcli.cli.survey import files_of, look_at
from hdrcli.recipes.batch import Job, Outcome, Progress
from hdrcli.recipes.bracket_set import Grouping, Shot
from hdrcli.recipes.sets import GAP_S, group

EXAMPLES = """\b
Examples:
  hdrcli info IMG_1234.CR2
  hdrcli info --json *.CR2 > found.json
"""


@dataclass(frozen=True)
class Found:
    """What a worker found: the answer on a file that the user named, and what the file states of its exposure."""

    answer: Answer | None
    shot: Shot


@click.command("info", epilog=EXAMPLES)
@options.inputs
@options.gap
@options.batch
@options.reporting
def command(*, inputs: tuple[Path, ...], gap: float | None, jobs: int, screen: Screen) -> int:
    """Say what raw files and pictures are, which command fits, and which of them are brackets.

    Of a raw file camera, size, levels and exposure as read; whether the frame is dual-ISO, which rows, how far apart,
    and what is gained, as measured from the pixels. Of a picture its colour profile, what clips, and whether it
    carries HDR. Of several files, and of a FOLDER/, the brackets among them, each with the command that merges it;
    the files of a folder are not decoded for that. The answer goes to standard output.

    Exit code 3 (or 1 among several files): the file cannot be used.
    """
    objects: list[object] = []
    shots: list[Shot] = []

    def on_outcome(outcome: Outcome[Found]) -> None:
        if outcome.result is None:
            assert outcome.failure is not None  # an outcome is one or the other
            objects.append({**failure_object(outcome.source, outcome.failure), "verdict": "refused"})
            return
        shots.append(outcome.result.shot)
        answer = outcome.result.answer
        if answer is None:
            return
        objects.append(answer.facts)
        if not screen.as_json:
            click.echo("\n".join(answer.lines) + "\n" * (len(inputs) > 1))

    named = [path for path in inputs if not path.is_dir()]
    in_folders = files_of([path for path in inputs if path.is_dir()], besides=named)
    jobs_to_do = [Job(path, partial(_found, path, True)) for path in named]
    jobs_to_do += [Job(path, partial(_found, path, False)) for path in in_folders]
    code = run_all(jobs_to_do, workers=jobs, screen=screen, on_outcome=on_outcome, bars=False)
    if len(inputs) > 1 or not named:
        found = group(_each_once(shots), gap=GAP_S if gap is None else gap)
        objects += _on_brackets(found, screen, all_files=len(named) < len(inputs))
    if screen.as_json:
        screen.data(objects)
    return code


def _on_brackets(found: Grouping, screen: Screen, *, all_files: bool) -> list[object]:
    """Print the brackets, with `all_files` what is none too, and return what `--json` says of them."""
    if not (found.sets or all_files):
        return []
    if not screen.as_json:
        lines = found.lines_of_sets() or ["No brackets"]
        click.echo("\n".join([*lines, *(found.lines_of_singles() if all_files else ())]))
    return [found.as_dict()]


def _each_once(shots: list[Shot]) -> list[Shot]:
    return list({shot.path: shot for shot in shots}.values())


def _found(source: Path, named: bool, progress: Progress) -> Found:
    """Run the recipe on a file that was named. Called in a worker, which alone imports what does the work."""
    shot = look_at(source, progress)
    if not named:
        return Found(None, shot)
    from hdrcli.recipes.info import info

    found = info(source)
    return Found(Answer(found.as_dict(), found.lines()), shot)
