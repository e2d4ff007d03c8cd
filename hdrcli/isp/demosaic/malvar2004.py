"""Linear demosaicing with gradient correction, 5x5.

Malvar, He and Cutler, "High-quality linear interpolation for demosaicing of Bayer-patterned color images",
ICASSP 2004.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray

# The filters of the paper's figure 2, in eighths.
_GREEN = np.array(
    [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]], dtype=np.float32
)
_BESIDE = np.array(
    [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]], dtype=np.float32
)
_DIAGONAL = np.array(
    [[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]], dtype=np.float32
)


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
    green, beside, above, diagonal = (
        cv2.filter2D(y, cv2.CV_32F, kernel / 8)[margin:-margin, margin:-margin]
        for kernel in (_GREEN, _BESIDE, _BESIDE.T, _DIAGONAL)
    )
    measured = y[margin:-margin, margin:-margin]
    for i in (0, 1):
        for j in (0, 1):
            here = (slice(i, None, 2), slice(j, None, 2))
            channel = colours[i, j]
            rgb[(*here, channel)] = measured[here]
            if channel == 1:
                rgb[(*here, colours[i, 1 - j])] = beside[here]
                rgb[(*here, colours[1 - i, j])] = above[here]
            else:
                rgb[(*here, 1)] = green[here]
                rgb[(*here, 2 - channel)] = diagonal[here]
