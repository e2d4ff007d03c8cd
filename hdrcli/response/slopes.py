"""Curves as slopes: increasing and smooth by construction.

A curve is described by 255 bends, the natural logarithm of its slope over that of sRGB between neighbouring codes,
where the slope is that of the logarithm of light. No bend makes a sRGB curve; any bends make one that increases.
Smoothness is asked of the bends, so that a curve goes on like sRGB where no data hold it, and over a coordinate that
gives room to change near black and near white, where the curves of cameras do change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hdrcli.response.response import CODES, NEUTRAL_CODE, srgb_light

Numbers = NDArray[np.float64]

# A quarter of the first code stands for code 0, whose logarithm would not be finite.
_SRGB_LOGS: Numbers = np.log(srgb_light(np.maximum(np.arange(CODES, dtype=np.float64), 0.25)))
_SRGB_SLOPES: Numbers = np.diff(_SRGB_LOGS)
_SUMS: Numbers = np.tril(np.ones((CODES, CODES - 1)), -1)
_FROM_NEUTRAL: Numbers = _SUMS - _SUMS[NEUTRAL_CODE]
_LARGEST_BEND = 3.5
_LARGEST_STEP = 0.5
# Codes from black and from white at which the coordinate turns from even to logarithmic.
_TOE, _SHOULDER = 8.0, 20.0
# Penalties of the squared first and second derivatives of the bends; data count in squared deviations from the noise.
# On simulated brackets everything from a third to three times as much serves as well.
_FIRST, _SECOND = 0.1, 0.1
# Penalty of the squared bends themselves: decides what data and smoothness leave open, as two frames far apart do.
_ANCHOR = 0.1


@dataclass(frozen=True)
class Equations:
    """How a misfit, a sum of squares, depends on the curve.

    Attributes
    ----------
    matrix : ndarray (256, 256)
        Half its second derivative by the logarithm of light at each code.
    right : ndarray (256,)
        Half its negative gradient by that.
    stretch : ndarray (255,)
        What a bend takes off half of it directly: errors count in codes, which are fewer where the curve is steeper.
    """

    matrix: Numbers
    right: Numbers
    stretch: Numbers

    def scaled(self, factor: float) -> Equations:
        """Return the equations of a misfit times a factor."""
        return Equations(factor * self.matrix, factor * self.right, factor * self.stretch)


def slopes_of(bends: Numbers) -> Numbers:
    """Return the increase (255,) of the logarithm of light from code to code."""
    return np.asarray(_SRGB_SLOPES * np.exp(bends))


def logs_of(bends: Numbers) -> Numbers:
    """Return the natural logarithm (256,) of light by code, 0 at code 128."""
    return np.asarray(_FROM_NEUTRAL @ slopes_of(bends))


def stiffness(smoothness: float, *, anchor: float = _ANCHOR) -> Numbers:
    """Return the matrix (255, 255) of the penalty of bends.

    Parameters
    ----------
    smoothness : float
        Factor on the usual penalty of change along the curve, above 0.
    anchor : float
        Penalty of the bends themselves, whatever the smoothness.
    """
    middle = np.arange(CODES - 1) + 0.5
    place = np.log((middle + _TOE) / (CODES - 1 - middle + _SHOULDER))
    first, second = (_squared_derivative(place, order) for order in (1, 2))
    level = _squared_derivative(place, 0)
    return np.asarray(smoothness * (_FIRST * first + _SECOND * second) + anchor * level)


def improved(bends: Numbers, equations: Equations, penalty: Numbers, prior: Numbers) -> Numbers:
    """Return bends after one step of Gauss and Newton.

    Parameters
    ----------
    bends : ndarray (255,)
    equations : Equations
        At `bends`.
    penalty : ndarray (255, 255)
        From `stiffness`.
    prior : ndarray (255,)
        The bends that cost no penalty.
    """
    jacobian = _FROM_NEUTRAL * slopes_of(bends)
    curvature = jacobian.T @ equations.matrix @ jacobian + penalty
    downhill = jacobian.T @ equations.right + equations.stretch - penalty @ (bends - prior)
    step = np.linalg.solve(curvature, downhill)
    moved = bends + np.clip(step, -_LARGEST_STEP, _LARGEST_STEP)
    return np.asarray(np.clip(moved, -_LARGEST_BEND, _LARGEST_BEND), dtype=np.float64)


def _squared_derivative(place: Numbers, order: int) -> Numbers:
    """Return the matrix of the integral of a squared derivative over unevenly spaced places."""
    derivative = np.eye(len(place))
    for _ in range(order):
        derivative = np.diff(derivative, axis=0) / np.diff(place)[:, None]
        place = (place[1:] + place[:-1]) / 2
    return np.asarray(derivative.T @ (derivative * np.gradient(place)[:, None]))
