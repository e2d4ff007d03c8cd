"""Quality of one-picture HDR on simulated display pictures, side by side in one run.

    python benchmarks/single.py [MODEL ...] --scenes ../shared/data/scenes/val [--tuning] [--pictures FOLDER]

Every scene of the folder becomes one seeded picture (`hdrcli.training.single_cases`); each method sees the same. The
methods in the table:

inverse sRGB      the light that the profile says: clipped stays clipped
inverse Reinhard  the photographic operator undone, white at three times its middle
none              `hdrcli single --model none`
NAME              `hdrcli single --model NAME` of every shipped network, or of those that are named
NAME blended      the same with `--blend`: well exposed parts as the profile says

Figures, after fitting one gain over unclipped pixels: `mu`, mu-PSNR of NTIRE 2021 in dB; `pu21`, PU21-PSNR in dB with
the clip at 100 cd/m2, up to 1000; `clipped` and `unclipped`, RMS error in stops over pixels with a channel above the
clip, and over the others; and the worst picture of each. Curves are of three forms that nothing was tuned on;
`--tuning` takes random ones of the families of training instead.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from hdrcli.images import FloatArray
from hdrcli.inference.registry import shipped_models
from hdrcli.training.single_cases import single_cases
from hdrcli.training.single_evaluate import Row, evaluate, line, standard_methods, table, verdicts
from hdrcli.training.single_metrics import fitted


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", metavar="MODEL", nargs="*", help="name or folder; by default all that are shipped")
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tuning", action="store_true", help="curves of the families of training")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of every method, four stops under")
    arguments = parser.parse_args()

    def each(row: Row, answers: Mapping[str, FloatArray]) -> None:
        print(line(row), flush=True)
        if arguments.pictures:
            save_pictures(arguments.pictures, row, answers)

    methods = standard_methods(arguments.models or [model.name for model in shipped_models(task="single")])
    rows = evaluate(single_cases(arguments.scenes, seed=arguments.seed, tuning=arguments.tuning), methods, each=each)
    print("", *table(rows), *verdicts(rows), sep="\n")


def save_pictures(folder: Path, row: Row, answers: Mapping[str, FloatArray]) -> None:
    """Write the picture, and every answer and the truth both as exposed and four stops darker, as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    truth = row.case.capture.truth
    shown = {name: fitted(answer, truth) for name, answer in answers.items()} | {"truth": truth}
    for name, light in shown.items():
        both = np.concatenate([light, light / 16], axis=1)
        encoded = np.rint(255 * np.clip(both, 0, 1) ** (1 / 2.2)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{row.case.name}-{name.replace(' ', '')}.png"), encoded[:, :, ::-1])


if __name__ == "__main__":
    main()
