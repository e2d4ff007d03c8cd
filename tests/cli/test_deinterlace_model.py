"""`hdrcli deinterlace` with --model, --device, --tile and --border, through the real command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from damaged_files import dual_iso_capture
from real_command import run_hdrcli
from tiny_models import exposure_graph, exposures_facts, joint_facts, joint_graph, write_model

from hdrcli.cli.main import main
from hdrcli.io.dng import write_dng
from hdrcli.io.exr import read_exr


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Return a small simulated dual-ISO frame."""
    path = tmp_path / "in.dng"
    write_dng(path, dual_iso_capture().raw)
    return path


def write_joint(folder: Path) -> Path:
    """Write a network that answers with the classical colours."""
    return write_model(folder, files={"model.onnx": joint_graph()}, **joint_facts())


def write_pair(folder: Path) -> Path:
    """Write a pair of networks that answer with the classical estimate."""
    graphs = {"low.onnx": exposure_graph(), "high.onnx": exposure_graph()}
    return write_model(folder, files=graphs, **exposures_facts())


def test_models_by_path_give_the_picture_that_they_stand_for(source: Path, tmp_path: Path) -> None:
    write_joint(tmp_path / "joint")
    write_pair(tmp_path / "pair")
    pictures = {}
    for name in ("none", "joint", "pair/low.onnx"):
        words = ("--model", name, "--device", "cpu", "--tile", 64, "--border", 8, "--demosaic", "directional")
        run = run_hdrcli("deinterlace", source, *words, "--bits", 32, "--overwrite", "--json", cwd=tmp_path)
        assert (run.returncode, run.stderr) == (0, f"{source} -> {source.with_suffix('.exr')}\n")
        assert json.loads(run.stdout)["model"] == ("none" if name == "none" else "tiny 1.0.0")
        pictures[name] = read_exr(source.with_suffix(".exr")).data
    classical = pictures.pop("none")
    for picture in pictures.values():
        np.testing.assert_allclose(picture, classical, rtol=1e-4, atol=1e-6)


def test_a_model_that_is_unknown_is_found_out_before_the_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["deinterlace", "missing.dng", "also-missing.dng", "--model", "nosuch"]) == 5
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("hdrcli: ")
    assert "There is no model 'nosuch'." in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"task": "single", **joint_facts()}, "is for 'single', not for 'deinterlace'"),
        ({}, "takes x; deinterlacing has no such inputs to give"),
    ],
    ids=["task", "inputs"],
)
def test_a_model_for_something_else_is_exit_code_5(
    facts: dict[str, Any], words: str, source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_model(tmp_path / "other", **facts)
    assert main(["deinterlace", str(source), "--model", str(folder)]) == 5
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("hdrcli: ")
    assert words in err
    assert err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"in.dng", "other"}


@pytest.mark.parametrize(
    "options",
    [
        ["--tile", "15"],
        ["--tile", "0"],
        ["--tile", "-64"],
        ["--tile", "64.5"],
        ["--tile", "wide"],
        ["--border", "-1"],
        ["--border", "nan"],
        ["--tile", ""],
        ["--device", "gpu"],
        ["--device", "CPU:0"],
        ["--model"],
    ],
    ids="".join,
)
def test_what_makes_no_sense_is_exit_code_2(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deinterlace", "missing.dng", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("hdrcli: ")
    assert options[0] in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("options", [["--tile", "16", "--border", "8"], ["--border", "9" * 30]], ids="".join)
def test_a_tile_without_room_for_its_border_is_exit_code_2(
    options: list[str], source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_pair(tmp_path / "pair")
    assert main(["deinterlace", str(source), "--model", str(folder), *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("hdrcli: ")
    assert "A tile of " in err
    assert err.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"in.dng", "pair"}


def test_a_gpu_that_is_not_there_is_exit_code_5_only_where_it_was_asked_for(source: Path, tmp_path: Path) -> None:
    write_joint(tmp_path / "joint")
    words = ("deinterlace", source, "--model", "joint", "--device")
    run = run_hdrcli(*words, "cuda", cwd=tmp_path, CUDA_VISIBLE_DEVICES="")
    assert (run.returncode, run.stdout) == (5, "")
    assert run.stderr.startswith("hdrcli: ")
    assert "CUDA cannot be used: " in run.stderr
    assert run.stderr.endswith("--device cpu.\n")
    assert run.stderr.count("\n") == 1
    assert not source.with_suffix(".exr").exists()
    run = run_hdrcli(*words, "auto", cwd=tmp_path, CUDA_VISIBLE_DEVICES="")
    assert (run.returncode, run.stderr) == (0, f"{source} -> {source.with_suffix('.exr')}\n")
