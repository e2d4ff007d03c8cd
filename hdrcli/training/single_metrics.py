"""How far the HDR picture made of one display picture is from the truth: the metrics of the tables, each defined once.

Pictures are linear RGB (H, W, 3), float32, 1.0 = clip of the input. No method knows the camera's curve, hence not the
exposure either: one gain for the whole picture is fitted first (`fitted`), and all figures are of the fitted picture.
"""

from __future__ import annotations

import numpy as np

from hdrcli.images import FloatArray, MaskArray
from hdrcli.training.metrics import MU, psnr, pu21

CLIP_CD_M2 = 100.0
LARGEST_CD_M2 = 1000.0
FLOOR = 1e-3
"""Errors in stops are of light with this much added, ten stops under the clip: about the noise of eight bits."""

COLUMNS = ("mu", "pu21", "clipped", "unclipped")
"""Of `figures`: mu-PSNR in dB, PU21-PSNR in dB, RMS errors in stops over clipped and over unclipped pixels."""


def clipped_pixels(truth: FloatArray) -> MaskArray:
    """Return where (H, W) at least one channel of the truth is at or above the clip of the input."""
    return np.asarray((truth >= 1).any(axis=2))


def fitted(picture: FloatArray, truth: FloatArray) -> FloatArray:
    """Return the picture, cut at 0, times the gain with the least mean square error in stops over unclipped pixels.

    Clipped pixels do not count: there methods invent light, and the well exposed parts would pay for it. Where there
    are fewer than a hundred unclipped pixels, all count.
    """
    light = np.maximum(picture, np.float32(0))
    seen = ~clipped_pixels(truth)
    where = seen if np.count_nonzero(seen) >= 100 else np.ones_like(seen)
    # With the floor in it the error is not quite that of a gain: a few steps find the place where its mean is 0.
    gain = np.float32(1)
    for _ in range(4):
        gain *= np.float32(np.exp2(-np.mean(stops(light[where] * gain, truth[where]))))
    return np.asarray(light * gain, dtype=np.float32)


def figures(picture: FloatArray, truth: FloatArray) -> dict[str, float]:
    """Return all metrics of a picture, by the names of `COLUMNS`.

    Where no pixel of the truth clips, or all do, the error over none of them is not a number.
    """
    shown = fitted(picture, truth)
    clipped = clipped_pixels(truth)
    return {
        "mu": ntire_mu_psnr(shown, truth),
        "pu21": pu21_psnr(shown, truth),
        "clipped": rms_stops(shown, truth, clipped),
        "unclipped": rms_stops(shown, truth, ~clipped),
    }


def ntire_mu_psnr(picture: FloatArray, truth: FloatArray, *, where: MaskArray | None = None) -> float:
    """Return the mu-PSNR of the NTIRE challenges on HDR (2021, 2022) in dB, of linear light.

    With p the 99th percentile of all values of the truth: the PSNR, peak 1, of log(1 + mu tanh(x / p)) / log(1 + mu),
    mu = 5000. (The challenge stores light to the power 1 / 2.24 and undoes that first.) Of the pixels of a mask (H, W)
    alone, where one is given; p is that of all.
    """
    percentile = np.float32(np.percentile(truth, 99))
    shown, true = (
        np.log1p(MU * np.tanh(np.maximum(x, 0) / percentile).astype(np.float64)) / np.log1p(MU)
        for x in (picture, truth)
    )
    error = np.asarray(shown - true, dtype=np.float32)
    return psnr(error if where is None else error[where])


def pu21_psnr(picture: FloatArray, truth: FloatArray) -> float:
    """Return the PSNR of PU21 values of R, G and B, peak 256: the clip shown at 100 cd/m2, the screen ends at 1000."""
    shown, true = (pu21(np.clip(x * np.float32(CLIP_CD_M2), 0, LARGEST_CD_M2)) for x in (picture, truth))
    return psnr((shown - true) / np.float32(256))


def rms_stops(picture: FloatArray, truth: FloatArray, where: MaskArray) -> float:
    """Return the RMS error in stops of R, G and B over the pixels of a mask (H, W); NaN when it is empty."""
    if not where.any():
        return float("nan")
    return float(np.sqrt(np.mean(np.square(stops(picture[where], truth[where])))))


def stops(picture: FloatArray, truth: FloatArray) -> FloatArray:
    """Return by how many stops each value is too bright, `FLOOR` added to both."""
    light, true = (np.maximum(x, np.float32(0)) + np.float32(FLOOR) for x in (picture, truth))
    return np.asarray(np.log2(light / true), dtype=np.float32)
