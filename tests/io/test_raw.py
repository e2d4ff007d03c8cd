"""Reading raw files: what is right is compared with what is known about a file, what is not raw is refused by name."""

from __future__ import annotations

import contextlib
import csv
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from hdrcli.errors import HdrcliError, UnreadableFileError, UnsupportedFileError
from hdrcli.images import (
    BAYER_PATTERNS,
    BayerImage,
    CameraProfile,
    ColourMatrix,
    MaskedBorders,
    Metadata,
    RawFrame,
    shift_cfa,
)
from hdrcli.io.camera_tags import as_shot_neutral
from hdrcli.io.dng import write_dng, write_dng_half
from hdrcli.io.raw import read_raw

# What the refusal of each file of the collection must say.
REFUSED = {
    "gopro_hero6_gopr0024.gpr": "GoPro VC-5",
    "canon_6d_lossy_linear.dng": "linear DNG",
    "nikon_coolscan_rgb.nef": "several colours at each pixel",
    "nikon_d750_rose_768x512_rggb.raw": "no header",
    "gopro_hero6_mural.png": "PNG picture",
    "gopro_fusion_terrace.png": "PNG picture",
    "gopro_hero7_shrub.png": "PNG picture",
    "gopro_hero6_mural.json": "not a camera raw file",
}
READ = (
    "blackmagic_cinemadng_4128x2176.dng",
    "canon_550d_magiclantern_chart.dng",
    "canon_powershot_g2_crw_0304.crw",
    "canon_powershot_s40_crw_0101.crw",
    "canon_powershot_s40_crw_0117.crw",
    "canon_powershot_s40_crw_0119.crw",
    "gopro_hero6_crop_mirrored.dng",
    "kodak_dc120_p003910.kdc",
    "kodak_dc120_p003911.kdc",
    "kodak_dc50_dc0012l.kdc",
)
DNG_VERSION = (50706, "B", 4, bytes((1, 4, 0, 0)))


def mosaic_dng(path: Path, counts: np.ndarray, *, cell=(0, 1, 1, 2), dimensions=(2, 2), tags=(), **how) -> Path:
    """Write a bare CFA DNG whose tags a test decides about."""
    own = [DNG_VERSION, (271, "s", 0, "Maker"), (272, "s", 0, "Body")]
    own += [(33421, "H", 2, dimensions), (33422, "B", len(cell), bytes(cell))]
    tifffile.imwrite(path, counts, photometric="CFA", extratags=own + list(tags), metadata=None, software=False, **how)
    return path


def noise(shape: tuple[int, ...], *, mean: float = 4000, sigma: float = 500, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, sigma, shape).clip(0, 16000).astype(np.uint16)


def simple_frame(**changes: object) -> RawFrame:
    values: dict[str, object] = {
        "counts": noise((64, 96)),
        "cfa": "RGGB",
        "black": (512.0,) * 4,
        "white": 15000.0,
        "camera": CameraProfile("Maker", "Body", (ColourMatrix(np.eye(3)),), (0.5, 1.0, 0.75)),
        "metadata": Metadata(exposure_time_s=1 / 60, iso=100, make="Maker", model="Body"),
    }
    return RawFrame(**(values | changes))  # type: ignore[arg-type]


