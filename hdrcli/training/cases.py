"""Seeded dual-ISO test cases from a folder of HDR scenes: what every quality table here is measured on.

Cameras, ISO pairs, row phases and Bayer phases rotate with the number of the scene, so that all occur; exposure puts
between 0.2 and 2 % of the samples beyond the clip of the low rows. Cases are the same on every machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hdrcli.images import BAYER_PATTERNS
from hdrcli.io.exr import read_exr
from hdrcli.sensor.cameras import Camera, find_camera
from hdrcli.sensor.capture import Capture, CaptureSettings, capture, daylight_neutral, scene_to_camera
from hdrcli.sensor.mosaic import ROW_PATTERNS

CAMERAS = ("Canon EOS 5D Mark III", "Canon EOS 550D", "Canon EOS 70D", "Canon EOS 5D Mark II")
ISO_PAIRS = ((100.0, 1600.0), (100.0, 800.0), (100.0, 400.0), (200.0, 3200.0))


@dataclass(frozen=True)
class Case:
    """One simulated frame with all that made it."""

    name: str
    camera: Camera
    iso: tuple[float, float]
    capture: Capture

    @property
    def neutral(self) -> tuple[float, float, float]:
        """Camera RGB of white in the light of the case (daylight)."""
        return daylight_neutral(self.camera)


def dual_iso_cases(folder: Path, *, seed: int = 1, iso: tuple[float, float] | None = None) -> Iterator[Case]:
    """Yield one case for each scene of `folder` (EXR files, in order of name), at most 512 x 640 pixels.

    Parameters
    ----------
    folder : Path
    seed : int
        Of exposure and noise.
    iso : tuple of 2 float, or None
        One ISO pair for all cases instead of the rotation.
    """
    rng = np.random.default_rng(seed)
    for i, path in enumerate(sorted(folder.glob("*.exr"))):
        camera = find_camera(CAMERAS[i % len(CAMERAS)])
        pair = iso or ISO_PAIRS[(i // len(CAMERAS) + i) % len(ISO_PAIRS)]
        scene = read_exr(path).data[:512, :640]
        brightest = scene_to_camera(scene, camera, daylight_neutral(camera)).max(axis=2)
        settings = CaptureSettings(
            iso=pair,
            exposure=float(1 / np.percentile(brightest, rng.uniform(98.0, 99.8))),
            row_pattern=ROW_PATTERNS[(i * 3 + i // 4) % 4],
            cfa=BAYER_PATTERNS[(i + i // 3) % 4],
        )
        yield Case(path.stem, camera, pair, capture(scene, camera, settings, np.random.default_rng(seed * 1000 + i)))
