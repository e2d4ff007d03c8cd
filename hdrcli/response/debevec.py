"""The response from a bracket by least squares.

Source: Debevec and Malik, "Recovering high dynamic range radiance maps from photographs", SIGGRAPH 1997.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UnsuitableInputError, UsageError
from hdrcli.response.response import CODES, NEUTRAL_CODE, Response, srgb_light

SMOOTHNESS = 1.0


def debevec_malik(
    codes: NDArray[np.uint8] | NDArray[np.float64],
    log_exposures: NDArray[np.float64],
    *,
    smoothness: float = SMOOTHNESS,
) -> Response:
    """Return the response that explains the codes of a bracket.

    Parameters
    ----------
    codes : ndarray (N, P, 3)
        Codes 0 to 255, not necessarily whole, of N places of equal light in P frames.
    log_exposures : ndarray (P,), float64
        Natural logarithm of each frame's exposure; only differences count.
    smoothness : float
        Weight of the smoothness against the data, above 0.

    Returns
    -------
    Response

    Raises
    ------
    UsageError
        When the arguments do not fit together, or all frames have the same exposure.
    UnsuitableInputError
        When no sample has a usable code in two frames.
    """
    check_samples(codes, log_exposures)
    curves = [_solve(codes[:, :, channel].astype(np.float64), log_exposures, smoothness) for channel in range(3)]
    return balanced(np.stack(curves, axis=1))


def check_samples(codes: NDArray[np.uint8] | NDArray[np.float64], log_exposures: NDArray[np.float64]) -> None:
    """Raise UsageError where the codes are no samples (N, P, 3) of frames that differ in exposure."""
    if codes.ndim != 3 or codes.shape[2] != 3 or log_exposures.shape != codes.shape[1:2]:
        raise UsageError("Samples are codes (N, P, 3) with P logarithms of exposures.")
    if codes.shape[1] < 2 or np.ptp(log_exposures) < 0.05:
        raise UsageError("A response needs at least two frames whose exposures differ.")


def balanced(logs: NDArray[np.float64]) -> Response:
    """Return the response of logarithms of light (256, 3): increasing, neutral at code 128, 1.0 at code 255."""
    logs = np.maximum.accumulate(logs, axis=0) + 1e-4 * np.arange(CODES)[:, None] / CODES
    logs = logs - logs[NEUTRAL_CODE]
    # What the channels disagree about above the neutral code is spread over these codes.
    top = logs[-1].mean()
    logs[NEUTRAL_CODE:] *= top / logs[-1]
    return Response(np.exp(logs - top))


def _solve(codes: NDArray[np.float64], log_exposures: NDArray[np.float64], smoothness: float) -> NDArray[np.float64]:
    """Return the logarithm of light by code (256,)."""
    base = np.log(srgb_light(np.maximum(np.arange(CODES, dtype=np.float64), 0.25)))
    below = np.clip(np.floor(codes), 0, CODES - 2).astype(np.int64)
    share = codes - below
    weights = np.minimum(codes, CODES - 1 - codes) / (CODES / 2)
    known = base[below] * (1 - share) + base[below + 1] * share - log_exposures
    rows, right = _without_light(below, share, weights, known)
    stiff = np.diff(np.eye(CODES), 2, axis=0)
    lattice = np.minimum(np.arange(1, CODES - 1), CODES - 1 - np.arange(1, CODES - 1)) / (CODES / 2)
    stiff *= lattice[:, None] * smoothness * np.sqrt(max(len(codes), 1))
    gauge = np.zeros(CODES)
    gauge[NEUTRAL_CODE] = 1.0
    matrix = rows + stiff.T @ stiff + np.outer(gauge, gauge) + 1e-6 * np.eye(CODES)
    return base + np.asarray(np.linalg.solve(matrix, right))


def _without_light(
    below: NDArray[np.int64], share: NDArray[np.float64], weights: NDArray[np.float64], known: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return normal equations (256, 256), (256,) for the deviation, the light of every sample eliminated."""
    squares = weights**2
    usable = (squares > 0).sum(axis=1) >= 2
    if not usable.any():
        raise UnsuitableInputError(
            "No part of the picture is exposed well in two frames; the response cannot be recovered from them."
        )
    below, share, squares, known = below[usable], share[usable], squares[usable], known[usable]
    total = squares.sum(axis=1, keepdims=True)
    mean = (squares * known).sum(axis=1, keepdims=True) / total
    places = np.stack([below, below + 1], axis=2)
    taps = np.stack([1 - share, share], axis=2) * squares[..., None]
    number = np.arange(len(below))
    sums = np.zeros((len(below), CODES))
    np.add.at(sums, (number[:, None, None], places), taps)
    own = np.zeros((CODES, CODES))
    factors = np.stack([1 - share, share], axis=2)
    np.add.at(own, (places[..., :, None], places[..., None, :]), taps[..., :, None] * factors[..., None, :])
    right = np.bincount(places.ravel(), (-taps * (known - mean)[..., None]).ravel(), minlength=CODES)
    return own - sums.T @ (sums / total), np.asarray(right, dtype=np.float64)
