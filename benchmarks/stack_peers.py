"""Other programs that merge brackets, on the files that hdrcli sees: see `benchmarks/stack.py`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import HdrcliError
from hdrcli.images import FloatArray
from hdrcli.io.dng import write_dng
from hdrcli.io.exr import read_exr
from hdrcli.io.metadata import write_metadata
from hdrcli.io.raw import read_raw
from hdrcli.sensor.bracket import DisplayBracket
from hdrcli.training.metrics import mu_law
from hdrcli.training.stack_cases import StackCase
from hdrcli.training.stack_evaluate import Answer, Method, display, raw

SECONDS = 120
_REACH_PX = 8


class PeerError(HdrcliError):
    """A program that did not do its work."""


def raw_peers() -> dict[str, Method | None]:
    """Return the programs for raw brackets by name, None for those that are not installed."""
    return {"HDRMerge": installed("hdrmerge", hdrmerge)}


def display_peers() -> dict[str, Method | None]:
    """Return the programs for display brackets by name, None for those that are not installed."""
    return {
        "align_image_stack + Debevec": installed("align_image_stack", align_image_stack),
        "luminance-hdr": installed("luminance-hdr-cli", luminance_hdr),
        "pfstools, Robertson": installed("pfshdrcalibrate", pfstools),
    }


def installed(program: str, method: Method) -> Method | None:
    return method if shutil.which(program) else None


def opencv(case: StackCase, still: StackCase) -> Answer:
    """Align, recover the response and merge by OpenCV: AlignMTB, CalibrateDebevec, MergeDebevec."""
    bracket = display(case)
    pictures = [np.ascontiguousarray(picture) for picture in bracket.pictures]
    cv2.createAlignMTB(cut=False).process(pictures, pictures)
    return Answer(debevec(pictures, bracket))


def debevec(pictures: Sequence[NDArray[np.uint8]], bracket: DisplayBracket) -> FloatArray:
    """Return the light of aligned pictures by OpenCV's Debevec, with the stated exposures."""
    times = np.array([metadata.exposure_time_s for metadata in bracket.metadata], np.float32)
    response = cv2.createCalibrateDebevec().process(list(pictures), times)
    light = cv2.createMergeDebevec().process(list(pictures), times, response)
    return finite(light)


