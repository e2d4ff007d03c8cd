"""Display pictures of a bracket merged one after the other, as means of logarithms of light.

Debevec and Malik (1997) weigh every code by a triangle. Here the weight is one over the variance that the logarithm of
light has when codes are off by a little, which the response tells: little where the curve is flat and where it is dark.
It is taken at the mean of a neighbourhood, and for the three channels falls together where one of them clips, so that
no colour appears there; not to nothing, because a channel that does not clip is known better there than by a frame in
which it is nearly black, and where something moved it may be all there is.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray, MaskArray
from hdrcli.kernels import Real, kernel, run_in_bands
from hdrcli.merge.cells import Cells
from hdrcli.merge.hidden import fill_colour, hidden_cells, spread_highlights

CODE_NOISE = 1.5
"""Standard deviation of codes: rounding, JPEG, and the noise of the camera at its usual ISO."""

# Between these a code stops to count.
_FIRST, _FULL = np.float32(243), np.float32(252)
# What a channel counts that is well under the clip while others or neighbours are not: less than a shorter frame that
# sees all of it well, more than one in which it is nearly black.
_OWN_SHARE = np.float32(0.3)
_CONTRADICTION = np.float32(0.7)  # share of what the light is at least: response and JPEG make it less, too
_RINGING = np.float32(0.5)  # likewise, of what was merged already and is not sure
_SURE = np.float32(0.5)

_MODEL_ERROR = 0.02  # of the logarithm: no code is known better
_DARKEST_CODE = 0.5
# Cameras crush what is near black, and responses are hardly known there: light is off by about half of this code's.
_CRUSHED_CODE = 12


class LightTables:
    """What a response says of codes, tabulated.

    Parameters
    ----------
    curve : ndarray (256, 3), float64
        Light by code and channel, increasing, 1.0 at code 255.
    """

    def __init__(self, curve: NDArray[np.float64]) -> None:
        codes = np.arange(256)
        dark = [np.interp(_DARKEST_CODE, codes, curve[:, channel]) for channel in range(3)]
        light = np.maximum(curve, np.array(dark))
        slope = np.gradient(curve, axis=0)
        self.logs = np.log(light).astype(np.float32)
        variance = np.square(CODE_NOISE * slope) + np.square(0.6 * curve[_CRUSHED_CODE])
        self.weights = (1 / (variance / np.square(light) + _MODEL_ERROR**2)).astype(np.float32)
        self.light = light.astype(np.float32)
        self.variance = variance.astype(np.float32)

    def of(self, table: FloatArray, codes: FloatArray) -> FloatArray:
        """Return the entries (H, W, 3) of a table at codes (H, W, 3), 0 to 255, between whole ones too."""
        result = np.empty(codes.shape, np.float32)
        run_in_bands(lambda first, last: _look_up(codes, table, first, last, result), len(codes))
        return result


def code_trust(codes: FloatArray) -> FloatArray:
    """Return the trust (h, w) of the whole 2x2 cells of codes (H, W, 3): 1, falling to 0 where any of them clips."""
    height, width = codes.shape[0] // 2, codes.shape[1] // 2
    peak = codes[: 2 * height, : 2 * width].reshape(height, 2, width, 2, 3).max(axis=(1, 3, 4))
    around = cv2.dilate(peak, np.ones((3, 3), np.uint8))
    t = np.clip((around - _FIRST) / (_FULL - _FIRST), 0, 1)
    return np.asarray(1 - t * t * (3 - 2 * t), dtype=np.float32)


class PictureStack:
    """Merges pictures of one size.

    Parameters
    ----------
    shape : tuple of 2 int
        Rows and columns.
    """

    def __init__(self, shape: tuple[int, int]) -> None:
        self._sum = np.zeros((*shape, 3), np.float32)
        self._weight = np.zeros((*shape, 3), np.float32)
        self._least = np.zeros((*shape, 3), np.float32)
        # Where something was merged that lies among unclipped samples.
        self._sure = np.zeros(shape, np.bool_)
        # Up to which light the shortest exposure reaches that was merged in a cell.
        self._ceiling = np.zeros((shape[0] // 2, shape[1] // 2), np.float32)

    def add(
        self,
        codes: FloatArray,
        tables: LightTables,
        trust: FloatArray,
        *,
        gain: float,
        keep: FloatArray | None = None,
        gain_error: float = 0.0,
    ) -> float:
        """Merge one picture, and return its weight in the result so far as a share of the samples.

        Parameters
        ----------
        codes : ndarray (H, W, 3), float32
            0 to 255.
        tables : LightTables
        trust, keep : ndarray (h, w), float32
            As in `hdrcli.merge.stack.BayerStack.add`.
        gain : float
            Of the picture over the reference.
        gain_error : float
            Standard error of `gain`, relative.
        """
        keep = np.ones_like(trust) if keep is None else keep
        np.maximum(self._ceiling, np.float32(1 / gain), out=self._ceiling, where=keep > np.float32(0.5))
        around = np.asarray(cv2.blur(codes, (3, 3), borderType=cv2.BORDER_REFLECT), dtype=np.float32)
        shares = np.zeros(len(codes), np.float64)

        def work(first: int, last: int) -> None:
            _add(
                codes, around, tables.logs, tables.weights, trust, keep, np.float32(np.log(gain)),
                np.float32(gain_error * gain_error), first, last, self._sum, self._weight, self._least,
                self._sure, shares,
            )  # fmt: skip

        run_in_bands(work, len(codes))
        return float(shares.sum()) / self._sum.size

    def cells(self) -> Cells:
        """Return what was merged so far, by cells, on the scale of the reference."""
        height, width = self._sum.shape[0] // 2, self._sum.shape[1] // 2
        light, variance = (np.empty((height, width, 3), np.float32) for _ in range(2))
        trust = np.empty((height, width), np.float32)

        def work(first: int, last: int) -> None:
            _merged_cells(self._sum, self._weight, self._least, first, last, light, variance, trust)

        run_in_bands(work, height)
        return Cells(light, variance, trust)

    def result(self, *, brightest: float) -> FloatArray:
        """Return the light (H, W, 3), on the scale of the reference.

        A pixel that clips in every picture has what the shortest says it has at least. Where something hid it in that,
        the light of bright surroundings is spread over it.

        Parameters
        ----------
        brightest : float
            Level at which the shortest picture clips.
        """
        light = np.empty_like(self._sum)
        run_in_bands(
            lambda first, last: _light(self._sum, self._weight, self._least, self._sure, first, last, light), len(light)
        )
        cells = self.cells()
        hidden = hidden_cells(cells, ceiling=self._ceiling, brightest=brightest)
        if hidden.any():
            spread = spread_highlights(cells, hidden, clip=1.0, neutral=(1.0, 1.0, 1.0))
            run_in_bands(lambda first, last: _fill(light, self._weight, hidden, spread, first, last), len(hidden))
        return light


@kernel
def _at(table: FloatArray, code: Real, channel: int) -> Real:
    below = min(int(code), 254)
    share = np.float32(code - below)
    value: Real = table[below, channel] + share * (table[below + 1, channel] - table[below, channel])
    return value


@kernel
def _under_clip(code: Real) -> Real:
    t = min(max((code - _FIRST) / (_FULL - _FIRST), np.float32(0)), np.float32(1))
    return 1 - t * t * (3 - 2 * t)


@kernel
def _look_up(codes: FloatArray, table: FloatArray, first: int, last: int, result: FloatArray) -> None:
    for i in range(first, last):
        for j in range(codes.shape[1]):
            for c in range(3):
                result[i, j, c] = _at(table, codes[i, j, c], c)


@kernel
def _add(
    codes: FloatArray,
    around: FloatArray,
    logs: FloatArray,
    weights: FloatArray,
    trust: FloatArray,
    keep: FloatArray,
    log_gain: Real,
    of_gain: Real,
    first: int,
    last: int,
    total: FloatArray,
    weight: FloatArray,
    least: FloatArray,
    sure: MaskArray,
    shares: NDArray[np.float64],
) -> None:
    for i in range(first, last):
        y = min(i >> 1, trust.shape[0] - 1)
        for j in range(codes.shape[1]):
            x = min(j >> 1, trust.shape[1] - 1)
            sure[i, j] = sure[i, j] or trust[y, x] * keep[y, x] > _SURE
            for c in range(3):
                trusted = max(trust[y, x], _OWN_SHARE * _under_clip(max(codes[i, j, c], around[i, j, c])))
                log_light = _at(logs, codes[i, j, c], c) - log_gain
                # What shows something else fades out beside what is known; alone it would be a ghost. So would be what
                # is darker than other frames say it is at least.
                if weight[i, j, c] <= 0 and (
                    keep[y, x] < np.float32(0.5) or np.exp(log_light) < _CONTRADICTION * least[i, j, c]
                ):
                    continue
                if trusted <= 0:
                    if keep[y, x] > np.float32(0.5):
                        least[i, j, c] = max(least[i, j, c], np.exp(log_light))
                    continue
                own = _at(weights, around[i, j, c], c)
                own *= trusted * keep[y, x] / (1 + own * of_gain)
                total[i, j, c] += own * log_light
                weight[i, j, c] += own
                if weight[i, j, c] > 0:
                    shares[i] += own / weight[i, j, c]


@kernel
def _light(
    total: FloatArray,
    weight: FloatArray,
    least: FloatArray,
    sure: MaskArray,
    first: int,
    last: int,
    light: FloatArray,
) -> None:
    for i in range(first, last):
        for j in range(total.shape[1]):
            for c in range(3):
                light[i, j, c] = least[i, j, c]
                if weight[i, j, c] > 0:
                    value = np.exp(total[i, j, c] / weight[i, j, c])
                    # Ringing of JPEG leaves some clipped pixels under the clip; other frames say how bright they are.
                    light[i, j, c] = value if sure[i, j] or value >= _RINGING * least[i, j, c] else least[i, j, c]


@kernel
def _merged_cells(
    total: FloatArray,
    weight: FloatArray,
    least: FloatArray,
    first: int,
    last: int,
    light: FloatArray,
    variance: FloatArray,
    trust: FloatArray,
) -> None:
    quarter = np.float32(0.25)
    for i in range(first, last):
        for j in range(trust.shape[1]):
            trust[i, j] = 1
            for c in range(3):
                mean, spread, unknown = np.float32(0), np.float32(0), 0
                for k in range(4):
                    y, x = 2 * i + (k >> 1), 2 * j + (k & 1)
                    if weight[y, x, c] > 0:
                        value = np.exp(total[y, x, c] / weight[y, x, c])
                        spread += value * value / weight[y, x, c]
                    else:
                        value = least[y, x, c]
                        unknown += 1
                    mean += quarter * value
                light[i, j, c] = mean
                variance[i, j, c] = spread * quarter * quarter
                if unknown:
                    variance[i, j, c] = 0
                    trust[i, j] = 0


@kernel
def _fill(light: FloatArray, weight: FloatArray, hidden: MaskArray, spread: FloatArray, first: int, last: int) -> None:
    unknown, white = np.empty(3, np.bool_), np.ones(3, np.float32)
    for i in range(first, last):
        for j in range(hidden.shape[1]):
            if not hidden[i, j]:
                continue
            for k in range(4):
                y, x = 2 * i + (k >> 1), 2 * j + (k & 1)
                for c in range(3):
                    unknown[c] = weight[y, x, c] <= 0
                if unknown[0] or unknown[1] or unknown[2]:
                    fill_colour(light[y, x], unknown, spread[i, j], white)
