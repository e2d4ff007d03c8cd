"""The response from a bracket by least squares.

Source: Debevec and Malik, "Recovering high dynamic range radiance maps from photographs", SIGGRAPH 1997, with changes
that make the error of three simulated frames a third to a fifth: the unknown is the slope of the curve over that of
sRGB, so that it increases and goes on sensibly where there are no data; codes weigh by what one code of noise means in
light, not by a triangle, and that noise does not flatten the curve; Huber's weights bound what moved; the three
channels share one curve unless they contradict each other.

What exposures cannot tell (Grossberg and Nayar 2003): from frames that are all k stops apart, the curve follows only up
to changes of its logarithm that repeat every k stops. Smoothness decides there. A steady error of all exposure ratios,
k for k', is not seen either: the curve comes out as its power k'/k.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hdrcli.response.channels import fit_channels
from hdrcli.response.equations import Samples, deviations, huber_weights, light_weights, normal_equations
from hdrcli.response.response import Response
from hdrcli.response.slopes import Numbers, improved

_ITERATIONS = 30
_CONVERGED = 1e-3


def debevec_malik(codes: NDArray[np.uint8] | Numbers, log_exposures: Numbers, *, smoothness: float = 1.0) -> Response:
    """Return the response that explains the codes of a bracket.

    Parameters
    ----------
    codes : ndarray (N, P, 3)
        Codes 0 to 255, not necessarily whole, R, G, B, of N samples of equal light in P frames: from
        `histogram_samples`, or, better where frames are aligned, from `codes_around` at `spatial_sample_points`.
    log_exposures : ndarray (P,), float64
        Natural logarithm of each frame's exposure; only differences count.
    smoothness : float
        Factor on the usual smoothness, above 0.

    Returns
    -------
    Response
        Its channels agree at code 128 and at 255.

    Raises
    ------
    UsageError
        When the arguments do not fit together.
    UnsuitableInputError
        When the frames hardly differ in exposure, or no sample has a usable code in two of them.

    Examples
    --------
    >>> codes = np.repeat(np.array([[40, 78], [80, 154], [120, 229]], np.uint8)[:, :, None], 3, axis=2)
    >>> response = debevec_malik(codes, np.log([1.0, 4.0]))
    >>> response.curve.shape
    (256, 3)
    """
    return fit_channels(_fit, codes, np.asarray(log_exposures, dtype=np.float64), smoothness)


def _fit(samples: Samples, penalty: Numbers, prior: Numbers) -> Numbers:
    """Return the bends that explain samples."""
    bends = weighing = prior
    for _ in range(_ITERATIONS):
        # Weights that followed at once would swing to and fro where two frames are far apart.
        weighing = (weighing + bends) / 2
        weights = np.maximum(light_weights(samples, weighing), 1e-9 * samples.usable)
        noise, forgiving = huber_weights(samples, np.abs(deviations(samples, bends, weighing)))
        weights *= forgiving
        scale = samples.evidence / noise**2
        equations = normal_equations(samples, bends, weights).scaled(scale)
        before, bends = bends, improved(bends, equations, penalty, prior)
        if np.abs(bends - before).max() < _CONVERGED:
            break
    return bends
