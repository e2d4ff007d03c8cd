"""From one colour per pixel to three: bilinear, Malvar 2004, directional.

All methods interpolate on a signed fourth root of the samples (`root_scale`): on linear HDR data one bright neighbour
outweighs all dark ones. Colour differences mean something on that scale only while grey is equal in the three
channels, so white balance comes first: `gains` enter here, before anything is interpolated, and the result is
balanced. Merge weights and noise models belong to the samples before that.

The picture is worked on in tiles of a fixed grid, on all cores, so results do not depend on the machine; a `finish`
step may be given that sees every tile while it is still in the cache.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UsageError
from hdrcli.images import BAYER_PATTERNS, BayerImage, FloatArray
from hdrcli.isp.demosaic import bilinear, directional, malvar2004
from hdrcli.isp.demosaic.root_scale import load_tile, root_offset, unload_tile
from hdrcli.kernels import run_in_bands

MARGIN = directional.MARGIN
"""Samples that every method may look at beside a tile."""

# 96 x 512 with margins is 236 kB a plane: the seven planes of the directional method stay in cache.
_TILE_ROWS = 96
_TILE_COLUMNS = 512


class Method(NamedTuple):
    """How one algorithm works on a tile: interpolate(samples, colours, rgb, work), and its working memory."""

    interpolate: Callable[[FloatArray, NDArray[np.int64], FloatArray, FloatArray], None]
    scratch: Callable[[int, int], FloatArray]


METHODS = {
    "directional": Method(directional.interpolate, directional.scratch),
    "malvar2004": Method(malvar2004.interpolate, malvar2004.scratch),
    "bilinear": Method(bilinear.interpolate, bilinear.scratch),
}


def demosaic(
    bayer: BayerImage,
    *,
    method: str = "directional",
    gains: tuple[float, float, float] = (1.0, 1.0, 1.0),
    finish: Callable[[FloatArray], object] | None = None,
    out: FloatArray | None = None,
) -> FloatArray:
    """Return camera RGB on every pixel.

    Parameters
    ----------
    bayer : BayerImage
        Linear samples of any size from 1x1, finite.
    method : str
        "directional" (the default), "malvar2004" or "bilinear".
    gains : tuple of 3 float
        White-balance factors on red, green and blue, applied before interpolation. Without them the samples should be
        balanced already: the methods assume that grey is about equal in the three channels.
    finish : callable, optional
        Called with each finished tile, ndarray (h, w, 3), float32, linear and balanced, which it may change in place.
        Must act on pixels one by one: tiles come in any order, from several threads.
    out : ndarray (H, W, 3), float32, optional
        Written instead of a new array; any strides.

    Returns
    -------
    ndarray (H, W, 3), float32
        Linear RGB times `gains`, clip of the reference exposure at `gains`. Measured samples come back exactly.

    Raises
    ------
    UsageError
        When there is no such method or Bayer pattern.

    Notes
    -----
    A picture one pixel high or wide lacks whole colours; its rows or columns are doubled first, so that its only
    samples stand for the missing colours too.
    """
    if method not in METHODS:
        raise UsageError(f"There is no demosaicing method {method!r}; choose from {', '.join(METHODS)}.")
    if bayer.cfa not in BAYER_PATTERNS:
        raise UsageError(f"{bayer.cfa!r} is no Bayer pattern; one of {', '.join(BAYER_PATTERNS)} is.")
    height, width = bayer.data.shape
    result = np.empty((height, width, 3), np.float32) if out is None else out
    if 0 in (height, width):
        return result
    samples = np.ascontiguousarray(bayer.data, dtype=np.float32)
    for axis in (0, 1):
        if samples.shape[axis] == 1:
            samples = np.repeat(samples, 2, axis=axis)
    colours = np.array(["RGB".index(colour) for colour in bayer.cfa], dtype=np.int64).reshape(2, 2)
    balance = np.array(gains, dtype=np.float32)
    offset = np.float32(root_offset(bayer, gains))
    interpolate, scratch = METHODS[method]

    def work(first: int, last: int) -> None:
        memory = scratch(_TILE_ROWS, _TILE_COLUMNS)
        for top in range(first, last, _TILE_ROWS):
            for left in range(0, width, _TILE_COLUMNS):
                shape = (min(_TILE_ROWS, last - top), min(_TILE_COLUMNS, width - left))
                tile = np.empty((shape[0] + 2 * MARGIN, shape[1] + 2 * MARGIN), np.float32)
                load_tile(samples, top - MARGIN, left - MARGIN, colours, balance, offset, tile)
                rgb = np.empty((*shape, 3), np.float32)
                interpolate(tile, colours, rgb, memory)
                unload_tile(samples, top, left, colours, balance, offset, rgb)
                if finish is not None:
                    finish(rgb)
                result[top : top + shape[0], left : left + shape[1]] = rgb

    run_in_bands(work, height, multiple=_TILE_ROWS)
    return result
