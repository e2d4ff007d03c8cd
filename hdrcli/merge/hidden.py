"""Highlights that no frame shows: clipped in the reference, and hidden by something that moved in the shorter ones.

Left as they are they would be a hole, darker than what surrounds them and coloured by whichever channel clips first.
They are given the light of bright surroundings, spread inwards over a pyramid (Gortler et al., "The Lumigraph", 1996:
push-pull), and never less than what the clip says.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray, MaskArray
from hdrcli.kernels import Real, kernel, run_in_bands
from hdrcli.merge.cells import Cells, colour_positions

_BRIGHT = 0.7  # share of the clip from which on surroundings are highlights too
_CLIPPED = 0.85  # share of the clip
_DARKEST = np.float32(1e-6)


def hidden_cells(merged: Cells, *, ceiling: FloatArray, brightest: float) -> MaskArray:
    """Return where (h, w) cells clip in all frames that were merged there although another would reach farther.

    Parameters
    ----------
    merged : Cells
        Of the finished sums.
    ceiling : ndarray (h, w), float32
        Level at which the shortest exposure clips that was merged in the cell.
    brightest : float
        Level at which the shortest exposure of all clips.
    """
    clips = (merged.trust <= 0) & (merged.light.max(axis=2) >= np.float32(_CLIPPED) * ceiling)
    return np.asarray(clips & (ceiling < np.float32(0.99 * brightest)))


def spread_highlights(
    merged: Cells, hidden: MaskArray, *, clip: float, neutral: tuple[float, float, float]
) -> FloatArray:
    """Return the light (h, w, 3) of bright surroundings wherever there is none of its own.

    Parameters
    ----------
    merged : Cells
    hidden : ndarray (h, w), bool
    clip : float
        Level at which the reference clips.
    neutral : tuple of 3 float
        Camera RGB of white, for where there are no bright surroundings.
    """
    source = ~hidden & (merged.luma > np.float32(_BRIGHT * clip))
    grey = np.log(np.array(neutral, np.float32) / min(neutral) * np.float32(clip))
    weight = source.astype(np.float32)
    # Far from any highlight the least that the clip allows, neutral, with hardly any weight.
    logs = np.log(np.maximum(merged.light, _DARKEST))
    # Half of the colour: what surrounds a highlight may be something else.
    balanced = logs - grey
    logs = grey + np.float32(0.5) * (balanced + balanced.mean(axis=2, keepdims=True))
    logs = logs * weight[..., None] + grey * np.float32(1e-6)
    return np.asarray(np.exp(_push_pull(logs, weight + np.float32(1e-6))), dtype=np.float32)


def fill_hidden(
    mosaic: FloatArray,
    known: FloatArray,
    cfa: str,
    hidden: MaskArray,
    light: FloatArray,
    *,
    neutral: tuple[float, float, float],
) -> None:
    """Give hidden cells of a mosaic their light, in place; measured samples stay, and nothing becomes darker.

    A cell of which nothing is measured gets the light that was spread. Where some colours are, the others are raised to
    the mean of the remaining two, as white balance sees them, which is also how highlights of one exposure are rebuilt.

    Parameters
    ----------
    mosaic : ndarray (H, W), float32
    known : ndarray (H, W), float32
        Weights of the merge; 0 where a sample clips in all frames.
    cfa : str
    hidden : ndarray (h, w), bool
    light : ndarray (h, w, 3), float32
        From `spread_highlights`.
    neutral : tuple of 3 float
        Camera RGB of white.
    """
    colours = colour_positions(cfa)
    white = np.array(neutral, np.float32)
    run_in_bands(lambda first, last: _fill(mosaic, known, colours, hidden, light, white, first, last), len(hidden))


def _push_pull(weighted: FloatArray, weight: FloatArray) -> FloatArray:
    """Return values (h, w, 3) everywhere from weighted ones and their weights (h, w)."""
    values = weighted / np.maximum(weight, 1e-12)[..., None]
    if min(weight.shape) <= 2:
        total = np.float32(weight.sum()) + np.float32(1e-12)
        return np.asarray(np.broadcast_to(weighted.sum(axis=(0, 1)) / total, weighted.shape), dtype=np.float32)
    size = (-(-weight.shape[1] // 2), -(-weight.shape[0] // 2))
    coarse = _push_pull(
        np.asarray(cv2.resize(weighted, size, interpolation=cv2.INTER_AREA), dtype=np.float32),
        np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_AREA), dtype=np.float32),
    )
    around = cv2.resize(coarse, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
    own = np.minimum(weight, 1)[..., None]
    return np.asarray(own * values + (1 - own) * around, dtype=np.float32)


@kernel
def fill_colour(value: FloatArray, unknown: MaskArray, spread: FloatArray, white: FloatArray) -> None:
    """Replace the unknown colours (3,) of a cell or a pixel, which `value` holds the least of.

    Parameters
    ----------
    value : ndarray (3,), float32
    unknown : ndarray (3,), bool
        Some of it true.
    spread : ndarray (3,), float32
        Light of bright surroundings.
    white : ndarray (3,), float32
        The same for white.
    """
    if unknown[0] and unknown[1] and unknown[2]:
        factor: Real = np.float32(1)
        for c in range(3):
            factor = max(factor, value[c] / spread[c])
        for c in range(3):
            value[c] = factor * spread[c]
        return
    # Twice, because a colour that is raised raises the mean for another.
    for _ in range(2):
        for c in range(3):
            if unknown[c]:
                d, e = (c + 1) % 3, (c + 2) % 3
                others = np.float32(0.5) * (value[d] / white[d] + value[e] / white[e])
                value[c] = max(value[c], others * white[c])


@kernel
def _fill(
    mosaic: FloatArray,
    known: FloatArray,
    colours: NDArray[np.int64],
    hidden: MaskArray,
    light: FloatArray,
    white: FloatArray,
    first: int,
    last: int,
) -> None:
    value, unknown = np.empty(3, np.float32), np.empty(3, np.bool_)
    for i in range(first, last):
        for j in range(hidden.shape[1]):
            if not hidden[i, j]:
                continue
            value[:] = 0
            unknown[:] = False
            for k in range(4):
                y, x, c = 2 * i + (k >> 1), 2 * j + (k & 1), colours[k >> 1, k & 1]
                value[c] = max(value[c], mosaic[y, x])
                unknown[c] = unknown[c] or known[y, x] <= 0
            fill_colour(value, unknown, light[i, j], white)
            for k in range(4):
                y, x, c = 2 * i + (k >> 1), 2 * j + (k & 1), colours[k >> 1, k & 1]
                if known[y, x] <= 0:
                    mosaic[y, x] = max(mosaic[y, x], value[c])
