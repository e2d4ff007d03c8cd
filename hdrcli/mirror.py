"""Indices beyond the borders of a mosaic, where the pattern of colours and exposures must go on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def mirrored(start: int, stop: int, *, length: int, period: int) -> NDArray[np.intp]:
    """Fold indices `start` to `stop` into 0 .. `length`, each onto a sample of the same phase of `period`.

    Whole periods are mirrored and keep their inner order, so that the rows of an exposure and the colours of the
    mosaic go on beyond the border as they are inside. With period 1 this is symmetric reflection.

    Parameters
    ----------
    start, stop : int
        Any range, also one that begins before 0 or ends after `length` by more than `length`.
    length : int
        Samples there are, at least `period`.
    period : int
        4 for the rows of a dual-ISO frame, 2 for a Bayer mosaic, 1 for pictures.

    Returns
    -------
    ndarray (stop - start,), intp

    Raises
    ------
    ValueError
        When `length` is less than `period`: some phase then has no sample.

    Examples
    --------
    >>> mirrored(-3, 6, length=6, period=2).tolist()
    [3, 0, 1, 0, 1, 2, 3, 4, 5]
    """
    if length < period:
        raise ValueError(f"{length} samples are less than a period of {period}")
    index = np.arange(start, stop)
    phase = index % period
    block = index // period
    last_block = (length - 1 - phase) // period
    span = 2 * (last_block + 1)
    block = np.mod(block, span)
    block = np.where(block > last_block, span - 1 - block, block)
    return np.ascontiguousarray(block * period + phase, dtype=np.intp)
