"""One display picture to scene light by its surroundings: the camera's curve, and how far light lay above the clip.

A design of our own. The network sees the whole picture small, and how its codes change level by level; pixels it does
not see. It answers with the camera's curve, which rises strictly from black to white because it is a sum of positive
steps, and with maps: by how many stops what is white there lies above what the classical expansion makes of it. Light
is then curve, expansion and maps together (`light_stops`), pixel by pixel, so that there are no tiles and no seams, and
nothing is drawn into the picture. Untrained the network answers with the classical expansion, on a usual curve.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from hdrcli.expand.features import BLACK_STOPS, KNOTS, LEAST_LEFT, LEVELS, PLANES, STATISTICS, WHITE, to_stops
from hdrcli.sensor.curves import random_curve
from hdrcli.training.networks.dualiso_unet import ResidualBlock

MULTIPLE = (8, 8)

COLOURS = 3
_CURVE_SCALE, _MAP_SCALE = 0.3, 0.5
_USUAL_CURVES = 400
_JITTER, _PLANES_JITTER = 0.4, 0.05
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


class SingleUNet(nn.Module):
    """U-Net over the small planes, and a curve of the level statistics.

    Parameters
    ----------
    widths : sequence of int
        Channels at full, half, quarter and eighth size of the small planes.
    vector : sequence of one int
        Length of what is known of the picture as a whole.
    """

    def __init__(self, widths: Sequence[int] = (32, 64, 96, 128), vector: Sequence[int] = (128,)) -> None:
        super().__init__()
        self.config = {"widths": list(widths), "vector": list(vector)}
        length = vector[0]
        self.jitter = Jitter(_PLANES_JITTER)
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
            nn.Conv2d(count, length, 1),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Conv2d(length, length, 1),
        )
        self.drop = nn.Dropout2d(0.15)
        self.pooled = nn.Conv2d(2 * widths[-1], length, 1)
        self.mix = nn.Conv2d(length, length, 1)
        self.curve = nn.Conv2d(length, KNOTS - 1, 1)
        self.inject = nn.Conv2d(length, widths[-1], 1)
        self.grow = nn.ModuleList([nn.Conv2d(b, a, 1) for a, b in pairwise(widths)])
        self.up = nn.ModuleList([ResidualBlock(width) for width in widths[:-1]])
        self.tail = nn.Conv2d(widths[0], COLOURS, 3, padding=1)
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
        maps : Tensor (N, 3, h, w)
            Stops of R, G and B that white is raised by.
        """
        sizes = [self.down[0](self.head(self.jitter(planes)))]
        for shrink, block in zip(self.shrink, list(self.down)[1:], strict=True):
            sizes.append(block(shrink(sizes[-1])))
        bottom = self.drop(sizes[-1])
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


def light_stops(codes: Tensor, expansion: Tensor, curve: Tensor, maps: Tensor | None = None) -> Tensor:
    """Return light in stops over the floor, (N, 3, H, W), of codes by a curve, the classical expansion, and maps.

    As `hdrcli.expand.learned` makes it, but for what that smooths in bright parts.

    Parameters
    ----------
    codes, expansion : Tensor (N, 3, H, W)
        Codes 0 to 1, and by how many stops the classical method raises their light.
    curve, maps : Tensor
        As `SingleUNet` gives them; None for no maps.
    """
    light = curved(codes, curve) + expansion
    if maps is None:
        return light
    enlarged = functional.interpolate(maps.float(), size=codes.shape[2:], mode="bilinear", align_corners=False)
    return light + torch.maximum(clipping(codes) * enlarged, (LEAST_LEFT - 1) * expansion)


def clipping(codes: Tensor) -> Tensor:
    """Return what `hdrcli.expand.features.clipping` does between the codes of `WHITE`."""
    first, full = WHITE
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


def _doubled(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2, mode="nearest")