def align_image_stack(case: StackCase, still: StackCase) -> Answer:
    """Align to the middle picture by Hugin's program and merge by OpenCV's Debevec."""
    bracket = display(case)
    pictures, inside = not_two_to_one(bracket)
    order = [bracket.reference, *(i for i in range(len(pictures)) if i != bracket.reference)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_tiffs(pictures, folder)
        # A field of view is asked for where the file states no focal length; that of a normal lens.
        command = ["align_image_stack", "-f", "50", "--align-to-first", "-a", str(folder / "aligned")]
        run([*command, *(str(files[i]) for i in order)])
        for place, index in enumerate(order):
            picture = cv2.imread(str(folder / f"aligned{place:04d}.tif"), cv2.IMREAD_COLOR)
            if picture is None or picture.shape != pictures[index].shape:
                raise PeerError("align_image_stack wrote no picture of this size.")
            pictures[index] = np.ascontiguousarray(picture[:, :, ::-1])
    return Answer(debevec(pictures, bracket), inside=inside)


def luminance_hdr(case: StackCase, still: StackCase) -> Answer:
    """Align and merge by Luminance HDR: align_image_stack inside, Debevec with the curve of sRGB.

    Of what it offers the best that runs: after this alignment its Robertson ends in a failed assertion.
    """
    bracket = display(case)
    pictures, inside = not_two_to_one(bracket)
    stops = np.log2([metadata.exposure_time_s or 1.0 for metadata in bracket.metadata])
    evs = ",".join(f"{stop - stops[bracket.reference]:.3f}" for stop in stops)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        out = folder / "out.exr"
        options = ["-e", evs, "-a", "AIS", "--hdrModel", "debevec", "--hdrResponseCurve", "srgb", "-s", str(out)]
        run(["luminance-hdr-cli", *options, *map(str, write_tiffs(pictures, folder))], folder)
        light = written(out)
    if light.shape != pictures[0].shape:
        raise PeerError(f"The result is of {light.shape[:2]} pixels, the frames are of {pictures[0].shape[:2]}.")
    if bracket.moving is not None:
        return Answer(light, inside=inside)
    views = [shot.truth[inside] / np.float32(gain) for shot, gain in zip(bracket.captures, bracket.gains, strict=True)]
    level = np.float32(np.median(bracket.truth) / max(float(np.median(light)), 1e-12))
    return best_view(light * level, views, step=1)


def pfstools(case: StackCase, still: StackCase) -> Answer:
    """Recover the response and merge by Robertson's method in pfshdrcalibrate; nothing is aligned."""
    bracket = display(case)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_pictures(bracket, folder)
        lines = [
            f"{file} {1 / (metadata.exposure_time_s or 1.0):.6f} {metadata.f_number} {metadata.iso:g} 0\n"
            for file, metadata in zip(files, bracket.metadata, strict=True)
        ]
        script = folder / "bracket.hdrgen"
        script.write_text("".join(lines))
        out = folder / "out.exr"
        run(["sh", "-c", f"pfsinhdrgen '{script}' | pfshdrcalibrate -c robertson | pfsoutexr '{out}'"])
        return Answer(written(out))


def hdrmerge(case: StackCase, still: StackCase) -> Answer:
    """Align and merge DNG files of the frames by HDRMerge; its own scale is fitted."""
    bracket = raw(case)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = []
        for frame in bracket.frames:
            files.append(folder / f"{frame.name}.dng")
            write_dng(files[-1], frame)
        out = folder / "out.dng"
        run(["hdrmerge", "-b", "32", "--no-crop", "-o", str(out), *map(str, files)])
        if not out.exists():
            raise PeerError("hdrmerge wrote nothing.")
        merged = read_raw(out)
    black = np.float32(merged.black[0])
    mosaic = (merged.counts - black) / (np.float32(merged.white) - black)
    truth = bracket.truth_mosaic
    if mosaic.shape != truth.shape or merged.cfa != bracket.frames[0].cfa:
        raise PeerError(f"hdrmerge wrote {mosaic.shape} of {truth.shape} samples.")
    seen = (truth > 0.02) & (truth < 0.7)
    light = np.asarray(mosaic * np.median(truth[seen] / np.maximum(mosaic[seen], 1e-6)), dtype=np.float32)
    if bracket.moving is not None:
        return Answer(light)
    views = [shot.truth_mosaic / np.float32(gain) for shot, gain in zip(bracket.captures, bracket.gains, strict=True)]
    return best_view(light, views, step=2)


def best_view(light: FloatArray, views: Sequence[FloatArray], *, step: int) -> Answer:
    """Return the answer on the frame, and at the shift in steps of pixels, that fit it best.

    No program is punished for having another frame as its reference, or another corner.
    """
    shown = mu_law(np.minimum(light, 1))
    compared = [mu_law(np.minimum(view, 1)) for view in views]
    edge, (height, width) = _REACH_PX, light.shape[:2]
    inner = shown[edge : height - edge, edge : width - edge]
    shifts = range(-edge, edge + 1, step)

    def error(view: int, down: int, right: int) -> float:
        other = compared[view][edge + down : height - edge + down, edge + right : width - edge + right]
        return float(np.mean(np.square(inner - other)))

    frame, down, right = min(
        ((view, down, right) for view in range(len(views)) for down in shifts for right in shifts),
        key=lambda place: error(*place),
    )
    rows = slice(max(down, 0), height + min(down, 0))
    columns = slice(max(right, 0), width + min(right, 0))
    own = light[rows.start - down : rows.stop - down, columns.start - right : columns.stop - right]
    return Answer(np.ascontiguousarray(own), frame, (rows, columns))


def write_pictures(bracket: DisplayBracket, folder: Path) -> list[Path]:
    """Write the JPEG files with their exposures."""
    files = []
    for number, (shot, metadata) in enumerate(zip(bracket.captures, bracket.metadata, strict=True), start=1):
        files.append(folder / f"frame-{number}.jpg")
        files[-1].write_bytes(shot.encoded)
        write_metadata(files[-1], metadata)
    return files


def not_two_to_one(bracket: DisplayBracket) -> tuple[list[NDArray[np.uint8]], tuple[slice, slice]]:
    """Return the pictures without some columns where they are twice as wide as high: Hugin takes such for panoramas."""
    height, width = bracket.truth.shape[:2]
    inside = (slice(0, height), slice(0, width - 8 if width == 2 * height else width))
    return [np.ascontiguousarray(picture[inside]) for picture in bracket.pictures], inside


def write_tiffs(pictures: Sequence[NDArray[np.uint8]], folder: Path) -> list[Path]:
    files = [folder / f"frame-{number}.tif" for number in range(1, len(pictures) + 1)]
    for file, picture in zip(files, pictures, strict=True):
        cv2.imwrite(str(file), picture[:, :, ::-1])
    return files


def run(command: list[str], folder: Path | None = None) -> None:
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen"}
    try:
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"{command[0]} took more than {SECONDS} s.") from error
    if done.returncode != 0:
        raise PeerError(f"{command[0]} ended with {done.returncode}: {done.stderr[-200:].decode(errors='replace')}")


def written(path: Path) -> FloatArray:
    """Return the light in the EXR file of a program."""
    if not path.exists():
        raise PeerError(f"{path.name} was not written.")
    return finite(read_exr(path).data)


def finite(light: FloatArray) -> FloatArray:
    """Return light without NaN and infinities, which become the largest number there is otherwise."""
    largest = float(np.max(light[np.isfinite(light)], initial=0.0))
    return np.asarray(np.nan_to_num(light, nan=0.0, posinf=largest, neginf=0.0), dtype=np.float32)
