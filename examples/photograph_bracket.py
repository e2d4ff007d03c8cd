"""Photograph the rendered room as a hand does that brackets: three shots two stops apart, each as raw file and JPEG.

    python examples/photograph_bracket.py room.exr bracket/

room.exr comes from render_room.py. The camera moves by some pixels and a fraction of a degree between the shots, their
exposure times are not quite what the files say, and a balloon drifts past the wall.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from hdrcli.images import FloatArray
from hdrcli.io.dng import write_dng
from hdrcli.io.exr import read_exr
from hdrcli.io.metadata import write_metadata
from hdrcli.io.output import atomic_output
from hdrcli.sensor.bracket import BracketSettings, DisplayBracket, RawBracket, display_bracket, raw_bracket
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.curves import CameraCurve
from hdrcli.sensor.display import DisplaySettings
from hdrcli.sensor.motion import MovingObject

SIZE = 924, 616
SEED = 4
CAMERA = find_camera("Canon EOS 5D Mark III")
SETTINGS = BracketSettings(
    stops=(0.0, -2.0, 2.0),  # in the order in which cameras take them
    iso=200,
    clipped=0.06,
    shift_px=5.0,
    rotation_degrees=0.3,
)
PICTURES = DisplaySettings(
    curve=CameraCurve("film", (2.0, 0.2, 2.2)),  # that of room.jpg: not sRGB
    camera=CAMERA,
    noise_left=0.6,
    grain_px=0.6,
    quality=92,
)
# Row and column of the balloon by shot: it comes past the curtain, drifts back and on towards the bookshelf.
PLACES = ((62, 536), (70, 508), (56, 564))


def main(source: Path, folder: Path) -> None:
    scene = seen(source)
    raw, pictures = as_raw(scene), as_pictures(scene)
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(raw.frames, 1):
        with atomic_output(folder / f"room-{number}.dng", overwrite=True, inputs=[source]) as path:
            write_dng(path, frame)
    for number, (shot, frame) in enumerate(zip(pictures.captures, raw.frames, strict=True), 1):
        with atomic_output(folder / f"room-{number}.jpg", overwrite=True, inputs=[source]) as path:
            path.write_bytes(shot.encoded)
            write_metadata(path, frame.metadata)


def seen(source: Path) -> FloatArray:
    """Return the room in the size of the shots."""
    return np.asarray(cv2.resize(read_exr(source).data, SIZE, interpolation=cv2.INTER_AREA), dtype=np.float32)


def as_raw(scene: FloatArray) -> RawBracket:
    """Photograph it as raw frames."""
    return raw_bracket(scene, CAMERA, SETTINGS, np.random.default_rng(SEED), moving=balloon())


def as_pictures(scene: FloatArray) -> DisplayBracket:
    """Photograph it as JPEGs, with the same motion."""
    return display_bracket(scene, PICTURES, SETTINGS, np.random.default_rng(SEED), moving=balloon())


def balloon() -> MovingObject:
    """Return a red balloon: an ellipsoid with the window behind it on the left, the lamp below it, and a knot."""
    height, width, radius = 84, 64, 28.0
    y, x = np.mgrid[:height, :width].astype(np.float32)
    u, v = (x - (width - 1) / 2) / radius, (y - 36) / np.float32(1.18 * radius)
    inside = np.clip((1 - np.hypot(u, v)) * radius + 0.5, 0, 1)
    knot = np.clip(np.minimum(0.6 * (y - 66), 5) - np.abs(x - (width - 1) / 2) + 0.5, 0, 1) * ((y > 66) & (y < 76))
    depth = np.sqrt(np.clip(1 - u * u - v * v, 0, None))
    normal = np.stack([u, v, depth])
    window, lamp = (np.maximum(0, np.tensordot(way, normal, axes=1)) for way in ([-0.9, -0.1, -0.42], [0.3, 0.95, 0.1]))
    through = 0.35 + 0.65 * (1 - depth)  # rubber is seen slantwise at the rim
    shine = np.exp(-((u + 0.42) ** 2 + (v + 0.45) ** 2) / 0.012)
    light = 0.012 * through + 0.09 * window + 0.05 * lamp
    radiance = light[..., None] * np.array([1.0, 0.1, 0.07]) + 0.05 * shine[..., None] * np.array([1.0, 1.0, 1.0])
    return MovingObject(radiance.astype(np.float32), np.maximum(inside, knot).astype(np.float32), PLACES)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
