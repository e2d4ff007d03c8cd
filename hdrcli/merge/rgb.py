"""Merging developed exposures by equation 19 of Cogalan and Akyuz, as published.

H = sum f(x_i) G_i / sum f(x_i), with the exposures G_i on one scale of light and x_i their own exposure level before
white balance. The paper leaves f open; a trapezoid is used, one-sided at both ends: the low exposure keeps its weight
at the top, the high one at the bottom, so that the weights never sum to zero.
"""

from __future__ import annotations

import cv2
import numpy as np

from hdrcli.images import BayerImage, FloatArray, SceneImage

_TOE = 0.02
_SHOULDER = 0.9


def merge_rgb(low: SceneImage, high: SceneImage, *, low_weight: FloatArray, high_weight: FloatArray) -> SceneImage:
    """Return the weighted mean of two developed exposures.

    Parameters
    ----------
    low, high : SceneImage
        Same size and colour space, both in units of the low clip.
    low_weight, high_weight : ndarray (H, W), float32
        At least 0 and nowhere both 0; one weight serves all three channels, or colours would shift.

    Returns
    -------
    SceneImage
    """
    share = (high_weight / (low_weight + high_weight))[:, :, None]
    return SceneImage(low.data + share * (high.data - low.data), low.colour_space)


def low_exposure_weight(low: BayerImage) -> FloatArray:
    """Return f for the low exposure (own clip 1.0): rises from the toe, stays at the top. Shape (H, W), above 0."""
    return np.asarray(np.clip(_cell_maximum(low.data) / _TOE, 1e-4, 1), dtype=np.float32)


def high_exposure_weight(high: BayerImage) -> FloatArray:
    """Return f for the high exposure (own clip 1.0): full at the bottom, 0 at its clip. Shape (H, W)."""
    return np.asarray(np.clip((1 - _cell_maximum(high.data)) / (1 - _SHOULDER), 0, 1), dtype=np.float32)


def _cell_maximum(mosaic: FloatArray) -> FloatArray:
    """Largest of the samples around each: all colours of a cell are judged together."""
    return np.asarray(cv2.dilate(mosaic, np.ones((3, 3), np.uint8)), dtype=np.float32)
