"""`hdrcli stack`, the real command, on brackets as nobody wants them: a result or a clear error, never half of one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from bracket_files import write_bracket
from damaged_files import dual_iso_capture
from display_files import photograph
from PIL import Image
from real_command import run_hdrcli

from hdrcli.images import Metadata
from hdrcli.io.dng import write_dng
from hdrcli.io.exr import read_exr
from hdrcli.io.metadata import write_metadata

EVS = (0, -2, 2)


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def picture(path: Path, codes: np.ndarray, metadata: Metadata | None = None) -> Path:
    Image.fromarray(codes).save(path, quality=95)
    if metadata is not None:
        write_metadata(path, metadata)
    return path


@dataclass(frozen=True)
class Case:
    """What is wrong, and what is to come of it.

    Attributes
    ----------
    spoil : callable
        Takes the folder and three frames in it, and returns the words of the command.
    code : int
    says : str
        Part of the message; of warnings where it is not the end.
    suffix : str
    """

    spoil: Callable[[Path, list[Path]], list[object]]
    code: int
    says: str
    suffix: str = ".jpg"


def one_corrupt(_: Path, files: list[Path]) -> list[object]:
    truncated(files[1])
    return [*files]


def two_corrupt(_: Path, files: list[Path]) -> list[object]:
    truncated(files[0])
    files[2].write_bytes(b"")
    return [*files, "--preview", "small.jpg"]


def no_picture(_: Path, files: list[Path]) -> list[object]:
    files[1].write_text("two windows\n" * 100)
    return [*files]


def other_size(folder: Path, files: list[Path]) -> list[object]:
    return [*files, picture(folder / "larger.jpg", photograph(70, 96), Metadata(exposure_time_s=0.1))]


def other_camera(folder: Path, files: list[Path]) -> list[object]:
    return [*files, picture(folder / "phone.jpg", photograph(), Metadata(make="Other", model="Phone 3"))]


def raw_and_picture(folder: Path, files: list[Path]) -> list[object]:
    (folder / "raw").mkdir()
    return [*files, *write_bracket(folder / "raw", [0], suffix=".dng")]


def dual_iso(folder: Path, files: list[Path]) -> list[object]:
    write_dng(folder / "dual.dng", replace(dual_iso_capture((256, 320)).raw, name="dual.dng"))
    return [folder / "dual.dng", *files]


def far_apart_and_silent(folder: Path, _: list[Path]) -> list[object]:
    night = (photograph() // 64).astype(np.uint8)
    white = np.full((64, 96, 3), 255, np.uint8)
    return [picture(folder / "night.jpg", night), picture(folder / "white.jpg", white)]


def equal_exposures(folder: Path, _: list[Path]) -> list[object]:
    (folder / "burst").mkdir()
    return [*write_bracket(folder / "burst", [0, 0, 0])]


def silent(folder: Path, _: list[Path]) -> list[object]:
    light = photograph().astype(np.float64) * 0.5
    return [
        picture(folder / f"{number}.jpg", np.clip(light * 2 ** (ev / 2.2), 0, 255).astype(np.uint8))
        for number, ev in enumerate((-1, 0, 1))
    ]


def existing_output(folder: Path, files: list[Path]) -> list[object]:
    (folder / "out.exr").write_text("precious")
    return [*files]


def folder_that_is_a_file(folder: Path, files: list[Path]) -> list[object]:
    (folder / "file").write_text("precious")
    return [*files, "-o", "file/out.exr"]


def broken_reference(_: Path, files: list[Path]) -> list[object]:
    truncated(files[1])
    return [*files, "--reference", files[1].name]


def broken_response(folder: Path, files: list[Path]) -> list[object]:
    (folder / "curve.csv").write_text("code,red\n0,black\n")
    return [*files, "--response", "curve.csv"]


def with_words(*words: object) -> Callable[[Path, list[Path]], list[object]]:
    return lambda folder, files: [*files, *words]


CASES = {
    "one corrupt picture": Case(one_corrupt, 1, "IMG_0002.jpg is left out: "),
    "one corrupt raw file": Case(one_corrupt, 1, "IMG_0002.dng is left out: ", ".dng"),
    "two corrupt pictures": Case(two_corrupt, 3, "IMG_0001.jpg cannot be decoded"),
    "two corrupt raw files": Case(two_corrupt, 3, "IMG_0001.dng is truncated", ".dng"),
    "no picture at all": Case(no_picture, 3, "IMG_0002.jpg is not a JPEG"),
    "mixed sizes": Case(other_size, 4, "larger.jpg has 96 x 70 pixels, IMG_0001.jpg 96 x 64"),
    "mixed cameras": Case(other_camera, 4, "phone.jpg is of Other Phone 3, IMG_0001.jpg of Maker Model 1"),
    "raw and pictures": Case(raw_and_picture, 4, "IMG_0001.jpg is a display picture and IMG_0001.dng is not"),
    "dual-ISO": Case(dual_iso, 4, "Use `hdrcli deinterlace`", ".dng"),
    "no overlap, no EXIF": Case(far_apart_and_silent, 4, "share no range of light"),
    "equal exposures": Case(equal_exposures, 0, ""),
    "no EXIF": Case(silent, 0, ""),
    "existing output": Case(existing_output, 6, "'out.exr' exists already"),
    "unwritable folder": Case(folder_that_is_a_file, 6, "file"),
    "fusion to EXR": Case(with_words("--method", "fusion"), 2, "without HDR"),
    "mosaic of pictures": Case(with_words("-o", "out.dng"), 2, "display pictures have no mosaic"),
    "broken reference": Case(broken_reference, 4, "chosen as the reference cannot be read"),
    "broken response": Case(broken_response, 3, "curve.csv"),
}


def run(case: Case, folder: Path) -> tuple[subprocess.CompletedProcess[str], set[Path]]:
    """Run a case; return how the command ended and which files are new."""
    files = write_bracket(folder, EVS, suffix=case.suffix)
    words = case.spoil(folder, files)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    target = [] if "-o" in words else ["-o", "out.exr"]
    ended = run_hdrcli("stack", *words, *target, cwd=folder)
    assert {path: path.read_bytes() for path in before} == before
    return ended, {path for path in folder.rglob("*") if path.is_file()} - set(before)


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].code in (0, 1)])
def test_a_bracket_that_can_be_merged_is(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    ended, new = run(case, tmp_path)
    assert ended.returncode == case.code, ended.stderr
    assert case.says in ended.stderr
    assert "Traceback" not in ended.stderr
    assert new == {tmp_path / "out.exr"}
    light = read_exr(tmp_path / "out.exr").data
    assert light.shape[2] == 3
    assert np.isfinite(light).all()
    assert light.max() > 0.2


@pytest.mark.parametrize("name", [name for name in CASES if CASES[name].code not in (0, 1)])
def test_a_bracket_that_cannot_be_merged_is_a_clear_error(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    ended, new = run(case, tmp_path)
    assert ended.returncode == case.code, ended.stderr
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("hdrcli: "), ended.stderr
    assert case.says in last
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    assert new == set()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_exit_code_6(tmp_path: Path) -> None:
    files = write_bracket(tmp_path, EVS)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    ended = run_hdrcli("stack", *files, "-o", "closed/out.exr", cwd=tmp_path)
    assert ended.returncode == 6, ended.stderr
    assert list(closed.iterdir()) == []
