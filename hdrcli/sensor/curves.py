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

import numpy as np

from hdrcli.images import FloatArray

_SAMPLES = 4096


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
    "filmic": _filmic,
    "aces": _aces,
    "log": _log,
}

_DRAWS: Mapping[str, Callable[[np.random.Generator], tuple[float, ...]]] = {
    "gamma": _uniform((1.8, 2.6)),
    "srgb": _uniform(),
    "contrast": _uniform((0.0, 2.0), (0.2, 0.8), (1.2, 2.5), (0.35, 0.6)),
    "film": _uniform((0.5, 3.0), (0.0, 0.5), (1.8, 2.4)),
    "sigmoid": _draw_sigmoid,
}

FAMILIES: Mapping[str, float] = {"gamma": 0.15, "srgb": 0.1, "contrast": 0.3, "film": 0.25, "sigmoid": 0.2}
"""The families that `random_curve` draws from, with their shares."""

SET_ASIDE = (CameraCurve("filmic", (6.0,)), CameraCurve("aces", (2.0,)), CameraCurve("log", (40.0,)))
"""Curves for test cases alone; nothing may be trained or tuned on them."""
