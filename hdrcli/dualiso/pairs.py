"""Both row classes of a frame brought to the same places, in short stretches of rows.

Rows four apart hold the same colours under the same gain, rows two apart the same colours under the other gain. Each
set is interpolated onto the rows of the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hdrcli.images import CountArray, FloatArray, MaskArray
from hdrcli.kernels import kernel, run_in_bands

MIN_ROWS = 28  # seven periods: the fewest that give five rows of each set around a place
MIN_COLUMNS = 4

_STRETCHES = 400_000  # into which a frame is cut at most,
_PAIRS = 24_000  # and how many of them are compared for each position in the Bayer cell: 0.03 % of the ratio


@dataclass(frozen=True)
class RowBins:
    """Short stretches of rows, averaged colour by colour.

    Attributes
    ----------
    mean : ndarray (H, J, 2), float32
        Mean counts of a stretch, for even and for odd columns.
    peak, floor : ndarray (H, J, 2), uint16
        Largest and smallest count in it.
    samples : int
        Samples in each stretch.
    sparse : bool
        Whether to compare neighbourhoods of as few rows as possible, since few are not clipped.
    """

    mean: FloatArray
    peak: CountArray
    floor: CountArray
    samples: int
    sparse: bool = False


@dataclass(frozen=True)
class Pairs:
    """Neighbourhoods seen by two sets of rows `a` and `b`, in counts above the stated black.

    Attributes
    ----------
    a, b : ndarray (n,), float32
        Mean counts of both sets, interpolated to the same place.
    level_a, level_b : ndarray (n,), float32
        The same of rows further away, with independent noise.
    step_a, step_b : ndarray (n,), float32
        Mean change from row to row of the set, around the place.
    peak_a, peak_b : ndarray (n,), float32
        Brightest sample of the set around the place.
    only_a, only_b, both : int
        Neighbourhoods left out because they clip in one or both sets.
    ceiling : float
        Level at and above which a sample may be saturated.
    samples : int
        Samples in each stretch of a row.
    sparse : bool
        As of `RowBins`.
    """

    a: FloatArray
    b: FloatArray
    level_a: FloatArray
    level_b: FloatArray
    step_a: FloatArray
    step_b: FloatArray
    peak_a: FloatArray
    peak_b: FloatArray
    only_a: int
    only_b: int
    both: int
    ceiling: float
    samples: int
    sparse: bool = False

    def swapped(self) -> Pairs:
        """Return the pairs with both sets exchanged."""
        return Pairs(
            a=self.b,
            b=self.a,
            level_a=self.level_b,
            level_b=self.level_a,
            step_a=self.step_b,
            step_b=self.step_a,
            peak_a=self.peak_b,
            peak_b=self.peak_a,
            only_a=self.only_b,
            only_b=self.only_a,
            both=self.both,
            ceiling=self.ceiling,
            samples=self.samples,
            sparse=self.sparse,
        )

    def chosen(self, keep: MaskArray) -> Pairs:
        """Return those neighbourhoods where `keep` (n,) is true."""
        return Pairs(
            a=self.a[keep],
            b=self.b[keep],
            level_a=self.level_a[keep],
            level_b=self.level_b[keep],
            step_a=self.step_a[keep],
            step_b=self.step_b[keep],
            peak_a=self.peak_a[keep],
            peak_b=self.peak_b[keep],
            only_a=self.only_a,
            only_b=self.only_b,
            both=self.both,
            ceiling=self.ceiling,
            samples=self.samples,
            sparse=self.sparse,
        )


@kernel
def _bin_rows(
    counts: CountArray,
    first: int,
    last: int,
    samples: int,
    mean: FloatArray,
    peak: CountArray,
    floor: CountArray,
) -> None:
    stretches = mean.shape[1]
    for y in range(first, last):
        for j in range(stretches):
            for p in range(2):
                x = 2 * samples * j + p
                total = 0
                top = 0
                bottom = 65535
                for _ in range(samples):
                    value = int(counts[y, x])
                    total += value
                    top = max(top, value)
                    bottom = min(bottom, value)
                    x += 2
                mean[y, j, p] = total / samples
                peak[y, j, p] = top
                floor[y, j, p] = bottom


def bin_rows(counts: CountArray, *, sparse: bool = False) -> RowBins:
    """Average stretches of each row; the larger the frame the longer they are.

    Parameters
    ----------
    counts : ndarray (H, W), uint16
        At least 2 columns wide.
    sparse : bool
        Stretches as short as memory allows, single samples up to 4 megapixels: for frames that are clipped but for
        specks.
    """
    height, width = counts.shape
    wanted = max(1, counts.size // 4_000_000) if sparse else max(8, counts.size // _STRETCHES)
    samples = min(wanted, 64, width // 2)
    shape = (height, width // (2 * samples), 2)
    mean, peak, floor = np.empty(shape, np.float32), np.empty(shape, np.uint16), np.empty(shape, np.uint16)
    run_in_bands(lambda first, last: _bin_rows(counts, first, last, samples, mean, peak, floor), height)
    return RowBins(mean, peak, floor, samples, sparse)


def lowest_clip(bins: RowBins, *, black: float, stated: float) -> float:
    """Return roughly where the class of rows clips that clips first, without knowing the classes.

    Parameters
    ----------
    bins : RowBins
    black, stated : float
        Black, and the white that the file states, in counts.
    """
    clips = []
    for row in range(4):
        peaks = bins.peak[row::4].ravel()
        few = 1 + peaks.size // 2000  # what is brighter may be hot pixels
        top = float(np.partition(peaks, -few)[-few])
        step = 0.005 * (top - black)
        at_top, below = np.count_nonzero(peaks > top - step), np.count_nonzero(peaks > top - 3 * step)
        clips.append((top, at_top > 2 * (below - at_top)))  # whether they pile up
    # Rows that end far below others are dark, not clipped.
    far = black + 0.7 * (max(top for top, _ in clips) - black)
    return min([stated] + [top for top, piled in clips if piled and top > far])


def pair_rows(
    bins: RowBins,
    position: int,
    *,
    black: tuple[float, float],
    ceiling: float,
) -> Pairs:
    """Bring together the samples of one colour in the rows whose class may differ.

    Parameters
    ----------
    bins : RowBins
    position : int
        Position in the Bayer cell, 0 to 3. Set `a` of the result are rows position // 2 (modulo 4), set `b` those two
        further down.
    black : tuple of 2 float
        Black of sets `a` and `b` in counts.
    ceiling : float
        Counts at and above which a sample may be saturated. Samples of 0 counts are left out likewise.
    """
    first, column = divmod(position, 2)
    a = _set(bins, first, column, black[0])
    b = _set(bins, first + 2, column, black[1])
    centred = _centred_sparsely if bins.sparse else _centred
    on_a, on_b = centred(a, b, shift=0), centred(b, a, shift=1)
    here, there = (_Place(*map(np.concatenate, zip(*both, strict=True))) for both in zip(on_a, on_b[::-1], strict=True))
    clipped_a, clipped_b = here.peak >= ceiling - black[0], there.peak >= ceiling - black[1]
    good = ~clipped_a & ~clipped_b & (here.floor > 0.5 - black[0]) & (there.floor > 0.5 - black[1])
    return Pairs(
        a=here.mean[good],
        b=there.mean[good],
        level_a=here.level[good],
        level_b=there.level[good],
        step_a=here.step[good],
        step_b=there.step[good],
        peak_a=here.peak[good],
        peak_b=there.peak[good],
        only_a=int((clipped_a & ~clipped_b).sum()),
        only_b=int((clipped_b & ~clipped_a).sum()),
        both=int((clipped_a & clipped_b).sum()),
        ceiling=ceiling - max(black),
        samples=bins.samples,
        sparse=bins.sparse,
    )


class _Set(NamedTuple):
    """Every fourth row of one colour: arrays (K, J), float32, in counts above black."""

    mean: FloatArray
    peak: FloatArray
    floor: FloatArray


class _Place(NamedTuple):
    """What one set of rows says of a place; arrays of one shape, float32."""

    mean: FloatArray
    level: FloatArray
    step: FloatArray
    peak: FloatArray
    floor: FloatArray


def _set(bins: RowBins, row: int, column: int, black: float) -> _Set:
    here = (slice(row, None, 4), slice(None), column)
    return _Set(*(array[here].astype(np.float32) - np.float32(black) for array in (bins.mean, bins.peak, bins.floor)))


def _centred(own: _Set, across: _Set, *, shift: int) -> tuple[_Place, _Place]:
    """Interpolate both sets onto the rows of `own`, of which row k lies between rows k + shift - 1 and k + shift.

    Both interpolations, (1 6 1) / 8 over rows four apart and (1 1) / 2 over rows two away, have the same mean and the
    same spread, so that they agree on any brightness that changes as a parabola.
    """
    n = max(0, min(own.mean.shape[0] - 4, across.mean.shape[0] - shift - 3))
    step = max(1, 2 * n * own.mean.shape[1] // _PAIRS)
    near = [_Set(*(array[k : k + n : step].ravel() for array in own)) for k in range(5)]
    far = [_Set(*(array[k + shift : k + shift + n : step].ravel() for array in across)) for k in range(4)]
    return (
        _place(near, (near[1].mean + 6 * near[2].mean + near[3].mean) * np.float32(1 / 8)),
        _place(far, (far[1].mean + far[2].mean) * np.float32(1 / 2)),
    )


def _centred_sparsely(own: _Set, across: _Set, *, shift: int) -> tuple[_Place, _Place]:
    """Hold single rows of `own` against the mean of both rows of `across` beside them.

    It takes five rows that do not clip where `_centred` takes nineteen. For that, levels are not of other rows, and
    curved brightness biases each centring, one up and the other down.
    """
    n = max(0, min(own.mean.shape[0] - 1 + shift, across.mean.shape[0] - 1))
    step = max(1, 2 * n * own.mean.shape[1] // (100 * _PAIRS))
    near = _Set(*(array[1 - shift : 1 - shift + n : step].ravel() for array in own))
    far = [_Set(*(array[k : k + n : step].ravel() for array in across)) for k in (0, 1)]
    return (
        _place([near, near], near.mean),
        _place(far, (far[0].mean + far[1].mean) * np.float32(1 / 2)),
    )


def _place(rows: Sequence[_Set], mean: NDArray[np.floating]) -> _Place:
    steps = [np.abs(after.mean - before.mean) for before, after in pairwise(rows)]
    return _Place(
        mean=mean.astype(np.float32),
        level=((rows[0].mean + rows[-1].mean) / 2).astype(np.float32),
        step=np.mean(steps, axis=0, dtype=np.float32),
        peak=np.maximum.reduce([row.peak for row in rows]),
        floor=np.minimum.reduce([row.floor for row in rows]),
    )


def join(pairs: Sequence[Pairs]) -> Pairs:
    """Return all neighbourhoods together."""
    return Pairs(
        a=np.concatenate([part.a for part in pairs]),
        b=np.concatenate([part.b for part in pairs]),
        level_a=np.concatenate([part.level_a for part in pairs]),
        level_b=np.concatenate([part.level_b for part in pairs]),
        step_a=np.concatenate([part.step_a for part in pairs]),
        step_b=np.concatenate([part.step_b for part in pairs]),
        peak_a=np.concatenate([part.peak_a for part in pairs]),
        peak_b=np.concatenate([part.peak_b for part in pairs]),
        only_a=sum(part.only_a for part in pairs),
        only_b=sum(part.only_b for part in pairs),
        both=sum(part.both for part in pairs),
        ceiling=min(part.ceiling for part in pairs),
        samples=pairs[0].samples,
        sparse=pairs[0].sparse,
    )
