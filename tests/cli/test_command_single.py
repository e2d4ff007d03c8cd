"""`hdrcli single`, the real command on real files: outputs, reports, refusals, and what is left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from display_files import hdr_avif, photograph, raw_photograph, saved, ultra_hdr
from real_command import environment, run_hdrcli

from hdrcli.io.dng import write_dng
from hdrcli.io.exr import read_exr

CLASSICAL = ("--model", "none")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return saved(tmp_path / "in.jpg", photograph())


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_every_format_is_written_and_reported(source: Path, tmp_path: Path) -> None:
    for suffix in ("exr", "tif", "jpg", "png"):
        run = run_hdrcli("single", source, "-o", f"out.{suffix}", *CLASSICAL, "--json", cwd=tmp_path)
        assert run.returncode == 0, run.stderr
        assert run.stderr == f"{source} -> out.{suffix}\n"
        facts = json.loads(run.stdout)
        assert facts["output"] == f"out.{suffix}"
        assert (facts["kind"], facts["light"], facts["model"]) == ("JPEG", "expanded", "none")
        assert (tmp_path / f"out.{suffix}").stat().st_size > 1000
    light = read_exr(tmp_path / "out.exr").data
    assert light.shape == (64, 96, 3)
    assert light.max() > 1.5


def test_files_of_every_kind_make_one_batch(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", photograph())
    saved(tmp_path / "b.webp", photograph(), orientation=6)
    saved(tmp_path / "c.tif", photograph()[..., 0])
    (tmp_path / "d.jpg").write_bytes(ultra_hdr()[0])
    (tmp_path / "e.avif").write_bytes(hdr_avif(np.full((16, 24, 3), 600, np.uint16)))
    write_dng(tmp_path / "f.dng", raw_photograph())
    sources = sorted(tmp_path.iterdir())
    words = (*CLASSICAL, "--colour-space", "acescg", "-o", "out/", "--preview", "out/{stem}-small.png", "--jobs", 2)
    run = run_hdrcli("single", *sources, *words, "--json", "-v", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert names(tmp_path / "out") == {f"{name}{end}" for name in "abcdef" for end in (".exr", "-small.png")}
    facts = json.loads(run.stdout)
    assert [Path(one["source"]) for one in facts] == sources
    assert [one["kind"] for one in facts] == ["PNG", "WebP", "TIFF", "JPEG", "AVIF", "camera raw"]
    assert [one["light"] for one in facts] == ["expanded"] * 3 + ["gain map", "PQ", "expanded"]
    assert (facts[1]["width"], facts[1]["height"]) == (64, 96)
    assert "Colour profile" in run.stderr
    assert read_exr(tmp_path / "out" / "b.exr").colour_space == "acescg"
    run = run_hdrcli("single", *sources, *words, "--skip-existing", cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "6 of 6 inputs skipped: their outputs exist.\n")


def test_the_hdr_of_a_file_can_be_left_aside(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(ultra_hdr()[0])
    (tmp_path / "b.avif").write_bytes(hdr_avif(np.full((16, 24, 3), 600, np.uint16)))
    run = run_hdrcli("single", "a.jpg", "b.avif", *CLASSICAL, "--no-embedded-hdr", "--json", cwd=tmp_path)
    assert run.returncode == 1
    expanded, refused = json.loads(run.stdout)
    assert (expanded["hdr"], expanded["light"]) == ("gain map", "expanded")
    assert refused["exit_code"] == 4
    assert "b.avif is PQ throughout" in refused["error"]
    assert names(tmp_path) == {"a.jpg", "b.avif", "a.exr"}


def test_an_existing_output_is_kept_unless_told_otherwise(source: Path, tmp_path: Path) -> None:
    (tmp_path / "in.exr").write_text("precious")
    run = run_hdrcli("single", source, *CLASSICAL, cwd=tmp_path)
    assert run.returncode == 6
    assert "--overwrite" in run.stderr
    assert (tmp_path / "in.exr").read_text() == "precious"
    assert run_hdrcli("single", source, *CLASSICAL, "--overwrite", cwd=tmp_path).returncode == 0
    before = source.read_bytes()
    run = run_hdrcli("single", source, "-o", source, *CLASSICAL, "--overwrite", cwd=tmp_path)
    assert run.returncode == 6
    assert "is an input" in run.stderr
    assert source.read_bytes() == before


@pytest.mark.parametrize(
    ("words", "exit_code", "message"),
    [
        (("-o", "out.dng"), 2, "a display picture has no mosaic"),
        (("--colour-space", "camera"), 2, "no colour space 'camera'"),
        (("-o", "out.webp"), 2, "unknown suffix '.webp'"),
        (("--exposure", "inf"), 2, "--exposure"),
        (("--model", "nosuch"), 5, "There is no model 'nosuch'"),
        (("--model", "dualiso-unet"), 5, "is for 'deinterlace', not for 'single'"),
        (("-o", "missing/out.exr"), 6, "the folder 'missing' does not exist"),
        (("-o", "in.jpg/out.exr"), 6, "cannot be written"),
    ],
)
def test_what_cannot_be_is_one_line_and_leaves_nothing(
    words: tuple[str, ...], exit_code: int, message: str, source: Path, tmp_path: Path
) -> None:
    run = run_hdrcli("single", source, *words, cwd=tmp_path)
    assert (run.returncode, run.stdout) == (exit_code, ""), run.stderr
    assert run.stderr.startswith("hdrcli: ")
    assert message in run.stderr
    assert run.stderr.count("\n") == 1
    assert names(tmp_path) == {"in.jpg"}


def write_refused(folder: Path) -> dict[str, str]:
    """Write files that are no pictures, or none that can be used; return what is said of each by name."""
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("This is no picture.\n" * 50)
    whole = saved(folder / "whole.png", photograph()).read_bytes()
    (folder / "whole.png").write_bytes(whole[: len(whole) // 2])
    cmyk = np.zeros((8, 8, 4), np.uint8)
    (folder / "cmyk.jpg").write_bytes(imagecodecs.jpeg8_encode(cmyk, colorspace="CMYK", outcolorspace="CMYK"))
    tifffile.imwrite(folder / "inks.tif", cmyk, photometric="separated")
    tifffile.imwrite(folder / "float.tif", np.zeros((8, 8, 3), np.float32), photometric="rgb")
    saved(folder / "glass.png", np.dstack([photograph(), np.full((64, 96), 9, np.uint8)]))
    (folder / "folder.jpg").mkdir()
    return {
        "empty.jpg": "is empty",
        "text.jpg": "Pictures are read from JPEG",
        "whole.png": "truncated or damaged",
        "cmyk.jpg": "CMYK",
        "inks.tif": "CMYK",
        "float.tif": "floating point",
        "glass.png": "transparent",
        "folder.jpg": "is a folder",
        "missing.jpg": "No such file",
    }


def test_what_is_no_picture_is_exit_code_3_and_the_others_go_on(tmp_path: Path) -> None:
    expected = write_refused(tmp_path)
    good = saved(tmp_path / "good.png", photograph())
    before = names(tmp_path)
    sources = [tmp_path / name for name in expected]
    run = run_hdrcli("single", *sources, good, *CLASSICAL, "-o", "out/", "--json", "-q", cwd=tmp_path)
    assert run.returncode == 1
    *refused, done = json.loads(run.stdout)
    for words, facts in zip(expected.values(), refused, strict=True):
        assert facts["exit_code"] == 3, facts
        assert words in facts["error"]
    assert done["output"] == "out/good.exr"
    assert all(line.startswith("hdrcli: ") for line in run.stderr.splitlines())
    assert len(run.stderr.splitlines()) == len(expected) + 1
    assert names(tmp_path) == before | {"out"}
    assert names(tmp_path / "out") == {"good.exr"}


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_exit_code_6(source: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    run = run_hdrcli("single", source, *CLASSICAL, "-o", "locked/out.exr", cwd=tmp_path)
    assert run.returncode == 6
    assert names(tmp_path / "locked") == set()


def test_the_waiting_side_imports_nothing_heavy(source: Path, tmp_path: Path) -> None:
    script = "import sys; from hdrcli.cli.main import main; main(sys.argv[1:]); print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script, "single", str(source), "-q", *CLASSICAL],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tmp_path / "in.exr").exists()
    assert {"numpy", "numba", "cv2", "rawpy", "PIL", "hdrcli.recipes.single"}.isdisjoint(run.stdout.split())


def test_info_names_pictures_and_the_command(source: Path, tmp_path: Path) -> None:
    (tmp_path / "hdr.jpg").write_bytes(ultra_hdr()[0])
    run = run_hdrcli("info", source, "hdr.jpg", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "Verdict           display picture (JPEG)" in run.stdout
    assert f"Next              hdrcli single {source}" in run.stdout
    assert "Carries HDR       gain map" in run.stdout
    run = run_hdrcli("info", source, "hdr.jpg", "--json", cwd=tmp_path)
    facts = json.loads(run.stdout)
    assert [(one["command"], one["hdr"]) for one in facts] == [("single", None), ("single", "gain map")]
