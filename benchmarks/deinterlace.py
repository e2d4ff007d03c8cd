"""Quality of dual-ISO reconstruction on simulated frames, side by side in one run.

    python benchmarks/deinterlace.py --scenes ../shared/data/scenes/val [--iso 100/1600] [--pictures FOLDER]

Every scene of the folder becomes one seeded frame (`hdrcli.training.cases`); each method sees the same frame. The
methods in the table:

low rows     the low rows alone, bilinearly interpolated: what a developer that drops every other row pair shows
eq. 19       bilinear rows, both exposures demosaicked in linear light and merged by equation 19 of the paper
linear       bilinear rows in linear light, merged on the mosaic, `develop` of hdrcli
none         `hdrcli deinterlace --model none` with its defaults
none, raw    the same without noise reduction (--denoise 0)
none, rgb    the same, both exposures developed and merged by equation 19 (--merge rgb)
full         the noise-free full mosaic, developed by hdrcli: the ceiling of any method that ends on the mosaic
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from hdrcli.dualiso.detect import analyse, normalise
from hdrcli.dualiso.interpolate import reconstruct
from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.images import BayerImage, CameraProfile, FloatArray
from hdrcli.isp.defects import repair_defects
from hdrcli.isp.demosaic import demosaic
from hdrcli.isp.develop import DevelopSettings, develop
from hdrcli.merge.rgb import high_exposure_weight, low_exposure_weight
from hdrcli.recipes.deinterlace import DeinterlacedFrame, DeinterlaceSettings, develop_frame
from hdrcli.sensor.mosaic import high_rows
from hdrcli.training.cases import Case, dual_iso_cases
from hdrcli.training.metrics import (
    dark_error_stops,
    mosaic_psnr,
    period_four_excess,
    picture_psnr,
    pu21_psnr,
    tonemapped_psnr,
)

MOSAICS = ("linear", "none, raw", "none")
WIDTH = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=Path, required=True)
    parser.add_argument("--iso", help="one ISO pair for all, such as 100/1600, instead of four in turn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", type=Path, help="folder for pictures of every method")
    arguments = parser.parse_args()
    pair = tuple(float(iso) for iso in arguments.iso.split("/")) if arguments.iso else None
    rows = []
    for case in dual_iso_cases(arguments.scenes, seed=arguments.seed, iso=pair):  # type: ignore[arg-type]
        rows.append(measure(case, arguments.pictures))
        print(line(case, rows[-1]), flush=True)
    print_means(rows)


def measure(case: Case, pictures: Path | None) -> dict[str, dict[str, float]]:
    """Return the metrics of each method on one case."""
    raw, truth_mosaic = case.capture.raw, case.capture.truth_mosaic
    analysis = analyse(raw)
    frame, _ = repair_defects(normalise(raw, analysis))
    linear = merge_plainly(frame, *(fill_rows(frame, high=high) for high in (False, True)))
    plain = reconstruct(frame, denoise=0).merged.data
    reconstruction = reconstruct(frame)
    best = reconstruction.merged.data
    mosaics = dict(zip(MOSAICS, (linear, plain, best), strict=True))
    camera = raw.camera
    truth = colour(case.capture.truth, camera)
    shown = {
        "low rows": developed(fill_rows(frame, high=False), raw.cfa, camera),
        "eq. 19": equation_19(frame, camera),
        **{name: developed(mosaic, raw.cfa, camera) for name, mosaic in mosaics.items()},
        "none, rgb": develop_frame(
            DeinterlacedFrame(reconstruction, analysis, 0),
            raw,
            settings=DeinterlaceSettings(merge="rgb", develop=DevelopSettings(highlights="off")),
        ).data,
        "full": developed(np.minimum(truth_mosaic, 1), raw.cfa, camera),
    }
    result: dict[str, dict[str, float]] = {"": {"phase": float(analysis.row_pattern == case.capture.row_pattern)}}
    for name, picture in shown.items():
        figures = {
            "picture": picture_psnr(picture, truth),
            "tm": tonemapped_psnr(picture, truth),
            "pu21": pu21_psnr(picture, truth),
            "dark": dark_error_stops(picture, truth),
        }
        if name in mosaics:
            figures["mosaic"] = mosaic_psnr(mosaics[name], truth_mosaic)
            figures["period 4"] = period_four_excess(mosaics[name], truth_mosaic)
        result[name] = figures
    if pictures is not None:
        save_pictures(pictures / case.name, {**shown, "truth": truth})
    return result


def colour(camera_rgb: FloatArray, camera: CameraProfile) -> FloatArray:
    """Develop the true camera RGB: clip as the low exposure does, white balance, matrix."""
    from hdrcli.isp.colour import camera_to_space

    assert camera.as_shot_neutral is not None
    neutral = np.array(camera.as_shot_neutral, dtype=np.float32)
    matrix = camera_to_space(camera, neutral=camera.as_shot_neutral, colour_space="srgb-linear")
    return (np.minimum(camera_rgb, 1) / neutral) @ matrix.T.astype(np.float32)


def developed(mosaic: FloatArray, cfa: str, camera: CameraProfile) -> FloatArray:
    """Develop a mosaic with hdrcli's defaults, highlights cut like the truth."""
    settings = DevelopSettings(highlights="off")
    return develop(BayerImage(np.minimum(mosaic, 1), cfa), camera, 1, settings).data


