"""The manifest beside the graphs of a network: everything a program has to know of it (NETWORKS.md 0.2)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from hdrcli.errors import ModelError

Parsed = TypeVar("Parsed")

TASKS = ("deinterlace", "single", "stack", "burst", "video")
DTYPES = ("float32", "float16", "int64")
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Tensor:
    """An input or an output of a network.

    Attributes
    ----------
    name : str
        As in the graph.
    dtype : str
        "float32", "float16" or "int64".
    shape : tuple of int or str
        Symbolic axes by name: ("n", 6, "h", "w").
    channels : tuple of str
        What each channel is, in order.
    range : tuple of 2 float or None
        Least and largest value, None where there is no bound.
    encoding, domain, unit : str
        "linear", "asinh", "gamma 2.24"; "bayer rggb", "camera rgb"; what a 1.0 is.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    channels: tuple[str, ...] = ()
    range: tuple[float | None, float | None] = (None, None)
    encoding: str = ""
    domain: str = ""
    unit: str = ""


@dataclass(frozen=True)
class Graph:
    """One ONNX file of a model. All graphs of a model take the same inputs.

    Attributes
    ----------
    file : str
        Name of the file in the model's folder.
    sha256 : str
        Of the file, in lower-case hexadecimal digits.
    bytes : int
        Its size.
    output : str
        What it is for where there are several ("low", "high").
    """

    file: str
    sha256: str
    bytes: int
    output: str = ""


@dataclass(frozen=True)
class Check:
    """What `check.npz` is worth.

    Attributes
    ----------
    sha256 : str
    tolerance : float
        Largest difference between the stored and the computed outputs.
    """

    sha256: str
    tolerance: float


