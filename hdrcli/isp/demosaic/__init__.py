"""From one colour per pixel to three: bilinear, Malvar 2004, directional.

All methods interpolate on a signed fourth root of the samples (`root_scale`): on linear HDR data one bright neighbour
outweighs all dark ones. Colour differences mean something on that scale only while grey is equal in the three
channels, so white balance comes first: `gains` enter here, before anything is interpolated, and the result is
balanced. Merge weights and noise models belong to the samples before that.

The picture is worked on in tiles of a fixed grid, on all cores, so results do not depend on the machine. `demosaic`
does all of them; who has more to do to a tile while it is in the cache, or needs only some, takes a `TileDemosaicker`
along `for_each_tile`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
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


PartOfMosaic = Callable[[BayerImage, slice, slice], FloatArray]
"""Returns the samples (h, w) of some rows and columns of a mosaic, C-contiguous, float32."""


def demosaic(
    bayer: BayerImage, *, method: str = "directional", gains: tuple[float, float, float] = (1.0, 1.0, 1.0)
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
    height, width = bayer.data.shape
    colours = TileDemosaicker(bayer, method=method, gains=gains)
    result = np.empty((height, width, 3), np.float32)

    def work(rows: slice, columns: slice) -> None:
        result[rows, columns] = colours(rows, columns)

    for_each_tile(work, height, width)
    return result


def for_each_tile(work: Callable[[slice, slice], object], height: int, width: int) -> None:
    """Call `work(rows, columns)` for tiles that together cover a picture, in any order, from several threads.

    Tiles begin at even rows and columns, so that all share the phase of the mosaic, and lie the same on every machine.
    """

    def band(first: int, last: int) -> None:
        for top in range(first, last, _TILE_ROWS):
            for left in range(0, width, _TILE_COLUMNS):
                work(slice(top, min(top + _TILE_ROWS, last)), slice(left, min(left + _TILE_COLUMNS, width)))

    run_in_bands(band, height, multiple=_TILE_ROWS)


class TileDemosaicker:
    """Demosaicks the tiles of `for_each_tile`, in any order, from any thread: colours(rows, columns).

    Parameters
    ----------
    bayer, method, gains
        As for `demosaic`.
    part : callable
        Where the samples of a tile and of the margin around it come from: those of `bayer`, or something made of them
        as they are needed.

    Raises
    ------
    UsageError
        When there is no such method or Bayer pattern.
    """

    def __init__(
        self,
        bayer: BayerImage,
        *,
        method: str = "directional",
        gains: tuple[float, float, float] = (1.0, 1.0, 1.0),
        part: PartOfMosaic | None = None,
    ) -> None:
        if method not in METHODS:
            raise UsageError(f"There is no demosaicing method {method!r}; choose from {', '.join(METHODS)}.")
        if bayer.cfa not in BAYER_PATTERNS:
            raise UsageError(f"{bayer.cfa!r} is no Bayer pattern; one of {', '.join(BAYER_PATTERNS)} is.")
        samples = np.ascontiguousarray(bayer.data, dtype=np.float32)
        for axis in (0, 1):
            if samples.shape[axis] == 1:
                samples = np.repeat(samples, 2, axis=axis)
        self._bayer = replace(bayer, data=samples)
        self._part = part or _samples
        self._method = METHODS[method]
        self._colours = np.array(["RGB".index(colour) for colour in bayer.cfa], dtype=np.int64).reshape(2, 2)
        self._gains = np.array(gains, dtype=np.float32)
        self._offset = np.float32(root_offset(self._bayer, gains))
        self._memory = threading.local()

    def __call__(self, rows: slice, columns: slice) -> FloatArray:
        """Return the colours of a tile: ndarray (h, w, 3), float32, as `demosaic` would."""
        height, width = self._bayer.data.shape
        top, left = max(rows.start - MARGIN, 0), max(columns.start - MARGIN, 0)
        bottom, right = min(rows.stop + MARGIN, height), min(columns.stop + MARGIN, width)
        # Where this ends within the margin, the picture ends too: mirroring it there is mirroring the picture.
        samples = self._part(self._bayer, slice(top, bottom), slice(left, right))
        first, beside = rows.start - top, columns.start - left
        rgb = np.empty((rows.stop - rows.start, columns.stop - columns.start, 3), np.float32)
        tile = np.empty((rgb.shape[0] + 2 * MARGIN, rgb.shape[1] + 2 * MARGIN), np.float32)
        load_tile(samples, first - MARGIN, beside - MARGIN, self._colours, self._gains, self._offset, tile)
        self._method.interpolate(tile, self._colours, rgb, self._scratch())
        unload_tile(samples, first, beside, self._colours, self._gains, self._offset, rgb)
        return rgb

    def _scratch(self) -> FloatArray:
        """Return the working memory of this thread."""
        if not hasattr(self._memory, "scratch"):
            self._memory.scratch = self._method.scratch(_TILE_ROWS, _TILE_COLUMNS)
        scratch: FloatArray = self._memory.scratch
        return scratch


def _samples(bayer: BayerImage, rows: slice, columns: slice) -> FloatArray:
    return np.ascontiguousarray(bayer.data[rows, columns], dtype=np.float32)
