"""How far a merged bracket is from the truth: the metrics of the tables, each defined once.

Merged mosaics and pictures come on the scale of the reference, 1.0 = its clip. What the shortest frame clips nobody
can know; figures of raw brackets are taken on the scale on which it clips at 1.0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray, MaskArray
from hdrcli.training.metrics import mosaic_psnr, picture_psnr
from hdrcli.training.single_metrics import rms_stops

USED_CODES = (5, 250)
"""Range of the codes over which responses are compared: below it and above it a code stands for hardly any light, or
for any amount."""


def merged_mosaic_psnr(
    merged: FloatArray, truth: FloatArray, gains: Sequence[float], *, where: MaskArray | None = None
) -> float:
    """Return the mu-law PSNR of a merged mosaic in dB.

    Parameters
    ----------
    merged, truth : ndarray (H, W), float32
        1.0 = clip of the reference.
    gains : sequence of float
        Of all frames over the reference; the least makes the scale.
    where : ndarray (H, W), bool, optional
        Samples that count; all by default.

    Returns
    -------
    float
        Over samples of which the truth is below 98 % of the clip of the shortest frame.
    """
    scale = np.float32(min(gains))
    return mosaic_psnr(merged * scale, truth * scale, where=where)


def merged_picture_psnr(picture: FloatArray, truth: FloatArray, gains: Sequence[float]) -> float:
    """Return the mu-law PSNR of a developed picture (H, W, 3) in dB, one global scale fitted, on the same scale."""
    scale = np.float32(min(gains))
    return picture_psnr(picture * scale, truth * scale)


def area_stops(picture: FloatArray, truth: FloatArray, area: MaskArray, *, gains: Sequence[float]) -> float:
    """Return the RMS error in stops inside an area, a thousandth of the clip of the reference added to both.

    Parameters
    ----------
    picture, truth : ndarray (H, W) or (H, W, 3), float32
        1.0 = clip of the reference. Both are cut at the clip of the shortest frame first.
    area : ndarray (H, W), bool
    gains : sequence of float
        Of all frames over the reference.

    Returns
    -------
    float
        NaN where the area is empty.
    """
    clip = np.float32(1 / min(gains))
    return rms_stops(np.minimum(picture, clip), np.minimum(truth, clip), area)


def response_error(
    recovered: NDArray[np.float64], truth: NDArray[np.float64], used: NDArray[np.bool_] | None = None
) -> float:
    """Return the RMS relative error of a response in percent, over codes 5 to 250, after fitting one gain.

    Parameters
    ----------
    recovered, truth : ndarray (256, 3)
        Light by code and channel, any scale.
    used : ndarray (256, 3), bool, optional
        Codes that occur; all by default.

    Returns
    -------
    float
        One gain for the three channels: a cast is an error.

    Raises
    ------
    UsageError
        When no code in the range occurs.
    """
    codes = np.arange(len(truth))
    in_range = (codes >= USED_CODES[0]) & (codes <= USED_CODES[1])
    chosen = np.repeat(in_range[:, None], truth.shape[1], axis=1)
    if used is not None:
        chosen = chosen & used
    if not chosen.any():
        raise UsageError("No code between 5 and 250 occurs, so there is no response to compare.")
    ratio = recovered[chosen] / truth[chosen]
    gain = ratio.sum() / np.square(ratio).sum()
    return float(100 * np.sqrt(np.mean(np.square(gain * ratio - 1))))


def used_codes(pictures: Sequence[NDArray[np.uint8]]) -> NDArray[np.bool_]:
    """Return which codes (256, 3) occur in any of the pictures (H, W, 3), by channel."""
    counts = [[np.bincount(picture[..., c].ravel(), minlength=256) for c in range(3)] for picture in pictures]
    return np.asarray(np.sum(counts, axis=0).T > 0)
