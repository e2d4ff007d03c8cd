"""Dual-ISO or not: the confusion table on simulated frames and real files, and the errors of the measured ratio.

    python benchmarks/detection.py [--frames 360] [--data ../shared/data] [--seed 1]

Simulated frames go round all scenes of the folder, all calibrated cameras, the four row phases, the four Bayer phases
and ISO ratios 2 to 64, with exposures from six stops under to three stops over normal, row noise, a gain that is up to
7 % off the nominal one, and high rows whose black is off by up to 20 counts; half of the frames have masked borders.
One frame in three has a single ISO. Real files are those of the folder's `raw`, none of them dual-ISO.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from hdrcli.dualiso.detect import DualIsoAnalysis, analyse
from hdrcli.errors import HdrcliError
from hdrcli.images import BAYER_PATTERNS, FloatArray, RawFrame
from hdrcli.io.exr import read_exr
from hdrcli.io.raw import read_raw
from hdrcli.sensor.cameras import cameras
from hdrcli.sensor.capture import CaptureSettings, capture
from hdrcli.sensor.mosaic import ROW_PATTERNS, high_rows

RATIOS = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
VERDICTS = ("dual-iso", "single", "unknown")
EXPOSURES = ("6 to 4 stops under", "4 to 2 stops under", "2 under to normal", "normal to 3 over")


@dataclass(frozen=True)
class Frame:
    """A frame and what is true of it; ratio 1 for frames of a single ISO."""

    raw: RawFrame
    ratio: float
    nominal: float
    row_pattern: str
    black_delta: float
    exposure: str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--frames", type=int, default=360)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    results, seconds = [], 0.0
    for frame in simulated(arguments.data / "scenes" / "val", number=arguments.frames, seed=arguments.seed):
        start = time.perf_counter()
        results.append((frame, analyse(frame.raw)))
        seconds += time.perf_counter() - start
    files = [(raw, analyse(raw)) for raw in real_files(arguments.data / "raw")]
    print_confusion(results, files)
    print_errors(results)
    print(f"\n{1000 * seconds / max(len(results), 1):.0f} ms a simulated frame (0.1 to 0.3 megapixels)")


def simulated(folder: Path, *, number: int, seed: int) -> Iterator[Frame]:
    """Yield seeded frames; without the folder, of scenes drawn by this program."""
    rng = np.random.default_rng(seed)
    paths = sorted(folder.glob("*.exr")) if folder.is_dir() else []
    known = list(cameras().values())
    for i in range(number):
        camera = known[i % len(known)]
        scene = read_exr(paths[i % len(paths)]).data[:512, :512] if paths else drawn_scene(rng)
        nominal = 1.0 if i % 3 == 2 else RATIOS[int(rng.integers(len(RATIOS)))]
        low = 100.0 if nominal == 64 else float(rng.choice([100.0, 200.0]))
        stage = int(rng.integers(4))
        stops = rng.uniform(*((-6, -4), (-4, -2), (-2, 0), (0, 3))[stage])
        settings = CaptureSettings(
            iso=(low, low * nominal),
            exposure=float(2.0**stops),
            row_pattern=ROW_PATTERNS[int(rng.integers(4))],
            cfa=BAYER_PATTERNS[int(rng.integers(4))],
            gain=None if nominal == 1 else float(nominal * 2 ** rng.uniform(0 if nominal == 2 else -0.1, 0.1)),
            hot_pixels=1e-5,
            border=64 if rng.random() < 0.5 else 0,
        )
        shot = capture(scene, camera, settings, rng)
        delta = 0 if nominal == 1 else int(rng.integers(-min(20, int(camera.black)), 21))
        raw = offset_high_rows(shot.raw, settings.row_pattern, delta, camera.white(settings.iso[1]))
        yield Frame(raw, settings.true_gain, nominal, settings.row_pattern, delta, EXPOSURES[stage])


def drawn_scene(rng: np.random.Generator) -> FloatArray:
    """Return 384 x 512 pixels of clouds over ten stops, for where there are no photographed scenes."""
    light = sum(
        cv2.resize(
            rng.normal(0, size, (384 // size + 2, 512 // size + 2, 3)), (512, 384), interpolation=cv2.INTER_CUBIC
        )
        / size**0.5
        for size in (2, 8, 32, 128)
    )
    return np.asarray(0.18 * 2 ** (light / np.std(light) * 1.7), dtype=np.float32)


def offset_high_rows(raw: RawFrame, row_pattern: str, delta: int, white: float) -> RawFrame:
    """Return the frame with the black of its high rows moved by `delta` counts; where they clip they stay."""

    def moved(counts: np.ndarray) -> np.ndarray:
        high = high_rows(counts.shape[0], row_pattern)[:, None] & (counts < white)
        return np.where(high, np.clip(counts.astype(np.int32) + delta, 0, int(white)), counts).astype(np.uint16)

    borders = None if raw.borders is None else replace(raw.borders, left=moved(raw.borders.left))
    return replace(raw, counts=moved(raw.counts), borders=borders)


def real_files(folder: Path) -> Iterator[RawFrame]:
    """Yield what can be read in a folder: camera files, and mosaics with a JSON file beside them."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        try:
            yield mosaic_with_facts(path) if path.suffix == ".json" else read_raw(path)
        except HdrcliError:
            continue


