"""One display picture to scene light: the camera's curve and the surroundings first, then pixels. A design of our own.

Two graphs. `Surroundings` sees the whole picture small, and how its codes change level by level; it answers with the
camera's curve, which rises strictly from black to white because it is a sum of positive steps, and with maps: by how
many stops what is clipped there lies above what the classical expansion makes of it, and features for the other graph.
`Refinement` sees pixels, in tiles, with these maps enlarged, and corrects the picture that curve, classical expansion
and maps make; it works on 2 x 2 planes. Untrained the network answers with the classical expansion, on a usual curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hdrcli.expand.features import BLACK_STOPS, CLIP, KNOTS, LEVELS, PLANES, STATISTICS, to_stops
from hdrcli.sensor.curves import random_curve
from hdrcli.training.networks.dualiso_unet import ResidualBlock

MAPS = 8
"""Answers of `Surroundings` for every place: stops of R, G and B, and five features."""
MULTIPLE = (8, 8)
REFINED_CHANNELS = ("R", "G", "B", "curved R", "curved G", "curved B", *(f"map {i}" for i in range(MAPS)))

_COLOURS = 3
_CURVE_SCALE, _MAP_SCALE, _CORRECTION_SCALE = 0.3, 0.5, 0.1
_STOPS_SCALE = 0.25
_USUAL_CURVES = 400
_JITTER = 0.4
_FARTHEST = 3.0
"""Standard deviations that a level statistic counts at most."""


class Jitter(nn.Module):
    """Add noise of a standard deviation while training, against learning by heart."""

    def __init__(self, deviation: float) -> None:
        super().__init__()
        self.deviation = deviation

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, in training with noise."""
        return x + self.deviation * torch.randn_like(x) if self.training else x


