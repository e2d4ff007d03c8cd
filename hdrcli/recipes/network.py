"""The network that a recipe runs: which one, where, and in what tiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hdrcli.inference.registry import Model, default_model, find_model
from hdrcli.inference.session import Session


@dataclass(frozen=True)
class NetworkSettings:
    """What may be chosen about the network of a recipe.

    Attributes
    ----------
    model : str
        Name of a shipped network, path of another, "none" for the classical method, or "auto" for the shipped network
        that measures best.
    device : str
        Where the network runs: "auto", "cpu" or "cuda".
    tile, border : int or None
        Side of the network's tiles and their overlap, in samples; None for what its manifest says.
    """

    model: str = "auto"
    device: str = "auto"
    tile: int | None = None
    border: int | None = None


def open_network(
    settings: NetworkSettings, *, task: str, needed: bool = True, warn: Callable[[str], None] | None = None
) -> Session | None:
    """Return the network that the settings ask for, ready to run; None for the classical method.

    Parameters
    ----------
    settings : NetworkSettings
    task : str
        What it is for: "deinterlace" or "single".
    needed : bool
        False where another setting leaves a network nothing to do: it is looked for, not loaded, and None returned.
    warn : callable or None
        Called with one line when it runs elsewhere than asked.

    Raises
    ------
    ModelError
        When there is no such model for this task, or it cannot run on the device.
    """
    model = find_network(settings.model, task=task)
    if model is None or not needed:
        return None
    return Session(model, device=settings.device, warn=warn)


def find_network(name: str, *, task: str) -> Model | None:
    """Return the network that `NetworkSettings.model` names; None for the classical method.

    Raises
    ------
    ModelError
        When there is none of that name, or it is for another task.
    """
    if name == "none":
        return None
    return default_model(task) if name == "auto" else find_model(name, task=task)


def model_name(model: Model | None) -> str:
    """Return name and version of a network for reports; "none" for the classical method."""
    return "none" if model is None else f"{model.name} {model.manifest.version}"


def model_provenance(model: Model | None) -> dict[str, str]:
    """Return what an output says about the network that made it: its name, and the beginnings of its hashes."""
    if model is None:
        return {"model": model_name(None)}
    return {"model": model_name(model), "modelHash": " ".join(graph.sha256[:16] for graph in model.manifest.graphs)}
