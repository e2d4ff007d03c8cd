"""From pictures to a network for one picture that the command `single` uses, as a user would go."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hdrcli.expand.features import expansion, from_stops
from hdrcli.images import Metadata, SceneImage
from hdrcli.inference.registry import find_model
from hdrcli.io.exr import read_exr, write_exr
from hdrcli.training.__main__ import main
from hdrcli.training.fit import read_checkpoint
from hdrcli.training.shards import read_shards

SMALL = (
    *("--network", "widths=8,8,8,8", "--network", "vector=8", "--threads", "1", "--device", "cpu", "--batch", "2"),
    *("--set", "height=32", "--set", "width=48", "--set", "views=2", "--set", "steps_per_chunk=2"),
)


def run(*words: object) -> int:
    return main([str(word) for word in words])


def scene(folder: Path, name: str, seed: int) -> None:
    """Write a scene of coloured squares with a lamp."""
    rng = np.random.default_rng(seed)
    light = np.exp2(rng.uniform(-5, 1, (8, 12, 1))).repeat(6, 0).repeat(6, 1) * rng.uniform(0.7, 1.3, (48, 72, 3))
    light[10:20, 30:40] = [40, 30, 15]
    write_exr(folder / f"{name}.exr", SceneImage(light.astype(np.float32)), metadata=Metadata())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with packed pictures, a checkpoint of two steps, and the model made of it."""
    folder = tmp_path_factory.mktemp("single")
    (folder / "scenes").mkdir()
    (folder / "rendered").mkdir()
    for k in range(2):
        scene(folder / "scenes", f"s{k}", k)
    scene(folder / "rendered", "rd_1_lamps", 7)
    words = ("--scenes", folder / "scenes", "--rendered", folder / "rendered", "-o", folder / "shards")
    assert run("pack", *words) == 0
    before = torch.get_num_threads()
    assert fitting(folder, "--steps", "2", "--checkpoint", folder / "x.pt") == 0
    assert run("export", folder / "x.pt", "-o", folder / "small") == 0
    torch.set_num_threads(before)
    return folder


def fitting(folder: Path, *words: object) -> int:
    return run("fit", "single-unet", "--shards", folder / "shards" / "shard-000.bin", *SMALL, *words)


def test_rendered_pictures_are_packed_as_such(folder: Path) -> None:
    pictures = read_shards([folder / "shards" / "shard-000.bin"])
    assert [(picture.name, picture.kind) for picture in pictures] == [
        ("s0", "scene"),
        ("s1", "scene"),
        ("rd_1_lamps", "rendered"),
    ]
    rendered = read_exr(folder / "rendered" / "rd_1_lamps.exr").data
    np.testing.assert_allclose(pictures[2].data.astype(np.float32), rendered, rtol=1e-3)


def test_two_steps_leave_a_model_that_says_what_it_learned_from(folder: Path) -> None:
    facts = read_checkpoint(folder / "x.pt")["facts"]
    assert (facts["network"], facts["config"]) == ("single-unet", {"widths": [8, 8, 8, 8], "vector": [8]})
    assert facts["options"] == {
        "batch": 2, "height": 32, "width": 48, "views": 2, "steps_per_chunk": 2, "part": "all"
    }  # fmt: skip
    manifest = find_model(str(folder / "small"), task="single").manifest
    assert (manifest.training["steps"], manifest.training["samples"]) == (2, 4)
    assert manifest.training["data"][0]["pictures"] == {"rendered": 1, "scene": 2}
    log = [json.loads(line) for line in (folder / "x.jsonl").read_text().splitlines()]
    assert {"mu", "pu21", "clipped", "unclipped"} <= set(log[-1])


def test_the_command_takes_the_model(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 256, (10, 14, 3), dtype=np.uint8).repeat(5, 0).repeat(5, 1)
    codes[10:25, 20:45] = 255
    cv2.imwrite(str(tmp_path / "a.png"), codes[:, :, ::-1])
    words = ("--model", folder / "small", "--no-blend", "--device", "cpu", "-q", "--json", "-o", tmp_path / "a.exr")
    done = subprocess.run(
        [sys.executable, "-m", "hdrcli", "single", str(tmp_path / "a.png"), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "small" in json.dumps(json.loads(done.stdout))
    light = read_exr(tmp_path / "a.exr").data
    # Two steps change little: still the usual curve, and the classical expansion where it is white.
    raised = expansion(codes * np.float32(1 / 255))
    white = (codes == 255).all(axis=2) & (raised.min(axis=2) > 0.3)
    assert white.any()
    np.testing.assert_allclose(np.log2(light[white]), np.log2(from_stops(raised[white])), atol=0.3)
    by_code = np.argsort(codes[..., 1].ravel(), kind="stable")
    assert np.corrcoef(np.arange(by_code.size), np.argsort(np.argsort(light[..., 1].ravel()))[by_code])[0, 1] > 0.99


@pytest.mark.parametrize("start", ["x.pt", "small"])
def test_training_begins_with_the_weights_of_a_checkpoint_or_a_model(folder: Path, tmp_path: Path, start: str) -> None:
    # A rate this low changes no weight: what is saved is what it began with. What is measured goes on.
    words = ("--start", folder / start, "--steps", "1", "--learning-rate", "1e-30")
    assert fitting(folder, *words, "--checkpoint", tmp_path / "s.pt") == 0
    one, other = (read_checkpoint(path)["mean"] for path in (folder / "x.pt", tmp_path / "s.pt"))
    for name, value in one.items():
        if "running" not in name and "tracked" not in name:
            torch.testing.assert_close(other[name], value, rtol=1e-6, atol=1e-9)


def test_the_curve_is_trained_first_and_the_rest_goes_on_from_it(folder: Path, tmp_path: Path) -> None:
    assert fitting(folder, "--steps", "1", "--set", "part=curve", "--checkpoint", tmp_path / "c.pt") == 0
    assert fitting(folder, "--steps", "1", "--start", tmp_path / "c.pt", "--checkpoint", tmp_path / "all.pt") == 0
    assert read_checkpoint(tmp_path / "all.pt")["facts"]["start"] == "c.pt"


FIT = ("fit", "single-unet", "--shards", "{shard}", "--steps", "1")
MISTAKES: list[tuple[list[str], int, str]] = [
    (["pack", "--rendered", "gone", "-o", "new"], 3, "no folder 'gone'"),
    (["pack", "--rendered", "{folder}/shards", "-o", "new"], 4, "no files of the kind .exr"),
    (["pack", "-o", "new"], 2, "--rendered"),
    ([*FIT, "--crop", "64"], 2, "not 'crop=64'"),
    ([*FIT, "--set", "part=sky"], 2, "no part 'sky'"),
    ([*FIT, "--set", "height=33"], 2, "multiple of 8"),
    ([*FIT, "--batch", "1"], 2, "batch is at least 2"),
    ([*FIT, "--network", "blocks=1"], 5, "blocks"),
    (["fit", "two-stage", "--shards", "{shard}", "--steps", "1", "--crop", "8"], 2, "crop is between 32"),
    ([*FIT, "--start", "{folder}/other.pt"], 5, "other.pt"),
    (["export", "{folder}/x.pt", "-o", "x", "--tile", "64"], 2, "as a whole"),
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
