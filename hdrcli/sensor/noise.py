"""Read noise in front of and behind the amplifier, and photon noise, on one sample.

Model: counts = black + amplifier(photoelectrons + noise before) + noise after. Everything before the amplifier
grows with ISO, everything behind it (the converter, mostly) does not:
sigma(ISO)^2 = (sigma_before * ISO / 100)^2 + sigma_after^2, in counts. It is this second term that dual-ISO beats.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hdrcli.images import FloatArray, NoiseModel


@dataclass(frozen=True)
class ReadNoise:
    """Read noise of a camera at any ISO.

    Attributes
    ----------
    before_dn : float
        Standard deviation before the amplifier, in counts at ISO 100.
    after_dn : float
        Standard deviation behind the amplifier, in counts at any ISO.
    """

    before_dn: float
    after_dn: float

    def sigma_dn(self, iso: float) -> float:
        """Return the standard deviation in counts at `iso`."""
        return float(np.hypot(self.before_dn * iso / 100, self.after_dn))


def fit_read_noise(sigma_dn_by_iso: Mapping[int, float]) -> ReadNoise:
    """Fit the noise before and behind the amplifier to measured standard deviations in counts.

    Least squares on relative variance errors, both terms kept at or above zero.
    """
    iso = np.array(sorted(sigma_dn_by_iso), dtype=np.float64)
    variance = np.array([sigma_dn_by_iso[int(i)] for i in iso], dtype=np.float64) ** 2
    terms = np.stack([(iso / 100) ** 2, np.ones_like(iso)], axis=1) / variance[:, None]
    solution = np.linalg.lstsq(terms, np.ones_like(iso), rcond=None)[0]
    if solution.min() < 0:  # one term alone explains the figures
        keep = int(np.argmax(solution))
        best = float(terms[:, keep].sum() / (terms[:, keep] ** 2).sum())
        solution = np.zeros(2)
        solution[keep] = best
    return ReadNoise(float(np.sqrt(solution[0])), float(np.sqrt(solution[1])))


def add_noise(x: FloatArray, noise: NoiseModel, rng: np.random.Generator) -> FloatArray:
    """Return `x` with photon and read noise.

    Parameters
    ----------
    x : ndarray, float32
        Noise-free linear values, clip 1.0, not negative.
    noise : NoiseModel
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, float32
        Same shape, not clipped: the sensor saturates after the noise.
    """
    electrons = x / np.float32(noise.shot)
    # Poisson where counts are small; the normal limit differs by less than 1 % of sigma above a thousand electrons
    # and is far cheaper.
    few = electrons < 1000
    noisy = electrons + np.sqrt(electrons) * rng.standard_normal(x.shape, dtype=np.float32)
    noisy[few] = rng.poisson(electrons[few])
    read = np.float32(np.sqrt(noise.read)) * rng.standard_normal(x.shape, dtype=np.float32)
    return np.asarray(noisy * np.float32(noise.shot) + read, dtype=np.float32)