@dataclass(frozen=True)
class Manifest:
    """What a network is.

    Attributes
    ----------
    name, version, task : str
        The task is one of `TASKS`.
    graphs : tuple of Graph
    inputs, outputs : tuple of Tensor
        Of each graph.
    opset : int
        Version of the ONNX operators.
    period : tuple of 2 int
        Rows and columns after which what the network sees repeats.
    multiple : tuple of 2 int
        What height and width must be divisible by.
    tile, border : tuple of 2 int
        Height and width of tiles and of the part at each edge that is not used; what serves best.
    border_exact : tuple of 2 int or None
        The border with which tiles equal the whole picture; None where there is none.
    description : str
        One line for people.
    default_for : str
        The task for which it is used where no model is asked for; empty for all other models.
    paper, variant, licence, normalisation, producer : str
    ir_version : int
    config, training, metrics : mapping
        As in the file: what it takes to build the network again; how it was trained; figures by name.
    state : tuple of mapping
        Inputs that are outputs of the call before.
    macs_per_pixel, parameters : int
        Counted at export, over all graphs; 0 where unknown.
    check : Check or None
    """

    name: str
    version: str
    task: str
    graphs: tuple[Graph, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    opset: int
    period: tuple[int, int]
    multiple: tuple[int, int]
    tile: tuple[int, int]
    border: tuple[int, int]
    border_exact: tuple[int, int] | None = None
    description: str = ""
    default_for: str = ""
    paper: str = ""
    variant: str = ""
    licence: str = ""
    normalisation: str = ""
    producer: str = ""
    ir_version: int = 0
    macs_per_pixel: int = 0
    parameters: int = 0
    config: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    training: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    metrics: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)
    state: tuple[Mapping[str, Any], ...] = ()
    check: Check | None = None

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of all outputs, graph by graph; with several graphs "ROLE.NAME" ("low.exposure")."""
        if len(self.graphs) == 1:
            return tuple(output.name for output in self.outputs)
        return tuple(f"{graph.output}.{output.name}" for graph in self.graphs for output in self.outputs)


def parse_manifest(content: object) -> Manifest:
    """Return the manifest that JSON describes.

    Parameters
    ----------
    content : object
        What `json.loads` gives.

    Returns
    -------
    Manifest

    Raises
    ------
    ModelError
        When a key is missing or has a value that makes no sense; the message names it.
    """
    if not isinstance(content, dict):
        raise ModelError("it must be a JSON object.")
    entry = _Entry(content, "")
    manifest = Manifest(
        name=entry.get("name", _name),
        version=entry.get("version", _text),
        task=entry.get("task", _task),
        graphs=entry.each("graphs", _graph),
        inputs=entry.each("inputs", _tensor),
        outputs=entry.each("outputs", _tensor),
        opset=entry.get("opset", _count),
        period=entry.get("period", _positive_pair),
        multiple=entry.get("multiple", _positive_pair),
        tile=entry.get("tile", _positive_pair),
        border=entry.get("border", _pair),
        border_exact=entry.get("border_exact", _pair, None),
        default_for=entry.get("default_for", _task, ""),
        ir_version=entry.get("ir_version", _count, 0),
        macs_per_pixel=entry.get("macs_per_pixel", _count, 0),
        parameters=entry.get("parameters", _count, 0),
        config=entry.get("config", _mapping, _NOTHING),
        training=entry.get("training", _mapping, _NOTHING),
        metrics=entry.get("metrics", _mapping, _NOTHING),
        state=entry.each("state", lambda state: _mapping(state.content)) if "state" in content else (),
        check=_check(_Entry(content["check"], "check")) if content.get("check") else None,
        **{
            key: entry.get(key, _text, "")
            for key in ("description", "paper", "variant", "licence", "normalisation", "producer")
        },
    )
    if len({graph.output for graph in manifest.graphs}) < len(manifest.graphs):
        raise ModelError("each of several 'graphs' needs an 'output' of its own, such as 'low' and 'high'.")
    if not (manifest.graphs and manifest.inputs and manifest.outputs):
        raise ModelError("'graphs', 'inputs' and 'outputs' must each hold something.")
    return manifest


class _Entry:
    """A JSON object, and where in the manifest it stands."""

    def __init__(self, content: Any, place: str) -> None:
        if not isinstance(content, dict):
            raise ModelError(f"{place!r} must hold objects.")
        self.content: dict[str, Any] = content
        self.place = place

    def get(self, key: str, parse: Callable[[Any], Parsed], *default: Parsed | Any) -> Parsed:
        """Return the value of a key; without a default it must be there, with one it may be null."""
        value = self.content.get(key)
        where = f"{self.place}.{key}" if self.place else key
        if value is None:
            if default:
                result: Parsed = default[0]
                return result
            raise ModelError(f"it lacks {where!r}.")
        try:
            return parse(value)
        except (TypeError, ValueError) as error:
            shown = repr(value) if len(repr(value)) < 60 else "what it holds"
            raise ModelError(f"{where!r} cannot be {shown}{f' ({error})' if str(error) else ''}.") from error

    def each(self, key: str, parse: Callable[[_Entry], Parsed]) -> tuple[Parsed, ...]:
        """Return the parsed objects of a list."""
        values = self.get(key, _list)
        return tuple(parse(_Entry(value, key)) for value in values)


def _tensor(entry: _Entry) -> Tensor:
    return Tensor(
        name=entry.get("name", _text),
        dtype=entry.get("dtype", _dtype),
        shape=entry.get("shape", _shape),
        channels=entry.get("channels", lambda value: tuple(map(_text, _list(value))), ()),
        range=entry.get("range", _range, (None, None)),
        encoding=entry.get("encoding", _text, ""),
        domain=entry.get("domain", _text, ""),
        unit=entry.get("unit", _text, ""),
    )


def _graph(entry: _Entry) -> Graph:
    return Graph(
        file=entry.get("file", _file),
        sha256=entry.get("sha256", _sha256),
        bytes=entry.get("bytes", _count),
        output=entry.get("output", _text, ""),
    )


def _check(entry: _Entry) -> Check:
    return Check(entry.get("sha256", _sha256), entry.get("tolerance", _positive))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("text is wanted")
    return value


def _name(value: Any) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", _text(value)) or value == "none":
        raise ValueError("lower-case letters, digits, dots and hyphens are wanted")
    return _text(value)


def _file(value: Any) -> str:
    """Take the name of a file in the model's own folder only."""
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", _text(value)):
        raise ValueError("the name of a file in the same folder is wanted")
    return _text(value)


def _sha256(value: Any) -> str:
    if not re.fullmatch(r"[0-9a-f]{64}", _text(value)):
        raise ValueError("64 hexadecimal digits are wanted")
    return _text(value)


def _task(value: Any) -> str:
    return _one_of(value, TASKS)


def _dtype(value: Any) -> str:
    return _one_of(value, DTYPES)


def _one_of(value: Any, words: tuple[str, ...]) -> str:
    if value not in words:
        raise ValueError(f"one of {', '.join(words)} is wanted")
    return _text(value)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a whole number is wanted")
    return value


def _positive(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise ValueError("a number above 0 is wanted")
    return float(value)


def _pair(value: Any) -> tuple[int, int]:
    """Take rows and columns, or one number for both."""
    rows, columns = (value, value) if isinstance(value, int) else _list(value)
    return _count(rows), _count(columns)


def _positive_pair(value: Any) -> tuple[int, int]:
    pair = _pair(value)
    if 0 in pair:
        raise ValueError("numbers above 0 are wanted")
    return pair


def _range(value: Any) -> tuple[float | None, float | None]:
    low, high = (None if bound is None else float(bound) for bound in _list(value))
    return low, high


def _shape(value: Any) -> tuple[int | str, ...]:
    return tuple(axis if isinstance(axis, str) else _count(axis) for axis in _list(value))


def _mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("an object is wanted")
    return MappingProxyType(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a list is wanted")
    return value
