"""Models small enough to be made where they are tested."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def convolution(*, radius: int = 1, inputs: int = 1, outputs: int = 1, seed: int = 0, opset: int = 20) -> bytes:
    """Return an ONNX graph `x` (n, inputs, h, w) -> `y` (n, outputs, h, w): one convolution, zeros beyond the edge."""
    from onnx import TensorProto, helper, numpy_helper

    side = 2 * radius + 1
    weights = np.random.default_rng(seed).normal(size=(outputs, inputs, side, side)).astype(np.float32)
    shapes = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, "h", "w"])
        for name, channels in (("x", inputs), ("y", outputs))
    ]
    node = helper.make_node("Conv", ["x", "weights"], ["y"], pads=[radius] * 4)
    graph = helper.make_graph([node], "tiny", shapes[:1], shapes[1:], [numpy_helper.from_array(weights, "weights")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def facts(graphs: Mapping[str, bytes], *, inputs: int = 1, outputs: int = 1, **others: Any) -> dict[str, Any]:
    """Return a manifest for graphs by file name; `others` replace or add keys, None leaves one out."""
    tensors = {
        name: {"name": name, "dtype": "float32", "shape": ["n", channels, "h", "w"], "encoding": "linear"}
        for name, channels in (("x", inputs), ("y", outputs))
    }
    content = {
        "name": "tiny",
        "version": "1.0.0",
        "task": "deinterlace",
        "description": "One convolution.",
        "graphs": [
            {
                "file": file,
                "sha256": hashlib.sha256(graph).hexdigest(),
                "bytes": len(graph),
                "output": file.removesuffix(".onnx"),
            }
            for file, graph in graphs.items()
        ],
        "inputs": [tensors["x"]],
        "outputs": [tensors["y"]],
        "opset": 20,
        "period": [4, 2],
        "multiple": [4, 2],
        "tile": 32,
        "border": 4,
        "parameters": 9,
        **others,
    }
    return {key: value for key, value in content.items() if value is not None}


def write_model(
    folder: Path,
    *,
    graphs: Mapping[str, bytes] | None = None,
    check: Mapping[str, NDArray[Any]] | None = None,
    **others: Any,
) -> Path:
    """Write a model to `folder`, which is made; return the folder."""
    folder.mkdir(parents=True)
    graphs = {"model.onnx": convolution()} if graphs is None else graphs
    for file, graph in graphs.items():
        (folder / file).write_bytes(graph)
    if check is not None:
        np.savez(folder / "check.npz", **check)
        digest = hashlib.sha256((folder / "check.npz").read_bytes()).hexdigest()
        others = {"check": {"sha256": digest, "tolerance": 1e-4}, **others}
    (folder / "manifest.json").write_text(json.dumps(facts(graphs, **others)), encoding="utf-8")
    return folder
