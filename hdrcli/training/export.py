"""From a checkpoint to the folder of a model: graphs, manifest, check; refused where ONNX Runtime disagrees with torch.

    model.onnx      or low.onnx and high.onnx
    manifest.json   `hdrcli.inference.manifest`
    check.npz       inputs made of a seeded capture, and the outputs to expect

A CARD.md is written by hand; none is made, and one that is there stays.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from hdrcli import __version__
from hdrcli.errors import ModelError, OutputError, UsageError
from hdrcli.inference.check import check_model
from hdrcli.inference.registry import CHECK, MANIFEST, Model, find_model
from hdrcli.inference.session import Session
from hdrcli.training.fit import load_weights, read_checkpoint
from hdrcli.training.forms import Form, form_of
from hdrcli.training.networks import build_network, network_config, parameter_count
from hdrcli.training.samples import SEED
from hdrcli.training.shards import shard_facts
from hdrcli.training.structure import measure_border, multiply_accumulates, per_pixel, reach

OPSET = 20
TOLERANCE = 1e-4
"""Largest difference between ONNX Runtime and torch, in compressed units."""

_CHECK_SIZE = 64
_COUNT_SIZE = 256
_LICENCE = "MIT"


@dataclass(frozen=True)
class ExportSettings:
    """What the manifest says that a checkpoint does not know.

    Attributes
    ----------
    version : str
    default : bool
        The model is used where none is asked for.
    tile, border : tuple of 2 int, or None
        Those of the network's form, and the measured one, where None.
    shards : sequence of Path
        What it was trained on, where the checkpoint does not say.
    """

    version: str = "1.0.0"
    default: bool = False
    tile: tuple[int, int] | None = None
    border: tuple[int, int] | None = None
    shards: Sequence[Path] = ()


def export(checkpoint: Path, folder: Path, settings: ExportSettings, *, overwrite: bool = False) -> Model:
    """Write a model.

    Parameters
    ----------
    checkpoint : Path
        Of `fit`; its averaged weights are exported.
    folder : Path
        Of the model, which gets its name; made where it is missing.
    settings : ExportSettings
    overwrite : bool
        Whether a model that is there may be replaced. Its card stays, and so do the metrics in its manifest if its
        graphs come out as they are.

    Raises
    ------
    OutputError
        When there is a model in the folder.
    UnreadableFileError
        When the checkpoint cannot be read.
    ModelError
        When the checkpoint is of another network, or ONNX Runtime and torch disagree.
    """
    if (folder / MANIFEST).exists() and not overwrite:
        raise OutputError(f"There is a model in {str(folder)!r} already; give another folder, or --overwrite.")
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", folder.resolve().name):
        raise UsageError(
            f"A model is called by lower-case letters, digits, dots and hyphens, not {folder.resolve().name!r}."
        )
    if not re.fullmatch(r"\d+\.\d+\.\d+", settings.version):
        raise UsageError(f"A version has three numbers, such as 1.0.0, not {settings.version!r}.")
    content = read_checkpoint(checkpoint)
    facts: Mapping[str, Any] = content.get("facts", {})
    if "network" not in facts:
        raise ModelError(f"The checkpoint {str(checkpoint)!r} does not say of which network it is.")
    name = str(facts["network"])
    form = form_of(name)
    _check_tiles(form, settings)
    network = build_network(name, facts.get("config"))
    load_weights(network, content["mean"], source=str(checkpoint))
    network.eval().requires_grad_(False)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".hdrcli-", dir=folder.parent) as temporary:
            work = Path(temporary) / folder.resolve().name
            work.mkdir()
            training = training_facts(content, shards=settings.shards)
            _write(
                work, form, network, settings, config={"network": name, **network_config(network)}, training=training
            )
            _keep_metrics(work, folder)
            model = find_model(str(work))
            check_model(model)
            folder.mkdir(exist_ok=True)
            for path in sorted(folder.glob("*.onnx")):
                path.unlink()
            for path in work.iterdir():
                path.replace(folder / path.name)
    except OSError as error:
        if isinstance(error, OutputError):
            raise
        raise OutputError(f"{str(folder)!r} cannot be written: {error.strerror}.") from error
    return find_model(str(folder))


def _check_tiles(form: Form, settings: ExportSettings) -> None:
    """Refuse tiles without room for one multiple between their borders, and tiles of what has none."""
    if not form.tiled and (settings.tile or settings.border):
        raise UsageError("This network sees a picture as a whole; it has neither tiles nor a border.")
    tile, border = settings.tile or form.tile, settings.border or (0, 0)
    for length, margin, step in zip(tile, border, form.multiple, strict=True):
        if length < step + 2 * (-(-margin // step) * step):
            raise UsageError(
                f"A tile of {tile[0]} x {tile[1]} has no room for borders of {border[0]} x {border[1]} and at least "
                f"{form.multiple[0]} x {form.multiple[1]} between them."
            )


def training_facts(content: Mapping[str, Any], *, shards: Sequence[Path] = ()) -> dict[str, Any]:
    """Return what a checkpoint says of its training, for a manifest."""
    facts = dict(content.get("facts", {}))
    counts = content["counts"]
    known = ("seed", "options", "settings", "device", "precision", "torch", "commit", "start", "data")
    training = {key: facts[key] for key in known if key in facts}
    if shards:
        training["data"] = [shard_facts(path) for path in shards]
    return {"seconds": round(counts["seconds"]), "steps": counts["step"], "samples": counts["samples"], **training}


def model_weights(model: Model) -> dict[str, Tensor]:
    """Return the weights in the graphs of a model by the names they had in torch.

    Raises
    ------
    ModelError
        When a graph cannot be read.
    """
    import onnx

    weights: dict[str, Tensor] = {}
    for graph in model.manifest.graphs:
        try:
            content = onnx.load_from_string(model.read_graph(graph))
        except Exception as error:  # protobuf's errors have no common root
            if isinstance(error, ModelError):
                raise
            raise ModelError(f"The graph {graph.file!r} of the model {model.name!r} cannot be read.") from error
        for tensor in content.graph.initializer:
            weights[tensor.name] = torch.from_numpy(onnx.numpy_helper.to_array(tensor).copy())
    return weights


def onnx_graph(network: nn.Module, inputs: Sequence[Tensor], *, names: Sequence[str], outputs: Sequence[str]) -> Any:
    """Return a network as an onnx.ModelProto with dynamic batch and, of pictures, dynamic height and width.

    Parameters
    ----------
    network : Module
    inputs : sequence of Tensor
        Of any legal size, with a batch of 2 or more; pictures have four axes.
    names, outputs : sequence of str
        Of the inputs and of the outputs.
    """
    import onnx

    dynamic = torch.export.Dim.DYNAMIC
    batch = torch.export.Dim("n")
    axes = tuple({0: batch, 2: dynamic, 3: dynamic} if value.ndim == 4 else {0: batch} for value in inputs)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network,
            tuple(inputs),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(names),
            output_names=list(outputs),
            dynamic_shapes=axes,
            external_data=False,
            verbose=False,
        )
    assert program is not None  # what dynamo=True returns
    proto = program.model_proto
    _clean(proto)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _clean(proto: Any) -> None:
    """Name the axes, and drop what torch notes about its own source files and those of this machine."""
    del proto.metadata_props[:]
    proto.doc_string = ""
    graph = proto.graph
    del graph.value_info[:]
    del graph.metadata_props[:]
    for part in (*graph.node, *graph.initializer, *graph.input, *graph.output):
        del part.metadata_props[:]
        part.doc_string = ""
    for value in (*graph.input, *graph.output):
        axes = value.type.tensor_type.shape.dim
        for axis, label in ((0, "n"), (2, "h"), (3, "w"))[: 3 if len(axes) == 4 else 1]:
            axes[axis].dim_param = label


def _write(
    folder: Path,
    form: Form,
    network: nn.Module,
    settings: ExportSettings,
    *,
    config: Mapping[str, Any],
    training: Mapping[str, Any],
) -> None:
    """Write all files of a model into an empty folder and hold the graphs against the network."""
    graphs = _write_graphs(folder, form, network)
    arrays = {name: array for graph in graphs for name, array in graph.arrays.items()}
    stored = io.BytesIO()
    np.savez_compressed(stored, **arrays)  # type: ignore[arg-type]
    (folder / CHECK).write_bytes(stored.getvalue())
    manifest = {
        "name": folder.name,
        "version": settings.version,
        **_stated(form, network, settings),
        "config": dict(config),
        "graphs": [graph.entry for graph in graphs],
        "ir_version": graphs[0].ir_version,
        **_measured(form, network, settings),
        "training": dict(training),
        "check": {"sha256": hashlib.sha256(stored.getvalue()).hexdigest(), "tolerance": TOLERANCE},
        "licence": _LICENCE,
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    _compare(find_model(str(folder)), form, network)


@dataclass(frozen=True)
class _Written:
    """A graph on disk: what the manifest says of it, and the arrays that it is checked by."""

    entry: dict[str, Any]
    ir_version: int
    arrays: dict[str, NDArray[np.float32]]


def _write_graphs(folder: Path, form: Form, network: nn.Module) -> list[_Written]:
    inputs = form.feed(form.sample(_CHECK_SIZE, _CHECK_SIZE, SEED))
    modules = form.graphs(network)
    return [
        _write_graph(folder, module, inputs, form=form, role=role, several=len(modules) > 1)
        for role, module in modules.items()
    ]


def _write_graph(
    folder: Path, module: nn.Module, inputs: Sequence[Tensor], *, form: Form, role: str, several: bool
) -> _Written:
    """Write one graph; several with equal outputs are told apart by their roles."""
    names, outputs = ([str(tensor["name"]) for tensor in tensors] for tensors in (form.inputs, form.outputs))
    proto = onnx_graph(module, inputs, names=names, outputs=outputs)
    content = proto.SerializeToString()
    entry: dict[str, Any] = {"file": f"{role or 'model'}.onnx", "sha256": hashlib.sha256(content).hexdigest()}
    entry |= {"bytes": len(content), **({"output": role} if role else {})}
    (folder / entry["file"]).write_bytes(content)
    with torch.no_grad():
        answers = _tensors(module(*(value[:1] for value in inputs)))
    arrays = {name: value[:1].numpy() for name, value in zip(names, inputs, strict=True)}
    for name, answer in zip(outputs, answers, strict=True):
        arrays[f"{role}.{name}" if several else name] = answer.numpy()
    return _Written(entry, proto.ir_version, arrays)


class _Together(nn.Module):
    """All graphs as one network."""

    def __init__(self, graphs: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.graphs = nn.ModuleList(graphs.values())

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(answer for graph in self.graphs for answer in _tensors(graph(*inputs)))


def _tensors(answer: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    return [answer] if isinstance(answer, Tensor) else answer


def _stated(form: Form, network: nn.Module, settings: ExportSettings) -> dict[str, Any]:
    stated: dict[str, Any] = {
        "task": form.task,
        "description": form.description,
        "paper": form.paper,
        "variant": form.variant,
        "inputs": [dict(tensor) for tensor in form.inputs],
        "outputs": [dict(tensor) for tensor in form.outputs],
        "normalisation": form.normalisation,
        "opset": OPSET,
        "producer": f"hdrcli {__version__}, torch {torch.__version__}",
        "parameters": parameter_count(network),
    }
    if settings.default:
        stated["default_for"] = form.task
    return stated


def _measured(form: Form, network: nn.Module, settings: ExportSettings) -> dict[str, Any]:
    together = _Together(form.graphs(network))
    channels = form.sample(_CHECK_SIZE, _CHECK_SIZE, SEED).shape[1]
    inputs = form.feed(torch.zeros(1, channels, _COUNT_SIZE, _COUNT_SIZE))
    height, width = inputs[0].shape[2:]
    counted = {
        "period": list(form.period),
        "multiple": list(form.multiple),
        "macs_per_pixel": per_pixel(multiply_accumulates(together, inputs), pixels=height * width),
    }
    if not form.tiled:
        return {**counted, "tile": list(form.tile), "border": [0, 0], "border_exact": None}
    return {**counted, **_measured_tiles(form, together, settings, channels=channels)}


def _measured_tiles(form: Form, network: nn.Module, settings: ExportSettings, *, channels: int) -> dict[str, Any]:
    tile = settings.tile or form.tile
    exact = reach(network, form.feed, channels=channels, multiple=form.multiple)
    height, width = (
        -(-(length + 2 * far + 2 * step) // step) * step
        for length, far, step in zip(tile, exact, form.multiple, strict=True)
    )
    sample = form.sample(height, width, SEED)
    border, error = measure_border(network, form.feed, sample, multiple=form.multiple, tile=tile)
    return {
        "tile": list(tile),
        "border": list(settings.border or border),
        "border_exact": list(exact),
        "metrics": {"tiles": {"border": list(border), "difference to the whole, p99.9": float(f"{error:.3g}")}},
    }


def _compare(model: Model, form: Form, network: nn.Module) -> None:
    """Raise ModelError where ONNX Runtime and torch differ, on two pictures of another shape than the check's."""
    height, width = (_CHECK_SIZE + more * step for more, step in zip((2, 5), form.multiple, strict=True))
    inputs = form.feed(form.sample(height, width, SEED + 1))
    feed = {tensor.name: value.numpy() for tensor, value in zip(model.manifest.inputs, inputs, strict=True)}
    outputs = Session(model, device="cpu", threads=1).run(feed)
    with torch.no_grad():
        expected = _Together(form.graphs(network))(*inputs)
    for name, output, right in zip(model.manifest.output_names, outputs, expected, strict=True):
        difference = float(np.abs(output - right.numpy()).max())
        if not difference <= TOLERANCE:
            raise ModelError(
                f"ONNX Runtime and torch differ by {difference:.2g} in {name!r}; {TOLERANCE:.0e} is allowed. "
                "Nothing was written."
            )


def _keep_metrics(work: Path, folder: Path) -> None:
    """Take over the metrics of a model with the same graphs."""
    try:
        old, new = (json.loads((where / MANIFEST).read_text(encoding="utf-8")) for where in (folder, work))
    except (OSError, ValueError):
        return
    if isinstance(old, dict) and old.get("graphs") == new["graphs"]:
        new["metrics"] = {**old.get("metrics", {}), **new.get("metrics", {})}
        (work / MANIFEST).write_text(json.dumps(new, indent=2) + "\n", encoding="utf-8")
