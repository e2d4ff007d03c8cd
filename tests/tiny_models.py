"""Models small enough to be made where they are tested."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


def kernel(*, radius: int = 1, seed: int = 0) -> NDArray[np.float32]:
    """Return the weights of `convolution`, (1, 1, side, side)."""
    side = 2 * radius + 1
    return np.random.default_rng(seed).normal(size=(1, 1, side, side)).astype(np.float32)


def convolution(*, radius: int = 1, seed: int = 0, opset: int = 20, ir_version: int = 10) -> bytes:
    """Return an ONNX graph `x` -> `y`, both (n, 1, h, w): one convolution with zeros beyond the edge."""
    from onnx import TensorProto, helper, numpy_helper

    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 1, "h", "w"]) for name in "xy")
    node = helper.make_node("Conv", ["x", "weights"], ["y"], pads=[radius] * 4)
    weights = numpy_helper.from_array(kernel(radius=radius, seed=seed), "weights")
    graph = helper.make_graph([node], "tiny", [x], [y], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    content: bytes = model.SerializeToString()
    return content


def facts(files: Mapping[str, bytes], **others: Any) -> dict[str, Any]:
    """Return a manifest for graphs by file name; `others` replace or add keys, None leaves one out."""
    tensors = {
        name: {"name": name, "dtype": "float32", "shape": ["n", 1, "h", "w"], "encoding": "linear"} for name in "xy"
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
            for file, graph in files.items()
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
    files: Mapping[str, bytes] | None = None,
    arrays: Mapping[str, NDArray[Any]] | None = None,
    **others: Any,
) -> Path:
    """Write a model to `folder`, which is made; return the folder.

    `files` are its graphs, `arrays` go into its check, `others` are as for `facts`.
    """
    folder.mkdir(parents=True)
    files = {"model.onnx": convolution()} if files is None else files
    for file, graph in files.items():
        (folder / file).write_bytes(graph)
    if arrays is not None:
        np.savez(folder / "check.npz", **arrays)
        digest = hashlib.sha256((folder / "check.npz").read_bytes()).hexdigest()
        others = {"check": {"sha256": digest, "tolerance": 1e-4}, **others}
    (folder / "manifest.json").write_text(json.dumps(facts(files, **others)), encoding="utf-8")
    return folder
