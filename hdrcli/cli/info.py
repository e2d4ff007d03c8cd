"""`hdrcli info`: what a file is, what was measured, which command fits."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from hdrcli.cli import options
from hdrcli.cli.console import Answer, Screen, failure_object, run_all
from hdrcli.recipes.batch import Job, Outcome, Progress

EXAMPLES = """\b
Examples:
  hdrcli info IMG_1234.CR2
  hdrcli info --json *.CR2 > found.json
"""


@click.command("info", epilog=EXAMPLES)
@options.inputs
@options.batch
@options.reporting
def command(*, inputs: tuple[Path, ...], jobs: int, screen: Screen) -> int:
    """Say what raw files and pictures are and which command fits.

    Of a raw file camera, size, levels and exposure as read; whether the frame is dual-ISO, which rows, how far apart,
    and what is gained, as measured from the pixels. Of a picture its colour profile, what clips, and whether it
    carries HDR. The answer goes to standard output.

    Exit code 3 (or 1 among several files): the file cannot be used.
    """
    objects: list[object] = []

    def on_outcome(outcome: Outcome[Answer]) -> None:
        if outcome.result is None:
            assert outcome.failure is not None  # an outcome is one or the other
            objects.append({**failure_object(outcome.source, outcome.failure), "verdict": "refused"})
            return
        objects.append(outcome.result.facts)
        if not screen.as_json:
            click.echo("\n".join(outcome.result.lines) + "\n" * (len(inputs) > 1))

    jobs_to_do = [Job(source, partial(_info, source)) for source in inputs]
    code = run_all(jobs_to_do, workers=jobs, screen=screen, on_outcome=on_outcome, bars=False)
    if screen.as_json:
        screen.data(objects)
    return code


def _info(source: Path, _: Progress) -> Answer:
    """Run the recipe. Called in a worker, which alone imports what does the work."""
    from hdrcli.recipes.info import info

    found = info(source)
    return Answer(found.as_dict(), found.lines())
