"""Code points that name a picture's colours (ITU-T H.273), as PNG, HEIC, AVIF and newer ICC profiles hold them.

Ordinary code points become an ICC profile. PQ and HLG (ITU-R BT.2100-2) become light: what a reference display shows,
in units of the 203 cd/m2 that ITU-R BT.2408 gives diffuse white.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.colourspaces import D65, PRIMARIES, Primaries
from hdrcli.errors import UnsupportedFileError
from hdrcli.images import FloatArray, SceneImage
from hdrcli.io.icc import icc_profile, matrix_profile, rgb_to_xyz
from hdrcli.kernels import run_in_bands

Samples = NDArray[np.uint8] | NDArray[np.uint16]

REFERENCE_WHITE = 203.0
"""Luminance in cd/m2 of a scene value of 1.0 in pictures that are decoded from PQ, HLG or a gain map."""

PQ_PEAK = 10000.0
"""Luminance in cd/m2 that the largest value of PQ stands for."""

# SMPTE ST 2084 in the standard's letters.
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32

_HLG_PEAK = 1000.0  # cd/m2 of the reference display, for which the system gamma is 1.2

_PRIMARIES = {
    1: PRIMARIES["srgb-linear"],
    2: PRIMARIES["srgb-linear"],  # not stated
    5: Primaries((0.64, 0.33), (0.29, 0.60), (0.15, 0.06), D65),  # BT.601, 625 lines
    6: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),  # BT.601, 525 lines
    7: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), D65),  # SMPTE 240M
    9: PRIMARIES["rec2020"],
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),  # SMPTE RP 431-2
    12: PRIMARIES["display-p3"],
}
_SCENE_SPACES = {1: "srgb-linear", 2: "rec2020", 9: "rec2020", 12: "display-p3"}
# None is the sRGB curve. The camera curves of BT.601, 709 and 2020 (1, 6, 14, 15) are meant to be shown by a display
# of about that curve, and encoders tag ordinary pictures with them.
_GAMMAS = {1: None, 2: None, 4: 2.2, 5: 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}


class CodePoints(NamedTuple):
    """Colour primaries and transfer characteristics by their numbers in ITU-T H.273; 2 is "not stated"."""

    primaries: int
    transfer: int

    @property
    def hdr(self) -> str:
        """Name of the HDR transfer function, "PQ" or "HLG"; empty for all others."""
        return {16: "PQ", 18: "HLG"}.get(self.transfer, "")


def profile_of(points: CodePoints) -> tuple[bytes, str]:
    """Return the ICC profile that code points of an ordinary picture stand for, and a remark for the user.

    The profile is empty for sRGB. The remark is empty unless a number is unknown and sRGB is taken in its place.
    """
    known = points.primaries in _PRIMARIES and points.transfer in _GAMMAS
    remark = "" if known else f"Its colour code points {points.primaries}/{points.transfer} are taken for sRGB."
    primaries = _PRIMARIES.get(points.primaries, PRIMARIES["srgb-linear"])
    gamma = _GAMMAS.get(points.transfer)
    if primaries == PRIMARIES["srgb-linear"] and gamma is None:
        return b"", remark
    space = next((name for name, known_primaries in PRIMARIES.items() if known_primaries == primaries), "")
    if space and gamma is None:
        return icc_profile(space, linear=False), remark
    name = f"code points {points.primaries}/{points.transfer} (hdrcli)"
    return matrix_profile(primaries, gamma=gamma, name=name), remark


def decode_hdr(samples: Samples, points: CodePoints) -> SceneImage:
    """Return the light of a PQ or HLG picture as a reference display shows it.

    Parameters
    ----------
    samples : ndarray (H, W, 3), uint8 or uint16
        R, G, B codes, full range.
    points : CodePoints
        With transfer 16 (PQ) or 18 (HLG).

    Returns
    -------
    SceneImage
        1.0 = 203 cd/m2. PQ reaches 10,000 cd/m2 (49.26). HLG goes through the system gamma of 1.2 of a display of
        1,000 cd/m2 (4.93), so that both kinds look alike; 75 % of its code range comes out at 1.0. The colour space
        is that of the primaries: "rec2020" (also when not stated), "display-p3" or "srgb-linear".

    Raises
    ------
    UnsupportedFileError
        When the primaries are others.
    """
    space = _SCENE_SPACES.get(points.primaries)
    if space is None:
        raise UnsupportedFileError(f"{points.hdr} with the colour primaries {points.primaries} of H.273 is not read.")
    steps = np.linspace(0, 1, np.iinfo(samples.dtype).max + 1)
    table = (pq_to_light(steps) if points.hdr == "PQ" else _hlg_to_scene(steps)).astype(np.float32)
    light = np.empty(samples.shape, np.float32)
    weights = rgb_to_xyz(space)[1].astype(np.float32).reshape(1, 3)

    def work(first: int, last: int) -> None:
        band = table[samples[first:last]]
        if points.hdr == "HLG":
            luminance = cv2.transform(band, weights).reshape(*band.shape[:2], 1)
            band = band * (np.float32(_HLG_PEAK / REFERENCE_WHITE) * luminance ** np.float32(0.2))
        light[first:last] = band

    run_in_bands(work, len(samples))
    return SceneImage(light, space)


def pq_to_light(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return light (1.0 = 203 cd/m2) of PQ values 0..1: the EOTF of SMPTE ST 2084."""
    root = np.asarray(encoded) ** (1 / _M2)
    return np.asarray(PQ_PEAK / REFERENCE_WHITE * (np.maximum(root - _C1, 0) / (_C2 - _C3 * root)) ** (1 / _M1))


def light_to_pq(light: FloatArray) -> FloatArray:
    """Return PQ values 0..1 of light (float32, 1.0 = 203 cd/m2, 0 or more): the inverse EOTF of SMPTE ST 2084."""
    power = cv2.pow(light * np.float32(REFERENCE_WHITE / PQ_PEAK), _M1).reshape(light.shape)
    ratio = (np.float32(_C1) + np.float32(_C2) * power) / (1 + np.float32(_C3) * power)
    return np.asarray(cv2.pow(ratio, _M2).reshape(light.shape), dtype=np.float32)


def _hlg_to_scene(encoded: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return scene light 0..1 of HLG values 0..1: the inverse OETF of BT.2100."""
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.asarray(np.where(encoded <= 0.5, encoded**2 / 3, (np.exp((encoded - c) / a) + b) / 12))
