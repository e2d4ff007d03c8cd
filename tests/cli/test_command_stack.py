"""`hdrcli stack`: which files make which outputs, what is said, and with which exit code.

The recipe is a stand-in here that runs in this process: it notes what it is asked for, and writes nothing but a line.
What it makes of pixels is tested beside it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from bracket_files import NOON, write_bracket
from real_command import environment, run_hdrcli

from hdrcli.cli import console
from hdrcli.cli.main import main
from hdrcli.errors import HdrcliError, UnsuitableInputError, UsageError
from hdrcli.images import Metadata
from hdrcli.recipes.batch import Failure, Job, Outcome
from hdrcli.recipes.stack_report import FrameReport, StackReport
from hdrcli.recipes.stack_settings import StackSettings


@dataclass
class Recipe:
    """Stands in for `hdrcli.recipes.stack`."""

    calls: list[dict[str, Any]] = field(default_factory=list)
    unreadable: str = ""
    unsuitable: str = ""
    refused: str = ""

    def stack(self, sources: Sequence[Path], output: Path, *, settings: StackSettings, **others: Any) -> StackReport:
        names = [path.name for path in sources]
        if self.unsuitable in names:
            raise UnsuitableInputError(f"{self.unsuitable} has no exposure in common with the others.")
        if self.refused in names:
            raise UsageError(f"{str(output)!r} cannot be a DNG.")
        self.calls.append({"sources": list(sources), "output": output, "settings": settings, **others})
        output.write_text("a picture")
        return StackReport(
            sources=tuple(sources),
            output=output,
            kind="display",
            reference=names[0],
            size=(96, 64),
            camera="Maker Model 1",
            metadata=Metadata(),
            frames=tuple(FrameReport(name, 0.0, 0.0, 0.0) for name in names if name != self.unreadable),
            clipped_everywhere=0.0,
            response="Debevec and Malik",
            seconds={"merge": 0.1},
            left_out=tuple((name, "it is truncated.") for name in names if name == self.unreadable),
            warnings=("the light changed.",) if self.unreadable else (),
        )


def run_here(jobs: Sequence[Job[Any]], **_: object) -> Iterator[Outcome[Any]]:
    """Run jobs as workers do, in this process."""
    for job in jobs:
        try:
            yield Outcome(job.source, job.run(lambda stage, share: None), None)
        except HdrcliError as error:
            yield Outcome(job.source, None, Failure(str(error), error.exit_code))


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Recipe:
    """Put the stand-in into place and go to an empty folder."""
    stand_in = Recipe()
    module = ModuleType("hdrcli.recipes.stack")
    module.__dict__["stack"] = stand_in.stack
    monkeypatch.setitem(sys.modules, "hdrcli.recipes.stack", module)
    monkeypatch.setattr(console, "run_jobs", run_here)
    monkeypatch.chdir(tmp_path)
    return stand_in


def run(*words: object) -> int:
    return main([str(word) for word in words])


def card(folder: Path) -> list[Path]:
    """Write two brackets, a single picture between them, a burst, a text; return the files of the brackets."""
    first = write_bracket(folder, [0, -2, 2], number=1)
    write_bracket(folder, [1], number=4, at=NOON + timedelta(minutes=1))
    second = write_bracket(folder, [0, -2, 2], number=5, at=NOON + timedelta(minutes=2))
    write_bracket(folder, [0, 0], number=8, at=NOON + timedelta(minutes=3))
    (folder / "notes.txt").write_text("two windows\n")
    return [*first, *second]


def test_all_inputs_are_one_bracket_named_after_first_and_last(recipe: Recipe, tmp_path: Path) -> None:
    files = [Path("in", f"IMG_{number}.CR2") for number in (1236, 1234, 1238)]
    Path("in").mkdir()
    assert run("stack", *files) == 0
    (call,) = recipe.calls
    assert call["sources"] == files  # as given, for --ev and --times
    assert call["output"] == Path("in/IMG_1234-1238.exr")
    assert call["settings"] == StackSettings()
    assert (call["preview"], call["save_response"], call["plot"], call["overwrite"]) == (None, None, None, False)
    assert (call["save_aligned"], call["save_mask"]) == (None, None)


@pytest.mark.parametrize(
    ("words", "output"),
    [
        (("-o", "out.dng"), "out.dng"),
        (("-o", "out/"), "out/a1-3.exr"),
        (("-o", "{stem}-hdr.tif"), "a1-3-hdr.tif"),
        (("--method", "fusion"), "a1-3.jpg"),
        (("--method", "fusion", "-o", "out/"), "out/a1-3.jpg"),
    ],
)
def test_outputs_are_named_as_everywhere(words: tuple[str, ...], output: str, recipe: Recipe) -> None:
    assert run("stack", "a1.jpg", "a2.jpg", "a3.jpg", *words, "--preview", "small-{stem}.png") == 0
    assert recipe.calls[0]["output"] == Path(output)
    assert recipe.calls[0]["preview"] == Path("small-a1-3.png")


def test_what_is_chosen_reaches_the_recipe(recipe: Recipe) -> None:
    words = ("--ev", "0,-2,+1.5", "--reference", "b.jpg", "--save-response", "c.csv", "--plot", "c.SVG", "--overwrite")
    assert run("stack", "a.jpg", "b.jpg", "c.jpg", *words) == 0
    (call,) = recipe.calls
    assert (call["settings"].evs, call["settings"].reference) == ((0.0, -2.0, 1.5), 1)
    assert (call["save_response"], call["plot"], call["overwrite"]) == (Path("c.csv"), Path("c.SVG"), True)


def test_aligned_frames_and_mask_go_where_they_are_wanted(recipe: Recipe, tmp_path: Path) -> None:
    assert run("stack", "a1.jpg", "a2.jpg", "--save-aligned", "frames", "--save-mask", "mask.png") == 0
    card(tmp_path)
    assert run("stack", tmp_path, "--auto", "--save-aligned", "frames/", "--save-mask", "{stem}-mask.png") == 0
    assert {call["save_aligned"] for call in recipe.calls} == {Path("frames")}
    masks = ["mask.png", "IMG_0001-0003-mask.png", "IMG_0005-0007-mask.png"]
    assert [call["save_mask"] for call in recipe.calls] == [Path(name) for name in masks]


def test_brackets_do_not_share_a_mask_or_the_name_of_an_aligned_frame(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, minutes in (("one", 0), ("two", 5)):
        (tmp_path / name).mkdir()
        write_bracket(tmp_path / name, [0, -2, 2], at=NOON + timedelta(minutes=minutes))
    wrong = {
        ("--save-mask", "mask.png"): "2 brackets cannot share the mask 'mask.png'; put {stem} into its name.",
        ("--save-mask", "{name}.png"): "only {stem} is known",
        ("--save-mask", "{stem}.jpg"): "'{stem}.jpg' must be a .png",
        ("--save-aligned", "frames"): "would both be written to 'frames/IMG_0001.tif'",
    }
    for words, message in wrong.items():
        assert run("stack", tmp_path, "--auto", *words) == 2
        assert message in capsys.readouterr().err
    assert recipe.calls == []
    assert not Path("frames").exists()


def test_it_is_reported_to_people_and_programs(recipe: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("stack", "a.jpg", "b.jpg", "-o", "out.exr", "-v") == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("a.jpg and 1 more -> out.exr\nout.exr: 2 display frames, 96 x 64, Maker Model 1\n")
    assert run("stack", "a.jpg", "b.jpg", "-o", "out.exr", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["sources"], facts["output"]) == (["a.jpg", "b.jpg"], "out.exr")


def test_a_frame_left_out_is_a_warning_and_exit_code_1(recipe: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    recipe.unreadable = "b.jpg"
    assert run("stack", "a.jpg", "b.jpg", "c.jpg", "-o", "out.exr") == 1
    assert capsys.readouterr().err.splitlines() == [
        "a.jpg and 2 more -> out.exr",
        "a.jpg: b.jpg is left out: it is truncated.",
        "a.jpg: the light changed.",
    ]
    assert Path("out.exr").exists()


def test_a_bracket_that_cannot_be_merged_has_its_own_exit_code(
    recipe: Recipe, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe.unsuitable = "b.jpg"
    assert run("stack", "a.jpg", "b.jpg", "--json") == UnsuitableInputError.exit_code
    out, err = capsys.readouterr()
    assert err == "hdrcli: b.jpg has no exposure in common with the others.\n"
    facts = json.loads(out)
    assert (facts["sources"], facts["exit_code"]) == (["a.jpg", "b.jpg"], 4)


def test_existing_outputs_can_be_skipped(recipe: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a-b.exr").touch()
    assert run("stack", "a.jpg", "b.jpg", "--skip-existing", "--json") == 0
    out, err = capsys.readouterr()
    assert recipe.calls == []
    assert json.loads(out) == {"sources": ["a.jpg", "b.jpg"], "output": "a-b.exr", "skipped": True}
    assert err == "1 of 1 brackets skipped: their outputs exist.\n"


def test_a_whole_card_becomes_a_file_for_each_bracket(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = card(tmp_path)
    words = ("--auto", "-o", "out/", "--preview", "out/{stem}.jpg")
    assert run("stack", tmp_path, *words, "--json") == 0
    assert [call["sources"] for call in recipe.calls] == [files[:3], files[3:]]
    assert [call["output"] for call in recipe.calls] == [Path("out/IMG_0001-0003.exr"), Path("out/IMG_0005-0007.exr")]
    out, err = capsys.readouterr()
    assert err.splitlines()[:3] == [
        "Left: single      IMG_0004.jpg",
        "Left: burst       IMG_0008.jpg, IMG_0009.jpg",
        "Left: no picture  notes.txt",
    ]
    reports, left = json.loads(out)[:2], json.loads(out)[2:]
    assert [report["output"] for report in reports] == ["out/IMG_0001-0003.exr", "out/IMG_0005-0007.exr"]
    assert [(Path(one["source"]).name, one["kind"], one["skipped"]) for one in left] == [
        ("IMG_0004.jpg", "single", True),
        ("IMG_0008.jpg", "burst", True),
        ("IMG_0009.jpg", "burst", True),
        ("notes.txt", "no picture", True),
    ]
    # What lies in the output's folder is no input, whatever it looks like.
    write_bracket(tmp_path / "out", [0, -2, 2], number=50)
    recipe.calls.clear()
    assert run("stack", tmp_path, *words, "--overwrite") == 0
    assert len(recipe.calls) == 2
    assert run("stack", tmp_path, *words, "--skip-existing") == 0
    assert len(recipe.calls) == 2
    assert "2 of 2 brackets skipped" in capsys.readouterr().err


def test_a_bracket_that_fails_does_not_stop_the_others(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card(tmp_path)
    recipe.unsuitable = "IMG_0002.jpg"
    assert run("stack", tmp_path, "--auto", "-q") == 1
    assert [call["output"] for call in recipe.calls] == [tmp_path / "IMG_0005-0007.exr"]
    assert capsys.readouterr().err.splitlines() == [
        "hdrcli: IMG_0002.jpg has no exposure in common with the others.",
        "hdrcli: 1 of 2 brackets failed: IMG_0001.jpg (4).",
    ]


def test_an_option_that_one_kind_refuses_ends_no_run_over_both(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bracket(tmp_path, [0, -2, 2])
    write_bracket(tmp_path, [0, -2, 2], number=4, suffix=".dng", at=NOON + timedelta(minutes=1))
    recipe.refused = "IMG_0001.jpg"
    assert run("stack", tmp_path, "--auto", "-o", "{stem}.dng") == 1
    assert [call["output"] for call in recipe.calls] == [Path("IMG_0004-0006.dng")]
    assert "1 of 2 brackets failed: IMG_0001.jpg (2)." in capsys.readouterr().err
    write_bracket(tmp_path, [0, -2, 2], number=7, at=NOON + timedelta(minutes=2))
    assert run("stack", *tmp_path.glob("*.jpg"), "--auto", "-o", "{stem}-all.dng") == 2
    assert len(recipe.calls) == 1  # they are all alike


def test_a_file_that_cannot_be_read_is_reported_and_the_rest_merged(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card(tmp_path)
    (tmp_path / "IMG_0002.jpg").write_bytes(b"")
    assert run("stack", tmp_path, "--auto") == 1
    assert [len(call["sources"]) for call in recipe.calls] == [2, 3]
    assert "IMG_0002.jpg is empty" in capsys.readouterr().err


def test_the_place_of_the_reference_holds_for_every_bracket(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card(tmp_path)
    assert run("stack", tmp_path, "--auto", "--reference", 2, "--overwrite") == 0
    assert [call["settings"].reference for call in recipe.calls] == [1, 1]
    recipe.calls.clear()
    assert run("stack", tmp_path, "--auto", "--reference", 4, "--overwrite") == 2
    assert recipe.calls == []
    assert "the place (1 to 3) of a frame of IMG_0001.jpg ... IMG_0003.jpg" in capsys.readouterr().err


def test_a_dry_run_says_all_and_writes_nothing(
    recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert run("stack", tmp_path, "--auto", "--dry-run", "-o", "out/") == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "IMG_0001.jpg IMG_0002.jpg IMG_0003.jpg -> out/IMG_0001-0003.exr (EV 0 -2 +2; 3 frames within 1.0 s, then a "
        "pause of 59 s)",
        "IMG_0005.jpg IMG_0006.jpg IMG_0007.jpg -> out/IMG_0005-0007.exr (EV 0 -2 +2; 3 frames within 1.0 s, then a "
        "pause of 59 s)",
        "Left: single      IMG_0004.jpg",
        "Left: burst       IMG_0008.jpg, IMG_0009.jpg",
        "Left: no picture  notes.txt",
    ]
    assert run("stack", *sorted(tmp_path.glob("IMG_000[123].jpg")), "--dry-run", "--json") == 0
    (one,) = json.loads(capsys.readouterr().out)["sets"]
    assert (one["ev"], one["reason"]) == ([0.0, -2.0, 2.0], "as named")
    assert one["output"] == str(tmp_path / "IMG_0001-0003.exr")
    assert (recipe.calls, sorted(tmp_path.rglob("*"))) == ([], before)


def test_no_bracket_is_exit_code_4(recipe: Recipe, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_bracket(tmp_path, [0, 0, 0])
    assert run("stack", tmp_path, "--auto") == UnsuitableInputError.exit_code
    assert capsys.readouterr().err.splitlines() == [
        "Left: burst       IMG_0001.jpg, IMG_0002.jpg, IMG_0003.jpg",
        "hdrcli: There is no bracket among 3 files. --gap allows for longer pauses; without --auto all inputs are one "
        "bracket.",
    ]


def test_longer_pauses_can_be_allowed(recipe: Recipe, tmp_path: Path) -> None:
    for number, ev in enumerate((0, -2, 2)):
        write_bracket(tmp_path, [ev], number=number + 1, at=NOON + timedelta(seconds=10 * number))
    assert run("stack", tmp_path, "--auto") == UnsuitableInputError.exit_code
    assert run("stack", tmp_path, "--auto", "--gap", 10) == 0
    assert [len(call["sources"]) for call in recipe.calls] == [3]


def test_the_waiting_side_imports_nothing_heavy(tmp_path: Path) -> None:
    write_bracket(tmp_path, [0, -2, 2])
    script = "import sys; from hdrcli.cli.main import main; main(sys.argv[1:]); print(*sys.modules)"
    words = [sys.executable, "-c", script, "stack", ".", "--auto", "--dry-run"]
    command = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    assert "IMG_0001-0003.exr" in command.stdout
    assert {"numpy", "numba", "cv2", "rawpy", "exiv2", "PIL"}.isdisjoint(command.stdout.split())


def test_the_real_command_finds_brackets_without_what_merges_them(tmp_path: Path) -> None:
    write_bracket(tmp_path, [0, -2, 2], suffix=".dng")
    write_bracket(tmp_path, [0, -2, 2])
    command = run_hdrcli("stack", ".", "--auto", "--dry-run", "--jobs", 2, cwd=tmp_path)
    assert (command.returncode, command.stderr) == (0, "")
    assert command.stdout.splitlines()[0].startswith(
        "IMG_0001.dng IMG_0002.dng IMG_0003.dng -> IMG_0001-0003.exr (EV 0 -2 +2; 3 frames within 1.0 s"
    )
    assert command.stdout.splitlines()[1] == "Left: same shot   IMG_0001.jpg, IMG_0002.jpg, IMG_0003.jpg"
