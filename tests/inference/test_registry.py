"""Models are found by name and path, and what does not fit is refused with a sentence that helps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tiny_models import convolution, facts, write_model

import hdrcli
from hdrcli.errors import ModelError
from hdrcli.inference import registry
from hdrcli.inference.registry import default_model, find_model, shipped_models, shipped_names


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of shipped models: two for deinterlace, one for single."""
    folder = tmp_path / "shipped"
    for name, others in {
        "alpha": {},
        "beta": {"default_for": "deinterlace"},
        "gamma": {"task": "single", "default_for": "single"},
    }.items():
        write_model(folder / name, name=name, **others)
    monkeypatch.setattr(registry, "_shipped_folder", lambda: folder)
    return folder


def test_shipped_models_are_found_by_name(shelf: Path) -> None:
    model = find_model("alpha", task="deinterlace")
    assert (model.name, model.folder) == ("alpha", shelf / "alpha")
    assert model.size == (shelf / "alpha" / "model.onnx").stat().st_size
    assert shipped_names() == ["alpha", "beta", "gamma"]
    assert [model.name for model in shipped_models(task="deinterlace")] == ["alpha", "beta"]


def test_each_task_has_its_default(shelf: Path) -> None:
    names = {task: default_model(task) for task in ("deinterlace", "single", "stack")}
    assert {task: model and model.name for task, model in names.items()} == {
        "deinterlace": "beta",
        "single": "gamma",
        "stack": None,
    }


@pytest.mark.parametrize("path", ["m", "./m", "m/", "m/model.onnx", "m/manifest.json"])
def test_other_models_are_found_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    write_model(tmp_path / "m", name="mine")
    monkeypatch.chdir(tmp_path)
    assert find_model(path).name == "mine"


