"""JPEG and PNG pictures open in other libraries with their profile and metadata."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from PIL import Image

from hdrcli.errors import UsageError
from hdrcli.images import DisplayImage, Metadata
from hdrcli.io.icc import icc_profile
from hdrcli.io.metadata import read_metadata
from hdrcli.io.preview import eight_bit, write_display

METADATA = Metadata(exposure_time_s=1 / 60, iso=100, make="Canon", orientation=6, artist="Jürg 漢")
P3 = icc_profile("display-p3", linear=False)


def picture(kind: type = np.uint16) -> DisplayImage:
    """Return a smooth picture with saturated edges, where subsampled colour would show."""
    y, x = np.mgrid[0:90, 0:131]
    data = np.stack([x * 400, y * 600, np.where((x // 8) % 2, 60000, 2000)], axis=2)
    return DisplayImage((data // (1 if kind == np.uint16 else 257)).astype(kind), P3)


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".JPG"])
def test_jpeg_is_close_to_the_picture_and_not_subsampled(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ünï 漢{suffix}"
    write_display(path, picture(), metadata=METADATA)
    with Image.open(path) as opened:
        assert opened.format == "JPEG"
        assert opened.layer[0][1:3] == (1, 1)  # type: ignore[attr-defined]
        found = np.asarray(opened).astype(float)
    expected = picture().data / 257
    assert np.sqrt(np.mean((found - expected) ** 2)) < 3


def test_quality_changes_the_size_of_a_jpeg(tmp_path: Path) -> None:
    sizes = []
    for quality in (50, 92):
        write_display(tmp_path / "a.jpg", picture(), metadata=METADATA, quality=quality)
        sizes.append((tmp_path / "a.jpg").stat().st_size)
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_png_is_exact(tmp_path: Path, kind: type) -> None:
    write_display(tmp_path / "a.png", picture(kind), metadata=METADATA)
    found = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert found.dtype == kind
    np.testing.assert_array_equal(found[:, :, ::-1], picture(kind).data)


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_the_profile_is_embedded(tmp_path: Path, suffix: str) -> None:
    for given, expected in ((P3, P3), (b"", icc_profile("srgb-linear", linear=False))):
        path = tmp_path / f"a{suffix}"
        write_display(path, DisplayImage(picture().data, given), metadata=METADATA)
        with Image.open(path) as opened:
            opened.load()
            assert opened.info["icc_profile"] == expected


def test_a_large_profile_spans_several_jpeg_segments(tmp_path: Path) -> None:
    padding = np.random.default_rng(1).bytes(150_000)
    large = struct.pack(">I", len(P3) + len(padding)) + P3[4:] + padding
    write_display(tmp_path / "a.jpg", DisplayImage(picture().data, large), metadata=METADATA)
    with Image.open(tmp_path / "a.jpg") as opened:
        assert opened.info["icc_profile"] == large


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_metadata_is_carried_and_the_picture_upright(tmp_path: Path, suffix: str) -> None:
    write_display(tmp_path / f"a{suffix}", picture(), metadata=METADATA)
    found = read_metadata(tmp_path / f"a{suffix}")
    assert (found.iso, found.make, found.artist, found.orientation) == (100, "Canon", "Jürg 漢", 1)
    with Image.open(tmp_path / f"a{suffix}") as opened:
        opened.load()
        assert opened.getexif()[0x010F] == "Canon"


@pytest.mark.parametrize("name", ["a.webp", "a", "a.tif"])
def test_other_suffixes_are_usage_errors(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="neither JPEG"):
        write_display(tmp_path / name, picture(), metadata=METADATA)


@pytest.mark.parametrize("quality", [0, 101])
def test_impossible_quality_is_a_usage_error(tmp_path: Path, quality: int) -> None:
    with pytest.raises(UsageError, match="1 to 100"):
        write_display(tmp_path / "a.jpg", picture(), metadata=METADATA, quality=quality)


def test_sixteen_bits_are_rounded_to_eight() -> None:
    levels = np.arange(65536, dtype=np.uint16).reshape(256, 256, 1).repeat(3, axis=2)
    np.testing.assert_array_equal(eight_bit(DisplayImage(levels)), np.rint(levels / 257))


def test_a_single_pixel(tmp_path: Path) -> None:
    one = DisplayImage(np.full((1, 1, 3), 200, np.uint8))
    for name in ("a.jpg", "a.png"):
        write_display(tmp_path / name, one, metadata=METADATA)
        assert imagecodecs.imread(tmp_path / name).shape == (1, 1, 3)
