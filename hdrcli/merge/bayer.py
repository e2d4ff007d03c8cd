"""Merging on the mosaic: what was measured and what was predicted, weighted by their variances.

Inverse-variance weights are the noise-optimal ones (Hasinoff et al. 2010 derive them for exposure stacks). They are
taken at the predicted value, not at the measured one: weights that follow a sample's own noise favour its dark side.
"""

from __future__ import annotations

import numpy as np

from hdrcli.images import FloatArray, MaskArray
from hdrcli.kernels import Real, kernel


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
                    # Clipped: the sample still says that the light is at least this strong.
                    merged[i, j] = max(predicted, clip_high)
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
