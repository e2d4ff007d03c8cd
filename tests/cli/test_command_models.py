"""`hdrcli models` lists, checks and shows what is there, and says what is wrong with what does not work."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import correlate
from tiny_models import kernel, write_model

from hdrcli.cli.main import main
from hdrcli.inference import registry


def write_checked(folder: Path, *, error: float = 0.0, **others: object) -> Path:
    """Write a model whose check is off by `error`."""
    x = np.random.default_rng(2).random((1, 1, 12, 12), dtype=np.float32)
    return write_model(
        folder, arrays={"x": x, "y": correlate(x, kernel(), mode="constant") + np.float32(error)}, **others
    )


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of two shipped models, both sound."""
    folder = tmp_path / "shipped"
    facts = {"default_for": "deinterlace", "parameters": 123456, "metrics": {"psnr": {"val": 40.5, "classical": 36.1}}}
    write_checked(folder / "alpha", name="alpha", **facts)
    write_checked(folder / "beta", name="beta", task="single", tile=[64, 32])
    monkeypatch.setattr(registry, "_shipped_folder", lambda: folder)
    return folder


def test_the_list_names_what_there_is(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    out, err = capsys.readouterr()
    title, alpha, beta = out.splitlines()
    assert title.split() == ["name", "task", "version", "default", "parameters", "size"]
    assert alpha.split() == ["alpha", "deinterlace", "1.0.0", "yes", "123,456", "0.0", "MB", "One", "convolution."]
    assert beta.split()[:3] == ["beta", "single", "1.0.0"]
    assert "yes" not in beta
    assert alpha.index("One") == beta.index("One")
    assert err == ""
    assert main(["models", "list"]) == 0
    assert capsys.readouterr().out == out


def test_the_list_as_json(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert [(entry["name"], entry["default"]) for entry in facts] == [("alpha", True), ("beta", False)]
    assert facts[0]["bytes"] == (shelf / "alpha" / "model.onnx").stat().st_size


def test_sound_models_pass_the_check(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "check", "--device", "cpu"]) == 0
    out, err = capsys.readouterr()
    assert [line.partition(" (")[0] for line in out.splitlines()] == ["alpha: ok", "beta: ok"]
    assert err == ""


def test_a_model_that_fails_the_check_is_exit_code_5_and_the_others_go_on(
    shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = write_checked(tmp_path / "wrong", name="wrong", error=0.5)
    assert main(["models", "check", str(wrong), "nosuch", "beta"]) == 5
    out, err = capsys.readouterr()
    assert out.startswith("beta: ok")
    first, second = err.splitlines()
    assert first.startswith("hdrcli: The model 'wrong' does not compute here what it should: its outputs differ by 0.5")
    assert second == "hdrcli: There is no model 'nosuch'. The models are alpha, beta."


def test_the_check_as_json(shelf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = write_checked(tmp_path / "wrong", error=0.5)
    assert main(["models", "check", "alpha", str(wrong), "--json"]) == 5
    good, bad = json.loads(capsys.readouterr().out)
    assert (good["name"], good["ok"], good["difference"] < 1e-4) == ("alpha", True, True)
    assert (bad["name"], bad["ok"]) == (str(wrong), False)
    assert "differ by 0.5" in bad["error"]


def test_a_damaged_model_is_named_and_the_others_are_listed(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shelf / "alpha" / "manifest.json").write_text("{}")
    assert main(["models"]) == 5
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["name", "beta"]
    assert err.startswith("hdrcli: ")
    assert err.count("\n") == 1
    assert "it lacks 'name'" in err


def test_a_model_is_shown_with_all_that_is_known(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "alpha"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for line in (
        ["folder", str(shelf / "alpha")],
        ["name", "alpha"],
        ["default", "for", "deinterlace"],
        ["period", "4,", "2"],
        ["psnr"],
        ["val", "40.5"],
        ["shape", "n,", "1,", "h,", "w"],
    ):
        assert line in lines


def test_what_is_shown_as_json_is_the_manifest(shelf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "beta", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == {"folder": str(shelf / "beta"), **json.loads((shelf / "beta" / "manifest.json").read_text())}
    assert main(["models", "show", "beta", "nosuch", "alpha", "--json"]) == 5
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)] == ["beta", "alpha"]


def test_without_models_it_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(registry, "_shipped_folder", lambda: None)
    for action in ("list", "check"):
        assert main(["models", action]) == 0
        assert capsys.readouterr() == (
            "",
            "No models are shipped with this version; --model none is the classical method.\n",
        )
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "alpha"], "takes no names"),
        (["show"], "Say which model to show"),
        (["chekc"], "'chekc' is not one of"),
    ],
)
def test_wrong_words_are_exit_code_2(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", *words]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err
    assert err.count("\n") == 1


def test_the_shipped_models_work_here(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "check", "--device", "cpu"]) == 0
