"""Photograph the rendered room as an ordinary camera does: a JPEG of 8 bits whose window and lamp are blown out.

    python examples/photograph_room.py room.exr room.jpg [truth.exr]

room.exr comes from render_room.py. truth.exr, if it is asked for, is what the picture shows without noise and without
a limit: 1.0 is the level at which room.jpg clips, so that what `hdrcli single` makes of room.jpg can be held to it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from hdrcli.images import Metadata, SceneImage
from hdrcli.io.exr import read_exr, write_exr
from hdrcli.io.output import atomic_output
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.curves import CameraCurve
from hdrcli.sensor.display import DisplaySettings, display_capture

SIZE = 1200, 800
SETTINGS = DisplaySettings(
    clipped=0.06,
    curve=CameraCurve("film", (2.0, 0.2, 2.2)),  # a shoulder like that of film, and deepened shadows; not sRGB
    cast=(1.04, 1.0, 0.96),  # the camera's idea of white is a little warm
    camera=find_camera("Canon EOS 5D Mark III"),
    iso=400,
    noise_left=0.6,
    grain_px=0.6,
    quality=92,
)


def main(source: Path, picture: Path, truth: Path | None = None) -> None:
    scene = np.asarray(cv2.resize(read_exr(source).data, SIZE, interpolation=cv2.INTER_AREA), dtype=np.float32)
    capture = display_capture(scene, SETTINGS, np.random.default_rng(1))
    with atomic_output(picture, overwrite=True, inputs=[source]) as path:
        path.write_bytes(capture.encoded)
    if truth is not None:
        with atomic_output(truth, overwrite=True, inputs=[source]) as path:
            write_exr(path, SceneImage(capture.truth, "srgb-linear"), metadata=Metadata())


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
