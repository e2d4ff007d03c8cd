"""`python -m hdrcli.training`: from pictures to a model and its figures, and one line for every mistake."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from hdrcli.images import Metadata, SceneImage
from hdrcli.inference.registry import find_model
from hdrcli.io.exr import write_exr
from hdrcli.training.__main__ import main
from hdrcli.training.fit import read_checkpoint

SMALL = (
    *("--network", "widths=8,8,8", "--network", "blocks=0,0,1,0,0", "--threads", "1", "--device", "cpu"),
    *("--crop", "32", "--batch", "2", "--set", "region=64", "--set", "regions=2", "--set", "steps_per_chunk=5"),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with packed scenes, a checkpoint trained for a second, and the model made of it."""
    folder = tmp_path_factory.mktemp("command")
    (folder / "scenes").mkdir()
    for k in range(2):
        rng = np.random.default_rng(k)
        light = np.exp2(rng.uniform(-6, 0, (16, 16, 1))).repeat(6, 0).repeat(6, 1) * rng.uniform(0.7, 1.3, (96, 96, 3))
        write_exr(folder / "scenes" / f"s{k}.exr", SceneImage(light.astype(np.float32)), metadata=Metadata())
    assert run("pack", "--scenes", folder / "scenes", "-o", folder / "shards") == 0
    checkpoint = ("--shards", folder / "shards" / "shard-000.bin", "--checkpoint", folder / "x.pt")
    before = torch.get_num_threads()
    assert run("fit", "dualiso-unet", *checkpoint, "--minutes", "0.02", *SMALL) == 0
    assert run("export", folder / "x.pt", "-o", folder / "small", "--tile", "64") == 0
    torch.set_num_threads(before)
    return folder


def run(*words: object) -> int:
    return main([str(word) for word in words])


def fitting(folder: Path, *words: object) -> int:
    return run("fit", "dualiso-unet", "--shards", folder / "shards" / "shard-000.bin", *SMALL, *words)


def test_minutes_leave_a_checkpoint_that_becomes_a_model(folder: Path) -> None:
    content = read_checkpoint(folder / "x.pt")
    assert content["counts"]["step"] > 0
    facts = content["facts"]
    assert (facts["network"], facts["config"]["widths"], facts["seed"]) == ("dualiso-unet", [8, 8, 8], 1)
    assert facts["options"]["region"] == 64
    model = find_model(str(folder / "small"), task="deinterlace")
    training = model.manifest.training
    assert training["steps"] == content["counts"]["step"]
    assert training["data"][0]["pictures"] == {"scene": 2}
    log = [json.loads(line) for line in (folder / "x.jsonl").read_text().splitlines()]
    assert "loss" in log[0]
    assert "mosaic" in log[-1]


