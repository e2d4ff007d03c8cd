"""Quality of merged brackets on simulated ones, side by side in one run.

    python benchmarks/stack.py --scenes ../shared/data/scenes/val [--kind raw|display] [--variant NAME...] [--peers]

Every scene of the folder becomes three seeded brackets of three frames two stops apart (`hdrcli.training.stack_cases`):
from a tripod, hand-held by up to 5 pixels and 0.3 degrees, and from a tripod with one object that moves. Each method
sees the same frames. The methods in the tables:

known exposures       raw: told the true exposures, inverse variances; the bracket in which nothing moves
known curve           display: told the true curve and exposures, of the bracket in which nothing moves
known curve, Debevec  the same by hats in the log domain, as Debevec and Malik merge
hdrcli                `hdrcli stack` with its defaults, the middle frame as the reference
middle frame alone    what one exposure gives (display: by the true curve)
plain weighted mean   raw: hat weights and the exposures of the file, nothing aligned
OpenCV                display: AlignMTB, CalibrateDebevec, MergeDebevec
--peers               HDRMerge; align_image_stack + OpenCV's Debevec; luminance-hdr-cli; pfstools (which aligns nothing)

Figures of raw brackets: `mosaic`, mu-law PSNR in dB over samples that the shortest frame does not clip, its clip 1.0;
`outside`, that outside the area of the moving object; `stops`, RMS error in stops inside it; `picture`, mu-law PSNR of
the developed picture after fitting one scale, all mosaics developed alike. Of display brackets, after fitting one gain:
`mu`, mu-PSNR of NTIRE 2021 in dB; `outside` and `stops` likewise; `response`, RMS relative error of the response in
percent. Curves are of three forms that nothing was tuned on; `--tuning` takes random ones of the families of training.
A program that aligns to another frame than the middle one is compared with that frame, but for the moving object.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from stack_peers import display_peers, opencv, raw_peers

from hdrcli.images import DisplayImage, FloatArray
from hdrcli.recipes.stack_display import Shot, stack_display
from hdrcli.recipes.stack_raw import stack_raw
from hdrcli.recipes.stack_settings import StackSettings
from hdrcli.training.single_metrics import fitted
from hdrcli.training.stack_cases import KINDS, VARIANTS, Kind, StackCase, Variant, stack_cases
from hdrcli.training.stack_evaluate import (
    HDRCLI,
    Answer,
    Method,
    Row,
    display,
    display_methods,
    evaluate,
    line,
    raw,
    raw_methods,
    table,
    verdicts,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("--kind", choices=(*KINDS, "both"), default="both")
    parser.add_argument("--variant", choices=VARIANTS, nargs="+", default=list(VARIANTS))
    parser.add_argument("--number", type=int, help="of scenes, evenly over the folder; by default all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tuning", action="store_true", help="curves of the families of training")
    parser.add_argument("--peers", action="store_true", help="other programs as well")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of every method, as exposed and 3 stops up")
    arguments = parser.parse_args()

    def each(row: Row, answers: Mapping[str, Answer]) -> None:
        print(line(row), flush=True)
        if arguments.pictures:
            save_pictures(arguments.pictures, row.case, answers)

    for kind in KINDS if arguments.kind == "both" else (arguments.kind,):
        methods = methods_of(kind, peers=arguments.peers)
        usable = {name: method for name, method in methods.items() if method is not None}
        rows: list[Row] = []
        for variant in arguments.variant:
            cases = pairs(arguments, variant, kind)
            rows += evaluate(cases, usable, each=each)
        missing = [f"{name}: not installed" for name, method in methods.items() if method is None]
        print("", *table(rows, list(usable)), *missing, *verdicts(rows), "", sep="\n")


def methods_of(kind: Kind, *, peers: bool) -> dict[str, Method | None]:
    """Return the methods by name, None for programs that are not installed."""
    if kind == "raw":
        known, *others = raw_methods().items()
        return dict([known, (HDRCLI, hdrcli_raw), *others]) | (raw_peers() if peers else {})
    known, *others = display_methods().items()
    return dict([known, (HDRCLI, hdrcli_display), *others, ("OpenCV", opencv)]) | (display_peers() if peers else {})


def pairs(arguments: argparse.Namespace, variant: Variant, kind: Kind) -> Iterator[tuple[StackCase, StackCase]]:
    """Yield each case with the one in which nothing moves."""
    total = len(list(arguments.scenes.glob("*.exr")))
    step = max(1, total // (arguments.number or total))
    make = partial(
        stack_cases, arguments.scenes, variant=variant, kind=kind, seed=arguments.seed, tuning=arguments.tuning
    )
    cases = zip(make(), make(still=True), strict=True)
    return islice(cases, 0, step * arguments.number if arguments.number else None, step)


def hdrcli_raw(case: StackCase, still: StackCase) -> Answer:
    bracket = raw(case)
    frames = [lambda frame=frame: frame for frame in bracket.frames]
    return Answer(stack_raw(frames, settings=StackSettings(reference=bracket.reference)).mosaic.data)


def hdrcli_display(case: StackCase, still: StackCase) -> Answer:
    bracket = display(case)
    shots = [
        Shot(f"frame-{number}", DisplayImage(codes), metadata)
        for number, (codes, metadata) in enumerate(zip(bracket.pictures, bracket.metadata, strict=True), start=1)
    ]
    read = [lambda shot=shot: shot for shot in shots]
    stacked = stack_display(read, settings=StackSettings(reference=bracket.reference))
    return Answer(stacked.light, response=stacked.response.curve)


def save_pictures(folder: Path, case: StackCase, answers: Mapping[str, Answer]) -> None:
    """Write every answer and the truth side by side, as exposed and three stops brighter, as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = {name: shown_light(case, answer) for name, answer in answers.items()}
    truth = case.bracket.truth if case.kind == "display" else raw(case).truth_mosaic
    shown["truth"] = truth * np.float32(min(case.bracket.gains))
    for name, light in shown.items():
        both = np.concatenate([light, light * 8], axis=1)
        encoded = np.rint(255 * np.clip(both, 0, 1) ** (1 / 2.2)).astype(np.uint8)
        file = folder / f"{case.kind}-{case.variant}-{case.name}-{name.replace(' ', '').replace(',', '-')}.png"
        cv2.imwrite(str(file), encoded[:, :, ::-1] if encoded.ndim == 3 else encoded)


def shown_light(case: StackCase, answer: Answer) -> FloatArray:
    scale = np.float32(min(case.bracket.gains))
    if case.kind == "raw":
        return answer.light * scale
    truth = display(case).truth[answer.inside]
    return fitted(answer.light, truth) * scale


if __name__ == "__main__":
    main()
