"""The suffix chooses the format; a peak makes HDR pictures of JPEGs, and AVIF is HDR always."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hdrcli.errors import OutputError, UsageError
from hdrcli.images import FloatArray, Metadata, SceneImage
from hdrcli.io.display import read_display
from hdrcli.isp.colour import convert
from hdrcli.isp.hdr_rendering import hdr_rendering, render_hdr
from hdrcli.recipes.outputs import OutputSettings, write_picture, write_preview

PEAK = 1000.0


def smooth_scene(space: str = "srgb-linear") -> SceneImage:
    y, x = np.mgrid[0:96, 0:128].astype(np.float32)
    level = np.exp(8 * x / 128 - 5)
    colour = np.stack([np.ones_like(y), 1 - 0.4 * y / 96, 1 - 0.6 * y / 96], axis=2)
    return SceneImage((level[..., None] * colour).astype(np.float32), space)


def shown_light(path: Path) -> FloatArray:
    scene = read_display(path).scene
    assert scene is not None
    return convert(scene, "srgb-linear").data


@pytest.mark.parametrize("name", ["a.avif", "a.jpg", "a.JPEG", "a.AVIF"])
def test_both_hdr_formats_show_the_same_light(tmp_path: Path, name: str) -> None:
    scene = smooth_scene()
    rendering = write_picture(tmp_path / name, scene, OutputSettings(peak=PEAK), metadata=Metadata())
    assert rendering == hdr_rendering(scene, peak=PEAK / 203)
    expected = convert(render_hdr(scene, hdr_rendering(scene, peak=PEAK / 203)), "srgb-linear").data
    error = np.abs(shown_light(tmp_path / name) - expected) / (np.maximum(expected, 0) + 0.02)
    assert np.median(error) < 0.01
    assert np.percentile(error, 99) < 0.07


def test_the_base_of_a_gain_map_is_the_ordinary_picture(tmp_path: Path) -> None:
    write_picture(tmp_path / "hdr.jpg", smooth_scene(), OutputSettings(peak=PEAK), metadata=Metadata())
    write_picture(tmp_path / "sdr.jpg", smooth_scene(), OutputSettings(), metadata=Metadata())
    hdr, sdr = (read_display(tmp_path / name) for name in ("hdr.jpg", "sdr.jpg"))
    assert (hdr.hdr, sdr.hdr) == ("gain map", "")
    assert hdr.image is not None
    assert sdr.image is not None
    assert hdr.image.icc == sdr.image.icc
    assert np.abs(hdr.image.data.astype(int) - sdr.image.data).mean() < 1


@pytest.mark.parametrize("peak", [None, 203.0])
def test_a_jpeg_without_headroom_is_an_ordinary_one(tmp_path: Path, peak: float | None) -> None:
    rendering = write_picture(tmp_path / "a.jpg", smooth_scene(), OutputSettings(peak=peak), metadata=Metadata())
    assert rendering is None
    assert read_display(tmp_path / "a.jpg").hdr == ""


def test_avif_is_for_a_thousand_nits_unless_told_otherwise(tmp_path: Path) -> None:
    scene = smooth_scene()
    scene.data[:, 96:] = 500
    peaks = []
    for peak in (None, 203.0, 4000.0):
        write_picture(tmp_path / "a.avif", scene, OutputSettings(peak=peak), metadata=Metadata())
        peaks.append(203 * float(shown_light(tmp_path / "a.avif")[16:-16, 112:].mean()))
    np.testing.assert_allclose(peaks, [1000, 203, 4000], rtol=0.02)


def test_previews_stay_ordinary(tmp_path: Path) -> None:
    write_preview(tmp_path / "a.jpg", smooth_scene(), OutputSettings(peak=PEAK), metadata=Metadata())
    assert read_display(tmp_path / "a.jpg").hdr == ""


@pytest.mark.parametrize("name", ["a.avif", "a.jpg"])
def test_without_tone_mapping_one_is_diffuse_white(tmp_path: Path, name: str) -> None:
    scene = smooth_scene()
    scene.data[:, 32:64] = 1.0
    settings = OutputSettings(tonemap="none", peak=PEAK, key=0.7)
    rendering = write_picture(tmp_path / name, scene, settings, metadata=Metadata())
    assert rendering is not None
    assert rendering.scale == 1.0
    np.testing.assert_allclose(shown_light(tmp_path / name)[8:-8, 40:56], 1.0, rtol=0.02)


@pytest.mark.parametrize("space", ["rec2020", "display-p3", "acescg", "camera"])
@pytest.mark.parametrize("name", ["a.avif", "a.jpg"])
def test_every_space_can_be_shown(tmp_path: Path, name: str, space: str) -> None:
    write_picture(tmp_path / name, smooth_scene(space), OutputSettings(peak=PEAK), metadata=Metadata())
    assert np.isfinite(shown_light(tmp_path / name)).all()


def test_the_file_says_how_the_scene_is_shown(tmp_path: Path) -> None:
    rendering = write_picture(tmp_path / "a.avif", smooth_scene(), OutputSettings(), metadata=Metadata())
    assert rendering is not None
    content = (tmp_path / "a.avif").read_bytes()
    assert b'hdrcli:peakNits="1000"' in content
    assert f'hdrcli:diffuseWhite="{1 / rendering.scale:.6g}"'.encode() in content


@pytest.mark.parametrize("peak", [202.0, 10001.0, -1.0, float("nan")])
@pytest.mark.parametrize("name", ["a.avif", "a.jpg"])
def test_a_peak_out_of_range_is_a_usage_error(tmp_path: Path, name: str, peak: float) -> None:
    with pytest.raises(UsageError, match="between 203 and 10000"):
        write_picture(tmp_path / name, smooth_scene(), OutputSettings(peak=peak), metadata=Metadata())
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize("name", ["a.avif", "a.jpg"])
def test_metadata_that_no_file_holds_is_an_output_error(tmp_path: Path, name: str) -> None:
    endless = Metadata(provenance={"words": "x" * 100_000})
    with pytest.raises(OutputError, match="Metadata"):
        write_picture(tmp_path / name, smooth_scene(), OutputSettings(peak=PEAK), metadata=endless)
