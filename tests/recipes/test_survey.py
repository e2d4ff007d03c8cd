"""What is read of files without decoding them, and the brackets found among real ones."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from bracket_files import NOON, stated, write_bracket
from display_files import hdr_avif, photograph, raw_photograph, saved

import hdrcli
from hdrcli.errors import UnreadableFileError
from hdrcli.images import Metadata
from hdrcli.io.dng import write_dng
from hdrcli.io.folder import files_in
from hdrcli.io.metadata import write_metadata
from hdrcli.io.shot_tags import capture_time
from hdrcli.recipes.bracket_set import Shot
from hdrcli.recipes.survey import find_sets, look_at


@pytest.mark.parametrize(("suffix", "kind"), [(".jpg", "display"), (".tif", "display"), (".dng", "raw")])
def test_a_file_states_its_exposure(suffix: str, kind: str, tmp_path: Path) -> None:
    first, second = (look_at(path) for path in write_bracket(tmp_path, [0, -2], suffix=suffix))
    zone = timezone(timedelta(hours=2))
    assert (first.kind, first.captured) == (kind, NOON.replace(tzinfo=zone))
    assert second.captured == (NOON + timedelta(seconds=0.51)).replace(tzinfo=zone)
    assert first.exposure_time_s == pytest.approx(1 / 60, rel=1e-4)
    assert second.exposure_time_s == pytest.approx(1 / 240, rel=1e-4)
    assert (first.size, first.lens, first.serial) == (second.size, "35mm", "4711")
    assert not first.made_here
    if kind == "display":
        assert (first.camera, first.size, first.focal_length_mm) == ("Maker Model 1", (96, 64), 35.0)


def test_what_is_no_camera_file_has_no_kind(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("f/8, 1/60 s\n" * 20)
    (tmp_path / "IMG_1.xmp").write_text('<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>')
    for name in ("notes.txt", "IMG_1.xmp"):
        assert look_at(tmp_path / name) == Shot(tmp_path / name)


def test_pictures_without_metadata_are_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.avif").write_bytes(hdr_avif(np.full((16, 24, 3), 600, np.uint16)))
    saved(tmp_path / "b.webp", photograph())
    shots = [look_at(tmp_path / name) for name in ("a.avif", "b.webp")]
    assert [(shot.kind, shot.captured) for shot in shots] == [("display", None)] * 2
    assert [single.kind for single in find_sets(tmp_path.iterdir()).singles].count("no exposure") == 1


def test_results_are_told_from_frames_of_the_camera_model(tmp_path: Path) -> None:
    result = write_bracket(tmp_path, [0])[0]
    write_metadata(result, replace(stated(0, NOON), provenance=MappingProxyType({"version": "1", "command": "stack"})))
    assert look_at(result).made_here
    simulated = tmp_path / "simulated.dng"
    raw = raw_photograph()
    marks = MappingProxyType({"version": "1", "simulated": "Canon"})
    write_dng(simulated, replace(raw, metadata=replace(raw.metadata, provenance=marks)))
    assert not look_at(simulated).made_here


def test_what_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    for name in ("empty.jpg", "missing.jpg", "."):
        with pytest.raises(UnreadableFileError):
            look_at(tmp_path / name)


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ({}, NOON),
        ({"SubSecTimeOriginal": "5"}, NOON + timedelta(seconds=0.5)),
        ({"SubSecTimeOriginal": "050"}, NOON + timedelta(seconds=0.05)),
        ({"SubSecTimeOriginal": "x"}, NOON),
        ({"OffsetTimeOriginal": "-03:30"}, (NOON + timedelta(hours=3.5)).replace(tzinfo=UTC)),
        ({"OffsetTimeOriginal": "+99:00"}, NOON),
        ({"OffsetTimeOriginal": "local"}, NOON),
    ],
)
def test_the_parts_of_a_time(entries: dict[str, str], expected: datetime) -> None:
    exif = {"Exif.Photo.DateTimeOriginal": "2024:06:01 12:00:00"} | {f"Exif.Photo.{k}": v for k, v in entries.items()}
    assert capture_time(Metadata(captured="2024:06:01 12:00:00", exif=MappingProxyType(exif))) == expected


def test_times_that_never_were_are_none() -> None:
    assert capture_time(Metadata()) is None
    assert capture_time(Metadata(captured="2024:13:45 12:00:00")) is None


def test_the_fraction_of_another_time_is_not_taken() -> None:
    exif = MappingProxyType({"Exif.Photo.SubSecTimeOriginal": "5", "Exif.Image.DateTime": "2024:06:01 12:00:00"})
    assert capture_time(Metadata(captured="2024:06:01 12:00:00", exif=exif)) == NOON


def test_a_folder_is_its_files_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for name in ("a10.jpg", "a9.jpg", "sub/b.jpg", "out/c.jpg", ".hidden", "._a9.jpg", ".Trash/d.jpg"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    if os.name == "posix":
        os.mkfifo(tmp_path / "pipe")
        (tmp_path / "loop").symlink_to(tmp_path)
    found = files_in(tmp_path, except_in=tmp_path / "out")
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a9.jpg", "a10.jpg", "sub/b.jpg"]
    assert len(files_in(tmp_path, except_in=tmp_path)) == 4
    with pytest.raises(UnreadableFileError, match="missing"):
        files_in(tmp_path / "missing")


def test_real_brackets_are_found(shared_data: Path) -> None:
    folder = shared_data / "brackets"
    if not folder.is_dir():
        pytest.skip("the collection of real brackets is not here")

    def evs_by_folder(gap: float) -> dict[str, list[float]]:
        found = find_sets(files_in(folder), gap=gap)
        return {one.files[0].parent.name: [round(ev, 1) for ev in one.exposures] for one in found.sets}

    automatic = {"garage": [0, -2, 2], "hall_people": [0, -2, 2.1], "pingpong": [0, -2, 2.1]}
    assert evs_by_folder(3.0).items() >= automatic.items()
    by_hand = {
        "bonsai_window": [2.3, 1.3, 0, -1.3, -5],
        "preschool_pair": [0, 6.1],
        "room_static": [5.9, 3.9, 1.9, 0, -2.1, -5.1, -7.1],
    }
    assert evs_by_folder(30.0).items() >= by_hand.items()
    silent = {"memorial", "sculpture_garden", "grandcanal_no_exif"}
    left = find_sets(files_in(folder)).singles
    assert {single.file.parent.name for single in left if single.kind == "no exposure"} == silent


def test_the_package_offers_it() -> None:
    assert hdrcli.find_sets is find_sets
