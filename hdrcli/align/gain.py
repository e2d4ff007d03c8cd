"""The ratio of two exposures, measured on what both see well."""

from __future__ import annotations

import numpy as np

from hdrcli.images import FloatArray

_BLOCKS = (4, 2)  # cells; the smaller where clipped ones lie too close for the larger
_LEAST_BLOCKS, _LEAST_SHARE = 24, 0.003  # of less of the picture, whatever moved may be all that is seen
_SIGNAL = 6.0  # in deviations of the noise of a cell
_TOP = 0.85


def measure_ratio(
    reference: FloatArray, frame: FloatArray, *, noise: float, top: float, weight: FloatArray
) -> tuple[float, float] | None:
    """Return the level of a frame over that of the reference.

    Medians over blocks of cells, so that neither ghosts nor edges decide.

    Parameters
    ----------
    reference, frame : ndarray (h, w), float32
        Light of the same cells, linear, each on a scale of its own.
    noise : float
        Standard deviation of the noise of dark cells of the noisier one, on the scale of the reference.
    top : float
        Light on the scale of the reference from which on either may clip.
    weight : ndarray (h, w), float32
        0 where the two cannot be compared.

    Returns
    -------
    tuple of 2 float, or None
        The ratio and its standard error, relative; None where too little is well exposed in both.
    """
    for size in _BLOCKS:
        light, other, share = (_blocks(array, size) for array in (reference, frame, weight))
        if not len(light):
            continue
        # Chosen by the reference alone: choosing by both would favour noise that makes them alike.
        usable = (share.min(axis=1) > 0.5) & (light.max(axis=1) < _TOP * top) & (light.mean(axis=1) > _SIGNAL * noise)
        if np.count_nonzero(usable) >= max(_LEAST_BLOCKS, _LEAST_SHARE * len(light)):
            return _ratio(light[usable], other[usable])
    return None


def _blocks(array: FloatArray, size: int) -> FloatArray:
    """Return the whole blocks (n, size * size) of an array."""
    rows, columns = array.shape[0] // size, array.shape[1] // size
    tiled = array[: rows * size, : columns * size].reshape(rows, size, columns, size)
    return np.ascontiguousarray(tiled.swapaxes(1, 2)).reshape(-1, size * size)


def _ratio(light: FloatArray, other: FloatArray) -> tuple[float, float]:
    """Return the ratio of blocks (n, m) to others, and its relative standard error."""
    sums = light.sum(axis=1, dtype=np.float64), other.sum(axis=1, dtype=np.float64)
    logs = np.log(np.maximum(sums[1], 1e-9) / sums[0])
    # Even blocks are worth most: an edge that is off by a little is an error of the ratio.
    uneven = light.std(axis=1) / light.mean(axis=1)
    worth = 1 / (0.02 + uneven)
    order = np.argsort(logs)
    passed = np.cumsum(worth[order])
    middle = float(logs[order][np.searchsorted(passed, passed[-1] / 2)])
    spread = 1.4826 * float(np.median(np.abs(logs - middle)))
    return float(np.exp(middle)), spread * 1.25 / float(np.sqrt(len(logs)))
