"""Squares of training pictures, varied: in linear light, as bright and as sharp as what a camera meets."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray
from hdrcli.training.shards import Picture


def random_region(picture: Picture, side: int, rng: np.random.Generator, *, augment: bool) -> tuple[FloatArray, float]:
    """Return a square of a picture in linear light, blurred as by a lens, and the level to expose by.

    Parameters
    ----------
    picture : Picture
    side : int
        Of the square, in samples.
    rng : numpy.random.Generator
    augment : bool
        Whether to reduce, flip, turn, relight and stretch it.

    Returns
    -------
    region : ndarray (side, side, 3), float32
        At least 0, any scale.
    brightness : float
        A high percentile of the whole picture.
    """
    height, width, _ = picture.data.shape
    largest = min(height, width) / side
    scale = float(rng.uniform(1, min(2.0, largest))) if augment and largest > 1 else 1.0
    taken = min(round(side * scale), height, width)
    y, x = int(rng.integers(0, height - taken + 1)), int(rng.integers(0, width - taken + 1))
    part, sketch = picture.data[y : y + taken, x : x + taken], picture.data[::8, ::8]
    if picture.kind == "photo":
        seed = int(rng.integers(2**62))
        region, whole = (stretched(codes, np.random.default_rng(seed)) for codes in (part, sketch))
        if augment:
            region = region * relighting(taken, rng)
    else:
        region, whole = part.astype(np.float32), sketch.astype(np.float32)
    if taken != side:
        region = np.asarray(cv2.resize(region, (side, side), interpolation=cv2.INTER_AREA), dtype=np.float32)
    if augment:
        region = np.rot90(region, int(rng.integers(4)))
        region = region[::-1] if rng.random() < 0.5 else region
        if rng.random() < 0.15:
            region = with_lamps(region, rng)
    blurred = cv2.GaussianBlur(np.ascontiguousarray(region), (0, 0), float(rng.uniform(0.3, 0.6)))
    brightness = float(np.percentile(whole.max(axis=2), rng.uniform(97.5, 99.9)))
    return np.asarray(blurred, dtype=np.float32), max(brightness, 1e-6)


def stretched(codes: NDArray[np.generic], rng: np.random.Generator) -> FloatArray:
    """Return display codes (H, W, 3), 0 to 255, in linear light with their contrast widened; lights get above white."""
    # Drawn before the noise: a part of a picture and the whole get the same from equal generators.
    contrast, strength = rng.uniform(1.0, 1.5), 2 ** rng.uniform(0, 5)
    # Half a code of noise hides the steps of eight bits, which a network would learn to draw.
    noise = rng.uniform(-0.5, 0.5, codes.shape).astype(np.float32)
    v = np.clip((np.asarray(codes, dtype=np.float32) + noise) / np.float32(255), 0, 1)
    linear = np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)
    contrasty = linear ** np.float32(contrast)
    lights = np.clip((v.min(axis=2, keepdims=True) - 0.85) / 0.15, 0, 1) ** 2
    return np.asarray(contrasty * (1 + lights * np.float32(strength)), dtype=np.float32)


def relighting(side: int, rng: np.random.Generator) -> FloatArray:
    """Return a smooth factor (side, side, 1) over a few stops."""
    reach = rng.uniform(0, 3)
    stops = cv2.resize(rng.uniform(-reach, reach, (3, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
    return np.exp2(stops, dtype=np.float32)[:, :, None]


def with_lamps(region: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return a region (H, W, 3) with a few round lights, one to seven stops over its brightest parts."""
    lit = np.array(region, dtype=np.float32, order="C")
    height, width = lit.shape[:2]
    level = float(np.percentile(lit, 99))
    for _ in range(int(rng.integers(1, 6))):
        centre = int(rng.integers(0, width)), int(rng.integers(0, height))
        red, green, blue = (
            level * 2 ** rng.uniform(1, 7) * np.array([1, rng.uniform(0.6, 1), rng.uniform(0.3, 1)])
        ).tolist()
        cv2.circle(lit, centre, int(rng.integers(1, 9)), (red, green, blue), -1)
    return lit
