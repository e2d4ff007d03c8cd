"""A scene that is drawn here, so that tests of quality run everywhere."""

from __future__ import annotations

import numpy as np

from hdrcli.images import FloatArray


def drawn_scene() -> FloatArray:
    """Draw stripes, discs and gradients over six orders of magnitude, with slanted and near-horizontal edges."""
    y, x = np.mgrid[0:256, 0:320].astype(np.float32)
    light = 0.02 * np.exp(3 * np.sin(x / 97) * np.cos(y / 71))
    light *= 1 + 0.8 * (np.sin(0.35 * x + 0.08 * y) > 0)
    light = np.where((x - 230) ** 2 + (y - 80) ** 2 < 45**2, 3 + 0.5 * np.sin(0.5 * y + 0.05 * x), light)
    light = np.where(np.abs(y - 190 - 0.07 * x) < 3, 0.9, light)
    light = np.where(y > 230, 0.002 * (1 + 0.5 * np.sin(0.4 * x)), light)
    tint = np.stack([1 + 0.3 * np.sin(x / 50), np.ones_like(x), 1 + 0.3 * np.cos(y / 40)], axis=2)
    return np.ascontiguousarray(light[:, :, None] * tint, dtype=np.float32)
