"""Which networks there are: folders with graphs, a manifest that says what they are, and a card for people.

    NAME/model.onnx     one graph, or several that belong together
    NAME/manifest.json  what the graphs take and give, what they were trained on, how good they are (`Manifest`)
    NAME/check.npz      inputs, and the outputs to expect
    NAME/CARD.md

Models shipped with hdrcli are known by name; any other folder of this form is used by its path.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import hdrcli
from hdrcli.errors import ModelError
from hdrcli.inference.manifest import Graph, Manifest, parse_manifest

MANIFEST = "manifest.json"
CHECK = "check.npz"
CARD = "CARD.md"

OPSETS = range(13, 22)
"""Versions of the ONNX operators that every supported ONNX Runtime (1.21 and later) knows."""


@dataclass(frozen=True)
class Model:
    """A network on disk.

    Attributes
    ----------
    folder : Path
        Where its files are.
    manifest : Manifest
    """

    folder: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """Its name, by which shipped models are found."""
        return self.manifest.name

    @property
    def size(self) -> int:
        """Bytes of all graphs."""
        return sum(graph.bytes for graph in self.manifest.graphs)

    def read_graph(self, graph: Graph) -> bytes:
        """Return the content of one of the model's graphs, once it is proved to be what the manifest names.

        Raises
        ------
        ModelError
            When the file cannot be read or is another one.
        """
        return self.read(graph.file, graph.sha256)

    def read(self, file: str, sha256: str) -> bytes:
        """Return the content of a file of the model, which must have that SHA-256.

        Raises
        ------
        ModelError
            When it cannot be read or has another one.
        """
        try:
            content = (self.folder / file).read_bytes()
        except OSError as error:
            raise ModelError(
                f"The model {self.name!r} lacks {str(self.folder / file)!r} ({error.strerror}). {_MEND}"
            ) from error
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ModelError(
                f"{str(self.folder / file)!r} is not the file that the manifest of the model {self.name!r} names "
                f"(its SHA-256 differs). {_MEND}"
            )
        return content


_MEND = "Install hdrcli again, or export the model again."


def shipped_names() -> list[str]:
    """Return the names of the models shipped with hdrcli, in alphabetical order."""
    folder = _shipped_folder()
    return sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}")) if folder is not None else []


def shipped_models(*, task: str | None = None) -> list[Model]:
    """Return the models shipped with hdrcli (for a task), in alphabetical order.

    Raises
    ------
    ModelError
        When one of them is damaged.
    """
    models = [find_model(name) for name in shipped_names()]
    return [model for model in models if task in {None, model.manifest.task}]


def default_model(task: str) -> Model | None:
    """Return the shipped model that a task uses where none is asked for, None where there is none.

    Raises
    ------
    ModelError
        When a shipped model is damaged.
    """
    return next((model for model in shipped_models(task=task) if model.manifest.default_for == task), None)


def find_model(name: str, *, task: str | None = None) -> Model:
    """Return a model by its name or path.

    Parameters
    ----------
    name : str
        Name of a shipped model, or path of a folder with a manifest, or of a file in one. What is also the name of a
        shipped model is a path when written with a separator ("./name").
    task : str, optional
        What it is wanted for: "deinterlace", "single", "stack", "burst" or "video".

    Returns
    -------
    Model
        Its manifest is complete and its graphs are there; their hashes are checked when they are read.

    Raises
    ------
    ModelError
        When there is no such model, or it is incomplete, for another task, or of a kind that cannot run here.
    """
    model = _open(_folder_of(name, task=task))
    manifest = model.manifest
    if name.endswith(".onnx") and Path(name).name not in {graph.file for graph in manifest.graphs}:
        raise ModelError(f"{str(model.folder / MANIFEST)!r} does not speak of {name!r}. Give it a manifest of its own.")
    if task is not None and manifest.task != task:
        raise ModelError(
            f"The model {manifest.name!r} is for {manifest.task!r}, not for {task!r}. {_known(task, before=name)}"
        )
    if manifest.opset not in OPSETS:
        raise ModelError(
            f"The model {manifest.name!r} needs ONNX opset {manifest.opset}; hdrcli runs {OPSETS[0]} to {OPSETS[-1]}. "
            "Export it again with opset 20."
        )
    for graph in manifest.graphs:
        _check_size(model, graph)
    return model


def _open(folder: Path) -> Model:
    """Read and check the manifest of a folder."""
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelError(
            f"{str(path)!r} cannot be read ({error.strerror}). A model is a folder with {MANIFEST} and its graphs."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{str(path)!r} is damaged ({error}). {_MEND}") from error
    try:
        return Model(folder, parse_manifest(content))
    except ModelError as error:
        raise ModelError(f"{str(path)!r} does not describe a model: {error}") from error


def _check_size(model: Model, graph: Graph) -> None:
    """Refuse a graph that is missing or has another size than the manifest says."""
    path = model.folder / graph.file
    try:
        size = path.stat().st_size
    except OSError as error:
        raise ModelError(f"The model {model.name!r} lacks {str(path)!r} ({error.strerror}). {_MEND}") from error
    if size != graph.bytes:
        raise ModelError(
            f"{str(path)!r} has {size} bytes where the manifest of the model {model.name!r} says {graph.bytes}. {_MEND}"
        )


def _folder_of(name: str, *, task: str | None) -> Path:
    """Return the folder that a name or path means."""
    shipped = _shipped_folder()
    if shipped is not None and name in shipped_names():
        return shipped / name
    path = Path(name)
    if path.is_dir():
        return path
    if path.is_file():
        return path.parent
    looks_like_path = os.sep in name or "/" in name or path.suffix in {".onnx", ".json"}
    kind = "file or folder" if looks_like_path else "model"
    raise ModelError(f"There is no {kind} {name!r}. {_known(task, before=name)}")


def _known(task: str | None, *, before: str) -> str:
    """Return a sentence that names the models there are."""
    names = []
    for name in shipped_names():
        try:
            if task in {None, _open(_shipped(name)).manifest.task}:
                names.append(name)
        except ModelError:  # damaged: `hdrcli models check` speaks of it
            continue
    if task is not None:
        names.append("none")
    similar = difflib.get_close_matches(before, names, n=1)
    if similar:
        return f"Did you mean {similar[0]!r}?"
    wanted = f" for {task!r}" if task is not None else ""
    return f"The models{wanted} are {', '.join(names)}." if names else "No models are shipped with this version."


def _shipped(name: str) -> Path:
    folder = _shipped_folder()
    assert folder is not None  # there are names in it
    return folder / name


def _shipped_folder() -> Path | None:
    """Return where the shipped models are: in the installed package, or beside it in a checkout of the source."""
    package = Path(hdrcli.__file__).resolve().parent
    if (package / "models").is_dir():
        return package / "models"
    checkout = package.parent
    return checkout / "models" if (checkout / "pyproject.toml").is_file() and (checkout / "models").is_dir() else None
