"""Camera curves: from linear light to the codes of a display picture.

Cameras do not write plain sRGB: they lift the middle, bend the highlights into a shoulder and deepen the shadows, each
in its own way. The families here cover what is met, with random parameters; `SET_ASIDE` holds three curves of forms
that `random_curve` never draws, for the tables: a method that does well on them has not learned the families by heart.

Sources: IEC 61966-2-1 (sRGB); the sigmoid of Eilertsen et al., "HDR image reconstruction from a single exposure using
deep CNNs", 2017 (parameters as in NETWORKS.md 5.8); the filmic curve of Hable, "Uncharted 2: HDR lighting", 2010; the
fit to ACES of Narkowicz, 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray

_SAMPLES = 4096
_SPLINE_CODES = (0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0)


@dataclass(frozen=True)
class CameraCurve:
    """A strictly increasing curve from linear light to the share of the highest code, both 0 to 1.

    Attributes
    ----------
    family : str
        One of `FAMILIES`, or of the three that are set aside ("filmic", "aces", "log").
    parameters : tuple of float
        As the family's function takes them.

    Examples
    --------
    >>> round(float(CameraCurve("gamma", (2.0,)).encode(np.array([0.25], np.float32))[0]), 6)
    0.5
    """

    family: str
    parameters: tuple[float, ...] = ()

    def encode(self, light: FloatArray) -> FloatArray:
        """Return encoded values (float32, 0 to 1) of light of any shape, which is cut to 0..1 first."""
        x = np.clip(light, np.float32(0), np.float32(1))
        return np.asarray(_FORMS[self.family](x, *self.parameters), dtype=np.float32)

    def decode(self, encoded: FloatArray) -> FloatArray:
        """Return the light (float32, 0 to 1) of encoded values, which are cut to 0..1 first."""
        # Sampled densely near black, where the slope is steep.
        light = np.linspace(0, 1, _SAMPLES) ** 3
        codes = _FORMS[self.family](light.astype(np.float32), *self.parameters).astype(np.float64)
        return np.asarray(np.interp(encoded, codes, light), dtype=np.float32)


SRGB = CameraCurve("srgb")
"""IEC 61966-2-1."""


def random_curve(rng: np.random.Generator) -> CameraCurve:
    """Return a curve of one of `FAMILIES` with random parameters."""
    names = list(FAMILIES)
    family = names[int(rng.choice(len(names), p=[FAMILIES[name] for name in names]))]
    return CameraCurve(family, _DRAWS[family](rng))


def _gamma(x: FloatArray, gamma: float) -> FloatArray:
    return np.asarray(x ** np.float32(1 / gamma))


def _srgb(x: FloatArray) -> FloatArray:
    curved = np.float32(1.055) * x ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(x <= np.float32(0.0031308), np.float32(12.92) * x, curved)


def _shoulder(x: FloatArray, strength: float) -> FloatArray:
    """Return (1 - exp(-k x)) / (1 - exp(-k)): highlights bent as film bends them; the identity for k = 0."""
    if strength < 1e-3:
        return x
    return np.asarray(np.expm1(np.float32(-strength) * x) / np.expm1(np.float32(-strength)))


def _contrast(x: FloatArray, shoulder: float, share: float, steepness: float, pivot: float) -> FloatArray:
    """Mix the sRGB code v with v^a / (v^a + k (1 - v)^a), an S around the pivot, which stays where it is."""
    v = _srgb(_shoulder(x, shoulder))
    rising = v ** np.float32(steepness)
    falling = np.float32((pivot / (1 - pivot)) ** (steepness - 1)) * (1 - v) ** np.float32(steepness)
    return np.asarray(np.float32(1 - share) * v + np.float32(share) * rising / (rising + falling))


def _film(x: FloatArray, shoulder: float, toe: float, gamma: float) -> FloatArray:
    """Bend the highlights, encode with a gamma, and deepen the shadows: v^(1 + toe (1 - v))."""
    v = _gamma(_shoulder(x, shoulder), gamma)
    return np.asarray(v ** (1 + np.float32(toe) * (1 - v)))


def _sigmoid(x: FloatArray, exponent: float, semi: float) -> FloatArray:
    """Return (1 + s) x^n / (x^n + s)."""
    power = x ** np.float32(exponent)
    return np.asarray(np.float32(1 + semi) * power / (power + np.float32(semi)))


def _filmic(x: FloatArray, white: float) -> FloatArray:
    def curve(light: FloatArray) -> FloatArray:
        a, b, c, d, e, f = (np.float32(v) for v in (0.22, 0.30, 0.10, 0.20, 0.01, 0.30))
        return np.asarray((light * (a * light + c * b) + d * e) / (light * (a * light + b) + d * f) - e / f)

    return _srgb(np.maximum(curve(np.float32(white) * x) / curve(np.array(white, np.float32)), np.float32(0)))


def _aces(x: FloatArray, white: float) -> FloatArray:
    def curve(light: FloatArray) -> FloatArray:
        a, b, c, d, e = (np.float32(v) for v in (2.51, 0.03, 2.43, 0.59, 0.14))
        return np.asarray(light * (a * light + b) / (light * (c * light + d) + e))

    return _srgb(curve(np.float32(white) * x) / curve(np.array(white, np.float32)))


def _log(x: FloatArray, strength: float) -> FloatArray:
    return np.asarray(np.log1p(np.float32(strength) * x) / np.log1p(np.float32(strength)))


def _spline(x: FloatArray, *steepness: float) -> FloatArray:
    """Invert log2 of light = the integral of the sRGB curve's slope times 2^steepness, interpolated over the codes."""
    codes, light = _spline_table(steepness)
    return np.asarray(np.interp(x, light, codes), dtype=np.float32)


