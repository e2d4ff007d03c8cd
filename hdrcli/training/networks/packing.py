"""Full-resolution planes to the planes of a 4 x 2 cell and back.

One channel of each packed plane is one place in the dual-ISO cell, so row class and colour are part of the channel
layout, and no convolution runs at full resolution. Written with reshapes that take dynamic sizes to ONNX.
"""

from __future__ import annotations

from torch import Tensor

CELL = (4, 2)


def pack(x: Tensor) -> Tensor:
    """Return (N, 8 C, H / 4, W / 2) of (N, C, H, W); place (i, j) of the cell of channel c is channel 8 c + 2 i + j."""
    n, c, h, w = x.shape
    cells = x.reshape(n, c, h // 4, 4, w // 2, 2).permute(0, 1, 3, 5, 2, 4)
    return cells.reshape(n, c * 8, h // 4, w // 2)


def unpack(x: Tensor) -> Tensor:
    """Return (N, C, H, W) of (N, 8 C, H / 4, W / 2): the inverse of `pack`."""
    n, c, h, w = x.shape
    cells = x.reshape(n, c // 8, 4, 2, h, w).permute(0, 1, 4, 2, 5, 3)
    return cells.reshape(n, c // 8, h * 4, w * 2)
