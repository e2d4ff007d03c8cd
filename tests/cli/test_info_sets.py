"""`hdrcli info` over folders and several files: the brackets among them, beside what it says of files."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from bracket_files import NOON, write_bracket
from real_command import run_hdrcli

MERGES = "hdrcli stack IMG_0001.jpg IMG_0002.jpg IMG_0003.jpg"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a bracket, a single picture, and one that no decoder would take."""
    write_bracket(tmp_path, [0, -2, 2])
    write_bracket(tmp_path, [0], number=4, at=NOON + timedelta(minutes=1))
    (damaged,) = write_bracket(tmp_path, [0], number=5, at=NOON + timedelta(minutes=2))
    damaged.write_bytes(damaged.read_bytes()[:-300])
    return tmp_path


def test_the_brackets_of_a_folder_are_found_without_decoding(folder: Path) -> None:
    run = run_hdrcli("info", ".", cwd=folder)
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.splitlines() == [
        f"IMG_0001-0003  EV 0 -2 +2  {MERGES}",
        "Left: single      IMG_0004.jpg, IMG_0005.jpg",
    ]


def test_files_have_their_facts_first(folder: Path) -> None:
    files = [f"IMG_000{number}.jpg" for number in (1, 2, 3)]
    run = run_hdrcli("info", *files, cwd=folder)
    assert run.returncode == 0
    lines = run.stdout.splitlines()
    assert [line for line in lines if line in files] == files
    assert sum(line.startswith("Next ") for line in lines) == 3
    assert lines[-1] == f"IMG_0001-0003  EV 0 -2 +2  {MERGES}"


def test_json_ends_with_the_brackets_where_there_are_some(folder: Path) -> None:
    files = [f"IMG_000{number}.jpg" for number in (1, 2, 3)]
    run = run_hdrcli("info", *files, "--json", cwd=folder)
    *of_files, last = json.loads(run.stdout)
    assert [facts["source"] for facts in of_files] == files
    assert [one["sources"] for one in last["sets"]] == [files]
    assert (last["sets"][0]["advice"], last["singles"]) == (MERGES, [])
    run = run_hdrcli("info", *files[:1], "IMG_0004.jpg", "--json", cwd=folder)
    assert [facts["verdict"] for facts in json.loads(run.stdout)] == ["display picture"] * 2
    run = run_hdrcli("info", files[0], "--json", cwd=folder)
    assert json.loads(run.stdout)["source"] == files[0]


def test_json_of_a_folder_is_its_brackets(folder: Path) -> None:
    facts = json.loads(run_hdrcli("info", folder, "--json", cwd=folder).stdout)
    assert [one["ev"] for one in facts["sets"]] == [[0.0, -2.0, 2.0]]
    assert [Path(one["source"]).name for one in facts["singles"]] == ["IMG_0004.jpg", "IMG_0005.jpg"]


def test_a_file_and_its_folder_are_looked_at_together(folder: Path) -> None:
    run = run_hdrcli("info", "IMG_0002.jpg", "--gap", 0.1, "--json", ".", cwd=folder)
    of_file, of_folder = json.loads(run.stdout)
    assert of_file["source"] == "IMG_0002.jpg"
    assert of_folder["sets"] == []  # half a second is more than the gap
    assert sorted(Path(one["source"]).name for one in of_folder["singles"]) == [f"IMG_000{n}.jpg" for n in range(1, 6)]


def test_a_file_that_cannot_be_opened_is_reported(folder: Path) -> None:
    (folder / "IMG_0006.jpg").write_bytes(b"")
    run = run_hdrcli("info", ".", "--json", cwd=folder)
    assert run.returncode == 1
    refused, found = json.loads(run.stdout)
    assert (refused["source"], refused["verdict"]) == ("IMG_0006.jpg", "refused")
    assert len(found["sets"]) == 1


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_an_empty_folder_has_no_brackets(words: tuple[str, ...], tmp_path: Path) -> None:
    run = run_hdrcli("info", tmp_path, *words, cwd=tmp_path)
    assert run.returncode == 0
    assert run.stdout == "No brackets\n" if not words else json.loads(run.stdout) == {"sets": [], "singles": []}