def mosaic_with_facts(path: Path) -> RawFrame:
    """Return a mosaic stored as four quarter planes (PNG) or as bare samples (.raw), by the JSON file beside it."""
    facts = json.loads(path.read_text())
    beside = path.with_name(facts["file"])
    if beside.suffix == ".png":
        planes = cv2.imread(str(beside), cv2.IMREAD_UNCHANGED)
        counts = np.empty_like(planes)
        height, width = planes.shape[0] // 2, planes.shape[1] // 2
        for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
            counts[y::2, x::2] = planes[y * height :, x * width :][:height, :width]
    else:
        counts = np.fromfile(beside, "<u2").reshape(facts["height"], facts["width"])
    return RawFrame(counts, facts["cfa"], (float(facts["black"]),) * 4, float(facts["white"]), name=beside.name)


def print_confusion(
    results: list[tuple[Frame, DualIsoAnalysis]], files: list[tuple[RawFrame, DualIsoAnalysis]]
) -> None:
    tally: dict[str, Counter[str]] = {}

    def count(name: str, verdict: str) -> None:
        tally.setdefault(name, Counter())[verdict] += 1

    for nominal in RATIOS:
        for frame, found in results:
            if frame.nominal == nominal:
                count(f"dual-ISO, ratio {nominal:g}", found.verdict)
    for exposure in EXPOSURES:
        for kind, dual in (("dual-ISO", True), ("single ISO", False)):
            for frame, found in results:
                if frame.exposure == exposure and (frame.nominal > 1) == dual:
                    count(f"{kind}, {exposure}", found.verdict)
    for _, found in files:
        count("real files, single ISO", found.verdict)
    print(f"{'':<34}{'dual-ISO':>10}{'not dual':>10}{'refused':>10}")
    for name, found in tally.items():
        print(f"{name:<34}" + "".join(f"{found[verdict]:>10}" for verdict in VERDICTS))
    for dual in (True, False):
        sums = Counter(found.verdict for frame, found in results if (frame.nominal > 1) == dual)
        name = f"all simulated {'dual-ISO' if dual else 'single ISO'}"
        print(f"{name:<34}" + "".join(f"{sums[verdict]:>10}" for verdict in VERDICTS))
    for frame, found in results:
        if found.verdict == "unknown" or found.is_dual_iso != (frame.nominal > 1):
            print(f"  {frame.raw.name}, ratio {frame.ratio:.2f}, {frame.exposure}: {found.verdict}, {found.reason}")


def print_errors(results: list[tuple[Frame, DualIsoAnalysis]]) -> None:
    dual = [(frame, found) for frame, found in results if frame.nominal > 1 and found.is_dual_iso]
    wrong = sum(frame.row_pattern != found.row_pattern for frame, found in dual)
    print(f"\nrow phase wrong in {wrong} of {len(dual)}")
    shares = (50, 75, 90, 95, 100)
    print(f"{'percentile':<34}" + "".join(f"{share:>10}" for share in shares))

    def show(name: str, values: list[float]) -> None:
        if values:
            print(f"{name:<34}" + "".join(f"{value:>10.3f}" for value in np.percentile(values, shares)))

    for exposure in EXPOSURES:
        show(f"ratio, %, {exposure}", [off(*pair) for pair in dual if pair[0].exposure == exposure])
    show("ratio, %, all", [off(*pair) for pair in dual])
    for borders, name in ((True, "with"), (False, "without")):
        show(
            f"black delta, counts, {name} borders",
            [
                abs(found.black_delta - frame.black_delta)
                for frame, found in dual
                if (frame.raw.borders is not None) == borders
            ],
        )


def off(frame: Frame, found: DualIsoAnalysis) -> float:
    """Return by how many percent the measured ratio is off."""
    return 100 * abs(found.gain / frame.ratio - 1)


if __name__ == "__main__":
    main()
