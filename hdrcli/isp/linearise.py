"""Black level of a raw frame, measured (metadata is the prior, the masked borders decide), and counts above it.

Black is measured per CFA position and row class; it is where deep shadows stand or fall. Beside the level, rows and
columns may share offsets that the borders see too; they are kept only where they demonstrably carry over to the
picture. White is measured in `hdrcli.isp.saturation`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hdrcli.images import BayerImage, CountArray, FloatArray, MaskArray, RawFrame
from hdrcli.isp.saturation import White, measure_white
from hdrcli.kernels import kernel, run_in_bands
from hdrcli.sensor.mosaic import high_rows

__all__ = ["Black", "White", "above_black", "linear", "measure_black", "measure_white"]

Levels = tuple[float, float, float, float]
Number = TypeVar("Number", np.float32, np.float64)

# Stated and measured black may differ by this share of the range (cameras drift by tens of counts in 13 000).
_BLACK_TOLERANCE = 0.01
# A masked row or column that is off by this many sigma of one sample is no black reference.
_ODD_LINE = 0.75
_LEAST_SAMPLES = 32
# Samples per row that are compared with the offsets of a border: their mean is good to a tenth of a sample's sigma.
_COMPARED = 256


@dataclass(frozen=True)
class Black:
    """Black level in counts.

    Attributes
    ----------
    low, high : tuple of 4 float
        Level of the low and the high rows by CFA position, in the order of `RawFrame.cfa`; equal where the frame was
        measured without a row pattern.
    columns : ndarray (W,), float32, or None
        What a column adds to that level, in counts; None where nothing can be shown to be gained.
    rows : ndarray (H,), float32, or None
        What a row adds to that level.
    source : str
        "masked borders", or "metadata" with the reason where the file has borders.
    """

    low: Levels
    high: Levels
    columns: FloatArray | None
    rows: FloatArray | None
    source: str


def measure_black(frame: RawFrame, *, row_pattern: str | None = None) -> Black:
    """Measure the black level in the masked borders; fall back on the stated one.

    Parameters
    ----------
    frame : RawFrame
    row_pattern : str or None
        Row classes of the first four rows ("HHLL"); None measures all rows as one class.

    Returns
    -------
    Black
        Precise to a fraction of a count. The statement is preferred, with the reason in `source`, where the borders
        hold one number only, saw light, or contradict it by more than 1 % of the range. A statement of 0 (most often:
        not known) yields to a plausible border.
    """
    stated = Black(frame.black, frame.black, None, None, "metadata")
    if frame.borders is None:
        return stated
    height, width = frame.counts.shape
    high = _classes(np.arange(height), row_pattern)
    depth, above = frame.borders.left.shape[1], frame.borders.top.shape[0]
    left = _margin(frame.borders.left, np.arange(height), np.arange(-depth, 0), row_pattern)
    top = _margin(frame.borders.top, np.arange(-above, 0), np.arange(width), row_pattern)
    usable = [margin for margin in (left, top) if margin is not None]
    if not usable:
        return replace(stated, source="metadata (the masked borders are too small)")
    level = usable[0]
    objection = _objection(frame, level) or _light(frame, level)
    if objection:
        return replace(stated, source=f"metadata (the masked borders {objection})")
    rows = columns = None
    if left is not None:
        rows = _carried_over(left.offsets(), frame.counts, high, period=2 if row_pattern is None else 4)
    if top is not None:
        columns = _carried_over(top.offsets(), frame.counts.T, np.zeros(width, dtype=bool), period=2)
    return Black(level.low, level.high, columns, rows, "masked borders")


def linear(frame: RawFrame, black: Black, white: float) -> BayerImage:
    """Return an ordinary frame, one exposure, as linear light.

    Parameters
    ----------
    frame : RawFrame
    black : Black
        Its level of the low rows is that of all rows.
    white : float
        Counts at which samples clip.

    Returns
    -------
    BayerImage
        Black 0, 1.0 = clip; noise below black is kept.
    """
    high = np.zeros(len(frame.counts), dtype=bool)
    scale = np.full((2, 4), 1 / (white - float(np.mean(black.low))))
    return BayerImage(above_black(frame, black, high=high, scale=scale), frame.cfa)


def above_black(frame: RawFrame, black: Black, *, high: MaskArray, scale: NDArray[np.float64]) -> FloatArray:
    """Return counts above black, by row class, CFA position, row and column, times a scale.

    Parameters
    ----------
    frame : RawFrame
    black : Black
    high : ndarray (H,), bool
        Which rows are high.
    scale : ndarray (2, 4)
        For low and for high rows, by position in the cell.

    Returns
    -------
    ndarray (H, W), float32
    """
    height, width = frame.counts.shape
    data = np.empty((height, width), dtype=np.float32)
    rows = np.zeros(height, np.float32) if black.rows is None else black.rows
    columns = np.zeros(width, np.float32) if black.columns is None else black.columns
    levels = np.array([black.low, black.high], dtype=np.float32)
    steps = scale.astype(np.float32)
    run_in_bands(
        lambda first, last: _scale(frame.counts, high, first, last, levels, steps, rows, columns, data), height
    )
    return data


@kernel
def _scale(
    counts: CountArray,
    high: MaskArray,
    first: int,
    last: int,
    levels: FloatArray,
    steps: FloatArray,
    rows: FloatArray,
    columns: FloatArray,
    data: FloatArray,
) -> None:
    for y in range(first, last):
        kind = 1 if high[y] else 0
        for x in range(counts.shape[1]):
            position = 2 * (y % 2) + x % 2
            data[y, x] = (counts[y, x] - levels[kind, position] - rows[y] - columns[x]) * steps[kind, position]


@dataclass(frozen=True)
class _Margin:
    """Trustworthy masked samples on one side of the picture, as deviations from their levels.

    `deviation` is float32 (rows, columns); `across` is the axis that runs away from the picture.
    """

    deviation: FloatArray
    across: int
    sigma: float
    low: Levels
    high: Levels

    def offsets(self) -> NDArray[np.float64]:
        """Return what each row (or column) of the picture has on top of the level, as its masked samples say."""
        along = 1 - self.across
        sigma = np.maximum(0.3, 1.4826 * np.median(np.abs(self.deviation), axis=along, keepdims=True))
        weight = sigma**-2.0  # masked rows of the high class are noisier
        clipped = np.clip(self.deviation, -4 * sigma, 4 * sigma)
        return np.asarray((clipped * (weight / weight.sum())).sum(axis=self.across, dtype=np.float64))


def _classes(rows: NDArray[np.int64], row_pattern: str | None) -> MaskArray:
    """Return which rows, by their number in the picture (negative above it), are high."""
    return np.zeros(len(rows), dtype=bool) if row_pattern is None else high_rows(4, row_pattern)[rows % 4]


def _margin(
    samples: CountArray, rows: NDArray[np.int64], columns: NDArray[np.int64], row_pattern: str | None
) -> _Margin | None:
    """Drop the lines of a border that are no black reference and measure the rest; None where too little is left."""
    if samples.size == 0:
        return None
    across = 1 if columns[0] < 0 else 0
    keep = _good_lines(samples, across)
    samples = samples[:, keep] if across else samples[keep]
    rows, columns = (rows, columns[keep]) if across else (rows[keep], columns)
    high = _classes(rows, row_pattern)
    deviation = samples.astype(np.float32)
    levels: list[list[float]] = []
    for in_class in [~high, high] if row_pattern else [~high]:
        levels.append([])
        for position in range(4):
            cell = np.ix_(in_class & (rows % 2 == position // 2), columns % 2 == position % 2)
            if deviation[cell].size < _LEAST_SAMPLES:
                return None
            levels[-1].append(_clipped_mean(deviation[cell]))
            deviation[cell] -= np.float32(levels[-1][-1])
    sigma = max(0.3, 1.4826 * float(np.median(np.abs(deviation))))  # 0.3: rounding alone
    (a, b, c, d), (e, f, g, h) = levels[0], levels[-1]
    return _Margin(deviation, across, sigma, (a, b, c, d), (e, f, g, h))


def _good_lines(samples: CountArray, across: int) -> NDArray[np.int64]:
    """Return the masked columns (or rows) worth using: some cameras put marks, tests or stray light in a few."""
    number = samples.shape[across]
    plain = samples.astype(np.float32)
    for phase in range(4):  # row classes and colours differ; lines of one phase should not
        part = plain[phase::4]
        for column in (0, 1):
            part[:, column::2] -= np.median(part[:, column::2]) if part[:, column::2].size else np.float32(0)
    sigma = max(0.3, 1.4826 * float(np.median(np.abs(plain))))
    means = np.clip(plain, -8 * sigma, 8 * sigma).mean(axis=1 - across)
    good = np.abs(means - np.median(means)) <= _ODD_LINE * sigma
    if number >= 8:
        good[-1] = False  # light creeps in beside the picture
    return np.flatnonzero(good)


def _clipped_mean(values: FloatArray) -> float:
    """Return the mean without outliers: hot pixels, and cosmic rays in a dark border, lie far above."""
    middle = float(np.median(values))
    reach = max(2.0, 4 * 1.4826 * float(np.median(np.abs(values - np.float32(middle)))))
    return float(values[np.abs(values - np.float32(middle)) <= reach].mean(dtype=np.float64))


def _objection(frame: RawFrame, margin: _Margin) -> str:
    """Say what makes the levels of a border incredible, or nothing."""
    stated = float(np.mean(frame.black))
    found = float(np.mean(margin.low)), float(np.mean(margin.high))
    span = frame.white - stated
    if not margin.deviation.any() and abs(found[0] - stated) > 0.5:
        return f"hold nothing but {found[0]:.0f}"
    if all(abs(level - stated) <= max(1.0, _BLACK_TOLERANCE * span) for level in found):
        return ""
    darkest = float(np.percentile(frame.counts[::5, ::5], 0.5)) + 4 * margin.sigma
    if stated == 0 and max(found) < min(frame.white / 4, darkest):
        return ""
    return f"say {found[0]:.1f}, the file {stated:.1f}"


def _light(frame: RawFrame, margin: _Margin) -> str:
    """Say that a border saw light: it follows the picture beside it over many rows, beyond what its noise allows."""
    beside = frame.counts[:, :16] if margin.across else frame.counts[:16].T
    offsets = margin.offsets()
    block = 32
    number = len(offsets) // block
    if number < 6:
        return ""
    noise = float(np.std(offsets[4:] - offsets[:-4])) / np.sqrt(2 * block)
    slow = offsets[: number * block].reshape(number, block).mean(axis=1)
    scene = beside[: number * block].reshape(number, -1).mean(axis=1)
    span = frame.white - float(np.mean(frame.black))
    if np.std(slow) < max(4 * noise, 5e-4 * span) or np.std(scene) == 0:
        return ""
    return "saw light" if np.corrcoef(slow, scene)[0, 1] > 0.7 else ""


def _carried_over(
    offsets: NDArray[np.float64], lines: CountArray, high: MaskArray, *, period: int
) -> FloatArray | None:
    """Return the part of a border's offsets that the picture shares, or None.

    The border knows the offset of a line only up to its own noise. How much of it is real is read off the picture:
    the offsets of lines against their neighbours of the same kind, regressed on the same figure of the border. The
    slope shrinks the offsets by just their noise; where it is not certain, there is nothing to gain.

    Parameters
    ----------
    offsets : ndarray (N,), float64
    lines : ndarray (N, M), uint16
        The picture; line i belongs to offset i.
    high : ndarray (N,), bool
        Lines whose offsets are judged apart from the others.
    period : int
        Distance to the next line of the same kind.
    """
    if len(offsets) <= 8 * period:
        return None
    picture = lines[:, :: max(1, lines.shape[1] // (4 * _COMPARED))]
    brightness = picture[:: max(1, len(picture) // 256)].mean(axis=0)
    # The darkest quarter: least photon noise, no clipping. Sorted, so that memory is read in order.
    chosen = np.sort(np.argsort(brightness, kind="stable")[: max(16, picture.shape[1] // 4)])
    dark = picture[:, chosen].astype(np.float32)
    shared, error = _row_means(_against_neighbours(dark, period))
    known = _against_neighbours(offsets[:, None], period)[:, 0]
    kept = np.zeros(len(offsets), dtype=np.float32)
    for kind in (~high, high):
        inner = kind[period:-period]
        if inner.sum() < 32:
            continue
        slope, uncertainty = _slope(known[inner], shared[inner], error[inner])
        if slope > max(0.2, 4 * uncertainty):
            kept[kind] = np.float32(min(slope, 1.0)) * offsets[kind].astype(np.float32)
    return kept if kept.any() else None


def _against_neighbours(lines: NDArray[Number], period: int) -> NDArray[Number]:
    return lines[period:-period] - (lines[: -2 * period] + lines[2 * period :]) * lines.dtype.type(0.5)


def _row_means(values: FloatArray) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard error of each row, edges of objects clipped."""
    middle = np.median(values, axis=1, keepdims=True)
    reach = 3 * np.maximum(0.5, 1.4826 * np.median(np.abs(values - middle), axis=1, keepdims=True))
    clipped = np.clip(values, middle - reach, middle + reach)
    error = clipped.std(axis=1, dtype=np.float64) / np.sqrt(values.shape[1]) + 1e-3
    return clipped.mean(axis=1, dtype=np.float64), error


def _slope(x: NDArray[np.float64], y: NDArray[np.float64], error: NDArray[np.float64]) -> tuple[float, float]:
    """Return the slope of a line through the origin and its standard error, outliers clipped."""
    reach = 4 * 1.4826 * float(np.median(np.abs(y))) + 1e-6
    y = np.clip(y, -reach, reach)
    weight = 1 / (error**2 + float(np.median(error)) ** 2)
    total = float((weight * x**2).sum())
    if total == 0:
        return 0.0, 1.0
    slope = float((weight * x * y).sum()) / total
    return slope, float(np.sqrt((weight**2 * x**2 * (y - slope * x) ** 2).sum())) / total
