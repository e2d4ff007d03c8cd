"""Calibrated cameras: levels, noise by ISO, colour matrix.

The figures live in `cameras.json` beside this module, each with its source and tolerance; they are per sample
(not after white balance or smoothing), so that they can be used to simulate raw files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UsageError
from hdrcli.images import CameraProfile, ColourMatrix, NoiseModel
from hdrcli.sensor.noise import ReadNoise, fit_read_noise


@dataclass(frozen=True)
class Camera:
    """A sensor with its amplifier, as calibrated.

    Attributes
    ----------
    name : str
        Make and model, for example "Canon EOS 550D".
    cfa : str
        Colours of the 2x2 cell at the first active pixel.
    bits : int
        Depth of the counts.
    black : float
        Black level in counts.
    xyz_to_camera : ndarray (3, 3), float64
        CIE XYZ (D65) to camera RGB.
    shot_iso100 : float
        Photon noise slope at ISO 100, in units of clip; proportional to ISO.
    read : ReadNoise
        Read noise before and after the amplifier.
    white_by_iso, row_sigma_by_iso : mapping of int to float
        Saturation level and standard deviation of whole rows, in counts, at calibrated ISO values.
    """

    name: str
    cfa: str
    bits: int
    black: float
    xyz_to_camera: NDArray[np.float64]
    shot_iso100: float
    read: ReadNoise
    white_by_iso: dict[int, float]
    row_sigma_by_iso: dict[int, float]

    def white(self, iso: float) -> float:
        """Return the saturation level in counts at `iso` (of the nearest calibrated value)."""
        return self.white_by_iso[min(self.white_by_iso, key=lambda known: abs(np.log2(known / iso)))]

    def noise(self, iso: float) -> NoiseModel:
        """Return the noise of one sample at `iso`, on the scale where that exposure clips at 1.0."""
        read_dn = self.read.sigma_dn(iso)
        return NoiseModel(self.shot_iso100 * iso / 100, (read_dn / (self.white(iso) - self.black)) ** 2)

    def row_sigma(self, iso: float) -> float:
        """Return the standard deviation of the offset that a whole row shares, in counts; 0 where not calibrated."""
        if not self.row_sigma_by_iso:
            return 0.0
        return self.row_sigma_by_iso[min(self.row_sigma_by_iso, key=lambda known: abs(np.log2(known / iso)))]

    def profile(self) -> CameraProfile:
        """Return make, model and colour matrix as a file of this camera would hold them."""
        make, _, model = self.name.partition(" ")
        return CameraProfile(make=make, model=model, matrices=(ColourMatrix(self.xyz_to_camera, 21),))


@cache
def cameras() -> dict[str, Camera]:
    """Return all calibrated cameras by name."""
    text = resources.files("hdrcli.sensor").joinpath("cameras.json").read_text(encoding="utf-8")
    return {name: _camera(name, facts) for name, facts in json.loads(text)["cameras"].items()}


def find_camera(name: str) -> Camera:
    """Return the camera whose name is, or contains, `name` (case ignored).

    Raises
    ------
    UsageError
        When none or several fit; the message lists the candidates.
    """
    known = cameras()
    exact = [camera for key, camera in known.items() if key.lower() == name.lower()]
    fitting = exact or [camera for key, camera in known.items() if name.lower() in key.lower()]
    if len(fitting) != 1:
        candidates = ", ".join(camera.name for camera in fitting) or ", ".join(known)
        raise UsageError(f"{'No' if not fitting else 'More than one'} calibrated camera fits {name!r}: {candidates}.")
    return fitting[0]


def _camera(name: str, facts: dict[str, object]) -> Camera:
    noise = {int(iso): figures for iso, figures in facts["noise"].items()}  # type: ignore[attr-defined]
    read_dn = {iso: figures["read_sigma_dn"] for iso, figures in noise.items() if "read_sigma_dn" in figures}
    return Camera(
        name=name,
        cfa=str(facts["cfa"]),
        bits=int(str(facts["bits"])),
        black=float(str(facts["black"])),
        xyz_to_camera=np.array(facts["xyz_to_camera_d65"], dtype=np.float64),
        shot_iso100=float(np.median([figures["shot"] * 100 / iso for iso, figures in noise.items()])),
        read=fit_read_noise(read_dn),
        white_by_iso={int(iso): float(level) for iso, level in facts["white"].items()},  # type: ignore[attr-defined]
        row_sigma_by_iso={iso: f["row_sigma_dn"] for iso, f in noise.items() if "row_sigma_dn" in f},
    )
