"""`python -m hdrcli.sensor` makes frames that other programs open, and refuses nonsense in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rawpy
from click.testing import CliRunner, Result

from hdrcli.errors import UsageError
from hdrcli.images import Metadata, SceneImage
from hdrcli.io.exr import write_exr
from hdrcli.io.metadata import provenance_of
from hdrcli.sensor.__main__ import photograph, simulate
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.capture import CaptureSettings, daylight_neutral
from hdrcli.sensor.mosaic import high_rows

CAMERA = find_camera("550D")
BLACK, WHITE = CAMERA.black, CAMERA.white(100)


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    path = tmp_path / "scène.exr"
    data = np.geomspace(1e-4, 4, 96 * 128, dtype=np.float32).reshape(96, 128, 1).repeat(3, axis=2)
    write_exr(path, SceneImage(data), metadata=Metadata(), bits=32)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(simulate, [str(argument) for argument in arguments], catch_exceptions=True)


def counts(path: Path) -> np.ndarray:
    with rawpy.imread(str(path)) as raw:
        return np.array(raw.raw_image_visible)


def test_a_frame_is_written(scene: Path, tmp_path: Path) -> None:
    output = tmp_path / "frame ü.dng"
    result = run(scene, "--camera", "550D", "-o", output, "--border", 16, "--pattern", "LHHL", "--seed", 7)
    assert (result.exit_code, result.output) == (0, "")
    found = counts(output) - BLACK
    assert found.shape == (96, 128)
    ratio = found[high_rows(96, "LHHL")][8:20].mean() / found[~high_rows(96, "LHHL")][8:20].mean()
    assert ratio == pytest.approx(16, rel=0.3)
    with rawpy.imread(str(output)) as raw:
        assert (raw.sizes.top_margin, raw.sizes.left_margin) == (16, 16)
        assert raw.white_level == WHITE
    said = provenance_of(output)
    assert (said["simulated"], said["row_pattern"], said["gain"], said["seed"]) == ("Canon EOS 550D", "LHHL", "16", "7")


@pytest.mark.parametrize(
    "options", [["--single"], ["--iso", "100"], ["--iso", "100/100"], ["--iso", "100", "--gain", 9]]
)
def test_an_ordinary_frame(scene: Path, tmp_path: Path, options: list[object]) -> None:
    assert run(scene, "--camera", "550D", "-o", tmp_path / "a.dng", *options).exit_code == 0
    found = counts(tmp_path / "a.dng")[60:80] - BLACK
    high = high_rows(20, "HHLL")
    assert found[high].mean() / found[~high].mean() == pytest.approx(1, rel=0.3)
    assert provenance_of(tmp_path / "a.dng")["row_pattern"] == "none"


def test_auto_exposure_puts_the_bright_percentile_at_the_clip(scene: Path, tmp_path: Path) -> None:
    assert run(scene, "--camera", "550D", "--single", "-o", tmp_path / "a.dng").exit_code == 0
    found = counts(tmp_path / "a.dng")
    green = np.stack([found[0::2, 1::2], found[1::2, 0::2]])
    assert 0.002 < (green >= WHITE).mean() < 0.008


def test_exposure_in_stops(tmp_path: Path) -> None:
    flat = SceneImage(np.full((64, 64, 3), 0.2, np.float32))
    settings = CaptureSettings(iso=(100.0, 100.0), neutral=(1.0, 1.0, 1.0))
    means = [photograph(flat, CAMERA, settings, stops=stops).counts.mean() - BLACK for stops in (-1.0, 0.0, 1.0)]
    np.testing.assert_allclose(means, np.array([0.1, 0.2, 0.4]) * (WHITE - BLACK), rtol=0.01)


def test_scenes_in_other_spaces_are_converted() -> None:
    settings = CaptureSettings(iso=(100.0, 100.0))
    for space in ("srgb-linear", "rec2020", "acescg"):
        white = SceneImage(np.full((64, 64, 3), 0.5, np.float32), space)
        frame = photograph(white, CAMERA, settings, stops=0.0)
        found = (frame.counts[0::2, 0::2].mean() - BLACK) / (WHITE - BLACK)
        assert found == pytest.approx(0.5 * daylight_neutral(CAMERA)[0], rel=0.01)
    with pytest.raises(UsageError, match="RGB of some camera"):
        photograph(SceneImage(white.data, "camera"), CAMERA, settings)


@pytest.mark.parametrize(("size", "shape"), [("300x200", (200, 300)), ("64x48", (48, 64)), ("640x31", (31, 640))])
def test_the_scene_is_resized(scene: Path, tmp_path: Path, size: str, shape: tuple[int, int]) -> None:
    result = run(scene, "--camera", "6D", "-o", tmp_path / "a.dng", "--size", size, "--exposure", "0")
    assert result.exit_code == 0
    assert counts(tmp_path / "a.dng").shape == shape


def test_enlarging_keeps_the_dark_beside_a_lamp_dark() -> None:
    data = np.full((32, 32, 3), 0.001, np.float32)
    data[14:18, 14:18] = 100.0
    settings = CaptureSettings(iso=(100.0, 100.0), blur_px=0.0, row_noise=0.0, neutral=(1.0, 1.0, 1.0))
    frame = photograph(SceneImage(data), find_camera("D750"), settings, stops=4.0, size=(320, 320))
    light = (frame.counts.astype(float) - frame.black[0]) / (frame.white - frame.black[0])
    assert light[160, 160] == pytest.approx(1, abs=1e-3)
    ring = light[100:130, 100:220]
    assert ring.mean() == pytest.approx(0.016, rel=0.1)
    assert ring.min() > 0.004  # on linear light it would be black


def test_a_black_scene_needs_an_exposure() -> None:
    black = SceneImage(np.zeros((32, 32, 3), np.float32))
    with pytest.raises(UsageError, match="black; give --exposure"):
        photograph(black, CAMERA, CaptureSettings())
    assert photograph(black, CAMERA, CaptureSettings(), stops=0.0).counts.mean() == pytest.approx(BLACK, abs=1)


def test_scenes_that_are_not_finite_are_refused() -> None:
    for value in (np.nan, np.inf):
        with pytest.raises(UsageError, match="not finite"):
            photograph(SceneImage(np.full((8, 8, 3), value, np.float32)), CAMERA, CaptureSettings())


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--camera", "canon"], "More than one calibrated camera fits 'canon': Canon EOS 5D Mark III"),
        (["--camera", "Zorki"], "No calibrated camera fits 'Zorki'"),
        (["--iso", "1600/100"], "--iso gives the low rows first"),
        (["--iso", "100-1600"], "--iso is a pair such as 100/1600"),
        (["--size", "0x9"], "--size is WIDTHxHEIGHT of at most 100 megapixels"),
        (["--size", "20000x20000"], "at most 100 megapixels"),
        (["--exposure", "bright"], "--exposure has the value 'bright'"),
        (["--exposure", "nan"], "--exposure has the value 'nan'"),
        (["--neutral", "1,2"], "--neutral is three numbers"),
        (["--neutral", "1,0,1"], "--neutral is three numbers"),
        (["-o", "frame.cr2"], "has to be a .dng file"),
    ],
)
def test_nonsense_is_refused(scene: Path, tmp_path: Path, options: list[str], reason: str) -> None:
    result = run(scene, "--camera", "550D", "-o", tmp_path / "a.dng", *options)
    assert isinstance(result.exception, UsageError)
    assert reason in str(result.exception)
    assert not (tmp_path / "a.dng").exists()


def test_the_real_command_says_errors_in_one_line_and_helps(scene: Path, tmp_path: Path) -> None:
    def real(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hdrcli.sensor", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    options = ["--camera", "550D", "-o", tmp_path / "a.dng"]
    assert real(scene, *options).returncode == 0
    again = real(scene, *options)
    assert (again.returncode, again.stderr.count("\n")) == (6, 1)
    assert "exists already; --overwrite replaces it." in again.stderr
    missing = real(tmp_path / "no.exr", "--camera", "550D", "-o", tmp_path / "b.dng")
    assert (missing.returncode, missing.stderr.count("\n")) == (3, 1)
    assert "Examples:" in real("--help").stdout
