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
_DARKEST = np.float32(1e-6)


def hidden_cells(merged: Cells, *, brightest: float) -> MaskArray:
    """Return where (h, w) cells clip in all frames that were merged there although another would reach `brightest`.

    Parameters
    ----------
    merged : Cells
        Of the finished sums.
    brightest : float
        Level at which the shortest exposure clips.
    """
    return np.asarray((merged.trust <= 0) & (merged.light.max(axis=2) < np.float32(0.85 * brightest)))


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
    logs = np.log(np.maximum(merged.light, _DARKEST)) * weight[..., None] + grey * np.float32(1e-6)
    return np.asarray(np.exp(_push_pull(logs, weight + np.float32(1e-6))), dtype=np.float32)


def fill_hidden(mosaic: FloatArray, known: FloatArray, cfa: str, hidden: MaskArray, light: FloatArray) -> None:
    """Give hidden cells of a mosaic their light, in place; measured samples stay, and nothing becomes darker.

    Parameters
    ----------
    mosaic : ndarray (H, W), float32
    known : ndarray (H, W), float32
        Weights of the merge; 0 where a sample clips in all frames.
    cfa : str
    hidden : ndarray (h, w), bool
    light : ndarray (h, w, 3), float32
        From `spread_highlights`.
    """
    colours = colour_positions(cfa)
    run_in_bands(lambda first, last: _fill(mosaic, known, colours, hidden, light, first, last), len(hidden))


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
def _fill(
    mosaic: FloatArray,
    known: FloatArray,
    colours: NDArray[np.int64],
    hidden: MaskArray,
    light: FloatArray,
    first: int,
    last: int,
) -> None:
    for i in range(first, last):
        for j in range(hidden.shape[1]):
            if not hidden[i, j]:
                continue
            least: Real = np.float32(0)
            measured: Real = np.float32(0)
            number = 0
            for k in range(4):
                y, x = 2 * i + (k >> 1), 2 * j + (k & 1)
                ratio = mosaic[y, x] / light[i, j, colours[k >> 1, k & 1]]
                if known[y, x] > 0:
                    measured += ratio
                    number += 1
                else:
                    least = max(least, ratio)
            factor = max(least, measured / number) if number else max(least, np.float32(1))
            for k in range(4):
                y, x = 2 * i + (k >> 1), 2 * j + (k & 1)
                if known[y, x] <= 0:
                    mosaic[y, x] = max(mosaic[y, x], factor * light[i, j, colours[k >> 1, k & 1]])
