"""Draw the figures of the README and of the method page from the shipped example.

python docs/figures/make_figures.py
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.images import BayerImage, FloatArray, RawFrame, SceneImage
from hdrcli.io.raw import read_raw
from hdrcli.isp.develop import DevelopSettings, develop
from hdrcli.isp.tonemap import encode_display, reinhard_global
from hdrcli.recipes.deinterlace import DeinterlaceSettings, deinterlace_frame, develop_frame

FOLDER = Path(__file__).resolve().parent
EXAMPLE = FOLDER.parent.parent / "examples" / "room.dng"
KEY = 0.09
# Left, top and size of crops shown at 200 %: blind and foliage, book spines in the dark, lamp, cushion.
CROPS = ((300, 130), (1310, 330), (1040, 440), (1530, 680))
SIDE = 200


def main() -> None:
    """Develop the example in four ways and put the pictures side by side."""
    raw = read_raw(EXAMPLE)
    result = deinterlace_frame(raw)
    merged = develop_frame(result, raw)
    classical = develop_frame(deinterlace_frame(raw, settings=DeinterlaceSettings(model="none")), raw)
    striped = as_if_ordinary(raw)
    pictures = [striped, low_rows(result.reconstruction.frame, raw), classical, merged]
    shown = [show(scene) for scene in pictures]
    half = [cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for picture in (shown[0], shown[3])]
    save("room-before-after.jpg", np.hstack([half[0][:, :450], half[1][:, 450:]]))
    rows = []
    for left, top in CROPS:
        crops = [picture[top : top + SIDE, left : left + SIDE] for picture in shown]
        rows.append(np.hstack([cv2.resize(c, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST) for c in crops]))
    save("room-crops.jpg", np.vstack(rows))


def as_if_ordinary(raw: RawFrame) -> SceneImage:
    """Develop the frame as a converter does that knows nothing of dual ISO."""
    black, white = np.float32(raw.black[0]), np.float32(raw.white)
    data = (raw.counts.astype(np.float32) - black) / (white - black)
    return develop(BayerImage(data, raw.cfa), raw.camera, 1, DevelopSettings())


def low_rows(frame: DualIsoFrame, raw: RawFrame) -> SceneImage:
    """Develop the low rows alone, the others filled from them."""
    data: FloatArray = frame.data.copy()
    low = np.flatnonzero(~frame.high)
    for row in np.flatnonzero(frame.high):
        same = low[(low - row) % 2 == 0]
        data[row] = frame.data[same[np.argsort(np.abs(same - row))[:2]]].mean(axis=0)
    return develop(BayerImage(data, frame.cfa), raw.camera, 1, DevelopSettings())


def show(scene: SceneImage) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Tone-map a picture; each by its own log-average, as a converter would."""
    return encode_display(reinhard_global(scene, key=KEY)).data


def save(name: str, picture: NDArray[np.uint8] | NDArray[np.uint16]) -> None:
    """Write a figure beside this script, as JPEG."""
    cv2.imwrite(str(FOLDER / name), picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main()
