"""Compiled per-pixel code that runs on all cores.

A kernel is a plain function over arrays and a range of rows, compiled by Numba without the interpreter lock; threads
run it over bands of rows. Results never depend on the number of bands: a kernel writes only its own rows.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar, cast

import numba
import numpy as np

Real = float | np.floating[Any]
"""A scalar argument of a kernel; np.float32 keeps the arithmetic in single precision."""

Function = TypeVar("Function", bound=Callable[..., object])

# Everything of `fastmath` except the assumption that NaN and infinity never occur.
_FAST = {"nsz", "arcp", "contract", "afn", "reassoc"}


def kernel(function: Function) -> Function:
    """Compile `function`; machine code is cached on disk where some folder can be written."""
    try:
        compiled = numba.njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")(function)
    except RuntimeError:  # neither the package's folder nor the user's cache folder can be written
        compiled = numba.njit(nogil=True, fastmath=_FAST, error_model="numpy")(function)
    return cast(Function, compiled)


def run_in_bands(work: Callable[[int, int], object], height: int, *, multiple: int = 1) -> None:
    """Call `work(first_row, last_row)` for bands that together cover `height` rows, on all cores.

    Parameters
    ----------
    work : callable
        Handles rows `first_row` up to but not including `last_row`.
    height : int
    multiple : int
        Every band starts at a multiple of this (2 for a Bayer cell, 4 for a dual-ISO period).
    """
    cores = os.cpu_count() or 1
    rows = -(-height // (4 * cores))  # four bands a core even out bands of unequal cost
    rows = max(multiple, -(-rows // multiple) * multiple)
    bands = [(first, min(first + rows, height)) for first in range(0, height, rows)]
    for _ in _pool().map(lambda band: work(*band), bands):
        pass


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="hdrcli-band")
