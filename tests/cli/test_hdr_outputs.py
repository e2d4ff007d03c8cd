"""Pictures for HDR displays by the real command: written, reported, refused, and never half there."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from damaged_files import dual_iso_capture
from PIL import Image
from real_command import command_line, environment, run_hdrcli

from hdrcli.io.display import read_display
from hdrcli.io.dng import write_dng
from hdrcli.io.metadata import read_metadata

CLASSICAL = ("--model", "none")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frame") / "in.dng"
    write_dng(path, dual_iso_capture((192, 256)).raw)
    return path


@pytest.mark.parametrize(
    ("name", "words", "hdr", "peak"),
    [
        ("out.avif", (), "PQ", 1000),
        ("out.avif", ("--peak", "600"), "PQ", 600),
        ("out.jpg", ("--peak", "600"), "gain map", 600),
        ("out.jpg", ("--peak", "203"), "", None),
        ("out.jpg", (), "", None),
        ("out.png", ("--peak", "600"), "", None),
    ],
)
def test_the_suffix_and_the_peak_choose_the_picture_and_the_report_tells(
    name: str, words: tuple[str, ...], hdr: str, peak: float | None, source: Path, tmp_path: Path
) -> None:
    run = run_hdrcli("deinterlace", source, "-o", name, *words, *CLASSICAL, "--json", "-v", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    facts = json.loads(run.stdout)
    assert facts["peak_nits"] == peak
    assert (facts["diffuse_white"] is not None) == (peak is not None)
    assert (f"{peak} cd/m2" in run.stderr) == (peak is not None)
    file = read_display(tmp_path / name)
    assert file.hdr == hdr
    assert read_metadata(tmp_path / name).model == read_metadata(source).model
    if file.scene is not None and peak is not None:
        assert 1 < file.scene.data.max() < 1.3 * peak / 203
    with Image.open(tmp_path / name) as opened:
        assert opened.size == (256, 192)


def test_the_key_moves_the_mid_tones_of_hdr_pictures(source: Path, tmp_path: Path) -> None:
    whites = []
    for key in ("0.09", "0.36"):
        run = run_hdrcli("deinterlace", source, "-o", f"{key}.avif", "--key", key, *CLASSICAL, "--json", cwd=tmp_path)
        whites.append(json.loads(run.stdout)["diffuse_white"])
    assert whites[0] > 2 * whites[1]


def test_a_preview_beside_an_hdr_picture_is_ordinary(source: Path, tmp_path: Path) -> None:
    words = ("-o", "out.jpg", "--peak", "800", "--preview", "small.jpg", *CLASSICAL)
    assert run_hdrcli("deinterlace", source, *words, cwd=tmp_path).returncode == 0
    assert [read_display(tmp_path / name).hdr for name in ("out.jpg", "small.jpg")] == ["gain map", ""]


def test_a_preview_cannot_be_an_avif(source: Path, tmp_path: Path) -> None:
    run = run_hdrcli("deinterlace", source, "-o", "out.exr", "--preview", "out.avif", cwd=tmp_path)
    assert run.returncode == 2
    assert ".jpg or .png" in run.stderr


@pytest.mark.parametrize("peak", ["202", "10001", "-5", "nan", "inf", "bright"])
def test_a_peak_out_of_range_is_one_line(peak: str, source: Path, tmp_path: Path) -> None:
    run = run_hdrcli("deinterlace", source, "-o", "out.avif", "--peak", peak, cwd=tmp_path)
    assert run.returncode == 2
    assert "--peak" in run.stderr
    assert run.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="limits")
@pytest.mark.parametrize("words", [("-o", "out.avif"), ("-o", "out.jpg", "--peak", "1000")])
def test_a_full_disk_leaves_nothing(words: tuple[str, ...], source: Path, tmp_path: Path) -> None:
    def limit_files() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, 4_000))

    run = subprocess.run(
        command_line("deinterlace", source, *words, *CLASSICAL),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit_files,
    )
    assert run.returncode == 6, run.stderr
    assert run.stderr.startswith("hdrcli: ")
    assert words[1] in run.stderr
    assert list(tmp_path.iterdir()) == []
