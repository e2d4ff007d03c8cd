"""Exported models compute what was trained, and their manifests say what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from torch import nn

import hdrcli
from hdrcli.errors import ModelError, OutputError, UnreadableFileError, UsageError
from hdrcli.inference.check import check_model
from hdrcli.inference.registry import Model, find_model
from hdrcli.inference.session import Session
from hdrcli.training import export as exporting
from hdrcli.training.export import ExportSettings, export, model_weights
from hdrcli.training.fit import State
from hdrcli.training.forms import form_of
from hdrcli.training.networks import build_network, network_config, parameter_count
from hdrcli.training.samples import sample_planes
from hdrcli.training.shards import Picture, shard_facts, write_shards

TINY = {"widths": [8, 8, 8], "blocks": [1, 1, 1, 1, 1]}


def random_network(name: str, config: dict[str, Any] | None = None) -> nn.Module:
    torch.manual_seed(7)
    network = build_network(name, config)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, 0.08)
    return network.eval().requires_grad_(False)


def save(path: Path, trained: nn.Module, **facts: Any) -> Path:
    """Write a checkpoint whose averaged weights are those of a network; the others are zero."""
    state = State.fresh(trained.requires_grad_(True), learning_rate=1e-3)
    with torch.no_grad():
        for parameter in state.network.parameters():
            parameter.zero_()
    state.step, state.seconds, state.samples = 11, 61.4, 88
    state.save(path, **{"network": "dualiso-unet", "config": network_config(trained), **facts})
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture(scope="module")
def unet(folder: Path) -> Model:
    checkpoint = save(folder / "unet.pt", random_network("dualiso-unet", TINY), seed=4, commit="abc", options={"a": 1})
    return export(checkpoint, folder / "tiny-unet", ExportSettings(version="1.2.0", tile=(96, 96), default=True))


@pytest.fixture(scope="module")
def pair(folder: Path) -> Model:
    network = random_network("dualisonet-dsc")
    checkpoint = save(folder / "pair.pt", network, network="dualisonet-dsc")
    return export(checkpoint, folder / "tiny-pair", ExportSettings(tile=(32, 32), border=(4, 2)))


def test_the_model_computes_what_the_averaged_weights_compute(unet: Model) -> None:
    network = random_network("dualiso-unet", TINY)
    session = Session(find_model(str(unet.folder), task="deinterlace"), device="cpu", threads=1)
    for batch, height, width in ((1, 16, 8), (3, 48, 88)):
        planes = torch.rand(batch, 6, height, width)
        (rgb,) = session.run({"planes": planes.numpy()})
        np.testing.assert_allclose(rgb, network(planes).numpy(), atol=1e-5)


def test_the_check_passes_and_notices_other_weights(unet: Model) -> None:
    assert check_model(unet) <= 1e-5
    arrays = np.load(unet.folder / "check.npz")
    assert {name: arrays[name].shape for name in arrays.files} == {"planes": (1, 6, 64, 64), "rgb": (1, 3, 64, 64)}
    assert np.abs(arrays["rgb"] - arrays["planes"][:, 1:4]).max() > 1e-3


def test_the_manifest_says_what_the_network_is(unet: Model) -> None:
    manifest = unet.manifest
    assert (manifest.name, manifest.version, manifest.task) == ("tiny-unet", "1.2.0", "deinterlace")
    assert manifest.default_for == "deinterlace"
    assert (manifest.opset, manifest.period, manifest.multiple, manifest.tile) == (20, (4, 2), (16, 8), (96, 96))
    assert manifest.parameters == parameter_count(random_network("dualiso-unet", TINY))
    assert dict(manifest.config) == {"network": "dualiso-unet", **TINY}
    assert [(t.name, t.shape) for t in manifest.inputs] == [("planes", ("n", 6, "h", "w"))]
    assert manifest.inputs[0].channels == ("sample", "red", "green", "blue", "clipped", "noise")
    assert [(t.name, t.shape) for t in manifest.outputs] == [("rgb", ("n", 3, "h", "w"))]
    assert manifest.macs_per_pixel > 1000
    assert manifest.border_exact is not None
    assert manifest.border[0] % 16 == manifest.border[1] % 8 == 0
    assert manifest.border[0] < manifest.border_exact[0]
    assert dict(manifest.training) == {
        "seconds": 61,
        "steps": 11,
        "samples": 88,
        "seed": 4,
        "commit": "abc",
        "options": {"a": 1},
    }


def test_no_path_of_this_machine_goes_into_a_model(unet: Model, pair: Model) -> None:
    homes = {str(Path(module.__file__ or "").resolve().parents[1]).encode() for module in (hdrcli, torch, np)}
    for model in (unet, pair):
        for path in model.folder.iterdir():
            assert not any(home in path.read_bytes() for home in homes), path.name


def test_the_pair_becomes_two_graphs(pair: Model) -> None:
    assert [(graph.file, graph.output) for graph in pair.manifest.graphs] == [
        ("low.onnx", "low"),
        ("high.onnx", "high"),
    ]
    assert pair.manifest.output_names == ("low.exposure", "high.exposure")
    assert (pair.manifest.border, pair.manifest.border_exact) == ((4, 2), (69, 69))
    assert (pair.manifest.parameters, pair.manifest.macs_per_pixel) == (389_634, 388_224)
    assert pair.manifest.config["skip"] == "B"
    network = random_network("dualisonet-dsc")
    mosaic, estimate = torch.rand(2, 1, 1, 24, 20)
    outputs = Session(pair, device="cpu", threads=1).run({"mosaic": mosaic.numpy(), "estimate": estimate.numpy()})
    for output, expected in zip(outputs, network(mosaic, estimate), strict=True):
        np.testing.assert_allclose(output, expected.numpy(), atol=1e-4)
    assert check_model(pair) <= 1e-4


@pytest.mark.parametrize(("name", "config"), [("dualiso-unet", TINY), ("dualisonet-dsc", None)])
def test_weights_come_back_from_the_graphs_by_name(
    request: pytest.FixtureRequest, name: str, config: dict[str, Any] | None
) -> None:
    model = request.getfixturevalue("unet" if config else "pair")
    weights = model_weights(model)
    for key, value in random_network(name, config).state_dict().items():
        assert torch.equal(weights[key], value), key


def test_a_model_is_replaced_only_when_asked_and_keeps_its_card_and_figures(
    folder: Path, unet: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = folder / "unet.pt"
    with pytest.raises(OutputError, match="--overwrite"):
        export(checkpoint, unet.folder, ExportSettings())
    (unet.folder / "CARD.md").write_text("by hand")
    content = json.loads((unet.folder / "manifest.json").read_text())
    content["metrics"]["val"] = {"picture": 41}
    (unet.folder / "manifest.json").write_text(json.dumps(content))
    graph = onnx.load(unet.folder / "model.onnx")  # what torch would make of it again in some seconds
    monkeypatch.setattr(exporting, "onnx_graph", lambda *_, **__: graph)
    again = export(checkpoint, unet.folder, ExportSettings(version="1.2.1", tile=(64, 64)), overwrite=True)
    assert (unet.folder / "CARD.md").read_text() == "by hand"
    assert (again.manifest.version, again.manifest.tile) == ("1.2.1", (64, 64))
    assert again.manifest.metrics["val"] == {"picture": 41}
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_another_answer_of_the_runtime_is_refused(folder: Path, unet: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    graph = onnx.load(unet.folder / "model.onnx")
    bias = next(tensor for tensor in graph.graph.initializer if tensor.name == "tail.bias")
    bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + np.float32(0.01), bias.name))
    monkeypatch.setattr(exporting, "onnx_graph", lambda *_, **__: graph)
    with pytest.raises(ModelError, match=r"differ by 0\.0003 in 'rgb'"):
        export(folder / "unet.pt", folder / "refused", ExportSettings(tile=(32, 32)))
    assert not (folder / "refused").exists()


def test_the_data_are_named_by_their_shards(tmp_path: Path, pictures: list[Picture]) -> None:
    (shard,) = write_shards(pictures, tmp_path)
    content = {"facts": {}, "counts": {"seconds": 1.6, "step": 2, "samples": 16}}
    facts = exporting.training_facts(content, shards=[shard])
    assert facts == {"seconds": 2, "steps": 2, "samples": 16, "data": [shard_facts(shard)]}


def test_sample_planes_are_seeded_and_textured() -> None:
    one, again = (sample_planes(64, 72) for _ in range(2))
    assert one.shape == (2, 6, 64, 72)
    assert torch.equal(one, again)
    assert float(one[:, 1:4].std()) > 0.05
    form = form_of("dualisonet-dsc")
    assert [tuple(value.shape) for value in form.feed(one)] == [(2, 1, 64, 72)] * 2


@pytest.mark.parametrize(
    ("name", "settings", "error", "message"),
    [
        ("Big Name", ExportSettings(), UsageError, "lower-case"),
        ("x", ExportSettings(version="one"), UsageError, "three numbers"),
        ("x", ExportSettings(tile=(8, 8)), UsageError, "no room"),
    ],
)
def test_what_makes_no_model_is_refused(
    folder: Path, unet: Model, name: str, settings: ExportSettings, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        export(folder / "unet.pt", folder / name, settings)
    assert not (folder / name).exists()


def test_checkpoints_without_a_network_are_refused(tmp_path: Path) -> None:
    network = random_network("dualiso-unet", TINY)
    with pytest.raises(UnreadableFileError):
        export(tmp_path / "gone.pt", tmp_path / "x", ExportSettings())
    state = State.fresh(network, learning_rate=1e-3)
    state.save(tmp_path / "x.pt")
    with pytest.raises(ModelError, match="does not say"):
        export(tmp_path / "x.pt", tmp_path / "x", ExportSettings())
    save(tmp_path / "y.pt", network, config={"widths": [16, 8, 8]})
    with pytest.raises(ModelError, match="another network"):
        export(tmp_path / "y.pt", tmp_path / "x", ExportSettings())
