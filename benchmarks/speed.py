"""Time and memory of whole commands, from file to file, alternating in one run.

    python benchmarks/speed.py SCENE.exr [--command single|stack] [--size 5184x3456] [--runs 5] [--first-run]

SCENE is photographed by the forward model at the size given, as a dual-ISO frame for `deinterlace`, as a JPEG for
`single`, or as a hand-held raw bracket of `--frames` frames for `stack`, and every command works on those files. Peers
that are not installed are left out. Those of `deinterlace` do less than hdrcli: they develop the striped frame as if it
were an ordinary one. There are none for `single`: no program that photographers use gives light back to one picture.
Those of `stack` do less as well: HDRMerge writes a mosaic, and align_image_stack gets JPEG pictures of the frames.
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
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import rawpy

from hdrcli.images import SceneImage
from hdrcli.io.dng import write_dng
from hdrcli.io.exr import read_exr
from hdrcli.io.metadata import read_metadata, write_metadata
from hdrcli.sensor.__main__ import auto_exposure, photograph
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.capture import CaptureSettings
from hdrcli.sensor.curves import CameraCurve
from hdrcli.sensor.display import DisplaySettings, display_capture
from hdrcli.sensor.motion import hand_held_warp

FIRST = "hdrcli to EXR"
RAWPY = (
    "import sys, rawpy, tifffile; tifffile.imwrite(sys.argv[2], rawpy.imread(sys.argv[1]).postprocess(output_bps=16))"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path)
    parser.add_argument("--command", choices=("deinterlace", "single", "stack"), default="deinterlace")
    parser.add_argument("--size", help="by default 5184x3456; for single 4000x3000, for stack 6000x4000")
    parser.add_argument("--frames", type=int, default=3, help="of the bracket for stack")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--first-run", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if arguments.command == "deinterlace":
            frame = dual_iso_frame(arguments.scene, folder, arguments.size or "5184x3456")
            commands = of_deinterlace(frame, folder)
        elif arguments.command == "stack":
            frames = raw_bracket(arguments.scene, folder, arguments.size or "6000x4000", arguments.frames)
            commands = of_stack(frames, folder)
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


def raw_bracket(scene: Path, folder: Path, size: str, number: int) -> list[Path]:
    """Photograph a scene hand-held with exposures of -2, 0 and +2 EV in turn, as raw files."""
    width, height = (int(side) for side in size.split("x"))
    light = np.maximum(read_exr(scene).data[:, :, :3], 0)
    # Mirrored until the frame is no more than twice as large: enlarged further, there would be no detail to align.
    below, right = max(height // 2 - light.shape[0], 0), max(width // 2 - light.shape[1], 0)
    light = np.pad(light, ((0, below), (0, right), (0, 0)), mode="symmetric")
    camera, settings = find_camera("5D Mark III"), CaptureSettings(iso=(100.0, 100.0))
    base = float(np.log2(auto_exposure(light, camera, settings)))
    rng = np.random.default_rng(1)
    files = []
    for i in range(number):
        warp = hand_held_warp(rng, light.shape, shift_px=4, rotation_degrees=0.1)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        seen = cv2.warpPerspective(light, warp, light.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REFLECT)
        stops = (-2, 0, 2)[i % 3]
        frame = photograph(SceneImage(seen), camera, settings, stops=base + stops, size=(height, width), seed=i)
        metadata = replace(
            frame.metadata, exposure_time_s=2.0**stops / 60, captured=f"2026:06:21 12:00:{i % 60:02d}", provenance={}
        )
        files.append(folder / f"frame-{i + 1:02d}.dng")
        write_dng(files[-1], replace(frame, metadata=metadata))
    return files


def as_jpeg(raw_file: Path) -> Path:
    """Develop a raw file for programs that take pictures only."""
    with rawpy.imread(str(raw_file)) as raw:
        picture = raw.postprocess(no_auto_bright=True)
    file = raw_file.with_suffix(".jpg")
    cv2.imwrite(str(file), picture[:, :, ::-1])
    write_metadata(file, read_metadata(raw_file))
    return file


def of_stack(frames: list[Path], folder: Path) -> dict[str, list[str]]:
    """Return the commands to compare, by title."""
    files = [str(frame) for frame in frames]
    hdrcli = [sys.executable, "-m", "hdrcli", "stack", "-q", "--overwrite", *files]
    commands = {
        FIRST: [*hdrcli, "-o", str(folder / "out.exr")],
        "hdrcli to DNG": [*hdrcli, "-o", str(folder / "out.dng")],
    }
    if shutil.which("hdrmerge"):
        merged = ["hdrmerge", "-o", str(folder / "hdrmerge.dng"), *files]
        commands["HDRMerge to DNG"] = ["env", "QT_QPA_PLATFORM=offscreen", *merged]
    if shutil.which("align_image_stack"):
        pictures = [str(as_jpeg(frame)) for frame in frames]
        commands["align_image_stack to HDR"] = [
            "align_image_stack", "-f", "50", "-a", str(folder / "aligned"), "-o", str(folder / "hugin.hdr"), *pictures
        ]  # fmt: skip
    return commands


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
