"""TIFF files: exact samples, the right profile, metadata in place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from hdrcli.images import DisplayImage, Metadata, SceneImage
from hdrcli.io.icc import icc_profile
from hdrcli.io.metadata import read_metadata
from hdrcli.io.tiff import write_tiff

METADATA = Metadata(exposure_time_s=1 / 60, iso=100, make="Canon", orientation=6, artist="Jürg 漢")


def display(kind: type, shape: tuple[int, int] = (300, 211)) -> DisplayImage:
    rng = np.random.default_rng(3)
    return DisplayImage(rng.integers(0, np.iinfo(kind).max, (*shape, 3), endpoint=True).astype(kind))


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_display_pictures_are_exact(tmp_path: Path, kind: type) -> None:
    path = tmp_path / "ünï 漢.tif"
    write_tiff(path, display(kind), metadata=METADATA)
    np.testing.assert_array_equal(tifffile.imread(path), display(kind).data)


def test_scenes_are_floats_with_a_linear_profile(tmp_path: Path) -> None:
    data = np.random.default_rng(3).normal(1, 5, (129, 77, 3)).astype(np.float32)
    write_tiff(tmp_path / "a.tif", SceneImage(data, "rec2020"), metadata=METADATA)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages.first
        np.testing.assert_array_equal(page.asarray(), data)
        assert page.tags["InterColorProfile"].value == icc_profile("rec2020", linear=True)
        assert page.predictor == tifffile.PREDICTOR.FLOATINGPOINT


def test_camera_rgb_has_no_profile(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", SceneImage(np.ones((4, 5, 3), np.float32), "camera"), metadata=METADATA)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert "InterColorProfile" not in file.pages.first.tags


def test_the_profile_of_a_display_picture_is_its_own_or_srgb(tmp_path: Path) -> None:
    own = icc_profile("display-p3", linear=False)
    for given, expected in ((own, own), (b"", icc_profile("srgb-linear", linear=False))):
        write_tiff(tmp_path / "a.tif", DisplayImage(display(np.uint16).data, given), metadata=METADATA)
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            assert file.pages.first.tags["InterColorProfile"].value == expected


def test_samples_are_compressed_in_strips_with_a_predictor(tmp_path: Path) -> None:
    smooth = np.linspace(0, 65535, 300 * 200 * 3).reshape(300, 200, 3).astype(np.uint16)
    write_tiff(tmp_path / "a.tif", DisplayImage(smooth), metadata=METADATA)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page = file.pages.first
        assert page.compression == tifffile.COMPRESSION.ADOBE_DEFLATE
        assert page.predictor == tifffile.PREDICTOR.HORIZONTAL
        assert len(page.dataoffsets) > 1
    assert (tmp_path / "a.tif").stat().st_size < smooth.nbytes / 10


def test_metadata_is_carried_and_the_picture_upright(tmp_path: Path) -> None:
    write_tiff(tmp_path / "a.tif", display(np.uint16), metadata=METADATA)
    found = read_metadata(tmp_path / "a.tif")
    assert (found.iso, found.make, found.artist, found.orientation) == (100, "Canon", "Jürg 漢", 1)
    assert found.exposure_time_s == pytest.approx(1 / 60)


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (257, 3)])
def test_any_size(tmp_path: Path, shape: tuple[int, int]) -> None:
    write_tiff(tmp_path / "a.tif", display(np.uint16, shape), metadata=METADATA)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), display(np.uint16, shape).data)
