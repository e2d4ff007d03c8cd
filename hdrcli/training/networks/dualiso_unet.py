"""Joint deinterlacing, denoising and demosaicking on packed 4 x 2 planes: a small U-Net of our own.

The network corrects the classical estimate of all three colours. It works on the planes of the 4 x 2 cell, where a
3 x 3 convolution sees 12 rows and 6 columns; two coarser levels, a quarter and a sixteenth of the arithmetic, give it
the surroundings that telling noise from texture takes. Plain convolutions throughout: on processors they run near the
peak, where depthwise ones and attention wait for memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hdrcli.training.networks.packing import CELL, pack, unpack

COLOURS = 3
_PLACES = CELL[0] * CELL[1]
# Planes that the first convolution sees: deviation of the sample, detail of three colours, level, clip mask, noise.
_FEATURES = (1 + COLOURS + 2) * _PLACES + 1
# What the network can tell from what lies in small differences: deviations of a few hundredths from the classical
# estimate, and detail of a few tenths around the level of the cell. These bring them to about one.
_DEVIATION_SCALE = 10.0
_DETAIL_SCALE = 3.0
# Corrections are small too; without the factor one step of the optimiser would overshoot them many times.
_CORRECTION_SCALE = 0.03
MULTIPLE = (16, 8)
"""Rows and columns of an input must be multiples: the cell times four."""


class ResidualBlock(nn.Module):
    """x + C3(ReLU(C3(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the shape of `x`."""
        inner: Tensor = self.second(torch.relu(self.first(x)))
        return x + inner


class DualIsoUNet(nn.Module):
    """U-Net over packed planes.

    Parameters
    ----------
    widths : sequence of int
        Channels at full, half, and quarter size of the packed planes.
    blocks : sequence of int
        Residual blocks: full size down, half size down, quarter size, half size up, full size up.
    """

    def __init__(self, widths: Sequence[int] = (64, 96, 128), blocks: Sequence[int] = (2, 2, 2, 1, 3)) -> None:
        super().__init__()
        self.config = {"widths": list(widths), "blocks": list(blocks)}
        full, half, quarter = widths
        self.head = nn.Conv2d(_FEATURES, full, 3, padding=1)
        self.down = nn.ModuleList([_blocks(full, blocks[0]), _blocks(half, blocks[1])])
        self.shrink = nn.ModuleList([nn.Conv2d(full, half, 2, stride=2), nn.Conv2d(half, quarter, 2, stride=2)])
        self.bottom = _blocks(quarter, blocks[2])
        self.grow = nn.ModuleList([nn.Conv2d(quarter, 4 * half, 1), nn.Conv2d(half, 4 * full, 1)])
        self.up = nn.ModuleList([_blocks(half, blocks[3]), _blocks(full, blocks[4])])
        self.tail = nn.Conv2d(full, COLOURS * _PLACES, 3, padding=1)
        # The untrained network returns the classical estimate, and every step of training counts from there.
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, planes: Tensor) -> Tensor:
        """Return all three colours.

        Parameters
        ----------
        planes : Tensor (N, 6, H, W)
            As `hdrcli.dualiso.planes.input_planes`; H a multiple of 16, W of 8.

        Returns
        -------
        Tensor (N, 3, H, W)
            Balanced and compressed red, green and blue.
        """
        full = self.down[0](self.head(_features(planes)))
        half = self.down[1](self.shrink[0](full))
        quarter = self.bottom(self.shrink[1](half))
        half = self.up[0](half + unpack(self.grow[0](quarter), rows=2))
        full = self.up[1](full + unpack(self.grow[1](half), rows=2))
        correction: Tensor = unpack(self.tail(full))
        return planes[:, 1:4] + _CORRECTION_SCALE * correction


def _features(planes: Tensor) -> Tensor:
    """Return what the first convolution sees, (N, 49, H / 4, W / 2)."""
    packed = pack(planes)
    sample, base, rest = packed[:, :_PLACES], packed[:, _PLACES : 4 * _PLACES], packed[:, 4 * _PLACES :]
    own = torch.cat([base[:, plane : plane + 1] for plane in _OWN], dim=1)
    level = base[:, _PLACES : 2 * _PLACES].mean(dim=1, keepdim=True)
    return torch.cat([_DEVIATION_SCALE * (sample - own), _DETAIL_SCALE * (base - level), level, rest], dim=1)


# The packed colour plane that holds a place's own colour, by place: RGGB.
_OWN = [_PLACES * (0, 1, 1, 2)[2 * (row % 2) + column] + 2 * row + column for row in range(4) for column in range(2)]


def _blocks(width: int, number: int) -> nn.Sequential:
    return nn.Sequential(*[ResidualBlock(width) for _ in range(number)])
