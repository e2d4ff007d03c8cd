"""DualISONet-DSC: dilated residual blocks with long skip connections.

Cogalan and Akyuz, "Deep joint deinterlacing and denoising for single shot dual-ISO HDR reconstruction", IEEE
Transactions on Image Processing 29 (2020). Two networks of one shape, one for each exposure; layers, counts and the
reading of formula 17 as in the published figures (194,817 parameters and 3,590,295,552 multiply-accumulates each for
136 x 136 samples).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

WIDTH = 32
DILATIONS = (1, 2, 2, 4, 4, 8, 4, 4, 2, 2)
SKIP_READING = "B"
"""Blocks 6 to 10 add the input of the mirrored block (1 to 5), the reading that the counts allow and symmetry asks."""


CORRECTION_SCALE = 0.03
"""Corrections of the classical estimate are small; without it one step of the optimiser overshoots them many times."""


class DilatedBlock(nn.Module):
    """x + C3(ReLU(C3(x))), both convolutions dilated."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(WIDTH, WIDTH, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(WIDTH, WIDTH, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the shape of `x`."""
        inner: Tensor = self.second(torch.relu(self.first(x)))
        return x + inner


class DualIsoNet(nn.Module):
    """One exposure of a dual-ISO mosaic, deinterlaced and denoised."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(1, WIDTH, 3, padding=1)
        self.blocks = nn.ModuleList([DilatedBlock(dilation) for dilation in DILATIONS])
        self.tail_inner = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        # Linear, although a ReLU is printed: one on the only output channel can die, and passes no gradient below 0.
        self.tail = nn.Conv2d(WIDTH, 1, 3, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]
        # The untrained network leaves the classical estimate as it is, and every step of training counts from there.
        nn.init.zeros_(self.tail.weight)

    def forward(self, mosaic: Tensor) -> Tensor:
        """Return (N, 1, H, W) of a mosaic (N, 1, H, W) at the canonical phase."""
        x = self.head(mosaic)
        inputs = []
        half = len(self.blocks) // 2
        for number, block in enumerate(self.blocks):
            if number < half:
                inputs.append(x)
                x = block(x)
            else:
                x = block(x) + inputs.pop()
        result: Tensor = self.tail(torch.relu(self.tail_inner(x)))
        return result


class DualIsoNetPair(nn.Module):
    """The networks of the low and of the high exposure, as corrections of the classical estimate."""

    def __init__(self) -> None:
        super().__init__()
        self.config = {"width": WIDTH, "dilations": list(DILATIONS), "skip": SKIP_READING, "residual": "classical"}
        self.low = DualIsoNet()
        self.high = DualIsoNet()

    def forward(self, mosaic: Tensor, estimate: Tensor) -> tuple[Tensor, Tensor]:
        """Return both exposures.

        Parameters
        ----------
        mosaic, estimate : Tensor (N, 1, H, W)
            Samples as measured and the classical estimate, both balanced and compressed, on the scale of the low
            exposure; H a multiple of 4, W of 2.

        Returns
        -------
        tuple of 2 Tensor (N, 1, H, W)
            The low and the high exposure, on the same scale; each is meant up to its own clip.
        """
        return one_exposure(self.low, mosaic, estimate), one_exposure(self.high, mosaic, estimate)


def one_exposure(network: nn.Module, mosaic: Tensor, estimate: Tensor) -> Tensor:
    """Return the exposure that one network of a pair makes of the mosaic and the classical estimate."""
    correction: Tensor = network(mosaic)
    return estimate + CORRECTION_SCALE * correction
