"""Demosaicing beside its peers: quality on the Kodak pictures and on HDR scenes, and time, in one run.

Run `python -m benchmarks.demosaic [--data FOLDER]` in the root of the project, with its test extra installed. FOLDER
holds `photos/kodak` and `scenes/val`; `../shared/data` where not given.

Kodak: 24 pictures taken to linear light, mosaicked RGGB, demosaicked as linear data. Mean PSNR in linear light and
after sRGB encoding, 8 pixels at the borders left out; mean time of one picture (0.39 megapixels) on all cores.

HDR: the noise-free mosaics of `scenes/val` through calibrated cameras, brightest 3 % above the clip and not cut, white
balanced; PSNR of mu-law values (mu 5000, peak = clip). "Linear" runs the same method on the linear samples, "root" as
`hdrcli.isp.demosaic` does, on their signed fourth root.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from hdrcli.images import BayerImage, FloatArray
from hdrcli.io.exr import read_exr
from hdrcli.isp.demosaic import MARGIN, METHODS, demosaic
from hdrcli.isp.develop import DevelopSettings, develop
from hdrcli.sensor.cameras import cameras
from hdrcli.sensor.capture import CaptureSettings, capture, daylight_neutral
from hdrcli.sensor.mosaic import mosaic

warnings.simplefilter("ignore")  # colour-demosaicing tells of plotting packages that are not installed
from colour_demosaicing import (  # noqa: E402
    demosaicing_CFA_Bayer_Malvar2004,
    demosaicing_CFA_Bayer_Menon2007,
)

Demosaicer = Callable[[FloatArray], FloatArray]

BORDER = 8
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)


def srgb_decode(v: FloatArray) -> FloatArray:
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)


def srgb_encode(x: FloatArray) -> FloatArray:
    x = np.clip(x, 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def mu_law(x: FloatArray) -> FloatArray:
    return np.log1p(5000 * np.clip(x, 0, 1)) / np.log1p(5000)


def psnr(a: FloatArray, b: FloatArray) -> float:
    inner = slice(BORDER, -BORDER)
    return float(-10 * np.log10(np.mean((a[inner, inner].astype(np.float64) - b[inner, inner]) ** 2)))


def ours(method: str, samples: FloatArray) -> FloatArray:
    return demosaic(BayerImage(samples, "RGGB"), method=method)


def ours_linear(method: str, samples: FloatArray) -> FloatArray:
    """Run a method of hdrcli on the samples as they are, without the root scale."""
    padded = np.pad(samples, MARGIN, mode="reflect")
    rgb = np.empty((*samples.shape, 3), dtype=np.float32)
    interpolate, scratch = METHODS[method]
    interpolate(padded, np.array([[0, 1], [1, 2]]), rgb, scratch(*samples.shape))
    return rgb


def opencv_edge_aware(samples: FloatArray) -> FloatArray:
    counts = np.rint(np.clip(samples, 0, 1) * 65535).astype(np.uint16)
    # OpenCV names a pattern by the second row and column: its BG is RGGB.
    return cv2.cvtColor(counts, cv2.COLOR_BayerBG2RGB_EA) / np.float32(65535)


def peers() -> dict[str, Demosaicer]:
    return {
        "colour-demosaicing Menon2007": lambda m: demosaicing_CFA_Bayer_Menon2007(m, "RGGB"),
        "  the same, on sRGB-encoded data": lambda m: srgb_decode(
            np.clip(demosaicing_CFA_Bayer_Menon2007(srgb_encode(m), "RGGB"), 0, 1)
        ),
        "colour-demosaicing Malvar2004": lambda m: demosaicing_CFA_Bayer_Malvar2004(m, "RGGB"),
        "OpenCV edge-aware": opencv_edge_aware,
    }


def kodak_table(folder: Path) -> None:
    pictures = [
        srgb_decode(np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255)
        for path in sorted(folder.glob("kodim*.webp"))
    ]
    methods: dict[str, Demosaicer] = {f"hdrcli {name}": partial(ours, name) for name in METHODS}
    rows = {name: kodak_row(method, pictures) for name, method in (methods | peers()).items()}
    reference = rows["colour-demosaicing Menon2007"][2]
    print(f"Kodak, {len(pictures)} pictures          PSNR linear   sRGB    ms/picture   speed / Menon2007")
    for name, (linear, encoded, seconds) in rows.items():
        print(f"{name:34s}{linear:8.2f}{encoded:9.2f}{1e3 * seconds:12.1f}{reference / seconds:14.1f}")


def kodak_row(method: Demosaicer, pictures: Sequence[FloatArray]) -> tuple[float, float, float]:
    method(mosaic(pictures[0], "RGGB"))  # compiles, fills caches
    linear, encoded, seconds = [], [], 0.0
    for picture in pictures:
        samples = mosaic(picture, "RGGB")
        begin = time.perf_counter()
        result = method(samples)
        seconds += time.perf_counter() - begin
        result = np.clip(result, 0, 1)
        linear.append(psnr(result, picture))
        encoded.append(psnr(srgb_encode(result), srgb_encode(picture)))
    return float(np.mean(linear)), float(np.mean(encoded)), seconds / len(pictures)


def hdr_table(folder: Path) -> None:
    scenes = [hdr_scene(path, index) for index, path in enumerate(sorted(folder.glob("*.exr")))]
    print(f"\nHDR, {len(scenes)} scenes, mu-law PSNR      linear    root")
    menon = peers()["colour-demosaicing Menon2007"]
    for name in METHODS:
        linear, root = (np.mean([hdr_psnr(partial(run, name), *s) for s in scenes]) for run in (ours_linear, ours))
        print(f"{'hdrcli ' + name:32s}{linear:8.2f}{root:8.2f}")
    print(f"{'colour-demosaicing Menon2007':32s}{np.mean([hdr_psnr(menon, *s) for s in scenes]):8.2f}")


def hdr_scene(path: Path, index: int) -> tuple[FloatArray, FloatArray]:
    """Return noise-free, balanced camera RGB and the gains it was balanced with."""
    scene = read_exr(path).data
    camera = list(cameras().values())[index % len(cameras())]
    exposure = float(1 / np.percentile(scene @ LUMINANCE, 97))
    settings = CaptureSettings(iso=(100, 100), exposure=exposure, cfa="RGGB")
    truth = capture(scene, camera, settings, np.random.default_rng(index)).truth
    gains = 1 / np.array(daylight_neutral(camera), dtype=np.float32)
    return truth * gains, gains


def hdr_psnr(method: Demosaicer, balanced: FloatArray, gains: FloatArray) -> float:
    return psnr(mu_law(method(mosaic(balanced, "RGGB")) / gains), mu_law(balanced / gains))


def time_table(megapixels: float) -> None:
    width = int(np.sqrt(megapixels * 1.5e6)) // 2 * 2
    height = int(megapixels * 1e6 / width)
    random = np.random.default_rng(0)
    bayer = BayerImage(random.random((height, width), dtype=np.float32) ** 4, "RGGB")
    camera = next(iter(cameras().values())).profile()
    print(f"\n{width} x {height}                      best of 5, s")
    for name in METHODS:
        print(f"{'demosaic, ' + name:32s}{best_time(partial(demosaic, bayer, method=name)):8.2f}")
    for orientation in (1, 6):
        work = partial(develop, bayer, camera, orientation, DevelopSettings())
        print(f"{f'develop, orientation {orientation}':32s}{best_time(work):8.2f}")


def best_time(work: Callable[[], object]) -> float:
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    parser.add_argument("--megapixels", type=float, default=18.0, help="size of the timed picture (18)")
    options = parser.parse_args()
    kodak_table(options.data / "photos" / "kodak")
    hdr_table(options.data / "scenes" / "val")
    time_table(options.megapixels)


if __name__ == "__main__":
    main()
