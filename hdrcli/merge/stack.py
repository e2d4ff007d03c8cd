"""Exposures of a bracket merged one after the other: on the mosaic, or display pictures by their response.

Raw: inverse-variance weights, which are noise-optimal (Hasinoff, Durand and Freeman, "Noise-optimal capture for high
dynamic range photography", CVPR 2010), in linear light. Display pictures: means of logarithms of light (Debevec and
Malik 1997), weighted by what a step of the code is worth there. In both the level that the weights are taken at is the
mean of a neighbourhood, because weights that follow a sample's own noise favour its dark side, and a cell counts less
the nearer any of its samples or neighbours is to the clip.

Only sums are kept, so memory does not grow with the number of frames.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray, NoiseModel
from hdrcli.kernels import Real, kernel, run_in_bands
from hdrcli.merge.cells import FIRST, FULL, Cells, colour_positions
from hdrcli.merge.hidden import fill_hidden, hidden_cells, spread_highlights

# Variance of an interpolated sample as a share of the finest detail around it: what is usual, the limits, and how much
# of the noise's variance the usual share weighs where it is measured. The window is a standard deviation in cells.
_DOUBT_USUAL, _DOUBT_LEAST, _DOUBT_MOST = 0.3, 0.03, 30.0
_DOUBT_PRIOR = 0.1
_DOUBT_WINDOW = 5.0
# What a measured sample counts that is well under the clip while its neighbours are not: little beside another measured
# one, so that cells keep their colour; much beside one that was interpolated along a bright edge.
_OWN_SHARE = 0.3
_CONTRADICTION = np.float32(0.85)  # share of what the light is at least; noise may make it a little less


class BayerStack:
    """Merges mosaics of one grid.

    Parameters
    ----------
    shape : tuple of 2 int
        Rows and columns.
    cfa : str
    """

    def __init__(self, shape: tuple[int, int], cfa: str) -> None:
        self.cfa = cfa
        self._colours = colour_positions(cfa)
        self._sum = np.zeros(shape, np.float32)
        self._weight = np.zeros(shape, np.float32)
        # What the light is at least, where every frame clips.
        self._least = np.zeros(shape, np.float32)
        # Up to which light the shortest exposure reaches that was merged in a cell.
        self._ceiling = np.zeros((shape[0] // 2, shape[1] // 2), np.float32)

    def add(
        self,
        samples: FloatArray,
        level: FloatArray,
        trust: FloatArray,
        *,
        gain: float,
        noise: NoiseModel,
        keep: FloatArray | None = None,
        detail: FloatArray | None = None,
        gain_error: float = 0.0,
    ) -> float:
        """Merge one frame, and return its weight in the result so far as a share of the pixels.

        Parameters
        ----------
        samples : ndarray (H, W), float32
            On the scale of the frame's own clip.
        level : ndarray (h, w, 3), float32
            Mean light around every cell, on the same scale.
        trust : ndarray (h, w), float32
            1 where nothing clips, 0 where something does.
        gain : float
            Of the frame over the reference.
        noise : NoiseModel
            Of `samples`.
        keep : ndarray (h, w), float32, or None
            0 where the frame shows something else; None for 1 throughout.
        detail : ndarray (H, W), float32, or None
            Mean square of the finest detail around samples that were interpolated, on the scale of `samples`: their
            variance beyond noise is in proportion. In which, is measured on what was merged before.
        gain_error : float
            Standard error of `gain`, relative: what is dark to the frame counts in full, what is bright by this.
        """
        keep = np.ones_like(trust) if keep is None else keep
        np.maximum(self._ceiling, np.float32(1 / gain), out=self._ceiling, where=keep > np.float32(0.5))
        doubt = None if detail is None else self._doubt(samples, level, trust * keep, gain, noise, detail)
        shares = np.zeros(self._sum.shape[0], np.float64)
        no_doubt = np.zeros((0, 0), np.float32)

        def work(first: int, last: int) -> None:
            _add(
                samples, level, trust, keep, no_doubt if doubt is None else doubt, doubt is None,
                np.float32(_OWN_SHARE), self._colours,
                np.float32(1 / gain), np.float32(noise.shot), np.float32(noise.read),
                np.float32(gain_error * gain_error), first, last, self._sum, self._weight, self._least, shares,
            )  # fmt: skip

        run_in_bands(work, self._sum.shape[0])
        return float(shares.sum()) / self._sum.size

    def _doubt(
        self,
        samples: FloatArray,
        level: FloatArray,
        trust: FloatArray,
        gain: float,
        noise: NoiseModel,
        detail: FloatArray,
    ) -> FloatArray:
        """Return the variance (H, W) beyond noise of interpolated samples, on their scale.

        Their differences from what was merged before have the variance of both noises and this one.
        """
        excess, energy = np.empty_like(trust), np.empty_like(trust)
        expected = np.empty_like(trust)

        def work(first: int, last: int) -> None:
            _misfit(
                samples, level, trust, detail, self._colours, np.float32(1 / gain), np.float32(noise.shot),
                np.float32(noise.read), first, last, self._sum, self._weight, excess, energy, expected,
            )  # fmt: skip

        run_in_bands(work, len(trust))
        for array in (excess, energy, expected):
            cv2.GaussianBlur(array, (0, 0), _DOUBT_WINDOW, dst=array, borderType=cv2.BORDER_REFLECT)
        little = np.float32(_DOUBT_PRIOR) * expected + np.float32(1e-12)
        share = np.clip((excess + np.float32(_DOUBT_USUAL) * little) / (energy + little), _DOUBT_LEAST, _DOUBT_MOST)
        return detail * _spread(np.asarray(share, dtype=np.float32), detail.shape)

    def cells(self) -> Cells:
        """Return what was merged so far, by cells, on the scale of the reference."""
        height, width = self._sum.shape[0] // 2, self._sum.shape[1] // 2
        light, variance = (np.empty((height, width, 3), np.float32) for _ in range(2))
        trust = np.empty((height, width), np.float32)

        def work(first: int, last: int) -> None:
            _merged_cells(self._sum, self._weight, self._least, self._colours, first, last, light, variance, trust)

        run_in_bands(work, height)
        return Cells(light, variance, trust)

    def result(self, *, brightest: float, neutral: tuple[float, float, float]) -> FloatArray:
        """Return the merged mosaic (H, W), on the scale of the reference.

        Parameters
        ----------
        brightest : float
            Level at which the shortest exposure clips.
        neutral : tuple of 3 float
            Camera RGB of white.
        """
        merged = np.empty_like(self._sum)

        def work(first: int, last: int) -> None:
            known = self._weight[first:last] > 0
            np.divide(self._sum[first:last], self._weight[first:last], out=merged[first:last], where=known)
            np.copyto(merged[first:last], self._least[first:last], where=~known)

        run_in_bands(work, len(merged))
        cells = self.cells()
        hidden = hidden_cells(cells, ceiling=self._ceiling, brightest=brightest)
        if hidden.any():
            light = spread_highlights(cells, hidden, clip=1.0, neutral=neutral)
            fill_hidden(merged, self._weight, self.cfa, hidden, light, neutral=neutral)
        return merged


def neighbourhood(light: FloatArray) -> FloatArray:
    """Return the mean light (h, w, 3) of cells and their neighbours, for weights that do not follow noise."""
    return np.asarray(cv2.GaussianBlur(light, (5, 5), 1.0, borderType=cv2.BORDER_REFLECT), dtype=np.float32)


def _spread(cells: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return every cell's value (h, w) for its four samples (H, W)."""
    rows = np.minimum(np.arange(shape[0]) // 2, cells.shape[0] - 1)
    columns = np.minimum(np.arange(shape[1]) // 2, cells.shape[1] - 1)
    return np.asarray(cells[rows[:, None], columns], dtype=np.float32)


@kernel
def _misfit(
    samples: FloatArray,
    level: FloatArray,
    trust: FloatArray,
    detail: FloatArray,
    colours: NDArray[np.int64],
    scale: Real,
    shot: Real,
    read: Real,
    first: int,
    last: int,
    total: FloatArray,
    weights: FloatArray,
    excess: FloatArray,
    energy: FloatArray,
    expected: FloatArray,
) -> None:
    """Write by cell, on the scale of the frame: squared differences beyond noise, detail, and the noise's variance."""
    back = 1 / (scale * scale)
    for i in range(first, last):
        for j in range(trust.shape[1]):
            excess[i, j] = energy[i, j] = expected[i, j] = 0
            if trust[i, j] < np.float32(0.99):
                continue
            for k in range(4):
                y, x = 2 * i + (k >> 1), 2 * j + (k & 1)
                if weights[y, x] <= 0:
                    continue
                difference = samples[y, x] - total[y, x] / weights[y, x] / scale
                variance = shot * max(level[i, j, colours[k >> 1, k & 1]], np.float32(0)) + read + back / weights[y, x]
                excess[i, j] += difference * difference - variance
                energy[i, j] += detail[y, x]
                expected[i, j] += variance


@kernel
def _under_clip(sample: Real) -> Real:
    """Return 1 for samples well under the clip, falling to 0 where they clip."""
    t = min(max((sample - np.float32(FIRST)) / np.float32(FULL - FIRST), np.float32(0)), np.float32(1))
    return 1 - t * t * (3 - 2 * t)


@kernel
def _add(
    samples: FloatArray,
    level: FloatArray,
    trust: FloatArray,
    keep: FloatArray,
    doubt: FloatArray,
    measured: bool,
    own_share: Real,
    colours: NDArray[np.int64],
    scale: Real,
    shot: Real,
    read: Real,
    of_gain: Real,
    first: int,
    last: int,
    total: FloatArray,
    weights: FloatArray,
    least: FloatArray,
    shares: NDArray[np.float64],
) -> None:
    for i in range(first, last):
        y = min(i >> 1, trust.shape[0] - 1)
        for j in range(samples.shape[1]):
            x = min(j >> 1, trust.shape[1] - 1)
            light = samples[i, j] * scale
            trusted = trust[y, x]
            if measured:
                # An odd last row or column is not in the cell that speaks for it.
                under = _under_clip(samples[i, j])
                trusted = max(min(trusted, under), own_share * under)
            # What shows something else fades out beside what is known; alone it would be a ghost. So would be what
            # is darker than other frames say it is at least.
            if weights[i, j] <= 0 and (
                keep[y, x] < np.float32(0.5) or (measured and light < _CONTRADICTION * least[i, j])
            ):
                continue
            if trusted <= 0:
                least[i, j] = max(least[i, j], light) if keep[y, x] > np.float32(0.5) else least[i, j]
                continue
            mean = max(level[y, x, colours[i & 1, j & 1]], np.float32(0))
            variance = shot * mean + read + of_gain * mean * mean
            if not measured:
                variance += doubt[i, j]
            weight = trusted * keep[y, x] / (variance * scale * scale)
            total[i, j] += weight * light
            weights[i, j] += weight
            if weights[i, j] > 0:
                shares[i] += weight / weights[i, j]


@kernel
def _merged_cells(
    total: FloatArray,
    weights: FloatArray,
    least: FloatArray,
    colours: NDArray[np.int64],
    first: int,
    last: int,
    light: FloatArray,
    variance: FloatArray,
    trust: FloatArray,
) -> None:
    for i in range(first, last):
        for j in range(trust.shape[1]):
            trust[i, j] = 1
            for c in range(3):
                # Where one of two greens clips, their mean is a bound: the other alone would stand for another place.
                sum_light, sum_weight, bound, number, unknown = np.float32(0), np.float32(0), np.float32(0), 0, 0
                for k in range(4):
                    y, x = 2 * i + (k >> 1), 2 * j + (k & 1)
                    if colours[k >> 1, k & 1] == c:
                        sum_light += total[y, x]
                        sum_weight += weights[y, x]
                        number += 1
                        if weights[y, x] > 0:
                            bound += total[y, x] / weights[y, x]
                        else:
                            bound += least[y, x]
                            unknown += 1
                if unknown == 0:
                    light[i, j, c] = sum_light / sum_weight
                    variance[i, j, c] = 1 / sum_weight
                else:
                    light[i, j, c] = bound / number
                    variance[i, j, c] = 0
                    trust[i, j] = 0
