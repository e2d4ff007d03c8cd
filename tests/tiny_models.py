"""Models small enough to be made where they are tested."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
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


def mixture(
    inputs: Mapping[str, int],
    output: str,
    weights: NDArray[np.floating],
    *,
    cell: Sequence[Sequence[float]] = ((0, 0),),
) -> bytes:
    """Return an ONNX graph that answers every pixel by a mixture of the channels of its inputs.

    Parameters
    ----------
    inputs : mapping of str to int
        Name and channels of each input, all (n, C, h, w).
    output : str
    weights : ndarray (K, C), or (K, C, side, side)
        Of all channels, in the order of the inputs; a window sees zeros beyond the edge.
    cell : sequence of sequences of float
        Added to all channels of the answer over and over, from its first row and column on; h and w are multiples of
        its size.
    """
    from onnx import TensorProto, helper, numpy_helper

    window = np.asarray(weights, np.float32)
    window = window[:, :, None, None] if window.ndim == 2 else window
    constant = np.asarray(cell, np.float32)[None, None]
    ends = {
        name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, "h", "w"])
        for name, channels in (*inputs.items(), (output, len(window)))
    }
    steps = list(constant.shape[2:])
    nodes = [
        helper.make_node("Concat", list(inputs), ["all"], axis=1),
        helper.make_node("Conv", ["all", "weights"], ["mixed"], pads=[window.shape[2] // 2] * 4),
        # A one on every cell, spread over it.
        helper.make_node("Conv", ["all", "nothing", "one"], ["cells"], strides=steps),
        helper.make_node("ConvTranspose", ["cells", "cell"], ["constant"], strides=steps),
        helper.make_node("Add", ["mixed", "constant"], [output]),
    ]
    arrays = {
        "weights": window,
        "nothing": np.zeros((1, window.shape[1], *steps), np.float32),
        "one": np.ones(1, np.float32),
        "cell": constant,
    }
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(nodes, "mixture", [ends[name] for name in inputs], [ends[output]], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def joint_facts(channels: int = 3) -> dict[str, Any]:
    """Return what a manifest says of inputs and outputs where planes become a scene."""
    return {
        "inputs": [{"name": "planes", "dtype": "float32", "shape": ["n", 6, "h", "w"]}],
        "outputs": [{"name": "rgb", "dtype": "float32", "shape": ["n", channels, "h", "w"]}],
    }


def joint_graph(weights: NDArray[np.floating] | None = None, *, cell: Sequence[Sequence[float]] = ((0, 0),)) -> bytes:
    """Return the graph of a deinterlacing network that answers with all colours; without weights the classical ones."""
    return mixture({"planes": 6}, "rgb", np.eye(3, 6, 1) if weights is None else weights, cell=cell)


def exposures_facts() -> dict[str, Any]:
    """Return what a manifest says of inputs and outputs where a mosaic and its estimate become an exposure."""
    tensors = {
        name: {"name": name, "dtype": "float32", "shape": ["n", 1, "h", "w"]}
        for name in ("mosaic", "estimate", "exposure")
    }
    return {"inputs": [tensors["mosaic"], tensors["estimate"]], "outputs": [tensors["exposure"]]}


def exposure_graph(weights: Sequence[float] = (0, 1), *, cell: Sequence[Sequence[float]] = ((0, 0),)) -> bytes:
    """Return one graph of a pair that answers with exposures; without weights it is the classical estimate."""
    return mixture({"mosaic": 1, "estimate": 1}, "exposure", np.array([weights]), cell=cell)


def two_stage_facts() -> dict[str, Any]:
    """Return what a manifest says where codes become encoded light."""
    tensors = {name: {"name": name, "dtype": "float32", "shape": ["n", 3, "h", "w"]} for name in ("ldr", "hdr")}
    return {"task": "single", "inputs": [tensors["ldr"]], "outputs": [tensors["hdr"]], "period": 1, "multiple": 1}


def surroundings_graph(
    maps: NDArray[np.floating], curve: NDArray[np.floating], tilt: NDArray[np.floating] | None = None
) -> bytes:
    """Return an ONNX graph `planes`, `levels` -> `curve`, `maps`.

    Parameters
    ----------
    maps : ndarray (M, P)
        Each map as a mixture of the P planes (n, P, h, w).
    curve, tilt : ndarray (K,)
        The answer is the curve, plus the mean of the levels (n, S, L) times the tilt.
    """
    from onnx import TensorProto, helper, numpy_helper

    shapes: dict[str, list[str | int]] = {
        "planes": ["n", maps.shape[1], "h", "w"],
        "levels": ["n", "s", "l"],
        "curve": ["n", len(curve)],
        "maps": ["n", len(maps), "h", "w"],
    }
    ends = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()}
    nodes = [
        helper.make_node("Conv", ["planes", "weights"], ["maps"]),
        helper.make_node("ReduceMean", ["levels", "all"], ["mean"], keepdims=1),
        helper.make_node("Reshape", ["mean", "flat"], ["column"]),
        helper.make_node("Mul", ["column", "tilt"], ["tilted"]),
        helper.make_node("Add", ["tilted", "knots"], ["curve"]),
    ]
    arrays = {
        "weights": np.asarray(maps, np.float32)[:, :, None, None],
        "all": np.array([1, 2]),
        "flat": np.array([-1, 1]),
        "tilt": np.asarray(np.zeros(len(curve)) if tilt is None else tilt, np.float32)[None],
        "knots": np.asarray(curve, np.float32)[None],
    }
    tensors = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    graph = helper.make_graph(
        nodes, "surroundings", [ends["planes"], ends["levels"]], [ends["curve"], ends["maps"]], tensors
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def surroundings_facts() -> dict[str, Any]:
    """Return what the manifest of `surroundings_graph` says."""
    shapes = {"planes": ["n", 11, "h", "w"], "levels": ["n", 7, 24], "curve": ["n", 33], "maps": ["n", 3, "h", "w"]}
    planes, levels, curve, maps = ({"name": name, "dtype": "float32", "shape": s} for name, s in shapes.items())
    return {"task": "single", "inputs": [planes, levels], "outputs": [curve, maps], "period": 1, "multiple": 8}


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
