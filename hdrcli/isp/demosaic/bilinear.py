"""Bilinear demosaicing: each missing colour is the mean of its nearest samples."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray

_GREEN = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], dtype=np.float32) / 4
_RED_OR_BLUE = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], dtype=np.float32) / 4


def scratch(rows: int, columns: int) -> FloatArray:
    """Return the working memory: none is needed."""
    return np.empty(0, dtype=np.float32)


def interpolate(y: FloatArray, colours: NDArray[np.int64], rgb: FloatArray, work: FloatArray) -> None:
    """Write all three colours of a tile.

    Parameters
    ----------
    y : ndarray (h + 2 m, w + 2 m), float32
        Samples on any scale, with an even margin m of at least 2 around the tile.
    colours : ndarray (2, 2), int64
        Channel (0 red, 1 green, 2 blue) of the Bayer cell at the first sample of `y`.
    rgb : ndarray (h, w, 3), float32
        Written, on the scale of `y`.
    work : ndarray
        Not used.
    """
    margin = (y.shape[0] - rgb.shape[0]) // 2
    for channel in range(3):
        plane = np.zeros_like(y)
        for i, j in np.argwhere(colours == channel):
            plane[i::2, j::2] = y[i::2, j::2]
        filled = cv2.filter2D(plane, cv2.CV_32F, _GREEN if channel == 1 else _RED_OR_BLUE)
        rgb[..., channel] = filled[margin:-margin, margin:-margin]