@lru_cache(maxsize=64)
def _spline_table(steepness: tuple[float, ...]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    codes = np.linspace(0, 1, _SAMPLES)
    # Sampled for light of at least 2^-16; below it the curve is a straight line to black.
    stops = np.log2(np.maximum(SRGB.decode(codes.astype(np.float32)).astype(np.float64), 2.0**-16))
    middle = (codes[1:] + codes[:-1]) / 2
    factors = np.exp2(np.interp(middle, _SPLINE_CODES, steepness))
    steps = np.concatenate([[0.0], np.cumsum(np.diff(stops) * factors)])
    light = np.exp2(steps - steps[-1])
    light[0] = 0
    return codes, light


def _draw_spline(rng: np.random.Generator) -> tuple[float, ...]:
    # Measured JPEGs hold 3.3 to 4 stops above the code in the middle, a stop more where highlights are given priority
    # (reviews of dpreview.com, for example of the Canon EOS 650D and 5D Mark III); sRGB alone holds 2.2.
    bend = float(rng.uniform(0.3, 1.3))
    means = np.array([0.0, 0.0, 0.0, 0.0, 0.3, 1.2, 2.7]) * bend
    drawn = means + rng.normal(0, 1, 7) * np.array([0.4, 0.35, 0.3, 0.3, 0.35, 0.4, 0.45])
    return tuple(np.clip(drawn, -0.8, 3.8).tolist())


def _draw_sigmoid(rng: np.random.Generator) -> tuple[float, float]:
    exponent, semi = rng.normal(0.65, 0.1), rng.normal(0.6, 0.1)
    return float(np.clip(exponent, 0.4, 0.9)), float(np.clip(semi, 0.4, 0.8))


def _uniform(*ranges: tuple[float, float]) -> Callable[[np.random.Generator], tuple[float, ...]]:
    return lambda rng: tuple(float(rng.uniform(low, high)) for low, high in ranges)


_FORMS: Mapping[str, Callable[..., FloatArray]] = {
    "gamma": _gamma,
    "srgb": _srgb,
    "contrast": _contrast,
    "film": _film,
    "sigmoid": _sigmoid,
    "spline": _spline,
    "filmic": _filmic,
    "aces": _aces,
    "log": _log,
}

_DRAWS: Mapping[str, Callable[[np.random.Generator], tuple[float, ...]]] = {
    "gamma": _uniform((1.8, 2.6)),
    "srgb": _uniform(),
    "contrast": _uniform((0.0, 2.0), (0.2, 0.8), (1.2, 2.5), (0.35, 0.6)),
    "film": _uniform((0.5, 5.0), (0.0, 0.5), (1.8, 2.4)),
    "sigmoid": _draw_sigmoid,
    "spline": _draw_spline,
}

FAMILIES: Mapping[str, float] = {
    "gamma": 0.05,
    "srgb": 0.05,
    "contrast": 0.15,
    "film": 0.15,
    "sigmoid": 0.1,
    "spline": 0.5,
}
"""The families that `random_curve` draws from, with their shares."""

SET_ASIDE = (CameraCurve("filmic", (6.0,)), CameraCurve("aces", (2.0,)), CameraCurve("log", (40.0,)))
"""Curves for test cases alone; nothing may be trained or tuned on them."""
