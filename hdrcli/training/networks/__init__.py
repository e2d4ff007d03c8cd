"""The networks, one module each, and how one is built by its name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from hdrcli.errors import ModelError, UsageError
from hdrcli.training.networks.dualiso_unet import DualIsoUNet
from hdrcli.training.networks.dualisonet import DualIsoNetPair
from hdrcli.training.networks.single_unet import SingleUNet
from hdrcli.training.networks.two_stage import TwoStageNet

NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "dualiso-unet": DualIsoUNet,
    "dualisonet-dsc": DualIsoNetPair,
    "single-unet": SingleUNet,
    "two-stage": TwoStageNet,
}
"""By the name of the model that they become."""


def build_network(name: str, config: Mapping[str, Any] | None = None) -> nn.Module:
    """Return a new network.

    Parameters
    ----------
    name : str
        One of `NETWORKS`.
    config : mapping, optional
        As a network's own `config`; what is missing has its default.

    Raises
    ------
    UsageError
        When there is no such network, or it cannot be built like that.
    ModelError
        When this version builds it otherwise than `config` says.
    """
    if name not in NETWORKS:
        raise UsageError(f"There is no network {name!r}; choose from {', '.join(NETWORKS)}.")
    wanted = dict(config or {})
    known = inspect.signature(NETWORKS[name]).parameters
    try:
        network = NETWORKS[name](**{key: value for key, value in wanted.items() if key in known})
    except (TypeError, ValueError, IndexError, RuntimeError) as error:
        raise UsageError(f"The network {name!r} cannot be built with {wanted}: {error}.") from error
    built = network_config(network)
    different = [key for key, value in wanted.items() if key not in built or built[key] != value]
    if different:
        raise ModelError(
            f"The network {name!r} is not built with {different[0]} = {wanted[different[0]]} in this version, "
            f"which knows {', '.join(f'{key} = {value}' for key, value in built.items())}."
        )
    return network


def network_config(network: nn.Module) -> dict[str, Any]:
    """Return what it takes to build a network again."""
    config: Any = network.config
    return dict(config)


def parameter_count(network: nn.Module) -> int:
    """Return the number of trainable values."""
    return sum(p.numel() for p in network.parameters())