def facts_of(folder: Path) -> dict[str, str]:
    with (folder / "SOURCES.csv").open(encoding="utf-8") as file:
        return {row["file"]: row["facts"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("name", READ)
def test_a_real_file_is_read_as_its_description_says(shared_data: Path, name: str) -> None:
    facts = facts_of(shared_data / "raw")[name]
    frame = read_raw(shared_data / "raw" / name)
    width, height = map(int, re.search(r"visible (\d+)x(\d+)", facts).groups())  # type: ignore[union-attr]
    assert frame.counts.shape == (height, width)
    assert frame.cfa == re.search(r"visible area (\w{4})", facts)[1]  # type: ignore[index]
    black = [float(level) for level in re.search(r"black \[([^]]*)\]", facts)[1].split(",")]  # type: ignore[index]
    assert frame.black == tuple(black)
    assert frame.white == float(re.search(r"white (\d+)", facts)[1])  # type: ignore[index]
    # The maximum in the description is that of the whole sensor; it lies in the active area of all these files.
    assert frame.counts.max() == int(re.search(r"max in file (\d+)", facts)[1])  # type: ignore[index]
    camera = re.search(r"camera (.*?);", facts)[1]  # type: ignore[index]
    if camera != "- -":
        assert f"{frame.camera.make} {frame.camera.model}" == camera
    assert (frame.borders is not None) == ("masked borders yes" in facts)
    aspect = re.search(r"pixel aspect ([\d.]+)", facts)
    assert frame.pixel_aspect == pytest.approx(float(aspect[1]) if aspect else 1.0, abs=1e-3)
    shutter = re.search(r", 1/(\d+) s", facts)
    assert frame.metadata.exposure_time_s == (pytest.approx(1 / float(shutter[1]), rel=0.01) if shutter else None)
    number = re.search(r"f/([\d.]+)", facts)
    stated = float(number[1]) if number else 0
    assert frame.metadata.f_number == (pytest.approx(stated, abs=0.1) if stated else None)
    iso = re.search(r"ISO (\d+)", facts)
    if iso and int(iso[1]):
        assert frame.metadata.iso == int(iso[1])
    assert frame.metadata.orientation == {0: 1, 1: 2}[int(re.search(r"flip (\d)", facts)[1])]  # type: ignore[index]


@pytest.mark.parametrize("name", REFUSED)
def test_a_real_file_that_is_no_bayer_raw_is_refused_with_the_reason(shared_data: Path, name: str) -> None:
    with pytest.raises(UnsupportedFileError, match=re.escape(REFUSED[name])) as refusal:
        read_raw(shared_data / "raw" / name)
    assert refusal.value.exit_code == 3


def test_every_file_of_the_collection_is_read_or_refused(shared_data: Path) -> None:
    for path in sorted((shared_data / "raw").iterdir()):
        if path.name in READ:
            continue
        with pytest.raises(UnsupportedFileError):
            read_raw(path)


def test_masked_borders_of_real_files_hold_black(shared_data: Path) -> None:
    frame = read_raw(shared_data / "raw" / "canon_550d_magiclantern_chart.dng")
    assert frame.borders is not None
    assert frame.borders.left.shape == (1156, 152)
    assert frame.borders.top.shape == (26, 1734)
    assert frame.borders.left.mean() == pytest.approx(2048.8, abs=0.3)
    crw = read_raw(shared_data / "raw" / "canon_powershot_s40_crw_0101.crw")
    assert crw.borders is not None
    assert crw.borders.left.shape == (1720, 12)
    assert crw.borders.left.mean() == pytest.approx(31.89, abs=0.05)


def test_magic_lantern_neutral_is_the_tag_scaled_to_its_largest(shared_data: Path) -> None:
    frame = read_raw(shared_data / "raw" / "canon_550d_magiclantern_chart.dng")
    # The tag is 1, 2.477, 1.462: camera RGB of white, green the strongest as in every camera.
    assert frame.camera.as_shot_neutral == pytest.approx((1 / 2.477, 1.0, 1.462 / 2.477), abs=1e-4)


def test_colour_matrices_come_from_dng_tags_else_from_libraw(shared_data: Path) -> None:
    folder = shared_data / "raw"
    blackmagic = read_raw(folder / "blackmagic_cinemadng_4128x2176.dng").camera
    assert [matrix.illuminant for matrix in blackmagic.matrices] == [17, 21]
    assert blackmagic.matrices[1].xyz_to_camera[0] == pytest.approx([0.68795, -0.24747, -0.04866])
    assert blackmagic.model == "Blackmagic Pocket Cinema Camera 4K"
    assert [m.illuminant for m in read_raw(folder / "gopro_hero6_crop_mirrored.dng").camera.matrices] == [23]
    crw = read_raw(folder / "canon_powershot_s40_crw_0101.crw").camera
    assert [matrix.illuminant for matrix in crw.matrices] == [21]
    assert crw.matrices[0].xyz_to_camera[0] == pytest.approx([0.8606, -0.2573, -0.0949])
    assert crw.as_shot_neutral == pytest.approx((1043 / 1690, 1.0, 1043 / 1622))
    for name in ("kodak_dc120_p003910.kdc", "kodak_dc50_dc0012l.kdc"):
        kodak = read_raw(folder / name).camera
        assert kodak.matrices == ()
        assert kodak.as_shot_neutral is None


@pytest.mark.parametrize("gains", [[0, 1, 0, 0], [], [1, 1, float("nan")], [2, -1, 2], [1, 1, 0, 1], [1e9, 1, 1]])
def test_absurd_multipliers_give_no_neutral(gains: list[float]) -> None:
    assert as_shot_neutral(gains) is None


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
@pytest.mark.parametrize("origin", [(0, 0), (1, 0), (0, 1), (3, 5), (2, 4)])
def test_phase_and_black_stay_with_their_pixels_at_odd_active_areas(
    tmp_path: Path, cfa: str, origin: tuple[int, int]
) -> None:
    counts = noise((64, 80))
    top, left = origin
    cell = tuple("RGB".index(colour) for colour in cfa)
    levels = (100.5, 110.25, 120.0, 130.75)
    black = [part for level in levels for part in (round(level * 100), 100)]
    tags = [(50829, "I", 4, (top, left, 60, 70)), (50713, "H", 2, (2, 2)), (50714, "2I", 4, black)]
    tags.append((50717, "I", 1, 15000))
    frame = read_raw(mosaic_dng(tmp_path / "odd.dng", counts, cell=cell, tags=tags))
    # LibRaw skips a row or column to begin at an even one; what counts is that pixels keep colour and black.
    height, width = frame.counts.shape
    skipped = 60 - top - height, 70 - left - width
    assert skipped in [(0, 0), (top % 2, left % 2)]
    assert np.array_equal(frame.counts, counts[top + skipped[0] : 60, left + skipped[1] : 70])
    assert frame.cfa == shift_cfa(cfa, *skipped)
    moved = tuple(levels[2 * ((y + skipped[0]) % 2) + (x + skipped[1]) % 2] for y in (0, 1) for x in (0, 1))
    assert frame.black == moved


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_are_kept(tmp_path: Path, orientation: int) -> None:
    path = mosaic_dng(tmp_path / "turned.dng", noise((32, 48)), tags=[(274, "H", 1, orientation)])
    assert read_raw(path).metadata.orientation == orientation


@pytest.mark.parametrize("compression", ["jpeg", "none"])
def test_what_hdrcli_writes_it_reads_back(tmp_path: Path, compression: str) -> None:
    dark = MaskedBorders(noise((64, 24), mean=512, sigma=6, seed=1), noise((18, 96), mean=512, sigma=6, seed=2))
    frame = simple_frame(cfa="GBRG", black=(510.25, 511.0, 512.5, 513.0), borders=dark)
    path = tmp_path / "own.dng"
    write_dng(path, frame, compression=compression)
    back = read_raw(path)
    assert np.array_equal(back.counts, frame.counts)
    assert (back.cfa, back.black, back.white) == (frame.cfa, frame.black, frame.white)
    assert back.borders is not None
    assert np.array_equal(back.borders.left, dark.left)
    assert np.array_equal(back.borders.top, dark.top)
    assert back.camera.as_shot_neutral == pytest.approx((0.5, 1.0, 0.75))
    assert back.metadata.exposure_time_s == pytest.approx(1 / 60)
    assert (back.metadata.iso, back.metadata.make, back.metadata.model) == (100, "Maker", "Body")
    assert back.name == "own.dng"


@pytest.mark.parametrize("margin", ["lit", "padding", "half of black"])
def test_borders_that_are_not_dark_are_left_out(tmp_path: Path, margin: str) -> None:
    sensor = noise((80, 120), mean=3000, sigma=400)
    fill = {"lit": noise((80, 24), mean=9000, sigma=800, seed=3), "padding": np.zeros((80, 24), np.uint16)}
    sensor[:, :24] = fill.get(margin, noise((80, 24), mean=100, sigma=2, seed=4))
    tags = [(50829, "I", 4, (0, 24, 80, 120)), (50714, "I", 1, 512), (50717, "I", 1, 15000)]
    assert read_raw(mosaic_dng(tmp_path / "margin.dng", sensor, tags=tags)).borders is None


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_half_float_dng_is_read_as_written_and_not_through_14_bits(tmp_path: Path, cfa: str) -> None:
    rng = np.random.default_rng(5)
    image = BayerImage((rng.random((96, 160)) ** 6 - 0.002).astype(np.float32), cfa)
    camera = CameraProfile("Maker", "Body", (ColourMatrix(np.eye(3)),), (0.5, 1.0, 0.75))
    write_dng_half(tmp_path / "half.dng", image, camera=camera, metadata=Metadata(iso=100, orientation=6))
    frame = read_raw(tmp_path / "half.dng")
    back = (frame.counts - frame.black[0]) / (frame.white - frame.black[0])
    assert frame.cfa == cfa
    assert frame.metadata.orientation == 6
    assert frame.camera.as_shot_neutral == pytest.approx((0.5, 1.0, 0.75))
    # Half floats have 11 bits; the 16-bit counts add half a step.
    assert np.all(np.abs(back - image.data) <= np.abs(image.data) / 2**10 + 2**-16)


def test_plain_float_dng_is_read_with_its_own_levels_and_active_area(tmp_path: Path) -> None:
    data = np.random.default_rng(6).random((40, 60)).astype(np.float32) * 4
    data[10, 10] = np.nan
    tags = [(50829, "I", 4, (4, 3, 40, 60)), (50717, "I", 1, 4)]
    frame = read_raw(mosaic_dng(tmp_path / "float.dng", data, tags=tags))
    back = (frame.counts - frame.black[0]) / (frame.white - frame.black[0]) * 4
    assert back.shape == (36, 57)
    assert frame.cfa == "RGGB"
    assert np.allclose(back, np.nan_to_num(data[4:, 3:]), atol=4e-5)


CELLS = {
    "6 x 6": ((1, 1, 0, 1, 1, 2, 1, 1, 2, 1, 1, 0, 2, 0, 1, 0, 2, 1) * 2, (6, 6)),
    "not from a Bayer sensor": ((0, 0, 1, 1, 0, 0, 1, 1, 1, 1, 2, 2, 1, 1, 2, 2), (4, 4)),
    "4 colours": ((3, 4, 5, 1), (2, 2)),
    "colours": ((0, 1, 6, 2), (2, 2)),
}


@pytest.mark.parametrize("reason", CELLS)
def test_sensors_other_than_bayer_are_refused_by_kind(tmp_path: Path, reason: str) -> None:
    cell, dimensions = CELLS[reason]
    path = mosaic_dng(tmp_path / "other.dng", noise((48, 72)), cell=cell, dimensions=dimensions)
    with pytest.raises(UnsupportedFileError, match=reason):
        read_raw(path)


def test_linear_dng_and_monochrome_dng_are_refused(tmp_path: Path) -> None:
    linear, grey = tmp_path / "linear.dng", tmp_path / "grey.dng"
    tifffile.imwrite(linear, noise((48, 72, 3)), photometric="LINEAR_RAW", extratags=[DNG_VERSION])
    tifffile.imwrite(grey, noise((48, 72)), photometric="MINISBLACK", extratags=[DNG_VERSION])
    with pytest.raises(UnsupportedFileError, match="already demosaicked"):
        read_raw(linear)
    with pytest.raises(UnsupportedFileError, match="no Bayer mosaic"):
        read_raw(grey)


def test_ordinary_pictures_are_refused_as_pictures_whatever_their_name(tmp_path: Path) -> None:
    picture = noise((48, 72, 3))
    for suffix, kind in ((".jpg", "JPEG"), (".png", "PNG")):
        _, data = cv2.imencode(suffix, picture.astype(np.uint8))
        path = tmp_path / f"{kind}.CR2"
        path.write_bytes(data.tobytes())
        with pytest.raises(UnsupportedFileError, match=f"{kind} picture"):
            read_raw(path)
    # LibRaw would read the grey one as an RGGB sensor.
    for name, array in (("grey.tif", noise((48, 72))), ("rgb.tif", picture)):
        tifffile.imwrite(tmp_path / name, array, photometric="rgb" if array.ndim == 3 else "minisblack")
        with pytest.raises(UnsupportedFileError, match="TIFF picture"):
            read_raw(tmp_path / name)


def test_the_name_never_decides(tmp_path: Path) -> None:
    counts = noise((32, 48))
    names: list[str] = ["raw.txt", "no suffix", "Über 中文.jpg"]
    if os.name == "posix":
        names.append(os.fsdecode(b"latin-\xe9.dng"))
    for name in names:
        path = tmp_path / name
        mosaic_dng(tmp_path / "plain.dng", counts).rename(path)
        assert np.array_equal(read_raw(path).counts, counts)


def test_missing_empty_and_folder_are_unreadable(tmp_path: Path) -> None:
    (tmp_path / "empty.cr2").touch()
    for path, reason in (
        (tmp_path / "missing.cr2", "No such file"),
        (tmp_path / "empty.cr2", "is empty"),
        (tmp_path, "a folder"),
        (Path("zero\0byte.cr2"), "cannot be read"),
    ):
        with pytest.raises(UnreadableFileError, match=reason):
            read_raw(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    path = mosaic_dng(tmp_path / "locked.dng", noise((32, 48)))
    path.chmod(0)
    with pytest.raises(UnreadableFileError, match="Permission denied"):
        read_raw(path)


@pytest.mark.parametrize("share", [0.999, 0.7, 0.1])
def test_truncated_files_are_unreadable(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.dng"
    write_dng(path, simple_frame())
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(HdrcliError) as refusal:
        read_raw(path)
    assert refusal.value.exit_code == 3


@pytest.mark.parametrize("name", ["kodak_dc120_p003911.kdc", "canon_powershot_s40_crw_0101.crw"])
def test_truncated_camera_files_are_not_filled_with_grey(shared_data: Path, tmp_path: Path, name: str) -> None:
    whole = (shared_data / "raw" / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadableFileError, match="truncated"):
        read_raw(tmp_path / name)


def test_absurd_dimensions_are_refused_before_memory_is_asked_for(tmp_path: Path) -> None:
    path = mosaic_dng(tmp_path / "huge.dng", noise((32, 48)))
    whole = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tif:
        for name in ("ImageWidth", "ImageLength"):
            tag = tif.pages[0].tags[name]
            size = {3: 2, 4: 4}[int(tag.dtype)]
            whole[tag.valueoffset : tag.valueoffset + size] = (60_000).to_bytes(
                size, "little" if tif.byteorder == "<" else "big"
            )
    path.write_bytes(whole)
    with pytest.raises(UnreadableFileError):
        read_raw(path)


def test_damaged_files_never_end_in_another_kind_of_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    path = tmp_path / "whole.dng"
    write_dng(path, simple_frame())
    half = tmp_path / "half.dng"
    write_dng_half(half, BayerImage(np.ones((64, 64), np.float32), "RGGB"), camera=CameraProfile(), metadata=Metadata())
    for source in (path, half):
        whole = np.frombuffer(source.read_bytes(), np.uint8)
        for _ in range(60):
            damaged = whole.copy()
            where = rng.integers(0, min(len(whole), 2500), rng.integers(1, 30))
            damaged[where] = rng.integers(0, 256, len(where))
            (tmp_path / "damaged.dng").write_bytes(damaged.tobytes())
            # Any other error fails the test.
            with contextlib.suppress(UnreadableFileError, UnsupportedFileError):
                frame = read_raw(tmp_path / "damaged.dng")
                assert frame.counts.ndim == 2
                assert frame.white > max(frame.black)
