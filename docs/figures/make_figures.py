"""Draw the figures of the README and of the method pages from the shipped examples.

    python docs/figures/make_figures.py [FOLDER]

FOLDER is what `examples/make_room.sh` filled: it has room-truth.exr, which the figures of `single` show beside what is
made of room.jpg, and room.exr, which those of `stack` take the truth of the bracket from. Without it only those of
`deinterlace` are drawn.
"""

from __future__ import annotations

import runpy
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.images import BayerImage, FloatArray, RawFrame, SceneImage
from hdrcli.io.display import read_display
from hdrcli.io.exr import read_exr
from hdrcli.io.profile import linearise
from hdrcli.io.raw import read_raw
from hdrcli.isp.develop import DevelopSettings, develop
from hdrcli.isp.tonemap import encode_display, reinhard_global
from hdrcli.recipes.deinterlace import DeinterlaceSettings, deinterlace_frame, develop_frame
from hdrcli.recipes.single import SingleSettings, single_image
from hdrcli.recipes.stack import stack
from hdrcli.sensor.bracket import DisplayBracket, RawBracket
from hdrcli.training.evaluate import true_colours
from hdrcli.training.single_metrics import fitted
from hdrcli.training.stack_plain import known_curve_debevec, middle_frame, middle_picture, weighted_mean

Codes = NDArray[np.integer[Any] | np.floating[Any]]

FOLDER = Path(__file__).resolve().parent
EXAMPLES = FOLDER.parent.parent / "examples"
KEY = 0.09
# Left, top and size of crops of room.dng shown at 200 %: blind and foliage, book spines in the dark, lamp, cushion.
CROPS = ((300, 130), (1310, 330), (1040, 440), (1530, 680))
SIDE = 200
UNDER = -3.0  # EV at which highlights can be judged
PART = np.s_[20:620, 100:1000]  # of room.jpg: where its light is
# Left and top of crops of room.jpg, and EV: lamp, sky behind the blind, glass in the sun, foot of the lamp, bricks.
SINGLE_CROPS = ((685, 288, UNDER), (176, 56, UNDER), (510, 370, UNDER), (685, 360, UNDER), (430, 225, 0.0))
SINGLE_SIDE = 120
# Left and top of crops of the bracket, and EV: sky behind the blind, balloon, books in the dark, lamp, plant.
STACK_CROPS = ((195, 50, -2.5), (500, 28, 2.0), (676, 90, 3.5), (516, 198, -1.5), (90, 178, 0.0))
STACK_SIDE = 110


def main(folder: Path | None = None) -> None:
    """Draw the figures of the examples, those of `single` and `stack` where the folder with the truth is known."""
    draw_deinterlace()
    if folder is not None:
        draw_single(read_exr(folder / "room-truth.exr").data)
        draw_stack(folder / "room.exr")


def draw_deinterlace() -> None:
    """Develop the dual-ISO example in four ways and put the pictures side by side."""
    raw = read_raw(EXAMPLES / "room.dng")
    result = deinterlace_frame(raw)
    merged = develop_frame(result, raw)
    classical = develop_frame(deinterlace_frame(raw, settings=DeinterlaceSettings(model="none")), raw)
    striped = as_if_ordinary(raw)
    shown = [show(scene) for scene in (striped, low_rows(result.reconstruction.frame, raw), classical, merged)]
    half = [cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for picture in (shown[0], shown[3])]
    save("room-before-after.jpg", np.hstack([half[0][:, :450], half[1][:, 450:]]))
    rows = [crops(shown, left, top, side=SIDE) for left, top in CROPS]
    save("room-crops.jpg", np.vstack(rows))


