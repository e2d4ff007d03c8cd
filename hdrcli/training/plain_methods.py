"""The simplest ways to make one picture of a dual-ISO frame, which everything else is measured against."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.images import BayerImage, FloatArray
from hdrcli.isp.demosaic import demosaic
from hdrcli.merge.rgb import high_exposure_weight, low_exposure_weight


def fill_rows(frame: DualIsoFrame, *, high: bool) -> FloatArray:
    """Keep the rows of one class and fill the others linearly from the nearest rows of the same colours; (H, W)."""
    own = frame.high == high
    filled = frame.data.copy()
    for parity in (0, 1):
        rows = np.arange(parity, frame.data.shape[0], 2)
        known = rows[own[rows]]
        for row in rows[~own[rows]]:
            after = int(np.searchsorted(known, row))
            above, below = known[max(after - 1, 0)], known[min(after, known.size - 1)]
            share = 0.0 if above == below else (row - above) / (below - above)
            filled[row] = frame.data[above] * (1 - share) + frame.data[below] * share
    return filled


def merge_linearly(frame: DualIsoFrame) -> FloatArray:
    """Return the mosaic (H, W) of both exposures, filled linearly and merged by their noise up to the clip."""
    low, high = (fill_rows(frame, high=high) for high in (False, True))
    near_clip = cv2.dilate(high / frame.clip_high, np.ones((3, 3), np.uint8))
    t = np.clip((near_clip - 0.9) / 0.08, 0, 1)
    trust = 1 - t * t * (3 - 2 * t)
    weight_low = 1 / frame.noise_low.variance(low)
    weight_high = trust / frame.noise_high.variance(low)
    return np.asarray((weight_low * low + weight_high * high) / (weight_low + weight_high), dtype=np.float32)


def equation_19(frame: DualIsoFrame) -> FloatArray:
    """Return camera RGB (H, W, 3): rows filled linearly, one linear demosaicking for each exposure, equation 19."""
    low = BayerImage(np.minimum(fill_rows(frame, high=False), 1), frame.cfa)
    high = BayerImage(np.minimum(fill_rows(frame, high=True), 1 / frame.gain), frame.cfa)
    weight_low = low_exposure_weight(low)
    weight_high = high_exposure_weight(replace(high, data=high.data * np.float32(frame.gain)))
    share = (weight_high / (weight_low + weight_high))[:, :, None]
    rgb = [demosaic(image, method="malvar2004") for image in (low, high)]
    return np.asarray(rgb[0] + share * (rgb[1] - rgb[0]), dtype=np.float32)
