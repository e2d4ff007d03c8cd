"""The equations of Debevec and Malik with the light of every sample eliminated.

Each sample i and frame j says g(z_ij) = ln E_i + ln t_j. Whatever g is, the best ln E_i is a weighted mean, so the
unknowns are those of the curve alone, however many samples there are.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hdrcli.response.response import CODES
from hdrcli.response.slopes import Equations, Numbers, logs_of, slopes_of

# Codes at the ends say nothing: what was cut there is not known. JPEG carries the cut into the next code.
_LOWEST, _HIGHEST = 1.0, CODES - 2.0
# Over how many codes from the ends the weight rises.
_RAMP = 16.0

# Huber's constant over the standard deviation: 95 % as good as least squares where nothing moved would be 1.345.
_HUBER = 1.5
_LEAST_NOISE = 0.25
# Fewer samples than this count less against smoothness.
_ENOUGH = 100
# Squared codes: what is farther off than that moved, and is not noise that would flatten the curve.
_MOST_STRETCH = 2.0


@dataclass(frozen=True)
class Samples:
    """Codes of equal light that are usable in two frames at least.

    Attributes
    ----------
    codes : ndarray (N, P), float64
    usable : ndarray (N, P), bool
        Which codes are not cut.
    log_exposures : ndarray (P,)
    """

    codes: Numbers
    usable: NDArray[np.bool_]
    log_exposures: Numbers

    @classmethod
    def of(cls, codes: Numbers, log_exposures: Numbers) -> Samples:
        """Return what is usable of codes (N, P)."""
        usable = (codes > _LOWEST) & (codes < _HIGHEST)
        kept = usable.sum(axis=1) >= 2
        return cls(codes[kept], usable[kept], log_exposures)

    @property
    def evidence(self) -> float:
        """How much the samples count against smoothness, above 0, 1 at most."""
        return min(1.0, len(self.codes) / _ENOUGH)

    @property
    def below(self) -> NDArray[np.int64]:
        """The whole codes (N, P) at or below the codes, 254 at most."""
        return np.clip(np.floor(self.codes), 0, CODES - 2).astype(np.int64)

    @property
    def trust(self) -> Numbers:
        """Weights (N, P) that rise from the ends of the codes, 0 where not usable."""
        rising = np.clip(np.minimum(self.codes - _LOWEST, _HIGHEST - self.codes) / _RAMP, 0, 1)
        return np.asarray(rising * self.usable)


def light_weights(samples: Samples, bends: Numbers) -> Numbers:
    """Return weights (N, P): trust over the squared error that one code of noise makes in the logarithm of light."""
    return np.asarray(samples.trust / slopes_of(bends)[samples.below] ** 2)


def deviations(samples: Samples, bends: Numbers, noise_of: Numbers) -> Numbers:
    """Return how far (N, P) each code lies from its sample's light, in codes of the curve `noise_of`."""
    weights = light_weights(samples, noise_of)
    return np.asarray(residuals(samples, bends, weights) * np.sqrt(weights))


def huber_weights(samples: Samples, codes: Numbers) -> tuple[float, Numbers]:
    """Return the standard deviation of codes, and weights (N, P) that bound what those far off can do.

    Parameters
    ----------
    samples : Samples
    codes : ndarray (N, P)
        The sizes of `deviations`.
    """
    firm = samples.trust > 0.5
    # Of the median, which outliers do not move.
    noise = max(1.4826 * float(np.median(codes[firm])), _LEAST_NOISE) if firm.any() else 1.0
    return noise, np.minimum(1, _HUBER * noise / np.maximum(codes, 1e-9))


def residuals(samples: Samples, bends: Numbers, weights: Numbers) -> Numbers:
    """Return g(z) - ln t - ln E of every code (N, P), with ln E the weighted mean over its sample."""
    logs = logs_of(bends)
    below = samples.below
    share = samples.codes - below
    light = logs[below] * (1 - share) + logs[below + 1] * share - samples.log_exposures
    return np.asarray(light - (weights * light).sum(axis=1, keepdims=True) / weights.sum(axis=1, keepdims=True))


def stretch_of(samples: Samples, squares: Numbers) -> Numbers:
    """Return what bends take off half the sum of squares (N, P), of codes, by making the curve steeper; (255,).

    Without it the curve would shrink: the same errors of codes are less light where it is flat.
    """
    below = samples.below.ravel()
    return np.asarray(np.bincount(below, np.minimum(squares, _MOST_STRETCH).ravel(), CODES - 1), dtype=np.float64)


def normal_equations(samples: Samples, bends: Numbers, weights: Numbers) -> Equations:
    """Return the equations of the mean over samples of their squared residuals times weights (N, P).

    The weights are those of `light_weights` times others that do not depend on the curve.
    """
    below = samples.below
    share = samples.codes - below
    # Each code counts for the whole codes below and above it.
    codes = np.concatenate([below, below + 1], axis=1)
    values = np.concatenate([weights * (1 - share), weights * share], axis=1)
    light = values / np.sqrt(weights.sum(axis=1, keepdims=True))
    cells = codes[:, :, None] * CODES + codes[:, None, :]
    coupling = np.bincount(cells.ravel(), (light[:, :, None] * light[:, None, :]).ravel(), CODES * CODES)
    matrix = -np.asarray(coupling, dtype=np.float64).reshape(CODES, CODES)
    index = np.arange(CODES)
    between = np.bincount(below.ravel(), (weights * share * (1 - share)).ravel(), CODES)[:-1]
    matrix[index, index] += np.bincount(codes.ravel(), values.ravel(), CODES)
    matrix[index[:-1], index[:-1]] -= between
    matrix[index[1:], index[1:]] -= between
    matrix[index[:-1], index[1:]] += between
    matrix[index[1:], index[:-1]] += between
    off = residuals(samples, bends, weights)
    stretch = stretch_of(samples, weights * off**2)
    right = np.bincount(codes.ravel(), (values * np.concatenate([off, off], axis=1)).ravel(), CODES)
    return Equations(matrix, np.asarray(-right, dtype=np.float64), stretch).scaled(1 / len(below))
