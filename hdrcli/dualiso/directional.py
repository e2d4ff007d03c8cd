"""Compiled inner loops of the row interpolation in `interpolate`; the method is explained there.

Every function here works on scratch arrays of one band that are padded by `MARGIN` rows and columns.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray, MaskArray
from hdrcli.kernels import Real, kernel

MARGIN = 12
"""Rows and columns of padding around a band: more than any filter here reaches, and a multiple of the 4 x 2 period."""

INVALID = np.float32(1e5)
"""Variance, in the compressed domain, of an estimate that rests on clipped samples."""

Indices = NDArray[np.intp]


@kernel
def compress_rows(
    data: FloatArray,
    rows: Indices,
    columns: Indices,
    high: MaskArray,
    balance: FloatArray,
    knee: Real,
    clip: FloatArray,
    shot: FloatArray,
    read: FloatArray,
    value: FloatArray,
    variance: FloatArray,
) -> None:
    """Fill `value` with asinh(balance * x / knee) and `variance` with the noise variance there.

    `rows` and `columns` name the source sample of every scratch sample (mirrored beyond the picture); `clip`, `shot`
    and `read` hold the figures of the low and the high class.
    """
    for i in range(rows.size):
        y = rows[i]
        k = 1 if high[y] else 0
        for j in range(columns.size):
            x = columns[j]
            gain = balance[y & 1, x & 1] / knee
            sample = data[y, x]
            t = sample * gain
            root = np.sqrt(np.float32(1) + t * t)
            magnitude = np.log(abs(t) + root)
            value[i, j] = magnitude if t >= 0 else -magnitude
            noise = (shot[k] * max(sample, np.float32(0)) + read[k]) * gain * gain / (root * root)
            variance[i, j] = INVALID * 10 if sample > clip[k] else noise


@kernel
def demosaic_rows(
    value: FloatArray, variance: FloatArray, green: MaskArray, luma: FloatArray, chroma: FloatArray, spread: FloatArray
) -> None:
    """Estimate green and the colour difference on every sample of every row, from that row alone.

    Green by the horizontal half of Hamilton and Adams' interpolation, limited to the range of its neighbours and half
    that range; `chroma` is the row's other colour less green, smoothed; `spread` the variance of `luma`.
    """
    height, width = value.shape
    for i in range(height):
        for j in range(2, width - 2):
            worst = max(variance[i, j - 2], variance[i, j - 1], variance[i, j])
            worst = max(worst, variance[i, j + 1], variance[i, j + 2])
            mean = 0.25 * (variance[i, j - 1] + 2 * variance[i, j] + variance[i, j + 1])
            spread[i, j] = INVALID * 10 if worst > INVALID else mean
            if green[i & 1, j & 1]:
                luma[i, j] = value[i, j]
            else:
                left = value[i, j - 1]
                right = value[i, j + 1]
                estimate = 0.5 * (left + right) + 0.25 * (2 * value[i, j] - value[i, j - 2] - value[i, j + 2])
                reach = 0.5 * abs(right - left)
                estimate = min(max(estimate, min(left, right) - reach), max(left, right) + reach)
                luma[i, j] = estimate
        for j in range(4, width - 4):
            if green[i & 1, j & 1]:
                chroma[i, j] = 0.5 * (value[i, j - 1] - luma[i, j - 1] + value[i, j + 1] - luma[i, j + 1])
            else:
                sides = value[i, j - 2] - luma[i, j - 2] + value[i, j + 2] - luma[i, j + 2]
                chroma[i, j] = 0.5 * (value[i, j] - luma[i, j]) + 0.25 * sides


@kernel
def predict_pairs(
    luma: FloatArray,
    chroma: FloatArray,
    spread: FloatArray,
    green: MaskArray,
    first: int,
    slopes: int,
    window: int,
    tolerance: Real,
    prediction: FloatArray,
    error: FloatArray,
) -> None:
    """Predict rows `first`, `first` + 1, `first` + 4, ... from the pairs of rows above and below them.

    For each slope (columns crossed between the two known rows next to the gap) the luma of the four known rows is
    followed along a line through the gap; slopes whose ends agree weigh most. `error` receives the variance expected
    of the prediction beyond its noise, from how far the slopes contradict each other and how badly the best one fits.
    """
    height, width = luma.shape
    count = 2 * slopes + 1
    misfit = np.empty(width, np.float32)
    cost = np.empty((count, width), np.float32)
    line = np.empty((count, width), np.float32)
    hue = np.empty((count, width), np.float32)
    hue_gap = np.empty((count, width), np.float32)
    edge = MARGIN // 2
    low = edge + window
    row = first
    while row + 3 < height:
        up = row - 1
        down = row + 2
        for k in range(count):
            _misfit(luma, chroma, up, down, k - slopes, edge, misfit)
            for j in range(low, width - low):
                total = np.float32(0)
                for d in range(-window, window + 1):
                    total += misfit[j + d]
                cost[k, j] = total / (2 * window + 1) + 0.02 * abs(k - slopes)
        for m in range(2):
            for k in range(count):
                _follow(luma, chroma, row, m, k - slopes, edge, line[k], hue[k], hue_gap[k])
            for j in range(low, width - low):
                best = cost[0, j]
                for k in range(1, count):
                    best = min(best, cost[k, j])
                noise = min(spread[up, j] + spread[down, j], np.float32(4))
                sigma = np.sqrt(noise)
                scale = np.float32(1) / (np.float32(tolerance) + np.float32(0.3) * sigma)
                weights = np.float32(0)
                mean = np.float32(0)
                square = np.float32(0)
                tint = np.float32(0)
                tint_gap = np.float32(0)
                for k in range(count):
                    # A rational stand-in for exp(-t) that costs a fifth.
                    t = np.float32(1) + np.float32(0.25) * (cost[k, j] - best) * scale
                    t = np.float32(1) / (t * t)
                    w = t * t
                    weights += w
                    mean += w * line[k, j]
                    square += w * line[k, j] * line[k, j]
                    tint += w * hue[k, j]
                    tint_gap += w * hue_gap[k, j]
                mean /= weights
                misled = max(best - sigma, np.float32(0)) * np.float32(0.5)
                doubt = max(square / weights - mean * mean - np.float32(0.1) * noise, np.float32(0)) + misled * misled
                if not green[(row + m) & 1, j & 1]:
                    mean += tint / weights
                    doubt += np.float32(0.05) * max(tint_gap / weights - 2 * noise, np.float32(0))
                worst = max(max(spread[up - 1, j], spread[up, j]), max(spread[down, j], spread[down + 1, j]))
                prediction[row + m, j] = mean
                error[row + m, j] = INVALID if worst > INVALID else doubt
        row += 4


@kernel
def _shifted(line: FloatArray, j: int, shift: Real) -> Any:
    """Linear interpolation of a row between columns."""
    whole = int(np.floor(shift))
    part = np.float32(shift - whole)
    return line[j + whole] * (np.float32(1) - part) + line[j + whole + 1] * part


@kernel
def _misfit(luma: FloatArray, chroma: FloatArray, up: int, down: int, slope: int, edge: int, out: FloatArray) -> None:
    """How badly the rows above and below the gap continue each other along one slope."""
    half = 0.5 * slope
    beyond = half + slope / 3.0
    for j in range(edge, out.size - edge):
        above = _shifted(luma[up], j, -half)
        below = _shifted(luma[down], j, half)
        above_step = _shifted(luma[up - 1], j, -beyond) - above
        below_step = below - _shifted(luma[down + 1], j, beyond)
        hue_a = _shifted(chroma[up], j, -half) - _shifted(chroma[down + 1], j, beyond)
        hue_b = _shifted(chroma[up - 1], j, -beyond) - _shifted(chroma[down], j, half)
        out[j] = (
            abs(above - below)
            + np.float32(0.35) * abs(above_step - below_step)
            + np.float32(0.3) * (abs(hue_a) + abs(hue_b))
        )


@kernel
def _follow(
    luma: FloatArray,
    chroma: FloatArray,
    row: int,
    m: int,
    slope: int,
    edge: int,
    line: FloatArray,
    hue: FloatArray,
    hue_gap: FloatArray,
) -> None:
    """Value on row `row` + m along one slope: half cubic, half linear, little overshoot; and the colour difference."""
    step = slope / 3.0
    # The known rows lie 2, 1, 2 and 3 rows from the upper row of the gap (m = 0), and 3, 2, 1 and 2 from the lower.
    # The weights of the cubic reproduce polynomials up to the second degree.
    near_up = 1 + m
    near_down = 2 - m
    lean = np.float32((1.0 + m) / 3.0)
    w_up = np.float32(1.0 if m == 0 else 0.5)
    w_down = np.float32(0.5 if m == 0 else 1.0)
    w_up_far = np.float32(-0.3 if m == 0 else -0.2)
    w_down_far = np.float32(-0.2 if m == 0 else -0.3)
    for j in range(edge, line.size - edge):
        above = _shifted(luma[row - 1], j, -near_up * step)
        below = _shifted(luma[row + 2], j, near_down * step)
        above_far = _shifted(luma[row - 2], j, -(near_up + 1) * step)
        below_far = _shifted(luma[row + 3], j, (near_down + 1) * step)
        cubic = w_up_far * above_far + w_up * above + w_down * below + w_down_far * below_far
        linear = above + lean * (below - above)
        reach = np.float32(0.25) * abs(below - above)
        value = np.float32(0.5) * (cubic + linear)
        line[j] = min(max(value, min(above, below) - reach), max(above, below) + reach)
        # The rows of the same colours lie two above and two below, whichever row of the gap this is.
        hue_above = _shifted(chroma[row + m - 2], j, -2 * step)
        hue_below = _shifted(chroma[row + m + 2], j, 2 * step)
        hue[j] = np.float32(0.5) * (hue_above + hue_below)
        hue_gap[j] = (hue_above - hue_below) * (hue_above - hue_below)
