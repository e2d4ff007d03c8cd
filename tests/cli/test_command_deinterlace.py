"""`hdrcli deinterlace`: names, reports, exit codes; the recipe is replaced by one that notes its arguments."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hdrcli.cli import console, deinterlace
from hdrcli.cli.console import Answer
from hdrcli.cli.main import main
from hdrcli.errors import HdrcliError, ModelError, OutputError, UnreadableFileError, UnsuitableInputError, UsageError
from hdrcli.recipes.batch import Failure, Job, Outcome


@dataclass(frozen=True)
class Call:
    source: Path
    output: Path
    preview: Path | None
    save_exposures: Path | None
    overwrite: bool
    choices: dict[str, Any]


class Recipe:
    """Stands in for the recipe: keeps the calls, and fails for the inputs named in `errors`."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.errors: dict[str, HdrcliError] = {}

    def __call__(
        self,
        save_exposures: Path | None,
        overwrite: bool,
        choices: Any,
        source: Path,
        target: Path,
        preview: Path | None,
        _: object,
    ) -> Answer:
        self.calls.append(Call(source, target, preview, save_exposures, overwrite, dict(choices)))
        if source.name in self.errors:
            raise self.errors[source.name]
        facts = {"source": str(source), "output": str(target), "gain": float("inf")}
        return Answer(facts, ["Row pattern  HHLL", "Seconds  read 1.00"])


def run_here(jobs: Sequence[Job[Answer]], **_: object) -> Iterator[Outcome[Answer]]:
    for job in jobs:
        try:
            yield Outcome(job.source, job.run(lambda stage, share: None), None)
        except HdrcliError as error:
            yield Outcome(job.source, None, Failure(str(error), error.exit_code, "Traceback of it"))


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Recipe:
    recipe = Recipe()
    monkeypatch.setattr(deinterlace, "_deinterlace", recipe)
    monkeypatch.setattr(console, "run_jobs", run_here)
    return recipe


@pytest.fixture
def outputs(recipe: Recipe) -> Callable[..., list[Path]]:
    def run(*words: str) -> list[Path]:
        assert main(["deinterlace", *words]) == 0
        return [call.output for call in recipe.calls]

    return run


def test_the_default_output_lies_beside_the_input(outputs: Callable[..., list[Path]]) -> None:
    assert outputs("a/one.CR2", "b/two.dng", "three.raw") == [Path("a/one.exr"), Path("b/two.exr"), Path("three.exr")]


def test_a_folder_and_a_template_name_each_output(
    outputs: Callable[..., list[Path]], recipe: Recipe, tmp_path: Path
) -> None:
    assert outputs("a.CR2", "b.CR2", "-o", f"{tmp_path}/") == [tmp_path / "a.exr", tmp_path / "b.exr"]
    recipe.calls.clear()
    assert outputs("a.CR2", "b.CR2", "-o", "{stem}-hdr.tif") == [Path("a-hdr.tif"), Path("b-hdr.tif")]


def test_previews_are_named_like_outputs(recipe: Recipe) -> None:
    assert main(["deinterlace", "a.CR2", "b.CR2", "--preview", "small-{stem}.png", "--save-exposures", "both"]) == 0
    assert [call.preview for call in recipe.calls] == [Path("small-a.png"), Path("small-b.png")]
    assert {call.save_exposures for call in recipe.calls} == {Path("both")}


def test_iso_becomes_a_gain(recipe: Recipe) -> None:
    assert main(["deinterlace", "a.CR2", "--iso", "100/800", "--overwrite"]) == 0
    assert recipe.calls[0].choices["gain"] == 8.0
    assert recipe.calls[0].overwrite


def test_existing_outputs_are_skipped_when_asked(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.exr").touch()
    assert main(["deinterlace", "a.CR2", "b.CR2", "-o", f"{tmp_path}/", "--skip-existing", "--json"]) == 0
    assert [call.source.name for call in recipe.calls] == ["b.CR2"]
    out, err = capsys.readouterr()
    skipped, done = json.loads(out)
    assert skipped == {"source": "a.CR2", "output": str(tmp_path / "a.exr"), "skipped": True}
    assert done["source"] == "b.CR2"
    assert "1 of 2 inputs skipped" in err


def test_a_batch_with_everything_skipped_succeeds_and_says_so(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.exr").touch()
    assert main(["deinterlace", "a.CR2", "-o", f"{tmp_path}/", "--skip-existing"]) == 0
    assert recipe.calls == []
    assert "1 of 1 inputs skipped" in capsys.readouterr().err


def test_verbosity(recipe: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deinterlace", "a.CR2", "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["deinterlace", "a.CR2"]) == 0
    assert capsys.readouterr() == ("", "a.CR2 -> a.exr\n")
    assert main(["deinterlace", "a.CR2", "-v"]) == 0
    assert capsys.readouterr() == ("", "a.CR2 -> a.exr\nRow pattern  HHLL\nSeconds  read 1.00\n")


def test_json_is_an_object_or_a_list_without_infinities(recipe: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deinterlace", "a.CR2", "--json", "-q"]) == 0
    assert json.loads(capsys.readouterr().out) == {"source": "a.CR2", "output": "a.exr", "gain": None}
    recipe.errors["b.CR2"] = UnsuitableInputError("b.CR2 is not\ndual-ISO.")
    assert main(["deinterlace", "a.CR2", "b.CR2", "--json", "-q"]) == 1
    first, second = json.loads(capsys.readouterr().out)
    assert first["output"] == "a.exr"
    assert second == {"source": "b.CR2", "error": "b.CR2 is not dual-ISO.", "exit_code": 4}


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [(UnreadableFileError, 3), (UnsuitableInputError, 4), (ModelError, 5), (OutputError, 6), (UsageError, 2)],
)
def test_one_input_gives_its_own_exit_code(
    error: type[HdrcliError], exit_code: int, recipe: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.errors["a.CR2"] = error("a.CR2 will not do.")
    assert main(["deinterlace", "a.CR2"]) == exit_code
    assert capsys.readouterr() == ("", "hdrcli: a.CR2 will not do.\n")
    assert main(["deinterlace", "a.CR2", "--traceback"]) == exit_code
    assert "Traceback of it\n" in capsys.readouterr().err


def test_a_batch_goes_on_and_lists_what_failed(recipe: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    recipe.errors = {"a.CR2": UnreadableFileError("a.CR2 is empty."), "c.CR2": OutputError("'c.exr' exists already.")}
    assert main(["deinterlace", "a.CR2", "b.CR2", "c.CR2"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "hdrcli: a.CR2 is empty.",
        "b.CR2 -> b.exr",
        "hdrcli: 'c.exr' exists already.",
        "hdrcli: 2 of 3 inputs failed: a.CR2 (3), c.CR2 (6).",
    ]


@pytest.mark.parametrize("error", [UsageError("--key makes no sense."), ModelError("There is no such model.")])
def test_what_every_input_would_meet_ends_the_batch(error: HdrcliError, recipe: Recipe) -> None:
    recipe.errors["a.CR2"] = error
    assert main(["deinterlace", "a.CR2", "b.CR2"]) == error.exit_code
    assert [call.source.name for call in recipe.calls] == ["a.CR2"]