def test_models_are_measured_beside_the_classical_chain(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("evaluate", folder / "small", "--scenes", folder / "scenes", "--iso", "100/800")
    assert run(*words, "--record", "two scenes") == 0
    out = capsys.readouterr().out
    assert "2 frames; row phase found in" in out
    assert f"frames where {folder / 'small'} is below none:" in out
    assert "two scenes" in find_model(str(folder / "small")).manifest.metrics
    assert run(*words, "--json") == 0
    means = json.loads(capsys.readouterr().out)["means"]
    assert list(means) == ["linear", "eq. 19", "none", str(folder / "small"), "full"]


def test_training_is_resumed_and_its_log_goes_on(folder: Path, tmp_path: Path) -> None:
    words = ("--checkpoint", tmp_path / "r.pt", "--precision", "float32")
    assert fitting(folder, *words, "--steps", "6") == 0
    entries = (tmp_path / "r.jsonl").read_text().splitlines()
    (tmp_path / "r.jsonl").write_text("\n".join([*entries, json.dumps({"step": 99, "seconds": 1, "loss": 1}), ""]))
    assert fitting(folder, *words, "--steps", "12", "--resume") == 0
    steps = [json.loads(line)["step"] for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (1, 12)
    assert run("plot", tmp_path / "r.jsonl", "-o", tmp_path / "r.png") == 0
    assert (tmp_path / "r.png").stat().st_size > 1000


@pytest.mark.parametrize("start", ["x.pt", "small"])
def test_training_begins_with_the_weights_of_a_checkpoint_or_a_model(folder: Path, tmp_path: Path, start: str) -> None:
    # A rate this low changes nothing: what is saved is what it began with.
    words = ("--start", folder / start, "--steps", "1", "--learning-rate", "1e-30")
    assert fitting(folder, *words, "--checkpoint", tmp_path / "s.pt") == 0
    one, other = (read_checkpoint(path) for path in (folder / "x.pt", tmp_path / "s.pt"))
    for name, value in one["mean"].items():
        torch.testing.assert_close(other["mean"][name], value, rtol=1e-6, atol=1e-9)
    assert other["counts"]["samples"] == one["counts"]["samples"] + 2
    assert other["facts"]["start"] == start


def test_ctrl_c_ends_with_a_complete_checkpoint(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hdrcli.training", "fit", "dualiso-unet", *SMALL, "--minutes", "5"]
    command += ["--shards", str(folder / "shards" / "shard-000.bin"), "--checkpoint", str(tmp_path / "c.pt")]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("seconds"):
                break
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Stopping" in err
    assert "is complete: step" in out
    assert read_checkpoint(tmp_path / "c.pt")["counts"]["step"] > 0


FIT = ("fit", "dualiso-unet", "--shards", "{shard}", "--steps", "1")
MISTAKES: list[tuple[list[str], int, str]] = [
    ([], 2, "COMMAND"),
    (["dance"], 2, "'dance'"),
    (["pack", "-o", "new"], 2, "nothing to pack"),
    (["pack", "--scenes", "gone", "-o", "new"], 3, "no folder 'gone'"),
    (["pack", "--scenes", "{folder}/scenes", "-o", "{folder}/shards"], 6, "--overwrite"),
    (["fit", "resnet", "--shards", "{shard}", "--steps", "1"], 2, "no network 'resnet'"),
    (["fit", "dualiso-unet", "--steps", "1"], 2, "--shards"),
    (["fit", "dualiso-unet", "--shards", "{shard}"], 2, "--minutes, --steps"),
    (["fit", "dualiso-unet", "--shards", "gone.bin", "--steps", "1"], 3, "'gone.bin' cannot be read"),
    (["fit", "dualiso-unet", "--shards", "{folder}/x.jsonl", "--steps", "1"], 3, "is no shard"),
    ([*FIT, "--minutes", "-1"], 2, "above 0"),
    ([*FIT, "--set", "crop=ten"], 2, "whole number"),
    ([*FIT, "--set", "crops=10"], 2, "OPTION=VALUE"),
    ([*FIT, "--set", "noise_inputs=2"], 2, "yes or no"),
    ([*FIT, "--crop", "40"], 2, "multiples"),
    ([*FIT, "--network", "widths=a"], 2, "NAME=N,N"),
    ([*FIT, "--network", "widths=1"], 2, "cannot be built"),
    ([*FIT, "--network", "depth=1"], 5, "depth"),
    ([*FIT, "--device", "tpu"], 2, "no device 'tpu'"),
    ([*FIT, "--checkpoint", "{folder}/x.pt"], 6, "--resume"),
    ([*FIT, "--checkpoint", "no/x.pt"], 6, "no folder"),
    ([*FIT, "--resume", "--start", "x"], 2, "choose one"),
    ([*FIT, "--resume"], 3, "cannot be read"),
    ([*FIT, "--resume", "--checkpoint", "{folder}/x.pt"], 2, "began with another config"),
    ([*FIT, "--start", "gone"], 5, "'gone'"),
    ([*FIT, "--start", "{folder}/x.pt"], 5, "another network"),
    (["fit", "dualisonet-dsc", *FIT[2:], "--start", "{folder}/small"], 5, "another network"),
    (["plot", "gone.jsonl", "-o", "x.png"], 3, "cannot be read"),
    (["evaluate", "--scenes", "gone"], 3, "no folder 'gone'"),
    (["evaluate", "--scenes", "{folder}/shards"], 4, "no scenes"),
    (["evaluate", "--scenes", "{folder}/scenes", "--iso", "100"], 2, "no pair"),
    (["evaluate", "gone", "--scenes", "{folder}/scenes"], 5, "gone"),
    (["export", "gone.pt", "-o", "x"], 3, "cannot be read"),
    (["export", "{folder}/x.pt", "-o", "{folder}/small"], 6, "--overwrite"),
    (["export", "{folder}/x.pt", "-o", "x", "--tile", "big"], 2, "no size"),
    (["export", "{folder}/x.pt", "-o", "x", "--tile", "64", "--border", "32"], 2, "no room"),
]


@pytest.mark.parametrize(("words", "code", "message"), MISTAKES)
def test_mistakes_are_one_line_and_an_exit_code(
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [word.format(folder=folder, shard=folder / "shards" / "shard-000.bin") for word in words]
    assert main(filled) == code
    err = capsys.readouterr().err
    assert err.startswith("python -m hdrcli.training: ")
    assert err.count("\n") == 1
    assert message in err
    assert list(tmp_path.iterdir()) == []
