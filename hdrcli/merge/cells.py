"""Exposures seen by 2x2 cells: one colour each, half the size of the picture, raw or not.

Registration and the search for ghosts compare exposures by cells, so that neither knows of colour filter arrays; and a
cell is saturated as a whole, so that no colour creeps in where its channels clip one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray
from hdrcli.kernels import kernel, run_in_bands

FIRST, FULL = 0.90, 0.98
"""Shares of the clip between which a sample stops to count."""

LUMA = np.array([0.25, 0.5, 0.25], dtype=np.float32)


@dataclass(frozen=True)
class Cells:
    """One exposure, or several merged, by cells.

    Attributes
    ----------
    light : ndarray (h, w, 3), float32
        Mean R, G and B of each cell, linear.
    variance : ndarray (h, w, 3), float32
        Of the noise of `light`.
    trust : ndarray (h, w), float32
        1 where nothing clips near the cell, falling to 0 where it does; where it is 0, `light` is what the light is at
        least.
    """

    light: FloatArray
    variance: FloatArray
    trust: FloatArray

    @property
    def luma(self) -> FloatArray:
        """(R + 2 G + B) / 4, (h, w)."""
        return np.asarray(cv2.transform(self.light, LUMA[None]), dtype=np.float32)


def colour_positions(cfa: str) -> NDArray[np.int64]:
    """Return the channel (2, 2) of each position of a Bayer cell."""
    return np.array(["RGB".index(colour) for colour in cfa], dtype=np.int64).reshape(2, 2)


def bayer_cells(data: FloatArray, cfa: str) -> tuple[FloatArray, FloatArray]:
    """Return mean colours (h, w, 3) and the largest sample (h, w) of the whole cells of a mosaic (H, W)."""
    height, width = data.shape[0] // 2, data.shape[1] // 2
    light, peak = np.empty((height, width, 3), np.float32), np.empty((height, width), np.float32)
    colours = colour_positions(cfa)
    run_in_bands(lambda first, last: _bayer_cells(data, colours, first, last, light, peak), height)
    return light, peak


def picture_cells(picture: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean colours (h, w, 3) and the largest value (h, w) of the whole cells of a picture (H, W, 3)."""
    height, width = picture.shape[0] // 2, picture.shape[1] // 2
    whole = picture[: 2 * height, : 2 * width]
    light = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)
    peak = whole.reshape(height, 2, width, 2, 3).max(axis=(1, 3, 4))
    return light, np.asarray(peak, dtype=np.float32)


def unsaturated(peak: FloatArray) -> FloatArray:
    """Return the trust (h, w) in cells by their largest samples and those of their neighbours; the clip is 1.0."""
    around = cv2.dilate(peak, np.ones((3, 3), np.uint8))
    t = np.clip((around - np.float32(FIRST)) / np.float32(FULL - FIRST), 0, 1)
    return np.asarray(1 - t * t * (3 - 2 * t), dtype=np.float32)


@kernel
def _bayer_cells(
    data: FloatArray, colours: NDArray[np.int64], first: int, last: int, light: FloatArray, peak: FloatArray
) -> None:
    half = np.float32(0.5)
    for i in range(first, last):
        for j in range(light.shape[1]):
            light[i, j, 1] = 0
            top = data[2 * i, 2 * j]
            for k in range(4):
                sample = data[2 * i + (k >> 1), 2 * j + (k & 1)]
                channel = colours[k >> 1, k & 1]
                top = max(top, sample)
                if channel == 1:
                    light[i, j, 1] += half * sample
                else:
                    light[i, j, channel] = sample
            peak[i, j] = top
