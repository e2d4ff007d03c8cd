"""`hdrcli stack`, the real command on real files: what comes out, and what is left behind."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from bracket_files import NOON, write_bracket
from real_command import run_hdrcli

from hdrcli.io.exr import read_exr
from hdrcli.io.metadata import provenance_of


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("suffix", [".dng", ".jpg"])
def test_a_bracket_becomes_one_picture(suffix: str, tmp_path: Path) -> None:
    files = write_bracket(tmp_path, [0, -2, 2], suffix=suffix)
    before = [path.read_bytes() for path in files]
    run = run_hdrcli("stack", *files, "--json", "-v", "--preview", "small.jpg", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    facts = json.loads(run.stdout)
    assert facts["output"] == str(tmp_path / "IMG_0001-0003.exr")
    assert [frame["name"] for frame in facts["frames"]] == [path.name for path in files]
    assert "IMG_0003" in run.stderr
    light = read_exr(tmp_path / "IMG_0001-0003.exr").data
    assert np.isfinite(light).all()
    assert light.max() > 1  # above the clip of the reference
    assert names(tmp_path) == {*(path.name for path in files), "IMG_0001-0003.exr", "small.jpg"}
    assert [path.read_bytes() for path in files] == before


def test_a_card_of_brackets_of_both_kinds_with_a_damaged_frame(tmp_path: Path) -> None:
    raw = write_bracket(tmp_path, [0, -2, 2], suffix=".dng")
    write_bracket(tmp_path, [0, -2, 2], number=4, at=NOON + timedelta(minutes=1))
    raw[1].write_bytes(raw[1].read_bytes()[:-3000])
    run = run_hdrcli("stack", ".", "--auto", "-o", "out/", "--jobs", 2, cwd=tmp_path)
    assert run.returncode == 1
    assert "IMG_0002.dng is left out: " in run.stderr
    assert names(tmp_path / "out") == {"IMG_0001-0003.exr", "IMG_0004-0006.exr"}
    again = run_hdrcli("stack", ".", "--auto", "-o", "out/", "--skip-existing", cwd=tmp_path)
    assert (again.returncode, again.stderr) == (0, "2 of 2 brackets skipped: their outputs exist.\n")


def test_aligned_frames_of_a_card_are_no_frames_of_the_next_run(tmp_path: Path) -> None:
    write_bracket(tmp_path, [0, -2, 2], suffix=".dng")
    write_bracket(tmp_path, [0, -2, 2], number=4, at=NOON + timedelta(minutes=1))
    words = ("stack", ".", "--auto", "-o", "out/", "--save-aligned", "frames", "--save-mask", "out/{stem}.png")
    run = run_hdrcli(*words, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    frames = {*(f"IMG_000{number}.dng" for number in (1, 2, 3)), *(f"IMG_000{number}.tif" for number in (4, 5, 6))}
    assert names(tmp_path / "frames") == frames
    stems = ("IMG_0001-0003", "IMG_0004-0006")
    assert names(tmp_path / "out") == {f"{stem}{suffix}" for stem in stems for suffix in (".exr", ".png")}
    again = run_hdrcli(*words, "--dry-run", cwd=tmp_path)
    assert again.stdout.count(" -> ") == 2
    assert "Left: result" in again.stdout
    refused = run_hdrcli("stack", *tmp_path.glob("*.dng"), "-o", "new.exr", "--save-aligned", "frames", cwd=tmp_path)
    assert refused.returncode == 6
    assert "exists already; --overwrite replaces it" in refused.stderr
    assert not (tmp_path / "new.exr").exists()


def test_results_among_the_inputs_are_no_frames(tmp_path: Path) -> None:
    write_bracket(tmp_path, [0, -2, 2])
    assert run_hdrcli("stack", ".", "--auto", "-o", "{stem}.jpg", cwd=tmp_path).returncode == 0
    assert provenance_of(tmp_path / "IMG_0001-0003.jpg")
    run = run_hdrcli("stack", ".", "--auto", "--dry-run", cwd=tmp_path)
    assert run.stdout.splitlines()[1] == "Left: result      IMG_0001-0003.jpg"


def test_fusion_is_an_ordinary_picture(tmp_path: Path) -> None:
    files = write_bracket(tmp_path, [0, -2, 2])
    run = run_hdrcli("stack", *files, "--method", "fusion", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "IMG_0001-0003.jpg").stat().st_size > 1000
    run = run_hdrcli("stack", *files, "--method", "fusion", "-o", "out.exr", cwd=tmp_path)
    assert run.returncode == 2
    assert "without HDR" in run.stderr


def test_missing_frames_leave_nothing_behind(tmp_path: Path) -> None:
    run = run_hdrcli("stack", "a.dng", "b.dng", "-o", "out.exr", cwd=tmp_path)
    assert run.returncode == 3, run.stderr
    assert run.stderr.count("\n") == 1
    assert names(tmp_path) == set()
