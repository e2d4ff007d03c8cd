"""Time and memory of whole commands, from file to file, alternating in one run.

    python benchmarks/speed.py SCENE.exr [--command single] [--size 5184x3456] [--runs 5] [--first-run]

SCENE is photographed by the forward model at the size given, as a dual-ISO frame for `deinterlace` or as a JPEG for
`single`, and every command works on that one file. Peers that are not installed are left out. Those of `deinterlace` do
less than hdrcli: they develop the striped frame as if it were an ordinary one. There are none for `single`: no program
that photographers use gives light back to one picture.
Figures are the median of the runs; on a shared machine look at the ratios. `--first-run` times hdrcli with an empty
cache of compiled code as well.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from hdrcli.io.exr import read_exr
from hdrcli.sensor.curves import CameraCurve
from hdrcli.sensor.display import DisplaySettings, display_capture

FIRST = "hdrcli to EXR"
RAWPY = (
    "import sys, rawpy, tifffile; tifffile.imwrite(sys.argv[2], rawpy.imread(sys.argv[1]).postprocess(output_bps=16))"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--command", choices=("deinterlace", "single"), default="deinterlace")
    parser.add_argument("--size", help="by default 5184x3456, 18 megapixels, and for single 4000x3000")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--first-run", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.command == "deinterlace":
            frame = dual_iso_frame(arguments.scene, folder, arguments.size or "5184x3456")
            commands = of_deinterlace(frame, folder)
        else:
            frame = display_picture(arguments.scene, folder, arguments.size or "4000x3000")
            commands = of_single(frame, folder)
        for command in commands.values():  # warm up: disk cache, compiled code
            run(command)
        measured: dict[str, list[tuple[float, float, float]]] = {title: [] for title in commands}
        for _ in range(arguments.runs):
            for title, command in commands.items():
                measured[title].append(run(command))
        report(measured)
        if arguments.first_run:
            wall, _, _ = run(commands[FIRST], {"NUMBA_CACHE_DIR": str(folder / "empty")})
            warm = statistics.median(seconds for seconds, _, _ in measured[FIRST])
            print(f"first run after installation: {wall:.2f} s, {wall / warm:.2f} times the later ones")


def dual_iso_frame(scene: Path, folder: Path, size: str) -> Path:
    """Photograph a scene as a dual-ISO raw file."""
    frame = folder / "frame.dng"
    door = [sys.executable, "-m", "hdrcli.sensor", str(scene), "--camera", "5D Mark III"]
    subprocess.run([*door, "--size", size, "-o", str(frame)], check=True)
    return frame


def display_picture(scene: Path, folder: Path, size: str) -> Path:
    """Photograph a scene as a JPEG in which 5 % of the pixels clip."""
    width, height = (int(side) for side in size.split("x"))
    light = cv2.resize(read_exr(scene).data[:, :, :3], (width, height), interpolation=cv2.INTER_CUBIC)
    settings = DisplaySettings(clipped=0.05, curve=CameraCurve("film", (1.5, 0.2, 2.2)), quality=92)
    frame = folder / "frame.jpg"
    frame.write_bytes(display_capture(light.clip(0), settings, np.random.default_rng(1)).encoded)
    return frame


def of_deinterlace(frame: Path, folder: Path) -> dict[str, list[str]]:
    """Return the commands to compare, by title."""
    hdrcli = [sys.executable, "-m", "hdrcli", "deinterlace", "-q", "--overwrite", str(frame)]
    commands = {
        FIRST: [*hdrcli, "-o", str(folder / "out.exr")],
        "hdrcli to DNG": [*hdrcli, "-o", str(folder / "out.dng")],
        "hdrcli to TIFF": [*hdrcli, "-o", str(folder / "out.tif")],
        "hdrcli to JPEG": [*hdrcli, "-o", str(folder / "out.jpg")],
        "hdrcli --model none to EXR": [*hdrcli, "--model", "none", "-o", str(folder / "out.exr")],
        "hdrcli --model dualisonet-dsc to EXR": [*hdrcli, "--model", "dualisonet-dsc", "-o", str(folder / "out.exr")],
        "rawpy (LibRaw AHD) to TIFF": [sys.executable, "-c", RAWPY, str(frame), str(folder / "rawpy.tif")],
    }
    if shutil.which("dcraw"):
        commands["dcraw to TIFF"] = ["dcraw", "-6", "-T", str(frame)]  # writes frame.tiff beside it
    if shutil.which("darktable-cli"):
        own = ["--core", "--configdir", str(folder / "darktable"), "--library", ":memory:"]
        target = folder / "darktable.exr"
        commands["darktable-cli to EXR"] = ["darktable-cli", str(frame), str(target), *own]
    return commands


def of_single(frame: Path, folder: Path) -> dict[str, list[str]]:
    """Return the commands to compare, by title."""
    hdrcli = [sys.executable, "-m", "hdrcli", "single", "-q", "--overwrite", str(frame)]
    return {
        FIRST: [*hdrcli, "-o", str(folder / "out.exr")],
        "hdrcli to AVIF": [*hdrcli, "-o", str(folder / "out.avif")],
        "hdrcli to gain-map JPEG": [*hdrcli, "--peak", "1000", "-o", str(folder / "out.jpg")],
        "hdrcli --model none to EXR": [*hdrcli, "--model", "none", "-o", str(folder / "out.exr")],
        "hdrcli --model two-stage to EXR": [*hdrcli, "--model", "two-stage", "-o", str(folder / "out.exr")],
    }


def run(command: list[str], environment: dict[str, str] | None = None) -> tuple[float, float, float]:
    """Return wall seconds, processor seconds and peak memory in MB of a command and its children."""
    for stale in (argument for argument in command if argument.endswith("darktable.exr")):
        Path(stale).unlink(missing_ok=True)  # darktable would number its output instead of replacing it
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"failed with status {status}: {' '.join(command)}")
    return time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def report(measured: dict[str, list[tuple[float, float, float]]]) -> None:
    """Print one row a command: medians, and wall time over that of the first."""
    medians = {
        title: [statistics.median(column) for column in zip(*runs, strict=True)] for title, runs in measured.items()
    }
    first = next(iter(medians.values()))[0]
    print(f"{'':38s}{'wall s':>8s}{'cpu s':>8s}{'peak MB':>9s}{'ratio':>7s}")
    for title, (wall, processor, memory) in medians.items():
        print(f"{title:38s}{wall:8.2f}{processor:8.2f}{memory:9.0f}{wall / first:7.2f}")


if __name__ == "__main__":
    main()
