"""Metadata in and out: what must travel does, what must not does not, and the pixels beside it stay untouched."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import MappingProxyType

import cv2
import exiv2
import numpy as np
import pytest
import tifffile

from hdrcli import __version__
from hdrcli.errors import OutputError, UnreadableFileError
from hdrcli.images import BayerImage, CameraProfile, ColourMatrix, Metadata, RawFrame
from hdrcli.io.dng import write_dng, write_dng_half
from hdrcli.io.metadata import ALLOWED, provenance_of, read_metadata, write_metadata
from hdrcli.io.raw import read_raw

FULL = Metadata(
    exposure_time_s=1 / 60,
    iso=1600,
    f_number=2.8,
    focal_length_mm=50,
    captured="2024:06:01 12:30:45",
    orientation=6,
    make="Canon",
    model="Canon EOS 550D",
    lens="EF50mm f/1.8 II",
    artist="Jörg 中",
    copyright="© 2024 Jörg",
    exif=MappingProxyType(
        {
            "Exif.Photo.SubSecTimeOriginal": "12",
            "Exif.Photo.OffsetTimeOriginal": "+02:00",
            "Exif.Photo.ExposureBiasValue": "-1/3",
            "Exif.Photo.LensSpecification": "50/1 50/1 18/10 18/10",
            "Exif.Image.ImageDescription": "a window",
            "Exif.GPSInfo.GPSLatitudeRef": "N",
            "Exif.GPSInfo.GPSLatitude": "33/1 7/1 368076000/10000000",
        }
    ),
    provenance=MappingProxyType({"version": "1.2.3", "iso ratio": "3.98 EV"}),
)


def picture(path: Path) -> Path:
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (24, 32, 3), np.uint8))
    return path


def frame(shape: tuple[int, int] = (200, 300)) -> RawFrame:
    counts = np.random.default_rng(1).normal(4000, 500, shape).astype(np.uint16)
    camera = CameraProfile("Canon", "Canon EOS 550D", (ColourMatrix(np.eye(3)),), (0.5, 1.0, 0.75))
    return RawFrame(counts, "RGGB", (512.0,) * 4, 15000.0, camera=camera)


def test_every_allowed_key_is_one_that_exiv2_knows() -> None:
    data = exiv2.ExifData()
    for key in sorted(ALLOWED):
        data.add(exiv2.ExifKey(key), exiv2.AsciiValue("1"))
    assert len(data) == len(ALLOWED)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_everything_arrives_in_rendered_pictures(tmp_path: Path, suffix: str) -> None:
    path = picture(tmp_path / f"out{suffix}")
    before = cv2.imread(str(path), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
    write_metadata(path, FULL)
    assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION), before)
    back = read_metadata(path)
    assert back.exposure_time_s == pytest.approx(1 / 60)
    assert (back.iso, back.f_number, back.focal_length_mm) == (1600, 2.8, 50)
    assert (back.captured, back.make, back.model) == (FULL.captured, FULL.make, FULL.model)
    assert (back.lens, back.artist, back.copyright) == (FULL.lens, FULL.artist, FULL.copyright)
    assert FULL.exif.items() <= back.exif.items()
    assert back.orientation == 1  # rendered pictures are upright
    assert provenance_of(path) == {"version": "1.2.3", "iso_ratio": "3.98 EV"}
    assert back.provenance == {}


def test_program_and_version_are_named(tmp_path: Path) -> None:
    path = picture(tmp_path / "out.jpg")
    write_metadata(path, Metadata())
    image = exiv2.ImageFactory.open(str(path))
    image.readMetadata()
    for tag in ("Software", "ProcessingSoftware"):
        assert str(image.exifData()[f"Exif.Image.{tag}"].value()) == f"hdrcli {__version__}"


@pytest.mark.parametrize("kind", ["jpeg", "none", "half"])
def test_a_dng_keeps_its_pixels_and_its_own_tags(tmp_path: Path, kind: str) -> None:
    path, plain = tmp_path / "out.dng", tmp_path / "plain.dng"
    if kind == "half":
        image = BayerImage(np.random.default_rng(2).random((200, 300)).astype(np.float32), "RGGB")
        write_dng_half(path, image, camera=frame().camera, metadata=Metadata())
    else:
        write_dng(path, frame(), compression=kind)
    shutil.copy(path, plain)
    write_metadata(path, FULL, orientation=6)
    one, other = read_raw(plain), read_raw(path)
    assert np.array_equal(one.counts, other.counts)
    assert (one.black, one.white, one.cfa) == (other.black, other.white, other.cfa)
    assert other.metadata.orientation == 6
    assert other.metadata.lens == FULL.lens
    changed = {"Orientation", "Artist", "Copyright", "ImageDescription", "Software", "ProcessingSoftware", "Make",
               "Model", "ExifTag", "GPSTag", "XMP", "DateTime"}  # fmt: skip
    moved = {"StripOffsets", "TileOffsets", "SubIFDs", "JPEGInterchangeFormat"}
    with tifffile.TiffFile(plain) as before, tifffile.TiffFile(path) as after:
        assert len(before.pages) == len(after.pages)
        for old, new in zip(pages_of(before), pages_of(after), strict=True):
            assert {tag.name for tag in old.tags} <= {tag.name for tag in new.tags}
            for tag in old.tags:
                if tag.name not in changed | moved:
                    assert new.tags[tag.code].value == tag.value, tag.name


def pages_of(tif: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    return [page for top in tif.pages for page in (top, *(top.pages or ()))]


@pytest.mark.skipif(shutil.which("dcraw") is None, reason="dcraw is not installed")
@pytest.mark.parametrize("compression", ["jpeg", "none"])
def test_dcraw_still_reads_a_dng_with_metadata(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "out.dng"
    write_dng(path, frame(), compression=compression)
    write_metadata(path, FULL, orientation=1)
    subprocess.run(["dcraw", "-D", "-4", "-t", "0", str(path)], check=True, capture_output=True)
    assert np.array_equal(cv2.imread(str(path.with_suffix(".pgm")), cv2.IMREAD_UNCHANGED), frame().counts)
    listed = subprocess.run(["dcraw", "-i", "-v", str(path)], check=True, capture_output=True, text=True).stdout
    assert "ISO speed: 1600" in listed
    assert "Shutter: 1/60.0 sec" in listed


def test_tags_that_describe_the_camera_file_never_travel(tmp_path: Path) -> None:
    foreign = {
        "Exif.Image.ActiveArea": "26 152 1182 1886",
        "Exif.Image.OpcodeList3": "1 2 3",
        "Exif.Image.StripOffsets": "8",
        "Exif.Photo.MakerNote": "1 2 3",
        "Exif.Image.Orientation": "6",
        "Exif.Photo.PixelXDimension": "9",
    }
    path = picture(tmp_path / "out.tif")
    write_metadata(path, Metadata(exif=MappingProxyType(foreign)))
    image = exiv2.ImageFactory.open(str(path))
    image.readMetadata()
    stored = {datum.key(): str(datum.value()) for datum in image.exifData()}
    assert not any(stored.get(key) == value for key, value in foreign.items())


def test_an_entry_that_exiv2_cannot_parse_costs_only_itself(tmp_path: Path) -> None:
    path = picture(tmp_path / "out.jpg")
    odd = {"Exif.Photo.ExposureBiasValue": "a bit", "Exif.Photo.UserComment": "charset=Ascii kept"}
    write_metadata(path, Metadata(iso=200, exif=MappingProxyType(odd)))
    back = read_metadata(path)
    assert back.iso == 200
    assert back.exif["Exif.Photo.UserComment"] == "charset=Ascii kept"


@pytest.mark.parametrize("iso", [100, 12800, 65535, 204800])
def test_sensitivities_beyond_16_bits_survive(tmp_path: Path, iso: int) -> None:
    path = picture(tmp_path / "out.jpg")
    write_metadata(path, Metadata(iso=iso))
    assert read_metadata(path).iso == iso


@pytest.mark.parametrize("seconds", [1 / 8000, 1 / 60, 0.3, 0.625, 1.0, 30.0, 1234.5])
def test_exposure_times_survive(tmp_path: Path, seconds: float) -> None:
    path = picture(tmp_path / "out.jpg")
    write_metadata(path, Metadata(exposure_time_s=seconds))
    assert read_metadata(path).exposure_time_s == pytest.approx(seconds, rel=1e-3)


def test_zero_is_not_an_exposure(shared_data: Path) -> None:
    # Magic Lantern writes 0 for what it does not know.
    metadata = read_metadata(shared_data / "raw" / "canon_550d_magiclantern_chart.dng")
    assert (metadata.exposure_time_s, metadata.iso, metadata.f_number, metadata.captured) == (None,) * 4
    assert "Exif.Photo.ExposureTime" not in metadata.exif
    assert "Exif.Photo.ShutterSpeedValue" not in metadata.exif


def test_camera_files_without_an_exif_directory_are_understood(shared_data: Path) -> None:
    kodak = read_metadata(shared_data / "raw" / "kodak_dc120_p003910.kdc")
    assert kodak.exposure_time_s == pytest.approx(0.00376)
    assert kodak.exif["Exif.Photo.ExposureTime"] == "376/100000"  # TIFF/EP keeps it elsewhere
    canon = read_metadata(shared_data / "raw" / "canon_powershot_s40_crw_0117.crw")
    assert (canon.exposure_time_s, canon.iso, canon.captured) == (0.25, 50, "2021:03:26 21:16:32")


def test_lens_and_rights_are_found(shared_data: Path) -> None:
    metadata = read_metadata(shared_data / "photos" / "special" / "canon_5d3_orientation8.jpg")
    assert metadata.lens == "EF28-135mm f/3.5-5.6 IS USM"
    assert metadata.artist == metadata.copyright == "Tyler Thorsted"
    assert metadata.orientation == 8
    linear = read_metadata(shared_data / "raw" / "canon_6d_lossy_linear.dng")
    assert linear.exif["Exif.Photo.OffsetTime"] == "+02:00"


def test_old_text_in_latin_1_is_read(tmp_path: Path) -> None:
    path = tmp_path / "old.tif"
    tags = [(315, "s", 5, b"J\xf6rg\0")]
    tifffile.imwrite(path, np.zeros((8, 8), np.uint8), extratags=tags, metadata=None)
    assert read_metadata(path).artist == "Jörg"


def test_files_without_metadata_give_none_and_print_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    whole = picture(tmp_path / "out.jpg")
    write_metadata(whole, FULL)
    data = bytearray(whole.read_bytes())
    data[40:80] = b"\xff" * 40
    for content in (b"", b"just text", bytes(data)):
        (tmp_path / "odd.bin").write_bytes(content)
        read_metadata(tmp_path / "odd.bin")
    assert read_metadata(picture(tmp_path / "bare.png")) == Metadata()
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_a_missing_file_and_an_impossible_target_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"missing\.jpg"):
        read_metadata(tmp_path / "missing.jpg")
    (tmp_path / "text.jpg").write_text("no picture")
    for name in ("missing.jpg", "text.jpg"):
        with pytest.raises(OutputError, match=name):
            write_metadata(tmp_path / name, FULL)
