"""Full-resolution planes to the planes of a 4 x 2 cell and back.

One channel of each packed plane is one place in the dual-ISO cell, so row class and colour are part of the channel
layout, and no convolution runs at full resolution. Written with reshapes that take dynamic sizes to ONNX, and one axis
moved at a time: ONNX Runtime has fast code for that, and none for moving two at once.
"""

from __future__ import annotations

from torch import Tensor

CELL = (4, 2)


def pack(x: Tensor) -> Tensor:
    """Return (N, C * 8, H / 4, W / 2) of (N, C, H, W).

    Place (i, j) of the cell of channel c becomes channel 8 c + 2 i + j.
    """
    n, c, h, w = x.shape
    rows = x.reshape(n, c, h // 4, 4, w).permute(0, 1, 3, 2, 4)
    return rows.reshape(n, c * 4, h // 4, w // 2, 2).permute(0, 1, 4, 2, 3).reshape(n, c * 8, h // 4, w // 2)


def unpack(x: Tensor, *, rows: int = 4) -> Tensor:
    """Return (N, C, H, W) of (N, C * 2 rows, H / rows, W / 2): the inverse of `pack`.

    With two rows it is the usual pixel shuffle.
    """
    n, c, h, w = x.shape
    wide = x.reshape(n, c // 2, 2, h, w).permute(0, 1, 3, 4, 2).reshape(n, c // (2 * rows), rows, h, w * 2)
    return wide.permute(0, 1, 3, 2, 4).reshape(n, c // (2 * rows), h * rows, w * 2)
