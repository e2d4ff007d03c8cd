"""JPEGs with gain maps: the base for every viewer, the HDR picture for libultrahdr and for our own reader."""

from __future__ import annotations

import io
import math
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from hdrcli.images import DisplayImage, FloatArray, Metadata, SceneImage
from hdrcli.io.display import read_display
from hdrcli.io.gainmap import adobe_gain_map
from hdrcli.io.icc import icc_profile
from hdrcli.io.jpeg_segments import XMP_NAME, head_segments
from hdrcli.io.metadata import read_metadata
from hdrcli.io.ultrahdr import write_ultra_hdr
from hdrcli.isp.colour import convert
from hdrcli.isp.tonemap import encode_display

PEAK = 1000 / 203
METADATA = Metadata(
    exposure_time_s=1 / 60, iso=100, make="Canon", orientation=6, artist="Jürg 漢", provenance={"model": "none"}
)
LIBULTRAHDR_RTOL = 0.02


def hdr_light(space: str = "srgb-linear") -> SceneImage:
    y, x = np.mgrid[0:90, 0:131].astype(np.float32)
    level = 0.02 * (PEAK / 0.02) ** (x / 131)
    colour = np.stack([np.ones_like(y), 1 - 0.4 * y / 90, 1 - 0.6 * y / 90], axis=2)
    return SceneImage((level[..., None] * colour).astype(np.float32), space)


def write(path: Path, hdr: SceneImage, metadata: Metadata = METADATA, space: str = "srgb-linear") -> DisplayImage:
    """Write light with a base that has a shoulder, and return the base."""
    own = convert(hdr, space).data
    light = SceneImage(own / (1 + own) * np.float32(1.2), space)
    base = encode_display(light.data, icc=icc_profile(space, linear=False))
    write_ultra_hdr(path, base, light, hdr, peak=PEAK, metadata=metadata)
    return base


def read_back(path: Path) -> FloatArray:
    file = read_display(path)
    assert (file.hdr, file.notes) == ("gain map", ())
    assert file.scene is not None
    return file.scene.data


@pytest.mark.parametrize("space", ["srgb-linear", "display-p3"])
def test_the_hdr_picture_comes_back(tmp_path: Path, space: str) -> None:
    hdr = hdr_light(space)
    write(tmp_path / "a.jpg", hdr, space=space)
    found = convert(SceneImage(read_back(tmp_path / "a.jpg")), space).data
    error = np.abs(found - hdr.data) / (hdr.data + 1 / 64)
    assert np.median(error) < 0.01
    assert np.percentile(error, 99) < 0.06


