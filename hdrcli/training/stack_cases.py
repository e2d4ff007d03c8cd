"""Seeded brackets of a folder of HDR scenes: what every table of `hdrcli stack` is measured on.

Three frames two stops apart of at most 512 x 640 pixels. Cameras and ISO rotate with the number of the scene; between
2 and 8 % of the middle frame clip. Curves of display brackets are the three that are set aside
(`hdrcli.sensor.curves.SET_ASIDE`) in turn; for tuning, on the scenes of training, random curves of other families.
Cases are the same on every machine but for the JPEG library.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from hdrcli.images import FloatArray
from hdrcli.io.exr import read_exr
from hdrcli.sensor.bracket import BracketSettings, DisplayBracket, RawBracket, display_bracket, raw_bracket
from hdrcli.sensor.cameras import Camera, find_camera
from hdrcli.sensor.curves import SET_ASIDE
from hdrcli.sensor.display import CAMERAS, DisplaySettings, random_settings
from hdrcli.sensor.motion import MovingObject, random_object

Variant = Literal["static", "hand-held", "moving"]
Kind = Literal["raw", "display"]

VARIANTS: tuple[Variant, ...] = ("static", "hand-held", "moving")
KINDS: tuple[Kind, ...] = ("raw", "display")
ISOS = (100.0, 200.0, 400.0)
STOPS = (-2.0, 0.0, 2.0)
CLIPPED = (0.02, 0.08)
"""Range of the share of the middle frame that clips."""

QUALITIES = (92, 97)
SHIFT_PX = 5.0
ROTATION_DEGREES = 0.3


@dataclass(frozen=True)
class StackCase:
    """One simulated bracket with what made it."""

    name: str
    kind: Kind
    variant: Variant
    bracket: RawBracket | DisplayBracket
    camera: Camera


def stack_cases(
    folder: Path, *, variant: Variant, kind: Kind, seed: int = 1, tuning: bool = False, still: bool = False
) -> Iterator[StackCase]:
    """Yield one case for each scene of `folder` (EXR files, in order of name).

    Parameters
    ----------
    folder : Path
    variant : str
        "static", "hand-held" (up to 5 pixels and 0.3 degrees) or "moving": a tripod and one object that moves.
    kind : str
        "raw" or "display".
    seed : int
        Of everything that is drawn. Variants differ in what moves alone: exposures and noise are the same.
    tuning : bool
        Random curves of the families that methods are trained on, instead of those that are set aside.
    still : bool
        The same cases as the variant's, with the camera on a tripod and the object where the reference has it in all
        frames: what no method can surpass.
    """
    paths = sorted(folder.glob("*.exr"))
    for i, path in enumerate(paths):
        camera = find_camera(CAMERAS[i % len(CAMERAS)])
        drawn, look, objects, shots = np.random.default_rng([seed, i]).spawn(4)
        settings = BracketSettings(stops=STOPS, iso=ISOS[i % len(ISOS)], clipped=float(drawn.uniform(*CLIPPED)))
        if variant == "hand-held" and not still:
            settings = replace(settings, shift_px=SHIFT_PX, rotation_degrees=ROTATION_DEGREES)
        scene = _cropped(path)
        moving = None
        if variant == "moving":
            # Half the folder away: neighbours by name are often parts of one panorama.
            other = _cropped(paths[(i + len(paths) // 2) % len(paths)])
            moving = random_object(objects, scene, other, frames=len(STOPS), reference=settings.reference)
            moving = _stopped(moving, settings.reference) if still else moving
        bracket: RawBracket | DisplayBracket
        if kind == "raw":
            bracket = raw_bracket(scene, camera, settings, shots, moving=moving)
        else:
            bracket = display_bracket(scene, _look(look, i, camera, tuning), settings, shots, moving=moving)
        yield StackCase(path.stem, kind, variant, bracket, camera)


def _cropped(path: Path) -> FloatArray:
    return np.ascontiguousarray(np.maximum(read_exr(path).data[:512, :640], np.float32(0)))


def _stopped(moving: MovingObject, reference: int) -> MovingObject:
    return replace(moving, places=(moving.places[reference],) * len(moving.places))


def _look(rng: np.random.Generator, number: int, camera: Camera, tuning: bool) -> DisplaySettings:
    """Return the settings of all pictures of a bracket: random but for the curve of a table."""
    settings = random_settings(rng, curve=None if tuning else SET_ASIDE[number % len(SET_ASIDE)])
    quality = int(rng.integers(QUALITIES[0], QUALITIES[1] + 1))
    return replace(settings, camera=camera, quality=quality)
