"""PQ AVIF pictures: read back by our own reader, by libavif in Pillow, and by Exiv2."""

from __future__ import annotations

import struct
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from PIL import Image, features

from hdrcli.images import FloatArray, Metadata, SceneImage
from hdrcli.io.avif import write_avif
from hdrcli.io.code_points import CodePoints, light_to_pq, pq_to_light
from hdrcli.io.display import read_display
from hdrcli.io.isobmff import box, boxes, main_picture
from hdrcli.io.metadata import read_metadata, read_tags

METADATA = Metadata(
    exposure_time_s=1 / 60, iso=100, make="Canon", orientation=6, artist="Jürg 漢", provenance={"model": "none"}
)
PQ_STEP = 0.02  # of 10 bits at the levels used here, relative; and as much again for the compression


def smooth_light(height: int = 90, width: int = 131) -> SceneImage:
    """Return light from a hundredth of diffuse white up to 1,000 cd/m2, saturated at one side."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    level = 0.01 * (1000 / 203 / 0.01) ** (x / width)
    colour = np.stack([np.ones_like(y), 1 - 0.5 * y / height, 1 - 0.8 * y / height], axis=2)
    return SceneImage((level[..., None] * colour).astype(np.float32), "rec2020")


def read_back(path: Path) -> FloatArray:
    scene = read_display(path).scene
    assert scene is not None
    assert scene.colour_space == "rec2020"
    return scene.data


def test_light_comes_back_within_the_steps_of_ten_bits(tmp_path: Path) -> None:
    light = smooth_light()
    write_avif(tmp_path / "a.avif", light, metadata=METADATA)
    file = read_display(tmp_path / "a.avif")
    assert (file.hdr, file.notes) == ("PQ", ())
    error = np.abs(read_back(tmp_path / "a.avif") - light.data) / light.data
    assert np.percentile(error, 99) < 2 * PQ_STEP
    assert np.median(error) < PQ_STEP / 2


@pytest.mark.parametrize("nits", [0.0, 26.0, 203.0, 1000.0, 10000.0])
def test_a_level_has_the_code_of_st_2084(tmp_path: Path, nits: float) -> None:
    flat = SceneImage(np.full((32, 32, 3), nits / 203, np.float32), "rec2020")
    write_avif(tmp_path / "a.avif", flat, metadata=METADATA)
    codes = imagecodecs.avif_decode((tmp_path / "a.avif").read_bytes())
    expected = {0.0: 0, 26.0: 0.379, 203.0: 0.581, 1000.0: 0.752, 10000.0: 1.0}[nits] * 1023  # BT.2408, table 1
    assert codes.dtype == np.uint16
    assert np.abs(codes.astype(float) - expected).max() <= 2


def test_the_inverse_of_pq_is_its_inverse() -> None:
    encoded = np.linspace(0, 1, 1024)
    np.testing.assert_allclose(light_to_pq(pq_to_light(encoded).astype(np.float32)), encoded, atol=1e-4)


def test_neutral_stays_neutral(tmp_path: Path) -> None:
    level = np.geomspace(0.001, 40, 64, dtype=np.float32)
    grey = SceneImage(np.broadcast_to(level[None, :, None], (64, 64, 3)).copy(), "rec2020")
    write_avif(tmp_path / "a.avif", grey, metadata=METADATA)
    codes = imagecodecs.avif_decode((tmp_path / "a.avif").read_bytes()).astype(int)
    assert np.ptp(codes, axis=2).max() <= 1


def test_other_spaces_are_converted_and_what_no_display_shows_is_cut(tmp_path: Path) -> None:
    data = np.full((32, 32, 3), 0.5, np.float32)
    data[:, 16:] = (-1.0, 100.0, 0.0)
    write_avif(tmp_path / "a.avif", SceneImage(data, "display-p3"), metadata=METADATA)
    found = read_back(tmp_path / "a.avif")
    np.testing.assert_allclose(found[:, :8], 0.5, rtol=PQ_STEP)
    np.testing.assert_allclose(found[:, -8:, 1], 10000 / 203, rtol=PQ_STEP)


def test_the_container_states_size_depth_code_points_and_light_levels(tmp_path: Path) -> None:
    light = smooth_light()
    write_avif(tmp_path / "a.avif", light, metadata=METADATA)
    data = (tmp_path / "a.avif").read_bytes()
    stated = main_picture(data)
    assert (stated.width, stated.height, stated.bits) == (131, 90, 10)
    assert stated.code_points == CodePoints(9, 16)
    properties = dict(boxes(box(box(box(data, b"meta")[4:], b"iprp"), b"ipco")))
    assert properties[b"colr"] == b"nclx" + struct.pack(">HHHB", 9, 16, 9, 0x80)  # full range
    largest = 203 * light.data.max(axis=2)
    assert struct.unpack(">HH", properties[b"clli"]) == (round(float(largest.max())), round(float(largest.mean())))


def test_metadata_is_carried_and_the_picture_upright(tmp_path: Path) -> None:
    write_avif(tmp_path / "ünï 漢.avif", smooth_light(), metadata=METADATA)
    found = read_metadata(tmp_path / "ünï 漢.avif")
    assert (found.iso, found.make, found.artist, found.orientation) == (100, "Canon", "Jürg 漢", 1)
    tags = read_tags(tmp_path / "ünï 漢.avif")
    assert tags is not None
    assert {entry.key(): str(entry.value()) for entry in tags.image.xmpData()}["Xmp.hdrcli.model"] == "none"


def test_a_picture_without_provenance_has_no_xmp_and_opens(tmp_path: Path) -> None:
    write_avif(tmp_path / "a.avif", smooth_light(), metadata=Metadata())
    assert b"rdf" not in (tmp_path / "a.avif").read_bytes()
    assert read_back(tmp_path / "a.avif").shape == (90, 131, 3)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_pillow_opens_it(tmp_path: Path) -> None:
    write_avif(tmp_path / "a.avif", smooth_light(), metadata=METADATA)
    with Image.open(tmp_path / "a.avif") as opened:
        opened.load()
        assert (opened.format, opened.size) == ("AVIF", (131, 90))
        assert opened.getexif()[0x010F] == "Canon"


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 3)])
def test_tiny_pictures(tmp_path: Path, shape: tuple[int, int]) -> None:
    write_avif(tmp_path / "a.avif", SceneImage(np.ones((*shape, 3), np.float32), "rec2020"), metadata=METADATA)
    np.testing.assert_allclose(read_back(tmp_path / "a.avif"), np.ones((*shape, 3)), rtol=PQ_STEP)


def test_quality_changes_the_size(tmp_path: Path) -> None:
    noisy = SceneImage(np.random.default_rng(1).uniform(0, 1, (64, 64, 3)).astype(np.float32), "rec2020")
    sizes = []
    for quality in (60, 95):
        write_avif(tmp_path / "a.avif", noisy, metadata=METADATA, quality=quality)
        sizes.append((tmp_path / "a.avif").stat().st_size)
    assert sizes[0] < sizes[1]
