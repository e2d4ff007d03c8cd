"""Makes test frames: `python -m hdrcli.sensor SCENE.exr --camera NAME --iso 100/1600 -o frame.dng`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import cv2
import numpy as np

from hdrcli import __version__
from hdrcli.errors import HdrcliError, UsageError
from hdrcli.images import BAYER_PATTERNS, FloatArray, RawFrame, SceneImage
from hdrcli.io.dng import write_dng
from hdrcli.io.exr import read_exr
from hdrcli.io.icc import rgb_to_pcs
from hdrcli.io.output import atomic_output, check_output
from hdrcli.sensor.cameras import Camera, find_camera
from hdrcli.sensor.capture import CaptureSettings, capture_in_bands, daylight_neutral, scene_to_camera
from hdrcli.sensor.mosaic import ROW_PATTERNS

AUTO_PERCENTILE = 99.5
LARGEST_PIXELS = 100_000_000
# In units of the low clip. Enlarged on linear light, the ringing beside a lamp would be brighter than the room.
_COMPRESSION_KNEE = np.float32(1e-3)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.argument("scene", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="DNG file to write.")
@click.option("--camera", required=True, help="Name of a calibrated camera, or a part of it.")
@click.option("--iso", default="100/1600", show_default=True, help="ISO of the low and the high rows; 400 for both.")
@click.option("--single", is_flag=True, help="An ordinary frame: all rows at the low ISO.")
@click.option("--exposure", default="auto", show_default=True, metavar="EV|auto",
              help="EV on the scene: at 0, white of radiance 1.0 just clips in the low rows; "
                   f"auto: the {AUTO_PERCENTILE} percentile of the brightest channel does.")  # fmt: skip
@click.option("--pattern", type=click.Choice(ROW_PATTERNS), default="HHLL", show_default=True,
              help="Classes of the first four rows, high or low.")  # fmt: skip
@click.option("--cfa", type=click.Choice(BAYER_PATTERNS),
              help="Bayer pattern.  [default: that of the camera]")  # fmt: skip
@click.option("--neutral", metavar="R,G,B", help="Camera RGB of a neutral object.  [default: daylight]")
@click.option("--gain", type=click.FloatRange(min=1), help="True ratio of high to low counts.  [default: of the ISO]")
@click.option("--blur", type=click.FloatRange(0, 20), default=0.5, show_default=True,
              help="Blur of lens and low-pass filter: standard deviation in pixels.")  # fmt: skip
@click.option("--hot-pixels", type=click.FloatRange(0, 1), default=0.0, help="Share of hot pixels.")
@click.option("--border", type=click.IntRange(0, 512), default=0, help="Masked columns on the left and rows on top.")
@click.option("--size", metavar="WIDTHxHEIGHT", help="Resize the scene first; up to 100 megapixels.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the noise.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def simulate(
    scene: Path,
    output: Path,
    camera: str,
    iso: str,
    single: bool,
    exposure: str,
    pattern: str,
    cfa: str | None,
    neutral: str | None,
    gain: float | None,
    blur: float,
    hot_pixels: float,
    border: int,
    size: str | None,
    seed: int,
    overwrite: bool,
) -> None:
    """Photograph SCENE, a linear OpenEXR picture, with a simulated camera; write what it records as DNG.

    \b
    Examples:
      python -m hdrcli.sensor room.exr --camera "5D Mark III" --iso 100/1600 -o room.dng
      python -m hdrcli.sensor room.exr --camera 550D --iso 200 --size 5184x3456 -o plain.dng
    """  # noqa: D301
    if output.suffix.lower() != ".dng":
        raise UsageError(f"The output {str(output)!r} has to be a .dng file.")
    found = find_camera(camera)
    low, high = _iso_pair(iso, single=single)
    settings = CaptureSettings(
        iso=(low, high),
        row_pattern=pattern,
        cfa=cfa,
        neutral=_neutral(neutral) if neutral else daylight_neutral(found),
        gain=1.0 if low == high else gain,
        blur_px=blur,
        hot_pixels=hot_pixels,
        border=border,
    )
    wanted = None if size is None else _height_and_width(size)
    stops = None if exposure == "auto" else _number(exposure, "--exposure")
    check_output(output, overwrite=overwrite, inputs=[scene])
    frame = photograph(read_exr(scene), found, settings, stops=stops, size=wanted, seed=seed)
    with atomic_output(output, overwrite=overwrite, inputs=[scene]) as path:
        write_dng(path, frame)


def photograph(
    scene: SceneImage,
    camera: Camera,
    settings: CaptureSettings,
    *,
    stops: float | None = None,
    size: tuple[int, int] | None = None,
    seed: int = 0,
) -> RawFrame:
    """Return the frame that a camera records of a scene, with the settings in its provenance.

    Parameters
    ----------
    scene : SceneImage
        In any space but "camera".
    camera : Camera
    settings : CaptureSettings
        Its exposure is replaced.
    stops : float, optional
        Exposure in EV; by default the 99.5 percentile of the brightest channel lands on the low clip.
    size : tuple of 2 int, optional
        Rows and columns to resize to: bicubic on a compressed scale where the scene grows, means where it shrinks.
    seed : int
    """
    radiance = _as_linear_srgb(scene)
    exposure = auto_exposure(radiance, camera, settings) if stops is None else 2.0**stops
    settings = replace(settings, exposure=exposure)
    height, width = size or radiance.shape[:2]
    rows = _resized_rows(radiance, height, width, exposure)
    frame = capture_in_bands(rows, height, camera, settings, np.random.default_rng(seed))
    provenance = {
        "version": __version__,
        "simulated": camera.name,
        "iso": f"{settings.iso[0]:g}/{settings.iso[1]:g}",
        "row_pattern": settings.row_pattern if settings.iso[0] != settings.iso[1] else "none",
        "gain": f"{settings.true_gain:g}",
        "exposure_ev": f"{np.log2(exposure):.4f}",
        "seed": str(seed),
    }
    return replace(frame, metadata=replace(frame.metadata, provenance=provenance))


def auto_exposure(radiance: FloatArray, camera: Camera, settings: CaptureSettings) -> float:
    """Return the factor that puts the 99.5 percentile of the brightest camera channel at the low clip."""
    neutral = settings.neutral or daylight_neutral(camera)
    step = max(1, radiance.shape[0] * radiance.shape[1] // 4_000_000)
    sample = scene_to_camera(radiance.reshape(-1, 3)[::step], camera, neutral)
    level = float(np.percentile(sample.max(axis=1), AUTO_PERCENTILE))
    if level <= 0:
        raise UsageError("The scene is black; give --exposure.")
    return 1 / level


def _as_linear_srgb(scene: SceneImage) -> FloatArray:
    if scene.colour_space == "camera":
        raise UsageError("The scene is in the RGB of some camera; its colours are not known.")
    if not np.isfinite(scene.data).all():
        raise UsageError("The scene holds values that are not finite.")
    matrix = np.linalg.solve(rgb_to_pcs("srgb-linear"), rgb_to_pcs(scene.colour_space))
    converted = scene.data if scene.colour_space == "srgb-linear" else scene.data @ matrix.T.astype(np.float32)
    return np.maximum(converted, np.float32(0))


def _resized_rows(radiance: FloatArray, height: int, width: int, exposure: float) -> Callable[[int, int], FloatArray]:
    """Return a function that gives rows of the resized scene."""
    if (height, width) == radiance.shape[:2]:
        return lambda first, last: radiance[first:last]
    if height <= radiance.shape[0] and width <= radiance.shape[1]:
        small = np.asarray(cv2.resize(radiance, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)
        return lambda first, last: small[first:last]
    knee = _COMPRESSION_KNEE / np.float32(exposure)
    compressed = np.arcsinh(radiance / knee)
    large = cv2.resize(compressed, (width, height), interpolation=cv2.INTER_CUBIC)
    return lambda first, last: np.sinh(np.maximum(large[first:last], np.float32(0))) * knee


def _iso_pair(text: str, *, single: bool) -> tuple[float, float]:
    if not re.fullmatch(r"\d+(\.\d+)?(/\d+(\.\d+)?)?", text):
        raise UsageError(f"--iso is a pair such as 100/1600, or one value; not {text!r}.")
    values = [float(value) for value in text.split("/")]
    low, high = values[0], values[0] if single else values[-1]
    if not 0 < low <= high <= 1e6:
        raise UsageError(f"--iso gives the low rows first, above 0; not {text!r}.")
    return low, high


def _neutral(text: str) -> tuple[float, float, float]:
    values = [_number(part, "--neutral") for part in text.split(",")]
    if len(values) != 3 or min(values) <= 0:
        raise UsageError(f"--neutral is three numbers above 0 such as 0.5,1,0.7; not {text!r}.")
    red, green, blue = (value / max(values) for value in values)
    return red, green, blue


def _number(text: str, option: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not -100 < value < 100:
        raise UsageError(f"{option} has the value {text!r}, which is no sensible number.")
    return value


def _height_and_width(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", text)
    width, height = (int(number) for number in match.groups()) if match else (0, 0)
    if not 0 < width * height <= LARGEST_PIXELS:
        raise UsageError(f"--size is WIDTHxHEIGHT of at most 100 megapixels, such as 5184x3456; not {text!r}.")
    return height, width


def main() -> None:
    """Run the command; an error is one line and its exit code."""
    try:
        simulate()
    except HdrcliError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
