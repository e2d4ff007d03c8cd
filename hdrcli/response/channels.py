"""One curve for the three channels, or one for each.

Cameras encode all channels alike, and three times the data make a better curve. So one curve is fitted to all samples,
and each channel gets its own only where the common one misses the samples by clearly more than noise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UnsuitableInputError, UsageError
from hdrcli.response.equations import Samples, deviations
from hdrcli.response.response import CODES, NEUTRAL_CODE, Response
from hdrcli.response.slopes import Numbers, logs_of, stiffness

Fit = Callable[[Samples, Numbers, Numbers], Numbers]
"""From samples, a penalty and the bends that cost none to the bends of a curve."""

SEPARATE_ABOVE = 1.0
"""Codes (root mean square) by which the common curve has to miss more than the channels' own do. On simulated brackets
of one curve it was below 0.85 even where objects moved, and above 1.2 where curves were unlike."""

_LEAST_EXPOSURE_STEP = 0.1 * np.log(2)
_ANCHOR = 1.0
# Pairs of codes of one sample, of all channels: what the time goes with.
_MOST_PAIRS = 1_000_000
_OUTLIER = 10.0


def fit_channels(fit: Fit, codes: NDArray[np.uint8] | Numbers, log_exposures: Numbers, smoothness: float) -> Response:
    """Return the response of samples, by any way of fitting a curve.

    Parameters
    ----------
    fit : callable
    codes : ndarray (N, P, 3)
        0 to 255, not necessarily whole. Of more samples than needed some are left out, evenly.
    log_exposures : ndarray (P,)
        Natural logarithms.
    smoothness : float
        Above 0; 1 is the usual.

    Raises
    ------
    UsageError
        When the arguments do not fit together.
    UnsuitableInputError
        When the frames hardly differ in exposure, or no sample has a usable code in two of them.
    """
    _check(codes, log_exposures, smoothness)
    codes = codes[:: 1 + codes.size * codes.shape[1] // _MOST_PAIRS].astype(np.float64)
    channels = [Samples.of(codes[:, :, channel], log_exposures) for channel in range(3)]
    together = Samples.of(np.concatenate([codes[:, :, channel] for channel in range(3)]), log_exposures)
    if not len(together.codes):
        raise UnsuitableInputError(
            "No part of the picture is well exposed in two frames, so the camera's response cannot be recovered; "
            "use a saved response or that of sRGB."
        )
    common = fit(together, stiffness(smoothness), np.zeros(CODES - 1))
    # A channel leaves the common curve only where its own samples say so.
    close = stiffness(smoothness, anchor=_ANCHOR)
    own = [fit(channel, close, common) if len(channel.codes) else common for channel in channels]
    excess = np.mean([_misfit(c, common, common) - _misfit(c, o, common) for c, o in zip(channels, own, strict=True)])
    chosen = own if excess > SEPARATE_ABOVE**2 else [common] * 3
    return _balanced(np.stack([logs_of(bends) for bends in chosen], axis=1))


def _check(codes: NDArray[np.uint8] | Numbers, log_exposures: Numbers, smoothness: float) -> None:
    if codes.ndim != 3 or codes.shape[2] != 3 or log_exposures.shape != codes.shape[1:2]:
        raise UsageError("Samples are codes (N, P, 3) with P logarithms of exposures.")
    if not np.isfinite(log_exposures).all() or not smoothness > 0:
        raise UsageError("Exposures are above 0 and finite, and the smoothness is above 0.")
    if codes.shape[1] < 2 or np.ptp(log_exposures) < _LEAST_EXPOSURE_STEP:
        raise UnsuitableInputError(
            "The frames do not differ in exposure, so the camera's response cannot be recovered; "
            "use a saved response or that of sRGB."
        )


def _misfit(samples: Samples, bends: Numbers, noise_of: Numbers) -> float:
    """Return the mean squared deviation of samples from a curve, in codes of another curve."""
    if not len(samples.codes):
        return 0.0
    codes = deviations(samples, bends, noise_of)[samples.usable]
    return float(np.mean(np.minimum(np.abs(codes), _OUTLIER) ** 2))


def _balanced(logs: Numbers) -> Response:
    """Return the response of logarithms of light (256, 3) that are 0 at the neutral code."""
    top = float(logs[-1].mean())
    # White stays neutral as well: what the channels disagree about there is spread over the codes above neutral.
    above = slice(NEUTRAL_CODE, None)
    return Response(np.exp(np.concatenate([logs[:NEUTRAL_CODE], logs[above] * (top / logs[-1])]) - top))