def test_a_shipped_model_comes_before_a_folder_of_its_name(
    shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_model(tmp_path / "alpha", name="mine")
    monkeypatch.chdir(tmp_path)
    assert find_model("alpha").name == "alpha"
    assert find_model("./alpha").name == "mine"


@pytest.mark.parametrize(
    ("name", "task", "message"),
    [
        ("other", None, r"There is no model 'other'\. The models are alpha, beta, gamma\.$"),
        ("other", "deinterlace", r"The models for 'deinterlace' are alpha, beta, none\.$"),
        ("alhpa", "deinterlace", r"Did you mean 'alpha'\?$"),
        ("gamma", "deinterlace", r"'gamma' is for 'single', not for 'deinterlace'\. The models for"),
        ("nowhere/m", None, "There is no file or folder 'nowhere/m'"),
        ("net.onnx", None, r"There is no file or folder 'net\.onnx'"),
    ],
)
def test_what_is_not_there_is_refused_with_what_is(shelf: Path, name: str, task: str | None, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        find_model(name, task=task)


def test_without_shipped_models_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_shipped_folder", lambda: None)
    assert shipped_names() == []
    assert default_model("deinterlace") is None
    with pytest.raises(ModelError, match="No models are shipped with this version"):
        find_model("alpha")
    with pytest.raises(ModelError, match="The models for 'deinterlace' are none"):
        find_model("alpha", task="deinterlace")


def test_a_damaged_shipped_model_does_not_hide_the_others(shelf: Path) -> None:
    (shelf / "alpha" / "manifest.json").write_text("{")
    with pytest.raises(ModelError, match=r"The models are beta, gamma\."):
        find_model("other")
    with pytest.raises(ModelError, match=r"manifest\.json' is damaged"):
        find_model("alpha")


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"cannot be read .*A model is a folder with manifest\.json"):
        find_model(str(tmp_path))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_manifest_that_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(ModelError, match="is damaged"):
        find_model(str(tmp_path))


def test_a_graph_that_the_manifest_does_not_name_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    (folder / "other.onnx").write_bytes(convolution(seed=1))
    with pytest.raises(ModelError, match="does not speak of"):
        find_model(str(folder / "other.onnx"))


def test_a_graph_that_is_missing_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    (folder / "model.onnx").unlink()
    with pytest.raises(ModelError, match=r"lacks '.*model\.onnx' \(No such file"):
        find_model(str(folder))


def test_a_truncated_graph_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    graph = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(graph[:-1])
    with pytest.raises(ModelError, match=f"has {len(graph) - 1} bytes where the manifest .* says {len(graph)}"):
        find_model(str(folder))


def test_a_changed_graph_is_refused_when_it_is_read(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    graph = bytearray((folder / "model.onnx").read_bytes())
    graph[-20] ^= 1
    (folder / "model.onnx").write_bytes(graph)
    model = find_model(str(folder))
    with pytest.raises(ModelError, match="is not the file that the manifest of the model 'tiny' names"):
        model.read_graph(model.manifest.graphs[0])


@pytest.mark.parametrize("opset", [12, 22])
def test_an_opset_that_not_every_runtime_knows_is_refused(tmp_path: Path, opset: int) -> None:
    with pytest.raises(ModelError, match=f"needs ONNX opset {opset}; hdrcli runs 13 to 21"):
        find_model(str(write_model(tmp_path / "m", opset=opset)))


def test_several_graphs_name_their_outputs_by_role(tmp_path: Path) -> None:
    graphs = {"low.onnx": convolution(seed=1), "high.onnx": convolution(seed=2)}
    manifest = find_model(str(write_model(tmp_path / "m", files=graphs))).manifest
    assert manifest.output_names == ("low.y", "high.y")
    assert find_model(str(write_model(tmp_path / "one"))).manifest.output_names == ("y",)


def test_sides_are_pairs_however_they_are_written(tmp_path: Path) -> None:
    manifest = find_model(str(write_model(tmp_path / "m", tile=64, border=[12, 6], border_exact=None))).manifest
    assert (manifest.tile, manifest.border, manifest.border_exact) == ((64, 64), (12, 6), None)


REQUIRED = ["name", "version", "task", "graphs", "inputs", "outputs", "opset", "period", "multiple", "tile", "border"]


@pytest.mark.parametrize("key", REQUIRED)
def test_a_manifest_that_lacks_a_key_says_which(tmp_path: Path, key: str) -> None:
    with pytest.raises(ModelError, match=rf"manifest\.json' does not describe a model: it lacks '{key}'\."):
        find_model(str(write_model(tmp_path / "m", **{key: None})))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "No Name"}, "'name' cannot be 'No Name'"),
        ({"name": "none"}, "'name' cannot be 'none'"),
        ({"name": 3}, r"'name' cannot be 3 \(text is wanted\)"),
        ({"task": "paint"}, r"'task' cannot be 'paint' \(one of deinterlace, single"),
        ({"default_for": "paint"}, "'default_for' cannot be 'paint'"),
        ({"opset": "20"}, r"'opset' cannot be '20' \(a whole number is wanted\)"),
        ({"opset": True}, "'opset' cannot be True"),
        ({"period": [4]}, r"'period' cannot be \[4\]"),
        ({"period": [0, 2]}, "'period' cannot be"),
        ({"tile": -1}, "'tile' cannot be -1"),
        ({"border": 1.5}, "'border' cannot be 1.5"),
        ({"graphs": []}, "must each hold something"),
        ({"graphs": {}}, "'graphs' cannot be {}"),
        ({"graphs": ["model.onnx"]}, "'graphs' must hold objects"),
        ({"inputs": [{"name": "x", "shape": []}]}, r"it lacks 'inputs\.dtype'"),
        ({"inputs": [{"name": "x", "shape": [], "dtype": "float8"}]}, r"'inputs\.dtype' cannot be 'float8'"),
        ({"inputs": [{"name": "x", "dtype": "int64", "shape": [1.5]}]}, r"'inputs\.shape' cannot be"),
        ({"check": {"sha256": "abc", "tolerance": 1}}, r"'check\.sha256' cannot be 'abc'"),
        ({"check": {"sha256": "0" * 64, "tolerance": 0}}, r"'check\.tolerance' cannot be 0"),
        ({"metrics": [1]}, r"'metrics' cannot be \[1\]"),
    ],
)
def test_values_that_make_no_sense_are_named(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        find_model(str(write_model(tmp_path / "m", **change)))


@pytest.mark.parametrize("file", ["../other/model.onnx", "/etc/passwd", "sub/model.onnx", "..", ""])
def test_graphs_outside_the_folder_are_refused(tmp_path: Path, file: str) -> None:
    folder = write_model(tmp_path / "m")
    content = facts({"model.onnx": convolution()})
    content["graphs"][0]["file"] = file
    (folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match=r"'file' cannot be|'graphs\.file' cannot be"):
        find_model(str(folder))


def test_two_graphs_without_roles_are_refused(tmp_path: Path) -> None:
    content = facts({"low.onnx": convolution(), "high.onnx": convolution()})
    for graph in content["graphs"]:
        del graph["output"]
    folder = write_model(tmp_path / "m", files={"low.onnx": convolution(), "high.onnx": convolution()})
    (folder / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(ModelError, match="needs an 'output' of its own"):
        find_model(str(folder))


def test_all_that_the_manifest_says_is_kept(tmp_path: Path) -> None:
    tensor = {
        "name": "x",
        "dtype": "float32",
        "shape": ["n", 1, "h", "w"],
        "channels": ["sample"],
        "range": [None, 1],
        "encoding": "asinh",
        "domain": "bayer rggb",
        "unit": "clip of the low exposure",
    }
    texts = {key: f"the {key}" for key in ("paper", "variant", "licence", "normalisation", "producer")}
    more = {"config": {"width": 48}, "metrics": {"psnr": 40.5}, "training": {"seconds": 60}, "state": [{"name": "h"}]}
    manifest = find_model(
        str(write_model(tmp_path / "m", inputs=[tensor], ir_version=10, macs_per_pixel=7, **texts, **more))
    ).manifest
    (x,) = manifest.inputs
    assert {**vars(x), "shape": list(x.shape), "channels": list(x.channels), "range": list(x.range)} == tensor
    assert {key: getattr(manifest, key) for key in texts} == texts
    assert {key: getattr(manifest, key) for key in more} == {**more, "state": ({"name": "h"},)}
    assert (manifest.ir_version, manifest.macs_per_pixel) == (10, 7)


@pytest.mark.parametrize("layout", ["wheel", "checkout", "neither"])
def test_shipped_models_are_found_in_the_wheel_and_in_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: str
) -> None:
    package = tmp_path / "hdrcli"
    package.mkdir()
    if layout == "checkout":
        (tmp_path / "pyproject.toml").touch()
    write_model((package if layout == "wheel" else tmp_path) / "models" / "tiny")
    monkeypatch.setattr(hdrcli, "__file__", str(package / "__init__.py"))
    assert shipped_names() == ([] if layout == "neither" else ["tiny"])


def test_finding_a_model_imports_nothing_heavy(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m")
    script = (
        "import sys; from hdrcli.inference.registry import find_model; find_model(sys.argv[1]); print(*sys.modules)"
    )
    parent = str(Path(hdrcli.__file__).resolve().parent.parent)
    run = subprocess.run(
        [sys.executable, "-c", script, str(folder)],
        env={**os.environ, "PYTHONPATH": parent},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"numpy", "onnxruntime", "numba"}.isdisjoint(run.stdout.split())


def test_every_shipped_model_is_complete() -> None:
    for model in shipped_models():
        manifest = model.manifest
        assert model.folder.name == manifest.name
        assert manifest.default_for in {"", manifest.task}
        assert manifest.description
        assert manifest.licence
        assert manifest.check is not None
        assert (model.folder / registry.CARD).is_file()
    for task in {model.manifest.task for model in shipped_models()}:
        assert sum(model.manifest.default_for == task for model in shipped_models()) == 1
