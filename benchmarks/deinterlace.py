"""Quality of dual-ISO reconstruction on simulated frames, side by side in one run.

    python benchmarks/deinterlace.py --scenes ../shared/data/scenes/val [--iso 100/1600] [--pictures FOLDER] [MODEL...]

Every scene of the folder becomes one seeded frame (`hdrcli.training.cases`); each method sees the same frame. The
methods in the table:

low rows     the low rows alone, bilinearly interpolated: what a developer that drops every other row pair shows
eq. 19       bilinear rows, both exposures demosaicked in linear light and merged by equation 19 of the paper
linear       bilinear rows in linear light, merged on the mosaic, `develop` of hdrcli
none         `hdrcli deinterlace --model none` with its defaults
none, raw    the same without noise reduction (--denoise 0)
none, rgb    the same, both exposures developed and merged by equation 19 (--merge rgb)
MODEL        `hdrcli deinterlace --model MODEL` with its defaults: those named, or all that are shipped
full         the noise-free full mosaic, developed by hdrcli: the ceiling of any method that ends on the mosaic

`python -m hdrcli.training evaluate` measures the same without the variants.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from hdrcli.dualiso.interpolate import reconstruct
from hdrcli.images import FloatArray
from hdrcli.inference.registry import shipped_models
from hdrcli.isp.develop import DevelopSettings
from hdrcli.recipes.deinterlace import DeinterlacedFrame, DeinterlaceSettings, develop_frame
from hdrcli.training.cases import dual_iso_cases
from hdrcli.training.evaluate import (
    CLASSICAL,
    LINEAR,
    Answer,
    Frame,
    Method,
    Row,
    classical,
    evaluate,
    frames_below,
    full,
    learned,
    line,
    linear,
    on_the_mosaic,
    plain_equation_19,
    table,
    verdicts,
)
from hdrcli.training.plain_methods import fill_rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", metavar="MODEL", nargs="*")
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("--iso", help="one ISO pair for all, such as 100/1600, instead of four in turn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", type=Path, help="folder for pictures of every method")
    arguments = parser.parse_args()
    pair = tuple(float(iso) for iso in arguments.iso.split("/")) if arguments.iso else None
    models = arguments.models or [model.name for model in shipped_models(task="deinterlace")]
    methods: dict[str, Method] = {
        "low rows": low_rows,
        "eq. 19": plain_equation_19,
        LINEAR: linear,
        "none, raw": classical_with_noise,
        CLASSICAL: classical,
        "none, rgb": classical_in_rgb,
        **{name: learned(name) for name in models},
        "full": full,
    }

    def each(row: Row, frame: Frame, answers: Mapping[str, Answer]) -> None:
        print(line(row), flush=True)
        if arguments.pictures:
            pictures = {name: answer.picture for name, answer in answers.items()}
            save_pictures(arguments.pictures / row.case.name, {**pictures, "truth": frame.truth})

    cases = dual_iso_cases(arguments.scenes, seed=arguments.seed, iso=pair)  # type: ignore[arg-type]
    rows = evaluate(cases, methods, each=each)
    below = frames_below(rows, CLASSICAL, "eq. 19", figure="picture")
    print("", *table(rows), f"frames where none is below eq. 19: {len(below)}", *verdicts(rows, models), sep="\n")


def low_rows(frame: Frame) -> Answer:
    return Answer(frame.developed(fill_rows(frame.frame, high=False)))


def classical_with_noise(frame: Frame) -> Answer:
    return on_the_mosaic(frame, reconstruct(frame.frame, denoise=0).merged.data)


def classical_in_rgb(frame: Frame) -> Answer:
    settings = DeinterlaceSettings(merge="rgb", develop=DevelopSettings(highlights="off"))
    deinterlaced = DeinterlacedFrame(reconstruct(frame.frame), frame.analysis, 0)
    return Answer(develop_frame(deinterlaced, frame.case.capture.raw, settings=settings).data)


def save_pictures(stem: Path, pictures: dict[str, FloatArray]) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    for name, picture in pictures.items():
        shown = np.log1p(1000 * np.clip(picture, 0, 1)) / np.log1p(1000)
        encoded = np.rint(255 * shown).astype(np.uint8)
        file = "".join(character for character in name.replace(",", "-").replace("/", "-") if character not in " .")
        cv2.imwrite(f"{stem}-{file}.png", encoded[:, :, ::-1])


if __name__ == "__main__":
    main()
