"""The named colour spaces: chromaticities, and the adaptation between their whites; for files and for pictures."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Primaries(NamedTuple):
    """CIE 1931 chromaticities (x, y) of a space."""

    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]
    white: tuple[float, float]


D65 = (0.3127, 0.3290)
_ACES_WHITE = (0.32168, 0.33767)

PRIMARIES = {
    "srgb-linear": Primaries((0.64, 0.33), (0.30, 0.60), (0.15, 0.06), D65),  # IEC 61966-2-1
    "display-p3": Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), D65),  # SMPTE EG 432-1, with D65
    "rec2020": Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), D65),  # ITU-R BT.2020
    "acescg": Primaries((0.713, 0.293), (0.165, 0.830), (0.128, 0.044), _ACES_WHITE),  # S-2014-004, AP1
    "aces2065-1": Primaries((0.7347, 0.2653), (0.0, 1.0), (0.0001, -0.0770), _ACES_WHITE),  # SMPTE ST 2065-1, AP0
}

# Cone responses of the Bradford adaptation (Lam 1985), as ICC profiles and the DNG specification use it.
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
