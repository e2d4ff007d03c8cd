"""White level of a raw frame: the count at which samples pile up.

Files state it wrong by a few percent often enough (it varies with ISO, and even with colour) to make magenta
highlights the best-known fault of HDR software. A pile-up is told from a bright wall by physics: photon noise spreads
even the smoothest wall over a few thousandths of the range, while saturated samples all end at one count, with at most
a little read noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hdrcli.images import CountArray, RawFrame
from hdrcli.sensor.mosaic import high_rows

# Widths of a pile-up as shares of the range, narrow first.
_WIDTHS = (0.0005, 0.001, 0.0025, 0.005)
# A pile-up is this much denser than the counts just below it, and all that lies above it is this share of it at most.
_DENSER, _ABOVE = 8.0, 0.1
# At least this many samples, and this share of them: fewer are hot pixels.
_LEAST, _LEAST_SHARE = 16, 1e-5
# Neighbours on a saturated patch differ by less than this share of the range (in the median; that is a sigma of
# 0.0015). Photon noise is more on any sensor: 200 000 electrons, about the best full well known, make 0.0022 of it.
_FLAT = 0.0014
# Far below the statement only a pile-up this narrow is believed.
_TRUSTED, _FAR_WIDTH = 0.85, 0.001
# This near to the statement a narrow pile-up may consist of specks without equal neighbours (lamps, glints).
_EXPECTED = 0.01
_LOWEST = 0.2


@dataclass(frozen=True)
class White:
    """Saturation level in counts.

    Attributes
    ----------
    low, high : float
        Samples of the low and the high rows at or above this count may be saturated; equal where the frame was
        measured without a row pattern. The lower end of the pile-up, so already with the margin that its spread asks
        for.
    source : str
        "saturated samples" or "metadata", by row class where they differ; "brightest samples" where samples exceed
        the stated level without piling up.
    """

    low: float
    high: float
    source: str


def measure_white(frame: RawFrame, *, row_pattern: str | None = None) -> White:
    """Measure the saturation level from the data's own pile-up; fall back on the stated level.

    Parameters
    ----------
    frame : RawFrame
    row_pattern : str or None
        Row classes of the first four rows ("HHLL"); None measures all rows as one class.

    Returns
    -------
    White
        Of the colour that saturates first, where colours differ. Never above the level at which samples pile up;
        below 85 % of the stated level only for a pile-up too narrow to be anything else.
    """
    high = high_rows(4, row_pattern) if row_pattern else np.zeros(4, dtype=bool)
    found = []
    for kind in [False, True] if row_pattern else [False]:
        rows = [int(row) for row in np.flatnonzero(high == kind)]
        found.append(_white_of(frame, rows))
    (low, low_source), (top, top_source) = found[0], found[-1]
    source = low_source if low_source == top_source else f"low rows: {low_source}; high rows: {top_source}"
    return White(low, top, source)


def _white_of(frame: RawFrame, rows: list[int]) -> tuple[float, str]:
    """Return the white level of the rows whose number modulo 4 is given, and where it comes from."""
    levels = []
    brightest = 0.0
    for position in range(4):
        planes = [frame.counts[row::4, position % 2 :: 2] for row in rows if row % 2 == position // 2]
        planes = [plane for plane in planes if plane.size]
        histogram = sum((np.bincount(plane.ravel(), minlength=65536) for plane in planes), np.zeros(65536, np.int64))
        total = int(histogram.sum())
        least = max(_LEAST, int(_LEAST_SHARE * total))
        if total < 2 * least:
            continue
        level = _pile_up(histogram, planes, black=frame.black[position], white=frame.white, least=least)
        if level is not None:
            levels.append(level)
        brightest = max(brightest, float(np.searchsorted(np.cumsum(histogram), total - least)))
    if levels:
        return min(levels), "saturated samples"
    if brightest > frame.white:
        return brightest, "brightest samples"
    return frame.white, "metadata"


def _pile_up(
    histogram: NDArray[np.int64], planes: list[CountArray], *, black: float, white: float, least: int
) -> float | None:
    """Return the lower end of the pile-up at the top of a histogram of one colour; None where there is none."""
    span = white - black
    best, population = None, 0
    for share in _WIDTHS:
        width = max(1, round(share * span))
        top = _densest(histogram, width, lowest=int(black + _LOWEST * span), least=least)
        if top is None:
            continue
        inside = histogram[top - width + 1 : top + 1]
        peak = top - width + 1 + int(np.argmax(inside))
        if share > _FAR_WIDTH and peak < black + _TRUSTED * span:
            continue
        expected = share <= _FAR_WIDTH and abs(peak - white) <= _EXPECTED * span
        spike = share == _WIDTHS[0] and peak >= black + _TRUSTED * span and _stands_alone(histogram, top, width)
        if not (expected or spike or _is_flat(planes, peak, width, _FLAT * span)):
            continue
        # A broad pile-up counts for more than a narrow one only where that holds but a few stray samples.
        if inside.sum() > 4 * population:
            # What is saturated spreads evenly about its peak; above the peak there is nothing else to see.
            spread = int(np.searchsorted(np.cumsum(histogram[peak:]), 0.99 * histogram[peak:].sum()))
            best, population = float(peak - min(spread, 2 * width)), int(inside.sum())
    return best


def _densest(histogram: NDArray[np.int64], width: int, *, lowest: int, least: int) -> int | None:
    """Return the last count of the fullest stretch of `width` counts that stands out as a pile-up does."""
    running = np.concatenate([[0], np.cumsum(histogram)])
    ends = np.arange(max(lowest, 5 * width), len(histogram))
    stretch = running[ends + 1] - running[ends + 1 - width]
    below = (running[ends + 1 - 2 * width] - running[ends + 1 - 5 * width]) / 3
    above = running[-1] - running[np.minimum(ends + 1 + width, len(histogram))]
    fits = (stretch >= least) & (stretch > _DENSER * below) & (above <= _ABOVE * stretch)
    return int(ends[fits][np.argmax(stretch[fits])]) if fits.any() else None


def _stands_alone(histogram: NDArray[np.int64], top: int, width: int) -> bool:
    """Tell a lone spike from the last tooth of a comb (counts that went through a table leave gaps)."""
    start = top - width + 1
    teeth = np.flatnonzero(histogram[:start])[-8:]
    highest = max((int(histogram[max(0, tooth - width + 1) : tooth + 1].sum()) for tooth in teeth), default=0)
    return bool(histogram[start : top + 1].sum() > _DENSER * highest)


def _is_flat(planes: list[CountArray], peak: int, width: int, tolerance: float) -> bool:
    """Tell whether samples near `peak` have neighbours of the same colour that are nearly equal to them."""
    differences = []
    for plane in planes:
        candidates = plane[:, :-1]
        near = np.flatnonzero((candidates >= peak - width) & (candidates <= peak + width))
        near = near[:: max(1, len(near) // 50_000)]
        row, column = np.divmod(near, plane.shape[1] - 1)
        differences.append(np.abs(plane[row, column].astype(np.int32) - plane[row, column + 1]))
    joined = np.concatenate(differences)
    return bool(joined.size) and float(np.median(joined)) <= max(1.0, tolerance)
