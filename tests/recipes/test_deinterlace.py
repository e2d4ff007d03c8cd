"""The recipe with a network: what is asked for is used, and said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import exposure_graph, exposures_facts, joint_facts, joint_graph, write_model

from hdrcli.dualiso.learned import reconstruct_learned
from hdrcli.errors import ModelError, UsageError
from hdrcli.images import RawFrame
from hdrcli.inference import registry
from hdrcli.inference.session import Session
from hdrcli.io.dng import write_dng
from hdrcli.io.metadata import provenance_of
from hdrcli.recipes.deinterlace import DeinterlaceSettings, deinterlace, deinterlace_frame
from hdrcli.recipes.network import find_network
from hdrcli.recipes.stopwatch import Stopwatch
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.capture import CaptureSettings, capture

SETTINGS = DeinterlaceSettings(force=True, row_pattern="LHHL", gain=16, device="cpu")


@pytest.fixture(scope="module")
def raw() -> RawFrame:
    """Return a small simulated dual-ISO frame, from deep shadows to clipped light."""
    light = np.geomspace(1e-3, 2, 96, dtype=np.float32)[None, :, None] * np.array([1, 0.8, 0.6], np.float32)
    scene = np.ascontiguousarray(np.repeat(light, 64, axis=0))
    settings = CaptureSettings(row_pattern="LHHL")
    return capture(scene, find_camera("5D Mark III"), settings, np.random.default_rng(1)).raw


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return the folder of a network that answers with the classical colours."""
    return write_model(tmp_path / "net", files={"model.onnx": joint_graph()}, version="2.5.0", **joint_facts())


def test_a_model_is_used_by_its_path_and_none_is_the_classical_method(raw: RawFrame, model: Path) -> None:
    classical = deinterlace_frame(raw, settings=replace(SETTINGS, model="none"))
    for path in (model, model / "model.onnx"):
        learnt = deinterlace_frame(raw, settings=replace(SETTINGS, model=str(path)))
        assert learnt.model is not None
        assert learnt.model.name == "tiny"
        assert learnt.reconstruction.rgb is not None
        merged = learnt.reconstruction.merged.data
        np.testing.assert_allclose(merged, classical.reconstruction.merged.data, rtol=5e-6, atol=2e-10)
    assert classical.model is None
    assert classical.reconstruction.rgb is None


def test_without_a_choice_the_default_of_the_shipped_models_is_used(
    raw: RawFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf = tmp_path / "shipped"
    monkeypatch.setattr(registry, "_shipped_folder", lambda: shelf)
    assert find_network("auto", task="deinterlace") is None
    pair = {"low.onnx": exposure_graph(), "high.onnx": exposure_graph()}
    write_model(shelf / "other", files=pair, name="other", **exposures_facts())
    assert find_network("auto", task="deinterlace") is None
    write_model(shelf / "best", files=pair, name="best", default_for="deinterlace", **exposures_facts())
    for name, wanted in (("auto", "best"), ("other", "other")):
        model = deinterlace_frame(raw, settings=replace(SETTINGS, model=name)).model
        assert model is not None
        assert model.name == wanted
    assert find_network("none", task="deinterlace") is None


def test_device_tile_border_and_strength_reach_the_network(
    raw: RawFrame, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}

    def note(frame: Any, session: Session, **options: Any) -> Any:
        seen.update(options, device=session.device)
        return reconstruct_learned(frame, session, **options)

    monkeypatch.setattr("hdrcli.recipes.deinterlace.reconstruct_learned", note)
    deinterlace_frame(raw, settings=replace(SETTINGS, model=str(model), tile=24, border=8, denoise=0.25))
    assert (seen["tile"], seen["border"], seen["denoise"], seen["device"]) == (24, 8, 0.25, "cpu")
    with pytest.raises(UsageError, match="There is no device 'tpu'"):
        deinterlace_frame(raw, settings=replace(SETTINGS, model=str(model), device="tpu"))
    with pytest.raises(UsageError, match="A tile of 16 has no room"):
        deinterlace_frame(raw, settings=replace(SETTINGS, model=str(model), tile=16, border=32))


def test_progress_goes_on_during_the_reconstruction(raw: RawFrame, model: Path) -> None:
    news: list[tuple[str, float]] = []
    watch = Stopwatch(lambda *one: news.append(one))
    deinterlace_frame(raw, settings=replace(SETTINGS, model=str(model), tile=16), watch=watch)
    assert [share for _, share in news] == sorted(share for _, share in news)
    assert sum(stage == "reconstruct" for stage, _ in news) > 5
    assert "load model" in watch.seconds


def test_the_output_and_the_report_name_model_version_and_hash(raw: RawFrame, model: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.dng"
    write_dng(source, raw)
    digest = registry.find_model(str(model)).manifest.graphs[0].sha256
    for suffix in (".dng", ".tif", ".png"):
        output = tmp_path / f"out{suffix}"
        report = deinterlace(source, output, settings=replace(SETTINGS, model=str(model)))
        assert report.model == report.as_dict()["model"] == "tiny 2.5.0"
        said = provenance_of(output)
        assert said["model"] == "tiny 2.5.0"
        assert digest.startswith(said["modelHash"])
        assert len(said["modelHash"]) >= 16
    report = deinterlace(source, tmp_path / "classical.dng", settings=replace(SETTINGS, model="none"))
    assert report.model == "none"
    said = provenance_of(tmp_path / "classical.dng")
    assert said["model"] == "none"
    assert "modelHash" not in said


def test_an_unknown_model_or_one_for_another_task_is_found_out_before_the_file_is_read(tmp_path: Path) -> None:
    other = write_model(tmp_path / "other", task="burst")
    for name, words in (
        ("nosuch", "There is no model 'nosuch'"),
        (str(other), "is for 'burst', not for 'deinterlace'"),
    ):
        with pytest.raises(ModelError, match=words):
            deinterlace(tmp_path / "missing.dng", tmp_path / "out.exr", settings=DeinterlaceSettings(model=name))


def test_the_library_prints_nothing(raw: RawFrame, model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    deinterlace_frame(raw, settings=replace(SETTINGS, model=str(model), device="auto"))
    assert capfd.readouterr() == ("", "")
