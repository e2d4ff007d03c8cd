"""What `info` says of simulated and real files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import hdrcli
from hdrcli.errors import UnreadableFileError, UnsupportedFileError
from hdrcli.images import CameraProfile, RawFrame
from hdrcli.io.dng import write_dng
from hdrcli.recipes.info import FileInfo, info
from hdrcli.recipes.report import camera_name, exposure_text
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.capture import CaptureSettings, capture

EV_ATOL = 0.05


def photograph(iso: tuple[int, int], *, pattern: str = "HHLL", black_frame: bool = False) -> RawFrame:
    rng = np.random.default_rng(3)
    patches = rng.uniform(0.02, 0.9, (16, 24, 3)).repeat(8, 0).repeat(8, 1)
    scene = np.asarray(patches * np.geomspace(0.01, 3.0, patches.shape[1])[None, :, None], dtype=np.float32)
    settings = CaptureSettings(iso=iso, row_pattern=pattern, border=16)
    return capture(scene * np.float32(not black_frame), find_camera("550D"), settings, rng).raw


@pytest.fixture(scope="module")
def dual(tmp_path_factory: pytest.TempPathFactory) -> FileInfo:
    path = tmp_path_factory.mktemp("info") / "dual.dng"
    write_dng(path, photograph((100, 800), pattern="LHHL"))
    return info(path)


@pytest.fixture(scope="module")
def ordinary(tmp_path_factory: pytest.TempPathFactory) -> FileInfo:
    path = tmp_path_factory.mktemp("info") / "ordinary.dng"
    write_dng(path, photograph((400, 400)))
    return info(path)


def test_a_dual_iso_frame_is_recognised_and_sent_to_deinterlace(dual: FileInfo) -> None:
    assert dual.verdict == "dual-ISO"
    assert dual.command == "deinterlace"
    facts = dual.as_dict()
    assert facts["row_pattern"] == "LHHL"
    assert facts["iso_difference_ev"] == pytest.approx(3.0, abs=EV_ATOL)
    assert dual.advice == f"hdrcli deinterlace {dual.source}"


def test_facts_of_the_file_are_reported(dual: FileInfo) -> None:
    facts = dual.as_dict()
    assert (facts["width"], facts["height"], facts["cfa"]) == (192, 128, "RGGB")
    assert facts["camera"] == "Canon EOS 550D"
    assert facts["iso_metadata"] == 100
    assert facts["exposure_time_s"] == pytest.approx(1 / 60)
    assert facts["white_stated"] == photograph((100, 800)).white


def test_an_ordinary_frame_is_sent_to_single_and_has_no_pattern(ordinary: FileInfo) -> None:
    assert ordinary.verdict == "ordinary raw"
    assert ordinary.command == "single"
    assert ordinary.advice == f"hdrcli single {ordinary.source} (or any raw developer: it is not dual-ISO)"
    facts = ordinary.as_dict()
    assert facts["row_pattern"] is facts["iso_ratio"] is facts["black_delta"] is None
    assert facts["black_low"] is not None


def test_a_black_frame_is_undecided_not_guessed(tmp_path: Path) -> None:
    path = tmp_path / "black.dng"
    write_dng(path, photograph((100, 100), black_frame=True))
    found = info(path)
    assert found.verdict == "undecided"
    assert found.command is None
    assert "--force" in found.advice


def test_both_reports_have_the_same_facts_whatever_the_verdict(dual: FileInfo, ordinary: FileInfo) -> None:
    assert dual.as_dict().keys() == ordinary.as_dict().keys()
    for found in (dual, ordinary):
        assert json.loads(json.dumps(found.as_dict()))["verdict"] == found.verdict


def test_lines_for_people_are_aligned_and_complete(dual: FileInfo, ordinary: FileInfo) -> None:
    for found in (dual, ordinary):
        first, *rest = found.lines()
        assert first == str(found.source)
        assert all(text[17] == " " and text[18] != " " for text in rest)
    text = "\n".join(dual.lines())
    for words in ("LHHL", "ISO difference", "Black delta".lower(), "White level", "Semi-overexposed", "Deep shadows"):
        assert words in text
    assert "1/60 s, f/8, ISO 100" in text


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError):
        info(tmp_path / "missing.dng")
    text = tmp_path / "text.dng"
    text.write_text("not a picture\n" * 100)
    with pytest.raises(UnsupportedFileError):
        info(text)


def test_real_files_are_ordinary_or_refused(shared_data: Path) -> None:
    verdicts = {}
    for path in sorted((shared_data / "raw").iterdir()):
        if path.suffix in {".crw", ".dng", ".kdc", ".nef"} and path.stat().st_size < 3_000_000:
            try:
                verdicts[path.name] = info(path).verdict
            except UnsupportedFileError:
                verdicts[path.name] = "refused"
    # The scan is RGB: a picture, in whatever file.
    assert verdicts.pop("nikon_coolscan_rgb.nef") == "display picture"
    assert set(verdicts.values()) == {"ordinary raw", "refused"}, verdicts
    assert verdicts["canon_6d_lossy_linear.dng"] == "refused"


@pytest.mark.parametrize(
    ("make", "model", "name"),
    [
        ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
        ("NIKON CORPORATION", "NIKON D750", "NIKON D750"),
        ("GoPro", "HERO6 Black", "GoPro HERO6 Black"),
        ("", "X", "X"),
        ("", "", "unknown camera"),
    ],
)
def test_a_camera_is_named_once(make: str, model: str, name: str) -> None:
    assert camera_name(CameraProfile(make=make, model=model)) == name


@pytest.mark.parametrize(
    ("seconds", "text"), [(1 / 60, "1/60 s"), (0.5, "0.5 s"), (30.0, "30 s"), (1 / 3.2, "0.312 s"), (2e-9, "1/")]
)
def test_exposure_times_read_like_those_of_photographers(dual: FileInfo, seconds: float, text: str) -> None:
    assert exposure_text(replace(dual.metadata, exposure_time_s=seconds)).startswith(text)


def test_the_package_offers_info() -> None:
    assert hdrcli.info is info
    assert "deinterlace" in dir(hdrcli)
    with pytest.raises(AttributeError, match="no attribute 'inof'"):
        _ = hdrcli.inof
