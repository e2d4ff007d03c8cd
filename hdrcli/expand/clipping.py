"""What of a display picture clips, how far the light goes above it, and where the picture itself is to be believed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hdrcli.expand.features import clipping
from hdrcli.images import DisplayImage, FloatArray
from hdrcli.kernels import run_in_bands

_CLIPPED = 254 / 255  # of the highest code: JPEG leaves few pixels of a white area at the very top
# Of the highest code, in the brightest channel: between them cameras bend their highlights, and trust goes.
_SHOULDER = 0.85, 0.97
_BRIGHTEST_PERCENTILE = 99.9  # single pixels are noise


@dataclass(frozen=True)
class Clipping:
    """Shares of the pixels of a picture that clip.

    Attributes
    ----------
    any, all : float
        In one channel at least, and in all three; 0 to 1.
    """

    any: float
    all: float


def measure_clipping(image: DisplayImage) -> Clipping:
    """Return how much of a display picture clips: what is at 254/255 of white or above."""
    least = np.ceil(np.iinfo(image.data.dtype).max * _CLIPPED)
    counts: list[tuple[int, int]] = []

    def work(first: int, last: int) -> None:
        red, green, blue = np.moveaxis(image.data[first:last] >= least, -1, 0)
        counts.append((int(np.count_nonzero(red | green | blue)), int(np.count_nonzero(red & green & blue))))

    run_in_bands(work, len(image.data))
    some, every = np.sum(counts, axis=0) / image.data[..., 0].size
    return Clipping(float(some), float(every))


def brightest_stops(light: FloatArray) -> float | None:
    """Return how far light goes above the clip, in stops: the 99.9th percentile of the brightest channel above 1.0.

    Parameters
    ----------
    light : ndarray (H, W, 3), float32
        1.0 = the clip.

    Returns
    -------
    float or None
        None where nothing is above.
    """
    above: list[FloatArray] = []

    def work(first: int, last: int) -> None:
        brightest = _brightest_channel(light[first:last])
        above.append(brightest[brightest > 1])

    run_in_bands(work, len(light))
    values = np.concatenate(above)
    return float(np.log2(np.percentile(values, _BRIGHTEST_PERCENTILE))) if values.size else None


def keep_well_exposed(light: FloatArray, measured: FloatArray, codes: FloatArray) -> FloatArray:
    """Return `light` where a picture clips, faded to what its codes say below the shoulder.

    Parameters
    ----------
    light, measured : ndarray (H, W, 3), float32
        The estimate, and the picture linearised, both with 1.0 = the clip.
    codes : ndarray (H, W, 3), float32
        The picture as the camera wrote it, 0 to 1. Where its brightest channel is below 0.85 the answer is `measured`,
        above 0.97 it is `light`.

    Returns
    -------
    ndarray (H, W, 3), float32
        A new array.
    """
    out = np.empty_like(light)

    def work(first: int, last: int) -> None:
        share = clipping(_brightest_channel(codes[first:last]), between=_SHOULDER)[..., None]
        out[first:last] = measured[first:last] * (1 - share) + light[first:last] * share

    run_in_bands(work, len(light))
    return out


def _brightest_channel(x: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(np.maximum(x[..., 0], x[..., 1]), x[..., 2]), dtype=np.float32)
