"""Merging on the mosaic: what was measured and what was predicted, weighted by their variances.

Inverse-variance weights are the noise-optimal ones (Hasinoff et al. 2010 derive them for exposure stacks). They are
taken at the predicted value, not at the measured one: weights that follow a sample's own noise favour its dark side.
A clipped sample is no measurement but still says that there was at least so much light; the estimate is then the mean
of the prediction's distribution above the clip (Tobin 1958), which keeps small highlights between the rows.
"""

from __future__ import annotations

import math

import numpy as np

from hdrcli.images import FloatArray, MaskArray
from hdrcli.kernels import Real, kernel

# The doubt is a cautious variance, right for weighing; where highlights stand out of the prediction, a fifth of its
# root fits them best (measured on training scenes; more brings period-4 stripes into smooth highlights).
_SPREAD = 0.2


@kernel
def merge_predicted(
    data: FloatArray,
    high: MaskArray,
    balance: FloatArray,
    knee: Real,
    clip_low: Real,
    clip_high: Real,
    noise: FloatArray,
    prediction: FloatArray,
    doubt: FloatArray,
    merged: FloatArray,
) -> None:
    """Merge a dual-ISO mosaic with its prediction from the other row class, in linear light.

    Parameters
    ----------
    data : ndarray (H, W), float32
        Samples in units of the low clip; row 0 and column 0 at an even row and column of the mosaic.
    high : ndarray (H,), bool
        Rows of the high class.
    balance : ndarray (2, 2), float32
        Factors used before compression, by position in the cell.
    knee : float32
        Knee of the asinh compression.
    clip_low, clip_high : float32
        Levels from which on samples of the class may be saturated.
    noise : ndarray (4,), float32
        Shot and read variance of the low class, then of the high class.
    prediction, doubt : ndarray (H, W), float32
        Predicted value in the compressed domain, and its variance beyond noise.
    merged : ndarray (H, W), float32
        Result, in units of the low clip.
    """
    height, width = data.shape
    for i in range(height):
        own_shot, own_read = noise[2 * high[i]], noise[2 * high[i] + 1]
        other_shot, other_read = noise[2 - 2 * high[i]], noise[3 - 2 * high[i]]
        for j in range(width):
            gain = balance[i & 1, j & 1] / knee
            up = np.exp(prediction[i, j])
            predicted = np.float32(0.5) * (up - np.float32(1) / up) / gain
            light = max(predicted, np.float32(0))
            t = light * gain
            slope = (np.float32(1) + t * t) / (gain * gain)
            # A prediction averages two or more samples; six tenths of their variance was measured to be left.
            trust = doubt[i, j] * slope + np.float32(0.6) * (other_shot * light + other_read)
            sample = data[i, j]
            if high[i]:
                if sample > clip_high:
                    limit = np.arcsinh(clip_high * gain)
                    up = np.exp(_mean_above(prediction[i, j], doubt[i, j], limit))
                    merged[i, j] = max(np.float32(0.5) * (up - np.float32(1) / up) / gain, clip_high)
                    continue
            else:
                if sample > clip_low:
                    merged[i, j] = sample
                    continue
                # Predictions from high rows end where those clip.
                fade = min(max((light / clip_high - np.float32(0.8)) / np.float32(0.15), np.float32(0)), np.float32(1))
                trust /= np.float32(1) - fade * fade * (3 - 2 * fade) + np.float32(1e-9)
            own = own_shot * light + own_read
            merged[i, j] = (sample * trust + predicted * own) / (trust + own)


@kernel
def _mean_above(mean: Real, variance: Real, limit: Real) -> Real:
    """Return the mean of a normal distribution cut off below `limit`."""
    sigma = math.sqrt(min(max(variance, 1e-6), 1.0)) * _SPREAD
    z = (limit - mean) / sigma
    if z > 5:
        return limit + sigma / z
    if z < -5:
        return mean
    hazard = math.sqrt(2 / math.pi) * math.exp(-0.5 * z * z) / math.erfc(z / math.sqrt(2))
    return mean + sigma * hazard
