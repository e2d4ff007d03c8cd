"""Seeded pictures full of texture as networks see them, for what is measured and checked at export."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from hdrcli.expand.features import context
from hdrcli.training.chunks import photograph_regions
from hdrcli.training.shards import Picture
from hdrcli.training.sources import synthetic_pictures
from hdrcli.training.views import photograph_views

SEED = 20
_DRAWN_SIDE = 512


def sample_planes(height: int, width: int, seed: int = SEED) -> Tensor:
    """Return planes (2, 6, height, width) of `dualiso.planes` of two captures."""
    pictures = _drawn(max(height, width, 64) + 64, seed)
    rng = np.random.default_rng(seed)
    planes = photograph_regions(pictures, rng, side=-(-(max(height, width, 64) + 64) // 4) * 4, augment=False).planes
    return planes[:, :, 32 : 32 + height, 32 : 32 + width].contiguous()


def sample_codes(height: int, width: int, seed: int = SEED) -> Tensor:
    """Return codes (2, 3, height, width), 0 to 1, of two display pictures."""
    pictures = _drawn(max(height, width), seed)
    views = photograph_views(pictures, np.random.default_rng(seed), size=(height, width), augment=False)
    return views.taken([0, 1])["codes"]


def seen_of_codes(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Return what a `SingleUNet` sees of display pictures (N, 3, H, W): planes and level statistics."""
    seen = [context(np.ascontiguousarray(picture.transpose(1, 2, 0))) for picture in codes.float().numpy()]
    planes, levels = (np.stack(parts) for parts in zip(*((one.planes, one.levels) for one in seen), strict=True))
    return torch.from_numpy(planes), torch.from_numpy(levels)


def _drawn(side: int, seed: int) -> list[Picture]:
    """Return two drawn pictures of at least this side, each of as many as it takes."""
    number = -(-side // _DRAWN_SIDE)
    drawn = [picture.data for picture in synthetic_pictures(2 * number * number, seed=seed)]
    pictures = []
    for first in (0, number * number):
        rows = [np.hstack(drawn[first + k * number : first + (k + 1) * number]) for k in range(number)]
        pictures.append(Picture("drawn", "synthetic", np.vstack(rows)))
    return pictures
