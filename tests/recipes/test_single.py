"""One picture to HDR: what is well exposed stays, colours are kept, HDR that is there is taken, and it is said."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import imagecodecs
import numpy as np
import OpenEXR
import pytest
import tifffile
from display_files import hdr_avif, photograph, raw_photograph, saved, ultra_hdr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tiny_models import mixture, write_model

import hdrcli
from hdrcli.colourspaces import D65, Primaries
from hdrcli.errors import HdrcliError, ModelError, UnreadableFileError, UnsuitableInputError, UsageError
from hdrcli.expand.highlights import expand_highlights
from hdrcli.images import DisplayImage
from hdrcli.inference import registry
from hdrcli.io.display import read_display
from hdrcli.io.dng import write_dng
from hdrcli.io.exr import read_exr
from hdrcli.io.icc import icc_profile, matrix_profile
from hdrcli.io.metadata import provenance_of, read_metadata
from hdrcli.io.profile import linearise, own_light
from hdrcli.isp.colour import space_to_space
from hdrcli.isp.orient import orient
from hdrcli.isp.tonemap import encode_display
from hdrcli.recipes.network import find_network
from hdrcli.recipes.picture import read_picture, rendition
from hdrcli.recipes.single import SingleSettings, single, single_image

CLASSICAL = SingleSettings(model="none", bits=32)
PROFILE_RTOL = 3e-4  # a profile holds the constants of a curve as fractions of 65536
ADOBE_RGB = matrix_profile(
    Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), D65), gamma=563 / 256, name="Adobe RGB (1998)"
)


def colour_science() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import colour

        return colour


def srgb_light(codes: np.ndarray) -> np.ndarray:
    x = codes / np.iinfo(codes.dtype).max
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def light_of(path: Path, how: SingleSettings = CLASSICAL) -> np.ndarray:
    """Return what `single` makes of a file, through an EXR."""
    output = path.with_name("out.exr")
    single(path, output, settings=how, overwrite=True)
    return read_exr(output).data


# --- light ---------------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24), st.just(3))),
    st.sampled_from(["srgb-linear", "display-p3", "rec2020"]),
    st.sampled_from(["srgb-linear", "acescg"]),
)
def test_below_a_quarter_of_white_light_is_what_the_profile_says(codes: np.ndarray, own: str, target: str) -> None:
    image = DisplayImage(codes, icc_profile(own, linear=False))
    scene = single_image(image, settings=replace(CLASSICAL, colour_space=target))
    dark = own_light(image).max(axis=2) < 0.25
    np.testing.assert_array_equal(scene.data[dark], linearise(image, colour_space=target).data[dark])
    assert np.isfinite(scene.data).all()
    assert scene.colour_space == target


def test_what_clips_is_brighter_than_white_and_the_input_is_left_alone() -> None:
    codes = photograph()
    before = codes.copy()
    light = single_image(DisplayImage(codes), settings=CLASSICAL).data
    np.testing.assert_allclose(light, expand_highlights(srgb_light(codes).astype(np.float32)), rtol=PROFILE_RTOL)
    assert light[24, 36].min() > 1.5
    np.testing.assert_array_equal(codes, before)


def test_sixteen_bits_are_not_rounded_to_eight(tmp_path: Path) -> None:
    codes = np.random.default_rng(1).integers(0, 30000, (20, 30, 3), np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(codes))
    tifffile.imwrite(tmp_path / "a.tif", codes, photometric="rgb")
    for name in ("a.png", "a.tif"):
        np.testing.assert_allclose(light_of(tmp_path / name), srgb_light(codes), rtol=PROFILE_RTOL)


def test_exposure_multiplies() -> None:
    image = DisplayImage(photograph(), icc_profile("display-p3", linear=False))
    usual, brighter = (single_image(image, settings=replace(CLASSICAL, exposure_ev=ev)).data for ev in (0.0, 1.5))
    np.testing.assert_allclose(brighter, usual * 2**1.5, rtol=1e-5, atol=1e-6)


# --- colour --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "space", "curve"),
    [
        (icc_profile("display-p3", linear=False), "Display P3", srgb_light),
        (ADOBE_RGB, "Adobe RGB (1998)", lambda codes: (codes / 255) ** (563 / 256)),
    ],
    ids=["p3", "adobe"],
)
@pytest.mark.parametrize(
    ("name", "target"),
    [("srgb-linear", "sRGB"), ("rec2020", "ITU-R BT.2020"), ("acescg", "ACEScg"), ("aces2065-1", "ACES2065-1")],
)
def test_colours_of_wide_pictures_are_kept(
    profile: bytes, space: str, curve: Any, name: str, target: str, tmp_path: Path
) -> None:
    codes = np.random.default_rng(2).integers(0, 130, (16, 24, 3), np.uint8)  # below a quarter of white
    path = saved(tmp_path / "a.png", codes, icc_profile=profile)
    colour = colour_science()
    spaces = colour.RGB_COLOURSPACES
    to_target = colour.matrix_RGB_to_RGB(spaces[space], spaces[target], "Bradford")
    expected = curve(codes) @ to_target.T
    light = light_of(path, replace(CLASSICAL, colour_space=name))
    np.testing.assert_allclose(light, expected, atol=3e-4)
    if name == "srgb-linear":
        assert light.min() < -0.005  # colours that sRGB has not


def test_the_channels_that_clip_are_those_of_the_picture_not_of_the_output(tmp_path: Path) -> None:
    red = np.full((32, 48, 3), 20, np.uint8)
    red[8:24, 16:32] = 255, 60, 50
    path = saved(tmp_path / "a.png", red, icc_profile=icc_profile("display-p3", linear=False))
    light = light_of(path, replace(CLASSICAL, colour_space="acescg")) @ space_to_space("acescg", "display-p3").T
    assert light[16, 24, 0] > 1.1
    np.testing.assert_allclose(light[16, 24, 1:], srgb_light(red)[16, 24, 1:], rtol=1e-3)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
def test_grey_stays_neutral(name: str, tmp_path: Path) -> None:
    grey = np.asarray(photograph()[..., 0])
    light = light_of(saved(tmp_path / name, grey))
    assert light.max() > 1.2
    np.testing.assert_allclose(light[..., 0], light[..., 1], rtol=1e-3)
    np.testing.assert_allclose(light[..., 2], light[..., 1], rtol=1e-3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(orientation: int, tmp_path: Path) -> None:
    codes = np.minimum(photograph(), 130)
    light = light_of(saved(tmp_path / "a.png", codes, orientation=orientation))
    np.testing.assert_allclose(light, orient(srgb_light(codes).astype(np.float32), orientation), atol=1e-5)


# --- HDR that is there already -------------------------------------------------------------------------------------


def test_a_gain_map_is_taken_unless_told_otherwise(tmp_path: Path) -> None:
    data, light = ultra_hdr()
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    report = single(path, tmp_path / "own.exr", settings=CLASSICAL)
    assert (report.hdr, report.light, report.as_dict()["model"]) == ("gain map", "gain map", None)
    own = read_exr(tmp_path / "own.exr").data
    assert np.median(np.abs(own - light) / (light + 0.05)) < 0.02
    assert report.brightest_stops == pytest.approx(3.0, abs=0.1)
    assert provenance_of(tmp_path / "a.jpg") == {}
    report = single(path, tmp_path / "guessed.exr", settings=replace(CLASSICAL, embedded_hdr=False))
    assert (report.hdr, report.light) == ("gain map", "expanded")
    image = read_display(path).image
    assert image is not None
    np.testing.assert_array_equal(read_exr(tmp_path / "guessed.exr").data, single_image(image, settings=CLASSICAL).data)


def test_a_gain_map_that_cannot_be_decoded_is_a_warning_and_the_picture_is_expanded(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(ultra_hdr()[0][:-600])
    report = single(path, tmp_path / "out.exr", settings=CLASSICAL)
    assert (report.hdr, report.light) == ("gain map", "expanded")
    assert "cannot be decoded" in report.warnings[0]


@pytest.mark.parametrize(("transfer", "name", "peak"), [(16, "PQ", 10000 / 203), (18, "HLG", 1000 / 203)])
def test_pq_and_hlg_are_light_and_have_nothing_to_expand(transfer: int, name: str, peak: float, tmp_path: Path) -> None:
    codes = np.zeros((32, 32, 3), np.uint16)
    codes[:16] = 1023
    path = tmp_path / "a.avif"
    path.write_bytes(hdr_avif(codes, transfer=transfer))
    report = single(path, tmp_path / "out.exr", settings=replace(CLASSICAL, exposure_ev=-1))
    assert (report.hdr, report.light, report.bits, report.clipping) == (name, name, None, None)
    np.testing.assert_allclose(read_exr(tmp_path / "out.exr").data[4, 4], peak / 2, rtol=2e-3)
    with pytest.raises(UnsuitableInputError, match=f"is {name} throughout"):
        single(path, tmp_path / "none.exr", settings=replace(CLASSICAL, embedded_hdr=False))
    assert not (tmp_path / "none.exr").exists()


# --- raw files -----------------------------------------------------------------------------------------------------


def test_a_raw_file_is_developed_first(tmp_path: Path) -> None:
    raw = raw_photograph()
    write_dng(tmp_path / "a.dng", raw)
    report = single(tmp_path / "a.dng", tmp_path / "out.exr", settings=CLASSICAL)
    assert (report.kind, report.bits, report.size) == ("camera raw", 16, (128, 96))
    assert "developed as shot" in report.notes[0]
    assert report.as_dict()["camera"] == "Canon EOS 550D"
    assert report.clipping is not None
    assert report.clipping.any > 0.05
    light = read_exr(tmp_path / "out.exr").data
    assert report.brightest_stops is not None
    assert light.max() > 1.3


def test_the_sensors_clip_is_white_and_half_of_it_half() -> None:
    bright, dark = (rendition(raw_photograph(exposure=exposure)) for exposure in (1.0, 0.25))
    assert bright.data.dtype == np.uint16
    assert bright.icc == icc_profile("display-p3", linear=False)
    assert (bright.data == 65535).all(axis=2).mean() > 0.05
    assert dark.data.max() < 65535
    light, quarter = own_light(bright), own_light(dark)
    exposed = (light.max(axis=2) < 0.8) & (light.min(axis=2) > 0.1)
    assert np.median(light[exposed] / quarter[exposed]) == pytest.approx(4.0, rel=0.02)
    # A scene without colours, white balance as shot.
    assert np.median(light[exposed].max(axis=1) / light[exposed].min(axis=1)) < 1.05


def test_a_raw_file_turns_upright_too(tmp_path: Path) -> None:
    raw = raw_photograph()
    turned = replace(raw, metadata=replace(raw.metadata, orientation=6))
    write_dng(tmp_path / "a.dng", turned)
    picture = read_picture(tmp_path / "a.dng")
    assert picture.metadata.orientation == 1
    assert picture.image is not None
    upright = orient(rendition(raw).data, 6)
    assert picture.image.data.shape == upright.shape
    assert np.abs(picture.image.data.astype(int) - upright).max() <= 1  # a DNG holds matrices as fractions


def test_a_dual_iso_frame_is_sent_to_deinterlace(tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", raw_photograph(iso=(100, 1600)))
    with pytest.raises(UnsuitableInputError, match=r"a\.dng is dual-ISO: .* Use `hdrcli deinterlace`\."):
        single(tmp_path / "a.dng", tmp_path / "out.exr", settings=CLASSICAL)


# --- what is written and said --------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["exr", "tif", "jpg", "png"])
def test_metadata_and_provenance_travel(suffix: str, tmp_path: Path) -> None:
    source, output = saved(tmp_path / "a.jpg", photograph(), orientation=6), tmp_path / f"out.{suffix}"
    single(source, output, settings=CLASSICAL, preview=tmp_path / "small.jpg")
    for path in {output, tmp_path / "small.jpg"}:
        if path.suffix == ".exr":
            with OpenEXR.File(str(path)) as file:
                header = dict(file.header())
            assert (header["cameraMake"], header["cameraModel"]) == ("Maker", "Model 1")
            assert header["expTime"] == pytest.approx(1 / 250)
            said = {key.removeprefix("hdrcli:"): value for key, value in header.items()}
        else:
            found = read_metadata(path)
            assert (found.make, found.model, found.exposure_time_s) == ("Maker", "Model 1", 1 / 250)
            assert found.orientation == 1
            said = dict(provenance_of(path))
        expected = {"command": "single", "light": "expanded", "model": "none", "blend": "yes"}
        assert {key: said[key] for key in expected} == expected
        assert said["program"] == f"hdrcli {hdrcli.__version__}"


def test_the_report_says_what_was_found_and_done(tmp_path: Path) -> None:
    source = saved(tmp_path / "a.png", photograph(), icc_profile=icc_profile("display-p3", linear=False))
    report = single(source, tmp_path / "out.exr", settings=CLASSICAL)
    facts = json.loads(json.dumps(report.as_dict()))
    assert facts["source"] == str(source)
    assert facts["output"] == str(tmp_path / "out.exr")
    assert (facts["kind"], facts["bits"], facts["width"], facts["height"]) == ("PNG", 8, 96, 64)
    assert facts["profile"] == "Display P3 with sRGB curve (hdrcli)"
    assert (facts["camera"], facts["exposure_time_s"]) == ("Maker Model 1", 1 / 250)
    assert facts["hdr"] is None
    assert (facts["light"], facts["model"], facts["blend"]) == ("expanded", "none", True)
    codes = photograph()
    assert facts["clipped_any_percent"] == pytest.approx(100 * (codes == 255).any(axis=2).mean(), abs=1e-3)
    assert facts["clipped_all_percent"] == pytest.approx(100 * (codes == 255).all(axis=2).mean(), abs=1e-3)
    above = single_image(DisplayImage(codes), settings=CLASSICAL).data.max(axis=2)
    assert facts["brightest_ev"] == pytest.approx(np.log2(np.percentile(above[above > 1], 99.9)), abs=1e-3)
    assert {"load model", "read", "expand", "convert", "write"} == set(facts["seconds"])
    text = "\n".join(report.lines())
    for words in ("a.png: PNG, 8 bits, 96 x 64, Maker Model 1", "Display P3", "% in some channel", "EV above white"):
        assert words in text
    assert all(line[17] == " " and line[18] != " " for line in report.lines()[1:])


def test_notes_of_the_reader_are_reported(tmp_path: Path) -> None:
    rgba = np.dstack([photograph(), np.full((64, 96), 255, np.uint8)])
    report = single(saved(tmp_path / "a.png", rgba), tmp_path / "out.exr", settings=CLASSICAL)
    assert "opaque" in report.as_dict()["notes"][0]  # type: ignore[index]
    assert any(line.startswith("Note") and "opaque" in line for line in report.lines())


@pytest.mark.parametrize(
    ("output", "changes", "words"),
    [
        ("out.dng", {}, "has no mosaic"),
        ("out.exr", {"colour_space": "camera"}, "no colour space 'camera'"),
        ("out.exr", {"exposure_ev": float("nan")}, "no number of stops"),
    ],
)
def test_what_makes_no_sense_is_found_out_before_the_file_is_read(
    output: str, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        single(tmp_path / "missing.jpg", tmp_path / output, settings=replace(CLASSICAL, **changes))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_picture_is_refused_with_what_would_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("No picture.\n" * 100)
    with pytest.raises(HdrcliError, match=r"Pictures are read from JPEG, .* and raw files of Bayer sensors"):
        single(tmp_path / "a.jpg", tmp_path / "out.exr", settings=CLASSICAL)
    (tmp_path / "b.jpg").write_bytes(b"")
    with pytest.raises(UnreadableFileError, match="is empty"):
        single(tmp_path / "b.jpg", tmp_path / "out.exr", settings=CLASSICAL)


# --- networks ------------------------------------------------------------------------------------------------------


@pytest.fixture
def network(tmp_path: Path) -> SingleSettings:
    """Settings with a network of the two-stage kind, which answers with twice the codes."""
    files = {"model.onnx": mixture({"ldr": 3}, "hdr", 2 * np.eye(3), cell=((0,),))}
    shape = ["n", 3, "h", "w"]
    folder = write_model(
        tmp_path / "net",
        files=files,
        task="single",
        version="2.5.0",
        inputs=[{"name": "ldr", "dtype": "float32", "shape": shape}],
        outputs=[{"name": "hdr", "dtype": "float32", "shape": shape}],
        period=[1, 1],
        multiple=[1, 1],
    )
    return replace(CLASSICAL, model=str(folder), device="cpu")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_network_sees_the_codes_of_the_file_in_their_own_primaries(network: SingleSettings, dtype: type) -> None:
    codes = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, (9, 7, 3), endpoint=True).astype(dtype)
    image = DisplayImage(codes, icc_profile("display-p3", linear=False))
    light = single_image(image, settings=network).data
    own = (codes * (2.0 / np.iinfo(dtype).max)) ** 2.24
    np.testing.assert_allclose(light, own @ space_to_space("display-p3", "srgb-linear").T, rtol=1e-3, atol=2e-3)


def test_blending_keeps_what_is_well_exposed(network: SingleSettings) -> None:
    codes = photograph()
    light = single_image(DisplayImage(codes), settings=replace(network, blend=True)).data
    brightest = codes.max(axis=2)
    exposed, clipped = brightest < 0.85 * 255, brightest == 255
    np.testing.assert_allclose(light[exposed], srgb_light(codes)[exposed], atol=1e-5)
    np.testing.assert_allclose(light[clipped], (codes[clipped] / 127.5) ** 2.24, rtol=1e-4)


def test_tile_and_border_reach_the_network(network: SingleSettings) -> None:
    with pytest.raises(UsageError, match="A tile of 16 has no room"):
        single_image(DisplayImage(photograph()), settings=replace(network, tile=16, border=32))


def test_without_a_choice_the_default_of_the_shipped_models_is_used(
    network: SingleSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "_shipped_folder", lambda: tmp_path / "shelf")
    assert find_network("auto", task="single") is None
    shutil.copytree(network.model, tmp_path / "shelf" / "tiny")
    manifest = tmp_path / "shelf" / "tiny" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "default_for": "single"}))
    source = saved(tmp_path / "a.png", photograph())
    report = single(source, tmp_path / "out.exr", settings=SingleSettings(device="cpu"))
    assert report.model == "tiny 2.5.0"


def test_the_output_and_the_report_name_the_network(network: SingleSettings, tmp_path: Path) -> None:
    digest = registry.find_model(network.model).manifest.graphs[0].sha256
    source = saved(tmp_path / "a.png", photograph())
    news: list[tuple[str, float]] = []
    how = replace(network, blend=False, tile=24)
    report = single(source, tmp_path / "out.tif", settings=how, progress=lambda *one: news.append(one))
    assert (report.model, report.as_dict()["blend"]) == ("tiny 2.5.0", False)
    said = provenance_of(tmp_path / "out.tif")
    assert (said["model"], said["blend"]) == ("tiny 2.5.0", "no")
    assert digest.startswith(said["modelHash"])
    assert [share for _, share in news] == sorted(share for _, share in news)
    assert sum(stage == "expand" for stage, _ in news) > 5


def test_a_model_for_another_task_is_refused_before_the_file_is_read(tmp_path: Path) -> None:
    other = write_model(tmp_path / "other")
    with pytest.raises(ModelError, match="is for 'deinterlace', not for 'single'"):
        single(tmp_path / "missing.jpg", tmp_path / "out.exr", settings=SingleSettings(model=str(other)))


def test_an_encoded_picture_of_light_comes_back(tmp_path: Path) -> None:
    light = np.random.default_rng(4).uniform(0, 0.24, (20, 30, 3)).astype(np.float32)
    image = encode_display(light, bits=16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(image.data))
    np.testing.assert_allclose(light_of(tmp_path / "a.png", replace(CLASSICAL, bits=16)), light, rtol=1e-3, atol=1e-5)
