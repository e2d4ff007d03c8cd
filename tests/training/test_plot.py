"""Logs become pictures; what is no log is refused."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from hdrcli.errors import OutputError, UnreadableFileError, UnsuitableInputError
from hdrcli.training.plot import plot, read_log, save_plot


def write_log(path: Path, seconds: list[float], *, figure: str = "mosaic") -> Path:
    lines = []
    for step, second in enumerate(seconds):
        lines.append({"seconds": second, "step": step, "samples": 8 * step, "loss": 1 / (1 + second), "rate": 0.1})
        if step % 3 == 2:
            lines.append({"seconds": second, "step": step, "samples": 8 * step, figure: 30 + second / 10})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_loss_and_validation_are_read_over_seconds(tmp_path: Path) -> None:
    log = read_log(write_log(tmp_path / "a.jsonl", [0, 10, 20, 30]))
    np.testing.assert_allclose(log.loss, [[0, 1], [10, 1 / 11], [20, 1 / 21], [30, 1 / 31]])
    assert log.figures.keys() == {"mosaic"}
    np.testing.assert_allclose(log.figures["mosaic"], [[20, 32]])


def test_of_several_trainings_in_one_log_the_last_is_shown(tmp_path: Path) -> None:
    path = write_log(tmp_path / "a.jsonl", [0, 10, 20])
    path.write_text(path.read_text() + write_log(tmp_path / "b.jsonl", [0, 5]).read_text())
    np.testing.assert_allclose(read_log(path).loss[:, 0], [0, 5])


def test_curves_are_drawn_in_panels(tmp_path: Path) -> None:
    logs = [
        read_log(write_log(tmp_path / f"{name}.jsonl", [float(s) for s in range(n)]))
        for name, n in (("a", 900), ("b", 40))
    ]
    picture = plot(logs)
    panel = plot(logs[:1]).shape[0] // 2
    assert picture.shape == (2 * panel, 1000, 3)
    colours = {tuple(colour) for colour in picture.reshape(-1, 3)[::7].tolist()}
    assert {(180, 90, 20), (30, 60, 200)} <= colours
    # The loss falls: its curve is higher on the left than on the right.
    blue = np.all(picture[40 : panel - 50] == (180, 90, 20), axis=2)
    heights = [np.nonzero(blue[:, x])[0].mean() for x in (150, 800)]
    assert heights[0] < heights[1]


@pytest.mark.parametrize("seconds", [[3.0], [0.0, 0.0]])
def test_short_logs_are_drawn_too(tmp_path: Path, seconds: list[float]) -> None:
    save_plot([read_log(write_log(tmp_path / "a.jsonl", seconds))], tmp_path / "a.png")
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture is not None
    assert picture.shape[1] == 1000


@pytest.mark.parametrize("content", ["hello", "[1]", '{"loss": 1}', '{"seconds": "x", "step": 1, "loss": "y"}'])
def test_what_is_no_log_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.jsonl").write_text(content + "\n")
    with pytest.raises(UnreadableFileError, match="is no log"):
        read_log(tmp_path / "a.jsonl")


def test_missing_and_empty_logs_and_wrong_outputs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_log(tmp_path / "gone.jsonl")
    (tmp_path / "empty.jsonl").write_text("")
    with pytest.raises(UnsuitableInputError, match="nothing in the log"):
        read_log(tmp_path / "empty.jsonl")
    log = read_log(write_log(tmp_path / "a.jsonl", [0, 1]))
    with pytest.raises(OutputError, match=r"\.png"):
        save_plot([log], tmp_path / "a.jpg")
    with pytest.raises(OutputError, match="cannot be written"):
        save_plot([log], tmp_path / "gone" / "a.png")
