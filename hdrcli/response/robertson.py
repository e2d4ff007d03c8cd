"""The response from a bracket by turns: the light from the response, the response from the light.

Source: Robertson, Borman and Stevenson, "Estimation-theoretic approach to dynamic range enhancement using multiple
exposures", Journal of Electronic Imaging 12(2), 2003. Their two steps are taken as they are, but for codes between
whole ones and for what moved, which weighs less. After each turn the curve is made smooth and increasing, which the
paper leaves out; without it three frames leave the curve in pieces.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hdrcli.response.channels import fit_channels
from hdrcli.response.equations import Samples, deviations, huber_weights, stretch_of
from hdrcli.response.response import CODES, Response
from hdrcli.response.slopes import Equations, Numbers, improved, logs_of

_TURNS = 60
_CONVERGED = 1e-4
# How steeply the paper's weight falls from the middle of the codes: exp(-4) at both ends.
_STEEPNESS = 4.0
# Standard deviation of the codes' noise, for the weight of the data against smoothness.
_NOISE = 0.5
# The curve's own slopes would let a flat place hold itself flat, for nothing else pulls at it in this method.
_SRGB_SLOPES: Numbers = np.gradient(logs_of(np.zeros(CODES - 1)))


def robertson(codes: NDArray[np.uint8] | Numbers, log_exposures: Numbers, *, smoothness: float = 1.0) -> Response:
    """Return the response that explains the codes of a bracket; arguments, result and errors as for `debevec_malik`.

    It is slower and, on simulated brackets, less exact: light comes from the longest exposure for the most part.
    """
    return fit_channels(_fit, codes, np.asarray(log_exposures, dtype=np.float64), smoothness)


def _fit(samples: Samples, penalty: Numbers, prior: Numbers) -> Numbers:
    """Return the bends that explain samples."""
    bends = prior
    middle = (CODES - 1) / 2
    trust = samples.usable * np.exp(-_STEEPNESS * ((samples.codes - middle) / middle) ** 2)
    exposures = np.exp(samples.log_exposures - samples.log_exposures.mean())
    below = samples.below
    share = samples.codes - below
    for _ in range(_TURNS):
        logs = logs_of(bends)
        value = np.exp(logs[below] * (1 - share) + logs[below + 1] * share)
        codes = deviations(samples, bends, bends)
        _, forgiving = huber_weights(samples, np.abs(codes))
        weights = trust * forgiving
        light = (weights * exposures * value).sum(axis=1) / (weights * exposures**2).sum(axis=1)
        # Of whole codes this is the paper's mean of exposure times light, over the value that the code had.
        counted = samples.usable * forgiving
        taps = _gathered(below, share, counted)
        changes = _gathered(below, share, counted * exposures * light[:, None] / value)
        factors = np.where(taps > 0, changes / np.maximum(taps, 1e-12), 1.0)
        stretch = stretch_of(samples, forgiving * codes**2) / (taps.sum() * _NOISE**2)
        equations = _equations(np.log(np.maximum(factors, 1e-9)), taps, stretch)
        before, bends = bends, improved(bends, equations.scaled(samples.evidence), penalty, prior)
        if np.abs(bends - before).max() < _CONVERGED:
            break
    return bends


def _gathered(below: NDArray[np.int64], share: Numbers, values: Numbers) -> Numbers:
    """Return the sums (256,) of values by whole code; those between two codes are shared out."""
    sums = np.bincount(below.ravel(), (values * (1 - share)).ravel(), CODES)
    return np.asarray(sums + np.bincount(below.ravel() + 1, (values * share).ravel(), CODES), dtype=np.float64)


def _equations(changes: Numbers, taps: Numbers, stretch: Numbers) -> Equations:
    """Return the equations for a curve near the logarithm of light plus changes (256,), each known by its taps."""
    weights = taps / taps.sum() / (_SRGB_SLOPES * _NOISE) ** 2
    # The curve is known up to one constant, which takes no part.
    matrix = np.diag(weights) - np.outer(weights, weights) / weights.sum()
    return Equations(matrix, matrix @ changes, stretch)