def fill_rows(frame: DualIsoFrame, *, high: bool) -> FloatArray:
    """Keep the rows of one class and fill the others linearly from the nearest rows of the same colours."""
    own = high_rows(frame.data.shape[0], frame.row_pattern) == high
    filled = frame.data.copy()
    for parity in (0, 1):
        rows = np.arange(parity, frame.data.shape[0], 2)
        known = rows[own[rows]]
        for row in rows[~own[rows]]:
            after = int(np.searchsorted(known, row))
            above, below = known[max(after - 1, 0)], known[min(after, known.size - 1)]
            share = 0.0 if above == below else (row - above) / (below - above)
            filled[row] = frame.data[above] * (1 - share) + frame.data[below] * share
    return filled


def merge_plainly(frame: DualIsoFrame, low: FloatArray, high: FloatArray) -> FloatArray:
    """Merge two filled exposures with noise-optimal weights and a smooth end at the clip of the high one."""
    near_clip = cv2.dilate(high / frame.clip_high, np.ones((3, 3), np.uint8))
    t = np.clip((near_clip - 0.9) / 0.08, 0, 1)
    trust = 1 - t * t * (3 - 2 * t)
    weight_low = 1 / frame.noise_low.variance(low)
    weight_high = trust / frame.noise_high.variance(low)
    return np.asarray((weight_low * low + weight_high * high) / (weight_low + weight_high), dtype=np.float32)


def equation_19(frame: DualIsoFrame, camera: CameraProfile) -> FloatArray:
    """Bilinear rows, one linear demosaicking for each exposure, merged by equation 19 in RGB."""
    low = BayerImage(np.minimum(fill_rows(frame, high=False), 1), frame.cfa)
    high = BayerImage(np.minimum(fill_rows(frame, high=True), 1 / frame.gain), frame.cfa)
    weight_low = low_exposure_weight(low)
    weight_high = high_exposure_weight(replace(high, data=high.data * np.float32(frame.gain)))
    share = (weight_high / (weight_low + weight_high))[:, :, None]
    rgb = [demosaic(image, method="malvar2004") for image in (low, high)]
    return colour(rgb[0] + share * (rgb[1] - rgb[0]), camera)


def line(case: Case, figures: dict[str, dict[str, float]]) -> str:
    pictures = "  ".join(f"{name} {values['picture']:.2f}" for name, values in figures.items() if name)
    iso = "/".join(f"{value:g}" for value in case.iso)
    return f"{case.name:28s} {iso:9s} {case.capture.row_pattern} {case.capture.raw.cfa}  {pictures}"


def print_means(rows: list[dict[str, dict[str, float]]]) -> None:
    print(f"\n{len(rows)} frames; row phase found in {sum(row['']['phase'] for row in rows):.0f}")
    columns = ("picture", "worst", "tm", "pu21", "dark", "mosaic", "over linear", "period 4")
    print(f"{'mean of':14s}" + "".join(f"{column:>{WIDTH}s}" for column in columns))
    for name in rows[0]:
        if not name:
            continue
        mean = {key: float(np.mean([row[name][key] for row in rows])) for key in rows[0][name]}
        mean["worst"] = min(row[name]["picture"] for row in rows)
        if "mosaic" in mean:
            mean["over linear"] = float(np.mean([row[name]["mosaic"] - row["linear"]["mosaic"] for row in rows]))
        figures = (f"{mean[column]:{WIDTH}.{3 if column == 'dark' else 2}f}" for column in columns if column in mean)
        print(f"{name:14s}" + "".join(figures))
    below = [row for row in rows if row["none"]["picture"] < row["eq. 19"]["picture"]]
    print(f"frames where none is below eq. 19: {len(below)}")


def save_pictures(stem: Path, pictures: dict[str, FloatArray]) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    show: Callable[[FloatArray], FloatArray] = lambda x: np.log1p(1000 * np.clip(x, 0, 1)) / np.log1p(1000)  # noqa: E731
    for name, picture in pictures.items():
        encoded = np.rint(255 * show(picture)).astype(np.uint8)
        cv2.imwrite(f"{stem}-{name.replace(' ', '').replace('.', '').replace(',', '-')}.png", encoded[:, :, ::-1])


if __name__ == "__main__":
    main()
