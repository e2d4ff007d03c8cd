"""Exposure fusion: one display picture out of several, by what each shows best, without their light.

Every pixel of every picture weighs contrast x saturation x well-exposedness. The pictures are blended band by band:
the levels of their Laplacian pyramids, by those of the Gaussian pyramids of the weights. What a picture shows where it
is not valid is replaced by what surrounds it before it is cut into bands, or it would show in the coarse ones.

It makes no HDR: the result is a display picture, and nothing brighter than the pictures have is in it.

Source: Mertens, Kautz and Van Reeth, "Exposure fusion", Pacific Graphics 2007.
"""

from __future__ import annotations

import cv2
import numpy as np

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray
from hdrcli.kernels import Real, kernel, run_in_bands

# One over twice the square of sigma, 0.2: how near the middle of the range a pixel is well exposed.
_EXPOSEDNESS = np.float32(1 / (2 * 0.2**2))
# What a valid pixel weighs at least, so that weights can be divided by their sum in flat, grey or clipped areas too.
_LEAST = np.float32(1e-12)
# What an invalid one weighs: nothing beside any valid one, but where all are invalid the sum is not zero.
_INVALID = np.float32(1e-30)


class Fusion:
    """Fuses pictures of one size, each given twice: first all to `weigh`, then all to `blend`, in any order.

    Memory does not depend on their number.

    Parameters
    ----------
    shape : tuple of 2 int
        Rows and columns, at least 1.

    Raises
    ------
    UsageError
        When the size is none, the pictures do not have it, or one is given once only.

    Examples
    --------
    >>> grey, fusion = np.full((4, 6, 3), 0.25, np.float32), Fusion((4, 6))
    >>> fusion.weigh(grey)
    >>> fusion.blend(grey)
    >>> fusion.result()[3, 5].tolist()
    [0.25, 0.25, 0.25]
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        if min(shape) < 1:
            raise UsageError(f"Pictures of {shape[0]} rows and {shape[1]} columns cannot be fused.")
        self._shape = shape
        self._total = np.zeros(shape, np.float32)
        self._weighed = self._blended = 0
        self._levels = []
        for _ in range(int(np.log2(min(shape))) + 1):
            self._levels.append(np.zeros((*shape, 3), np.float32))
            shape = (-(-shape[0] // 2), -(-shape[1] // 2))

    def weigh(self, frame: FloatArray, valid: FloatArray | None = None) -> None:
        """Take a picture into the sum of weights.

        Parameters
        ----------
        frame : ndarray (H, W, 3), float32
            R, G, B as displayed, 0 to 1.
        valid : ndarray (H, W), float32, or None
            0 where the picture is to have no influence, 1 where it counts in full; None for 1 everywhere.
        """
        self._total += self._weights(frame, self._checked(frame, valid))
        self._weighed += 1

    def blend(self, frame: FloatArray, valid: FloatArray | None = None) -> None:
        """Take a picture into the result; arguments as for `weigh`, which had all pictures before."""
        valid = self._checked(frame, valid)
        if self._blended == self._weighed:
            raise UsageError("A picture was blended that was not weighed.")
        weights = self._weights(frame, valid)
        weights /= self._total
        self._blended += 1
        level = frame if valid.min() >= 1 else _filled(frame, _share(valid))
        for total in self._levels[:-1]:
            coarser = _reduced(level)
            _accumulate(level, _enlarged(coarser, level), weights, total)
            level, weights = coarser, _reduced(weights)
        _accumulate(level, None, weights, self._levels[-1])

    def result(self) -> FloatArray:
        """Return the fused picture (H, W, 3), float32, 0 to 1."""
        if not self._weighed or self._blended < self._weighed:
            raise UsageError(f"Of {self._weighed} pictures {self._blended} were blended.")
        picture = self._levels[-1].copy()
        for level in reversed(self._levels[:-1]):
            picture = _enlarged(picture, level)
            picture += level
        return np.asarray(np.clip(picture, 0, 1, out=picture))

    def _checked(self, frame: FloatArray, valid: FloatArray | None) -> FloatArray:
        valid = np.ones(self._shape, np.float32) if valid is None else valid
        if frame.shape != (*self._shape, 3) or valid.shape != self._shape:
            raise UsageError(f"A picture of {self._shape[0]} rows and {self._shape[1]} columns was expected.")
        return valid

    def _weights(self, frame: FloatArray, valid: FloatArray) -> FloatArray:
        grey = np.asarray(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), dtype=np.float32)
        share, weights = _share(valid), np.empty_like(grey)
        run_in_bands(lambda first, last: _weigh(frame, grey, valid, share, first, last, weights), len(grey))
        return weights


def _share(valid: FloatArray) -> FloatArray:
    """Return how far pixels are taken as they are: fully from half their validity on, which their weight has too."""
    return np.minimum(2 * valid, np.float32(1))


def _reduced(level: FloatArray) -> FloatArray:
    return np.asarray(cv2.pyrDown(level), dtype=np.float32)


def _enlarged(coarser: FloatArray, level: FloatArray) -> FloatArray:
    """Return the next coarser level of a pyramid in the size of a level."""
    return np.asarray(cv2.pyrUp(coarser, dstsize=level.shape[1::-1]), dtype=np.float32)


def _filled(frame: FloatArray, share: FloatArray) -> FloatArray:
    """Return a picture with what is around it where its share (H, W), 0 to 1, is 0, and between the two with both."""
    if max(share.shape) == 1:
        return frame
    coarser_share = _reduced(share)
    coarser = _reduced(frame * share[..., None])
    coarser /= np.maximum(coarser_share, _INVALID)[..., None]
    filled = _enlarged(_filled(coarser, coarser_share), frame)
    run_in_bands(lambda first, last: _mix(frame, share, first, last, filled), len(frame))
    return filled


def _accumulate(level: FloatArray, coarser: FloatArray | None, weights: FloatArray, total: FloatArray) -> None:
    """Add weights times one band of a picture: what is in a level beyond the coarser one."""
    known = level if coarser is None else coarser
    scale = np.float32(0 if coarser is None else 1)
    run_in_bands(lambda first, last: _add(level, known, scale, weights, first, last, total), len(level))


@kernel
def _weigh(
    frame: FloatArray,
    grey: FloatArray,
    valid: FloatArray,
    share: FloatArray,
    first: int,
    last: int,
    weights: FloatArray,
) -> None:
    height, width = grey.shape
    for i in range(first, last):
        above, below = min(abs(i - 1), height - 1), max(min(i + 1, 2 * height - 3 - i), 0)
        for j in range(width):
            left, right = min(abs(j - 1), width - 1), max(min(j + 1, 2 * width - 3 - j), 0)
            here = grey[i, j]
            # An edge to what is not valid is no contrast of the picture.
            contrast = abs(
                share[above, j] * (grey[above, j] - here)
                + share[below, j] * (grey[below, j] - here)
                + share[i, left] * (grey[i, left] - here)
                + share[i, right] * (grey[i, right] - here)
            )
            red, green, blue = frame[i, j, 0], frame[i, j, 1], frame[i, j, 2]
            mean = (red + green + blue) / np.float32(3)
            saturation = np.sqrt((red - mean) ** 2 + (green - mean) ** 2 + (blue - mean) ** 2)
            middle = np.float32(0.5)
            distance = (red - middle) ** 2 + (green - middle) ** 2 + (blue - middle) ** 2
            measure = contrast * saturation * np.exp(-distance * _EXPOSEDNESS)
            weights[i, j] = (measure + _LEAST) * valid[i, j] + _INVALID


@kernel
def _mix(frame: FloatArray, share: FloatArray, first: int, last: int, filled: FloatArray) -> None:
    for i in range(first, last):
        for j in range(frame.shape[1]):
            for c in range(3):
                filled[i, j, c] += share[i, j] * (frame[i, j, c] - filled[i, j, c])


@kernel
def _add(
    level: FloatArray,
    coarser: FloatArray,
    scale: Real,
    weights: FloatArray,
    first: int,
    last: int,
    total: FloatArray,
) -> None:
    for i in range(first, last):
        for j in range(level.shape[1]):
            for c in range(3):
                total[i, j, c] += weights[i, j] * (level[i, j, c] - scale * coarser[i, j, c])
