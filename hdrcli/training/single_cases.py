"""Seeded display pictures of a folder of HDR scenes: what every table of one-picture HDR is measured on.

Scenes are reduced by whole factors until their longer side is at most 1024; then the camera, the clipped share, the
curve, the cast, the noise and the JPEG file are drawn by the number of the scene. Curves are the three that are set
aside (`hdrcli.sensor.curves.SET_ASIDE`) in turn, so that no method knows them; for tuning, on the scenes of training,
random curves of the families that are trained on. Cases are the same on every machine but for the JPEG library.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from hdrcli.images import FloatArray
from hdrcli.io.exr import read_exr
from hdrcli.sensor.curves import SET_ASIDE
from hdrcli.sensor.display import DisplayCapture, display_capture, random_settings

LONGEST_SIDE = 1024
CLIPPED = (0.02, 0.10)
"""Range of the share of clipped pixels."""


@dataclass(frozen=True)
class SingleCase:
    """One simulated display picture with all that made it."""

    name: str
    capture: DisplayCapture


def single_cases(
    folder: Path, *, seed: int = 1, tuning: bool = False, clipped: tuple[float, float] = CLIPPED
) -> Iterator[SingleCase]:
    """Yield one case for each scene of `folder` (EXR files, in order of name).

    Parameters
    ----------
    folder : Path
    seed : int
        Of the settings and the noise.
    tuning : bool
        Random curves of the families that methods are trained on, instead of those that are set aside.
    clipped : tuple of 2 float
        Range of the share of clipped pixels, 0 to 0.25.
    """
    for i, path in enumerate(sorted(folder.glob("*.exr"))):
        rng = np.random.default_rng([seed, i])
        settings = random_settings(rng, curve=None if tuning else SET_ASIDE[i % len(SET_ASIDE)])
        settings = replace(settings, clipped=float(rng.uniform(*clipped)))
        yield SingleCase(path.stem, display_capture(reduced(read_exr(path).data), settings, rng))


def reduced(scene: FloatArray, *, longest: int = LONGEST_SIDE) -> FloatArray:
    """Return a scene (H, W, 3) averaged over squares of n x n pixels, n the smallest that makes it short enough."""
    height, width = scene.shape[:2]
    factor = -(-max(height, width) // longest)
    if factor == 1:
        return scene
    size = (width // factor, height // factor)
    whole = np.ascontiguousarray(scene[: size[1] * factor, : size[0] * factor])
    return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
