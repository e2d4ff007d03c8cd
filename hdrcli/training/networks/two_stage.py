"""The two-stage network: one display picture cleaned, then given its highlights back.

"A two-stage deep network for high dynamic range image reconstruction" (NTIRE 2021 challenge on single-picture HDR).
Layers as in the published programme, whose counts the paper prints: 555,655 and 278,821 parameters. The last layer of
each stage is a 1 x 1 convolution there, not 3 x 3 as in the text; dense blocks are single; normalisation layers, noise
gates and a second block of the second stage are defined in the programme and never used. Every output pixel depends on
the 17 pixels around it in each direction, and on nothing else.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from hdrcli.expand.learned import ENCODING as ENCODING

WIDTH = 64
GROWTH = 32
_BLOCKS = (2, 1)
_DENSE_SHARES = (0.2, 0.5)
_BLOCK_SHARE = 0.8


class DenseBlock(nn.Module):
    """x + k C3([x, a, b, c, d]), each of a to d a ReLU of C3 of all before it.

    Parameters
    ----------
    width, growth : int
        Channels of x, and of each of a to d.
    share : float
        The factor k.
    """

    def __init__(self, width: int, growth: int, share: float) -> None:
        super().__init__()
        self.share = share
        self.inner = nn.ModuleList([nn.Conv2d(width + k * growth, growth, 3, padding=1) for k in range(4)])
        self.last = nn.Conv2d(width + 4 * growth, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the shape of `x`."""
        known = x
        for convolution in self.inner:
            known = torch.cat([known, torch.relu(convolution(known))], dim=1)
        new: Tensor = self.last(known)
        return x + self.share * new


class SpatialAttention(nn.Module):
    """C3(x) times a weight in 0..1 for every pixel, found from the mean and the maximum of the channels of x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Conv2d(2, 1, 7, padding=3, bias=False)
        self.content = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the weighted features, of the shape of `x`."""
        pooled = torch.cat([x.mean(dim=1, keepdim=True), x.amax(dim=1, keepdim=True)], dim=1)
        result: Tensor = torch.sigmoid(self.weight(pooled)) * self.content(x)
        return result


class DenseAttentionBlock(nn.Module):
    """[0.8 D(x) + x] + S(x), with a dense block D and a spatial attention S."""

    def __init__(self, width: int, growth: int, share: float) -> None:
        super().__init__()
        self.dense = DenseBlock(width, growth, share)
        self.attention = SpatialAttention(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output, of the shape of `x`."""
        result: Tensor = _BLOCK_SHARE * self.dense(x) + x + self.attention(x)
        return result


class Stage(nn.Module):
    """ReLU(C1(features) + picture), the features of C3 without activation and blocks behind it.

    Parameters
    ----------
    blocks : int
    share : float
        As in `DenseBlock`.
    width, growth : int
        As in `DenseBlock`.
    """

    def __init__(self, blocks: int, share: float, *, width: int = WIDTH, growth: int = GROWTH) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.Sequential(*[DenseAttentionBlock(width, growth, share) for _ in range(blocks)])
        self.tail = nn.Conv2d(width, 3, 1)

    def forward(self, picture: Tensor) -> Tensor:
        """Return a picture (N, 3, H, W), at least 0, of a picture of this shape."""
        correction: Tensor = self.tail(self.blocks(self.head(picture)))
        return torch.relu(correction + picture)


class TwoStageNet(nn.Module):
    """Both stages, the second behind the first.

    Parameters
    ----------
    width, growth : int
        As in `DenseBlock`; 64 and 32 in the paper.
    """

    def __init__(self, width: int = WIDTH, growth: int = GROWTH) -> None:
        super().__init__()
        self.config = {"width": width, "growth": growth, "blocks": list(_BLOCKS), "dense_shares": list(_DENSE_SHARES)}
        self.first, self.second = (
            Stage(blocks, share, width=width, growth=growth)
            for blocks, share in zip(_BLOCKS, _DENSE_SHARES, strict=True)
        )

    def forward(self, ldr: Tensor) -> tuple[Tensor, Tensor]:
        """Return the cleaned picture and the HDR picture.

        Parameters
        ----------
        ldr : Tensor (N, 3, H, W)
            R, G, B codes over the highest code, 0 to 1, as the camera encoded them.

        Returns
        -------
        stage1 : Tensor (N, 3, H, W)
            In the encoding of the input, at least 0.
        hdr : Tensor (N, 3, H, W)
            At least 0, unlimited above, encoded with gamma 2.24: to this power it is scene-linear, 1.0 = clip of the
            input. No gradient flows from it into the first stage, as the paper trains them.
        """
        stage1 = self.first(ldr)
        return stage1, self.second(stage1.detach())
