"""The networks, one module each, and how one is built by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from hdrcli.training.networks.dualiso_unet import DualIsoUNet
from hdrcli.training.networks.dualisonet import DualIsoNetPair

NETWORKS: Mapping[str, Callable[..., nn.Module]] = {
    "dualiso-unet": DualIsoUNet,
    "dualisonet-dsc": DualIsoNetPair,
}
"""By the name of the model that they become."""


def parameter_count(network: nn.Module) -> int:
    """Return the number of trainable values."""
    return sum(p.numel() for p in network.parameters())
