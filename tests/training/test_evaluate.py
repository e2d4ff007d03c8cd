"""The table shows every method on the same frames, and says where a model is worse than the classical chain."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_models import facts, write_model

from hdrcli.images import FloatArray, Metadata, SceneImage
from hdrcli.inference.registry import find_model
from hdrcli.io.exr import write_exr
from hdrcli.training import evaluate as measuring
from hdrcli.training.cases import dual_iso_cases
from hdrcli.training.evaluate import Answer, Frame, Row, evaluate
from hdrcli.training.plain_methods import fill_rows, merge_linearly

MANY = {"linear": measuring.linear, "eq. 19": measuring.plain_equation_19, "none": measuring.classical}


def scene(seed: int, side: int = 128) -> FloatArray:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:side, 0:side] / side
    light = np.exp2(6 * (x + 0.2 * np.sin(9 * y + seed)) - 7)[:, :, None] * rng.uniform(0.7, 1.3, (side, side, 3))
    return np.asarray(light, dtype=np.float32)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    for k in range(3):
        write_exr(folder / f"s{k}.exr", SceneImage(scene(k)), metadata=Metadata(), bits=32)
    return folder


@pytest.fixture(scope="module")
def frames(scenes: Path) -> list[Frame]:
    return [Frame.of(case) for case in dual_iso_cases(scenes, iso=(100.0, 1600.0))]


def better(frame: Frame) -> Answer:
    """Return the truth with a little error, but for one frame, where it is far off."""
    mosaic = frame.case.capture.truth_mosaic + np.float32(0.1 if frame.case.name == "s1" else 1e-6)
    return Answer(frame.developed(mosaic), mosaic)


@pytest.fixture(scope="module")
def rows(scenes: Path) -> list[Row]:
    return evaluate(dual_iso_cases(scenes, iso=(100.0, 1600.0)), {**MANY, "better": better, "full": measuring.full})


def test_each_method_is_measured_on_each_frame(rows: list[Row]) -> None:
    assert [row.case.name for row in rows] == ["s0", "s1", "s2"]
    for row in rows:
        assert list(row.figures) == ["linear", "eq. 19", "none", "better", "full"]
        assert {"picture", "tm", "pu21", "dark"} <= row.figures["eq. 19"].keys()
        assert "mosaic" not in row.figures["full"]
        assert row.figures["linear"]["over linear"] == 0
        assert row.figures["none"]["over linear"] == pytest.approx(
            row.figures["none"]["mosaic"] - row.figures["linear"]["mosaic"]
        )
        assert row.figures["full"]["picture"] > row.figures["none"]["picture"] > row.figures["eq. 19"]["picture"]


def test_means_are_over_frames_and_the_worst_is_the_least(rows: list[Row]) -> None:
    mean = measuring.means(rows)["none"]
    pictures = [row.figures["none"]["picture"] for row in rows]
    assert mean["picture"] == pytest.approx(np.mean(pictures))
    assert mean["worst"] == min(pictures)
    assert tuple(mean) == measuring.COLUMNS
    assert tuple(measuring.means(rows)["full"]) == ("picture", "worst", "tm", "pu21", "dark")


def test_the_table_and_the_verdict_name_methods_and_frames(rows: list[Row]) -> None:
    table = measuring.table(rows)
    assert table[0] == "3 frames; row phase found in 3"
    assert table[1].split() == ["mean", "of", *" ".join(measuring.COLUMNS).split()]
    assert [line[:14].strip() for line in table[2:]] == ["linear", "eq. 19", "none", "better", "full"]
    assert f"{measuring.means(rows)['none']['picture']:.2f}" in table[4]
    (verdict,) = measuring.verdicts(rows, ["better"])
    assert verdict == "frames where better is below none: by the picture 1 (s1), by the mosaic 1 (s1)"
    assert "none" in measuring.line(rows[0])


def test_the_report_is_json(rows: list[Row]) -> None:
    report = json.loads(json.dumps(measuring.report(rows)))
    assert [frame["name"] for frame in report["frames"]] == ["s0", "s1", "s2"]
    assert report["frames"][0]["iso"] == [100.0, 1600.0]
    assert report["means"]["none"]["picture"] == pytest.approx(measuring.means(rows)["none"]["picture"])


def test_figures_are_written_into_the_manifest(tmp_path: Path, rows: list[Row]) -> None:
    folder = write_model(tmp_path / "m", name="better", metrics={"old": {"picture": 1.0}})
    measuring.record(find_model(str(folder)), rows, name="better", data="three scenes")
    metrics = find_model(str(folder)).manifest.metrics
    assert metrics["old"] == {"picture": 1.0}
    assert metrics["three scenes"]["frames"] == 3
    assert metrics["three scenes"]["model"]["picture"] == round(measuring.means(rows)["better"]["picture"], 3)
    assert {"none", "linear"} <= metrics["three scenes"].keys()
    assert facts({}).keys() <= json.loads((folder / "manifest.json").read_text()).keys()


def test_a_frame_too_bright_to_measure_gets_its_ratio(tmp_path: Path) -> None:
    write_exr(tmp_path / "white.exr", SceneImage(np.full((96, 96, 3), 0.9, np.float32)), metadata=Metadata())
    (case,) = dual_iso_cases(tmp_path, iso=(100.0, 1600.0))
    assert Frame.of(case).frame.gain == pytest.approx(16)


def test_rows_are_filled_linearly_from_rows_of_the_same_colours(frames: list[Frame]) -> None:
    frame = frames[0].frame
    for high in (False, True):
        filled = fill_rows(frame, high=high)
        own = frame.high == high
        np.testing.assert_array_equal(filled[own], frame.data[own])
        row = next(i for i in range(20, 28) if not own[i])
        gaps = [next(d for d in range(2, 8, 2) if own[row + sign * d]) for sign in (-1, 1)]
        above, below = frame.data[row - gaps[0]], frame.data[row + gaps[1]]
        expected = (above * gaps[1] + below * gaps[0]) / sum(gaps)
        np.testing.assert_allclose(filled[row], expected, rtol=1e-5)


def test_linear_merging_takes_the_low_rows_where_the_high_ones_clip(frames: list[Frame]) -> None:
    frame = frames[0].frame
    merged, low = merge_linearly(frame), fill_rows(frame, high=False)
    bright = low > 3 * frame.clip_high
    assert bright.any()
    np.testing.assert_allclose(merged[bright], low[bright], rtol=1e-5)