def test_libultrahdr_makes_the_same_of_it(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", hdr_light())
    theirs = imagecodecs.ultrahdr_decode((tmp_path / "a.jpg").read_bytes())[..., :3].astype(np.float32)
    own = read_back(tmp_path / "a.jpg")
    assert np.percentile(np.abs(own - theirs) / (theirs + 0.05), 99) < LIBULTRAHDR_RTOL
    assert theirs.max() == pytest.approx(PEAK, rel=0.05)


@pytest.mark.parametrize("space", ["srgb-linear", "display-p3"])
def test_ordinary_viewers_show_the_base(tmp_path: Path, space: str) -> None:
    base = write(tmp_path / "a.jpg", hdr_light(space), space=space)
    with Image.open(tmp_path / "a.jpg") as opened:
        assert opened.format in ("JPEG", "MPO")
        assert opened.info["icc_profile"] == icc_profile(space, linear=False)
        found = np.asarray(opened.convert("RGB")).astype(float)
    assert np.sqrt(np.mean((found - base.data) ** 2)) < 2


def test_the_base_is_not_subsampled_and_the_map_has_its_size(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", hdr_light())
    with Image.open(io.BytesIO(second_jpeg(tmp_path / "a.jpg"))) as opened:
        assert opened.size == (131, 90)
    with Image.open(tmp_path / "a.jpg") as opened:
        assert isinstance(opened, JpegImagePlugin.JpegImageFile)
        assert opened.layer[0][1:3] == (1, 1)


def second_jpeg(path: Path) -> bytes:
    """Return the second picture, found through the index as Pillow reads it."""
    data = path.read_bytes()
    with Image.open(path) as opened:
        assert isinstance(opened, JpegImagePlugin.JpegImageFile)
        entries = opened._getmp()[0xB002]
    first, second = entries
    assert (first["DataOffset"], first["Attribute"]["MPType"]) == (0, "Baseline MP Primary Image")
    assert first["Size"] + second["Size"] == len(data)
    found = data[first["Size"] :]
    assert data.find(b"MPF\0") + 4 + second["DataOffset"] == first["Size"]
    assert found.startswith(b"\xff\xd8\xff")
    assert data[: first["Size"]].endswith(b"\xff\xd9")
    return found


@pytest.mark.parametrize("metadata", [METADATA, Metadata(), Metadata(provenance={"long": "x" * 20000})])
def test_the_index_is_right_whatever_the_metadata(tmp_path: Path, metadata: Metadata) -> None:
    write(tmp_path / "a.jpg", hdr_light(), metadata)
    assert second_jpeg(tmp_path / "a.jpg").endswith(b"\xff\xd9")


def test_a_damaged_index_never_costs_the_picture(tmp_path: Path) -> None:
    base = write(tmp_path / "a.jpg", hdr_light())
    whole = (tmp_path / "a.jpg").read_bytes()
    begin = whole.find(b"MPF\0")
    found = set()
    for place in range(begin, begin + 86):
        for value in (0, 0xFF):
            (tmp_path / "b.jpg").write_bytes(whole[:place] + bytes([value]) + whole[place + 1 :])
            file = read_display(tmp_path / "b.jpg")
            assert file.image is not None
            assert file.image.data.shape == base.data.shape
            found.add(file.hdr)
    assert found == {"", "gain map"}


def test_metadata_is_carried_and_the_picture_upright(tmp_path: Path) -> None:
    write(tmp_path / "ünï 漢.jpg", hdr_light())
    found = read_metadata(tmp_path / "ünï 漢.jpg")
    assert (found.iso, found.make, found.artist, found.orientation) == (100, "Canon", "Jürg 漢", 1)


def test_the_xmp_names_the_parts_of_the_file_and_what_was_done(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", hdr_light())
    xmp = next(body for _, body, _ in head_segments((tmp_path / "a.jpg").read_bytes()) if body.startswith(XMP_NAME))
    assert b'hdrgm:Version="1.0"' in xmp
    assert f'Item:Length="{len(second_jpeg(tmp_path / "a.jpg"))}"'.encode() in xmp
    assert b'hdrcli:model="none"' in xmp


def test_both_descriptions_of_the_map_agree(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", hdr_light())
    second = second_jpeg(tmp_path / "a.jpg")
    bodies = [body for _, body, _ in head_segments(second)]
    xmp = next(body.removeprefix(XMP_NAME) for body in bodies if body.startswith(XMP_NAME))
    assert f'hdrgm:HDRCapacityMax="{math.log2(PEAK):.6f}"'.encode() in xmp
    with Image.open(io.BytesIO(second)) as opened:
        by_adobe = adobe_gain_map(np.asarray(opened), xmp)
    assert by_adobe is not None
    # The reader prefers ISO's; without it, it takes Adobe's.
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "b.jpg").write_bytes(whole.replace(b"urn:iso:std:iso:ts:21496", b"urn:xxx:std:iso:ts:21496"))
    np.testing.assert_allclose(read_back(tmp_path / "b.jpg"), read_back(tmp_path / "a.jpg"), rtol=1e-4, atol=1e-5)


def test_a_map_without_any_gain(tmp_path: Path) -> None:
    flat = SceneImage(np.full((16, 16, 3), 0.25, np.float32))
    base = encode_display(flat.data)
    write_ultra_hdr(tmp_path / "a.jpg", base, flat, flat, peak=PEAK, metadata=METADATA)
    np.testing.assert_allclose(read_back(tmp_path / "a.jpg"), 0.25, rtol=0.02)


def test_colours_outside_of_the_base_and_odd_light_do_no_harm(tmp_path: Path) -> None:
    hdr = hdr_light("rec2020")
    hdr.data[:20] = (0.0, 4.0, 0.0)
    base = convert(hdr, "srgb-linear")
    base.data[40:50] = np.nan
    write_ultra_hdr(tmp_path / "a.jpg", encode_display(base.data), base, hdr, peak=PEAK, metadata=METADATA)
    found = read_back(tmp_path / "a.jpg")
    assert np.isfinite(found).all()
    assert found[4:16, 8:-8, 1].min() > 3


def test_neutral_stays_neutral(tmp_path: Path) -> None:
    level = np.geomspace(0.01, PEAK, 96, dtype=np.float32)
    grey = SceneImage(np.broadcast_to(level[None, :, None], (64, 96, 3)).copy())
    write(tmp_path / "a.jpg", grey)
    found = read_back(tmp_path / "a.jpg")
    assert (np.ptp(found, axis=2) < 0.01 * found.max(axis=2) + 1e-3).all()


def test_a_single_pixel(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg", SceneImage(np.full((1, 1, 3), 3.0, np.float32)))
    np.testing.assert_allclose(read_back(tmp_path / "a.jpg"), 3.0, rtol=0.05)
