"""Seeded pictures full of texture as networks see them, for what is measured and checked at export."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from hdrcli.training.chunks import photograph_regions
from hdrcli.training.networks.single_unet import SingleUNet, unrefined
from hdrcli.training.shards import Picture
from hdrcli.training.sources import synthetic_pictures
from hdrcli.training.views import Views, photograph_views

SEED = 20
_DRAWN_SIDE = 512


def sample_planes(height: int, width: int, *, seed: int = SEED) -> Tensor:
    """Return planes (2, 6, height, width) of `dualiso.planes` of two captures."""
    pictures = _drawn(max(height, width, 64) + 64, seed)
    rng = np.random.default_rng(seed)
    planes = photograph_regions(pictures, rng, side=-(-(max(height, width, 64) + 64) // 4) * 4, augment=False).planes
    return planes[:, :, 32 : 32 + height, 32 : 32 + width].contiguous()


def sample_codes(height: int, width: int, *, seed: int = SEED) -> Tensor:
    """Return codes (2, 3, height, width), 0 to 1, of two display pictures."""
    return _views(height, width, seed).taken([0, 1])["codes"]


def sample_refined(network: nn.Module, height: int, width: int, seed: int = SEED) -> Tensor:
    """Return what the second graph of a `SingleUNet` sees of two display pictures, (2, 14, height, width)."""
    assert isinstance(network, SingleUNet)  # by its form
    views = _views(height, width, seed).taken([0, 1])
    with torch.no_grad():
        curve, maps = network.surroundings(views["planes"], views["levels"])
        return unrefined(views["codes"], views["expansion"], curve, maps)


def sample_surroundings(seed: int = SEED) -> tuple[Tensor, Tensor]:
    """Return what the first graph of a `SingleUNet` sees of two display pictures."""
    views = _views(128, 192, seed)
    return views.planes, views.levels


def _views(height: int, width: int, seed: int) -> Views:
    pictures = _drawn(max(height, width), seed)
    return photograph_views(pictures, np.random.default_rng(seed), size=(height, width), augment=False)


def _drawn(side: int, seed: int) -> list[Picture]:
    """Return two drawn pictures of at least this side, each of as many as it takes."""
    number = -(-side // _DRAWN_SIDE)
    drawn = [picture.data for picture in synthetic_pictures(2 * number * number, seed=seed)]
    pictures = []
    for first in (0, number * number):
        rows = [np.hstack(drawn[first + k * number : first + (k + 1) * number]) for k in range(number)]
        pictures.append(Picture("drawn", "synthetic", np.vstack(rows)))
    return pictures
