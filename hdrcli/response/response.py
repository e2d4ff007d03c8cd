"""Responses of cameras: the light that each code of a display picture stands for.

A response is known up to one factor, so the light is relative: 1.0 at the highest code.

Sources: IEC 61966-2-1 (sRGB).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray
from hdrcli.kernels import run_in_bands

CODES = 256
NEUTRAL_CODE = 128
"""Where the three channels of a recovered response agree: a grey of this code stays grey."""


@dataclass(frozen=True)
class Response:
    """The light that codes stand for.

    Attributes
    ----------
    curve : ndarray (256, 3), float64
        Light by code and channel R, G, B: above 0, strictly increasing with the code, 1.0 at code 255.

    Raises
    ------
    UsageError
        When the curve is not one.

    Examples
    --------
    >>> codes = np.array([[[0, 128, 255]]], np.uint8)
    >>> [round(float(light), 3) for light in srgb_response().linearise(codes)[0, 0]]
    [0.0, 0.216, 1.0]
    """

    curve: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.curve.shape != (CODES, 3) or not np.isfinite(self.curve).all():
            raise UsageError(f"A response has {CODES} finite numbers for each of three channels.")
        if self.curve[0].min() < 0 or np.diff(self.curve, axis=0).min() <= 0:
            raise UsageError("The light of a response is at least 0 and increases with every code.")
        if not np.allclose(self.curve[-1], 1, rtol=0, atol=1e-9):
            raise UsageError(f"The light of a response is 1 at code {CODES - 1}.")

    def linearise(self, codes: NDArray[np.uint8]) -> FloatArray:
        """Return the light (H, W, 3), float32, 0 to 1, of codes (H, W, 3), R, G, B."""
        if codes.ndim != 3 or codes.shape[2] != 3 or codes.dtype != np.uint8:
            raise UsageError("Codes are an array (H, W, 3) of uint8.")
        light = np.empty(codes.shape, np.float32)
        table = self.curve.astype(np.float32)[None]

        def look_up(first: int, last: int) -> None:
            cv2.LUT(codes[first:last], table, light[first:last])

        run_in_bands(look_up, codes.shape[0])
        return light


def srgb_light(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the light, 0 to 1, of sRGB codes (0 to 255, any shape), by IEC 61966-2-1."""
    v = codes / (CODES - 1)
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def srgb_response() -> Response:
    """Return the curve of sRGB, where nothing can be recovered."""
    return Response(np.repeat(srgb_light(np.arange(CODES, dtype=np.float64))[:, None], 3, axis=1))