def draw_single(truth: FloatArray) -> None:
    """Give light back to the ordinary example in three ways, and put the pictures beside the truth."""
    image = read_display(EXAMPLES / "room.jpg").image
    assert image is not None  # it is no HDR picture
    flat = linearise(image).data
    classical, learned = (single_image(image, settings=SingleSettings(model=model)) for model in ("none", "auto"))
    # On one scale, as the tables have it: where nothing clips all are as bright as the picture, whatever its curve.
    scale = np.float32(np.median(flat[flat > 0.1]) / np.median(fitted(flat, truth)[flat > 0.1]))
    light = {
        "input": flat,
        "classical": scale * fitted(classical.data, truth),
        "learned": scale * fitted(learned.data, truth),
        "truth": scale * truth,
    }
    toned = show(SceneImage(light["learned"], "srgb-linear"))
    dark = {name: exposed(picture, UNDER) for name, picture in light.items()}
    rows = [[exposed(flat, 0), dark["input"], dark["classical"]], [toned, dark["learned"], dark["truth"]]]
    figure = np.vstack([np.hstack([picture[PART] for picture in row]) for row in rows])
    save("single-before-after.jpg", cv2.resize(figure, None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA))
    strips = []
    for left, top, stops in SINGLE_CROPS:
        shown = [exposed(flat, 0), *(exposed(picture, stops) for picture in light.values())]
        strips.append(crops(shown, left, top, side=SINGLE_SIDE))
    save("single-crops.jpg", np.vstack(strips))


def draw_stack(room: Path) -> None:
    """Merge the example bracket, raw files and JPEGs, and put the pictures beside plainer ones and the truth."""
    photographer = runpy.run_path(str(EXAMPLES / "photograph_bracket.py"))
    scene = photographer["seen"](room)
    shots, merged = {"raw": photographer["as_raw"](scene), "display": photographer["as_pictures"](scene)}, {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, suffix in (("raw", "dng"), ("display", "jpg")):
            output = Path(folder) / f"{kind}.exr"
            stack([EXAMPLES / "bracket" / f"room-{number}.{suffix}" for number in (1, 2, 3)], output)
            merged[kind] = read_exr(output).data
    light = {
        "raw": developed_bracket(shots["raw"], merged["raw"]),
        "display": linear_bracket(shots["display"], merged["display"]),
    }
    for kind, pictures in light.items():
        strips = [
            crops([exposed(picture, stops) for picture in pictures], left, top, side=STACK_SIDE)
            for left, top, stops in STACK_CROPS
        ]
        save(f"stack-crops-{kind}.jpg", np.vstack(strips))
    _, _, result, truth = light["raw"]
    taken = [shots["display"].pictures[number] for number in (1, 0, 2)]
    made = [show(SceneImage(result, "srgb-linear")), exposed(result, UNDER), exposed(truth, UNDER)]
    figure = np.vstack([np.hstack(taken), np.hstack(made)])
    save("stack-before-after.jpg", cv2.resize(figure, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA))


def developed_bracket(bracket: RawBracket, merged: FloatArray) -> list[FloatArray]:
    """Return the middle frame alone, a plain weighted mean, what hdrcli merged, and the truth, all as linear sRGB."""
    camera, cfa = bracket.frames[bracket.reference].camera, bracket.frames[bracket.reference].cfa
    brightest = np.float32(1 / min(bracket.gains))
    middle = develop(BayerImage(middle_frame(bracket), cfa), camera, 1, DevelopSettings()).data
    mean = develop(BayerImage(weighted_mean(bracket) / brightest, cfa), camera, 1, DevelopSettings()).data * brightest
    most = np.float32(bracket.truth.max())  # `true_colours` cuts at 1.0, and nothing of the truth is to be cut
    return [middle, mean, merged, true_colours(bracket.truth / most, camera) * most]


def linear_bracket(bracket: DisplayBracket, merged: FloatArray) -> list[FloatArray]:
    """Return the same of JPEGs, on the scale of the truth; all but hdrcli are told the camera's curve."""
    made = (middle_picture(bracket), known_curve_debevec(bracket), merged)
    return [*(fitted(light, bracket.truth) for light in made), bracket.truth]


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


def show(scene: SceneImage) -> Codes:
    """Tone-map a picture; each by its own log-average, as a converter would."""
    return encode_display(reinhard_global(scene, key=KEY)).data


def exposed(light: FloatArray, stops: float) -> Codes:
    """Show light as it is, so many stops brighter; what is then above white is cut."""
    return encode_display(light * np.float32(2.0**stops)).data


def crops(pictures: Sequence[Codes], left: int, top: int, *, side: int) -> Codes:
    """Return the same square of each picture at 200 %, in a row."""
    parts = [picture[top : top + side, left : left + side] for picture in pictures]
    return np.hstack([cv2.resize(part, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST) for part in parts])


def save(name: str, picture: Codes) -> None:
    """Write a figure beside this script, as JPEG."""
    cv2.imwrite(str(FOLDER / name), picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