class Surroundings(nn.Module):
    """What the whole picture says.

    Parameters
    ----------
    widths : sequence of int
        Channels at full, half, quarter and eighth size of the small planes.
    vector : int
        Length of what is known of the picture as a whole.
    """

    def __init__(self, widths: Sequence[int], vector: int) -> None:
        super().__init__()
        self.head = nn.Conv2d(len(PLANES), widths[0], 3, padding=1)
        self.down = nn.ModuleList([ResidualBlock(width) for width in widths])
        self.shrink = nn.ModuleList([nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(widths)])
        # 1 x 1 convolutions instead of linear layers, so that everything is a picture.
        count = len(STATISTICS) * LEVELS
        self.usual_levels = nn.Sequential(
            nn.BatchNorm2d(count, affine=False, momentum=0.02),  # each statistic varies by another measure
            nn.Hardtanh(-_FARTHEST, _FARTHEST),  # of pictures unlike all others, grey or drawn ones
        )
        self.levels = nn.Sequential(
            Jitter(_JITTER),
            nn.Conv2d(count, vector, 1),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Conv2d(vector, vector, 1),
        )
        self.pooled = nn.Conv2d(2 * widths[-1], vector, 1)
        self.mix = nn.Conv2d(vector, vector, 1)
        self.curve = nn.Conv2d(vector, KNOTS - 1, 1)
        self.inject = nn.Conv2d(vector, widths[-1], 1)
        self.grow = nn.ModuleList([nn.Conv2d(b, a, 1) for a, b in pairwise(widths)])
        self.up = nn.ModuleList([ResidualBlock(width) for width in widths[:-1]])
        self.tail = nn.Conv2d(widths[0], MAPS, 3, padding=1)
        # The untrained network answers with the usual curve and no maps; it then learns the curve from the levels.
        for last in (self.curve, self.tail, self.pooled):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        self.register_buffer("usual", _usual_steps())

    def forward(self, planes: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the camera's curve and the maps.

        Parameters
        ----------
        planes : Tensor (N, 11, h, w)
            As `hdrcli.expand.features.Context`.
        levels : Tensor (N, 7, 24)

        Returns
        -------
        curve : Tensor (N, 33)
            Stops over the floor at equal steps of the code, from -10 to 0.
        maps : Tensor (N, 8, h, w)
        """
        sizes = [self.down[0](self.head(planes))]
        for shrink, block in zip(self.shrink, list(self.down)[1:], strict=True):
            sizes.append(block(shrink(sizes[-1])))
        bottom = sizes[-1]
        pooled = torch.cat([bottom.mean(dim=(2, 3), keepdim=True), bottom.amax(dim=(2, 3), keepdim=True)], dim=1)
        # The planes show which place it is; a curve that is told from them is learned by heart with the few places.
        curve = self.curve_of_levels(levels)
        x = bottom + self.inject(self._known(levels, self.pooled(pooled)))
        for i in reversed(range(len(self.up))):
            x = self.up[i](sizes[i] + _doubled(self.grow[i](x)))
        maps: Tensor = _MAP_SCALE * self.tail(x)
        return curve, maps

    def curve_of_levels(self, levels: Tensor) -> Tensor:
        """Return the curve (N, 33), which the level statistics alone tell."""
        return self._curve(self._known(levels))

    def _known(self, levels: Tensor, pooled: Tensor | None = None) -> Tensor:
        known: Tensor = self.levels(self.usual_levels(levels.flatten(1)[:, :, None, None]))
        return torch.relu(self.mix(torch.relu(known if pooled is None else known + pooled)))

    def _curve(self, known: Tensor) -> Tensor:
        steps = torch.softmax(self.usual + _CURVE_SCALE * self.curve(known)[:, :, 0, 0].float(), dim=1)
        return functional.pad(torch.cumsum(steps, dim=1), (1, 0)) * BLACK_STOPS - BLACK_STOPS


class Refinement(nn.Module):
    """What pixels and their neighbours say.

    Parameters
    ----------
    widths : sequence of int
        Channels at full, half, and quarter size of the packed planes.
    blocks : sequence of int
        Residual blocks: full size down, half size down, quarter size, half size up, full size up.
    """

    def __init__(self, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        full, half, quarter = widths
        self.head = nn.Conv2d(4 * len(REFINED_CHANNELS), full, 3, padding=1)
        self.down = nn.ModuleList([_blocks(full, blocks[0]), _blocks(half, blocks[1])])
        self.shrink = nn.ModuleList([nn.Conv2d(full, half, 2, stride=2), nn.Conv2d(half, quarter, 2, stride=2)])
        self.bottom = _blocks(quarter, blocks[2])
        self.grow = nn.ModuleList([nn.Conv2d(quarter, half, 1), nn.Conv2d(half, full, 1)])
        self.up = nn.ModuleList([_blocks(half, blocks[3]), _blocks(full, blocks[4])])
        self.tail = nn.Conv2d(full, 4 * _COLOURS, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, picture: Tensor) -> Tensor:
        """Return the corrected picture.

        Parameters
        ----------
        picture : Tensor (N, 14, H, W)
            `REFINED_CHANNELS`: codes, stops over the floor, maps; H and W multiples of 8.

        Returns
        -------
        Tensor (N, 3, H, W)
            Stops over the floor.
        """
        curved = picture[:, _COLOURS : 2 * _COLOURS]
        scaled = torch.cat([2 * picture[:, :_COLOURS] - 1, _STOPS_SCALE * curved, picture[:, 2 * _COLOURS :]], dim=1)
        full = self.down[0](self.head(_packed(scaled)))
        half = self.down[1](self.shrink[0](full))
        quarter = self.bottom(self.shrink[1](half))
        half = self.up[0](half + _doubled(self.grow[0](quarter)))
        full = self.up[1](full + _doubled(self.grow[1](half)))
        return curved + _CORRECTION_SCALE * _unpacked(self.tail(full)).float()


class SingleUNet(nn.Module):
    """Both graphs.

    Parameters
    ----------
    surroundings : sequence of int
        `widths` of `Surroundings`.
    vector : sequence of one int
    widths, blocks : sequence of int
        Of `Refinement`.
    """

    def __init__(
        self,
        surroundings: Sequence[int] = (32, 64, 96, 128),
        vector: Sequence[int] = (128,),
        widths: Sequence[int] = (32, 48, 64),
        blocks: Sequence[int] = (1, 1, 2, 1, 2),
    ) -> None:
        super().__init__()
        self.config = {
            "surroundings": list(surroundings),
            "vector": list(vector),
            "widths": list(widths),
            "blocks": list(blocks),
        }
        self.surroundings = Surroundings(surroundings, vector[0])
        self.refinement = Refinement(widths, blocks)

    def forward(self, codes: Tensor, expansion: Tensor, planes: Tensor, levels: Tensor) -> Tensor:
        """Return the light in stops over the floor, (N, 3, H, W).

        Parameters
        ----------
        codes, expansion : Tensor (N, 3, H, W)
            Codes 0 to 1, and by how many stops the classical method raises their light.
        planes, levels : Tensor
            As for `Surroundings`.
        """
        curve, maps = self.surroundings(planes, levels)
        refined: Tensor = self.refinement(unrefined(codes, expansion, curve, maps))
        return refined


def unrefined(codes: Tensor, expansion: Tensor, curve: Tensor, maps: Tensor) -> Tensor:
    """Return what `Refinement` sees, (N, 14, H, W): codes, light by curve, expansion and maps, and the maps."""
    enlarged = functional.interpolate(maps.float(), size=codes.shape[2:], mode="bilinear", align_corners=False)
    light = curved(codes, curve) + expansion + clipping(codes) * enlarged[:, :_COLOURS]
    return torch.cat([codes, light, enlarged], dim=1)


def clipping(codes: Tensor) -> Tensor:
    """Return what `hdrcli.expand.features.clipping` does."""
    first, full = CLIP
    share = ((codes - first) / (full - first)).clamp(0, 1)
    return share * share * (3 - 2 * share)


def curved(codes: Tensor, curve: Tensor) -> Tensor:
    """Return stops over the floor of codes (N, C, H, W) by a curve (N, 33), interpolated linearly."""
    place = codes * (KNOTS - 1)
    knot = place.detach().floor().clamp(0, KNOTS - 2)
    index = knot.long().flatten(1)
    below, above = curve.gather(1, index).view_as(codes), curve.gather(1, index + 1).view_as(codes)
    return below + (place - knot) * (above - below)


def _usual_steps() -> Tensor:
    """Return the logarithms of the steps of the mean of many camera curves, in shares of the whole."""
    rng = np.random.default_rng(0)
    codes = np.linspace(0, 1, KNOTS, dtype=np.float32)
    mean = np.mean([to_stops(random_curve(rng).decode(codes)) for _ in range(_USUAL_CURVES)], axis=0)
    return torch.from_numpy(np.log(np.diff(mean) / (mean[-1] - mean[0])).astype(np.float32))


def _blocks(width: int, number: int) -> nn.Sequential:
    return nn.Sequential(*[ResidualBlock(width) for _ in range(number)])


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")


def _packed(x: Tensor) -> Tensor:
    """Return (N, 4 C, H / 2, W / 2): each place of the 2 x 2 cell a channel."""
    n, c, h, w = x.shape
    rows = x.reshape(n, c, h // 2, 2, w).permute(0, 1, 3, 2, 4)
    return rows.reshape(n, c * 2, h // 2, w // 2, 2).permute(0, 1, 4, 2, 3).reshape(n, c * 4, h // 2, w // 2)


def _unpacked(x: Tensor) -> Tensor:
    """Return (N, C, 2 H, 2 W) of (N, 4 C, H, W)."""
    n, c, h, w = x.shape
    wide = x.reshape(n, c // 2, 2, h, w).permute(0, 1, 3, 4, 2).reshape(n, c // 4, 2, h, w * 2)
    return wide.permute(0, 1, 3, 2, 4).reshape(n, c // 4, h * 2, w * 2)
