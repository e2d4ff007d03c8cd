"""Display pictures come out as the file has them, upright, or are refused with a reason."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from hdrcli.errors import HdrcliError, UnreadableFileError, UnsupportedFileError
from hdrcli.io import decoded
from hdrcli.io.display import display_kind, read_display
from hdrcli.io.icc import icc_profile
from hdrcli.io.profile import linearise

RNG = np.random.default_rng(7)
SMALL = RNG.integers(0, 256, (24, 40, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (24, 40, 3), np.uint16)
P3 = icc_profile("display-p3", linear=False)


def smooth(height: int, width: int) -> np.ndarray:
    """Return a picture that lossy codecs keep, different at every edge."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    return (255 * np.stack([x, y, 0.5 + 0.3 * x - 0.4 * y], -1)).astype(np.uint8)


def saved(path: Path, array: np.ndarray, **options: object) -> Path:
    Image.fromarray(array).save(path, **options)
    return path


def png_with(path: Path, chunks: dict[bytes, bytes], samples: np.ndarray = SMALL) -> Path:
    data = bytes(imagecodecs.png_encode(samples))
    extra = b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in chunks.items()
    )
    path.write_bytes(data[:33] + extra + data[33:])
    return path


# --- codes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "options"), [("a.png", {}), ("a.webp", {"lossless": True}), ("a.tif", {})])
def test_lossless_files_come_out_code_by_code(tmp_path: Path, name: str, options: dict[str, object]) -> None:
    file = read_display(saved(tmp_path / name, SMALL, **options))
    assert file.image is not None
    assert file.image.data.dtype == np.uint8
    assert file.image.data.flags.c_contiguous
    np.testing.assert_array_equal(file.image.data, SMALL)
    assert (file.image.icc, file.hdr, file.scene, file.notes) == (b"", "", None, ())


def test_sixteen_bits_are_kept_in_png_and_tiff(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(DEEP))
    tifffile.imwrite(tmp_path / "a.tif", DEEP, photometric="rgb", compression="deflate", predictor=True)
    tifffile.imwrite(tmp_path / "planes.tif", np.moveaxis(DEEP, -1, 0), photometric="rgb", planarconfig="separate")
    for name in ("a.png", "a.tif", "planes.tif"):
        image = read_display(tmp_path / name).image
        assert image is not None
        np.testing.assert_array_equal(image.data, DEEP)


def test_a_jpeg_is_decoded_as_pillow_does(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", smooth(33, 47), quality=90)
    image = read_display(path).image
    assert image is not None
    np.testing.assert_array_equal(image.data, np.asarray(Image.open(path)))


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "wrong.jpg"
    path.write_bytes(imagecodecs.png_encode(SMALL))
    assert display_kind(path) == "PNG"
    image = read_display(path).image
    assert image is not None
    np.testing.assert_array_equal(image.data, SMALL)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_grey_becomes_three_equal_channels(tmp_path: Path, name: str) -> None:
    image = read_display(saved(tmp_path / name, smooth(20, 30)[..., 0])).image
    assert image is not None
    assert image.data.shape == (20, 30, 3)
    np.testing.assert_array_equal(image.data[..., 0], image.data[..., 2])


def test_a_grey_profile_becomes_srgb_in_sixteen_bits(tmp_path: Path) -> None:
    # A grey profile of gamma 1.0: the codes are proportional to light.
    grey = bytearray(icc_profile("srgb-linear", linear=True))
    grey[16:20] = b"GRAY"
    grey = bytes(grey).replace(b"rTRC", b"kTRC", 1)
    path = saved(tmp_path / "a.png", np.arange(256, dtype=np.uint8).reshape(16, 16), icc_profile=grey)
    image = read_display(path).image
    assert image is not None
    assert image.data.dtype == np.uint16
    light = linearise(image).data
    np.testing.assert_allclose(light[..., 1].ravel(), np.arange(256) / 255, atol=1e-3)


def test_white_is_zero_and_palettes_are_resolved(tmp_path: Path) -> None:
    grey = SMALL[..., 0]
    tifffile.imwrite(tmp_path / "a.tif", grey, photometric="miniswhite")
    image = read_display(tmp_path / "a.tif").image
    assert image is not None
    np.testing.assert_array_equal(image.data[..., 1], 255 - grey)
    palette = Image.fromarray(smooth(20, 20)).quantize(16)
    palette.save(tmp_path / "p.png")
    image = read_display(tmp_path / "p.png").image
    assert image is not None
    np.testing.assert_array_equal(image.data, np.asarray(palette.convert("RGB")))
    palette.save(tmp_path / "p.tif")
    image = read_display(tmp_path / "p.tif").image
    assert image is not None
    np.testing.assert_array_equal(image.data, np.asarray(palette.convert("RGB")))


# --- alpha ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp", "a.avif"])
def test_opaque_alpha_is_dropped_and_transparency_refused(tmp_path: Path, name: str) -> None:
    rgba = np.dstack([smooth(24, 40), np.full((24, 40), 255, np.uint8)])
    options = {"lossless": True} if name == "a.webp" else {}
    file = read_display(saved(tmp_path / name, rgba, **options))
    assert file.image is not None
    assert file.image.data.shape == (24, 40, 3)
    if name != "a.avif" and name != "a.webp":  # whose encoders leave an opaque alpha out
        assert "opaque" in file.notes[0]
    rgba[:12, :, 3] = 100
    with pytest.raises(UnsupportedFileError, match=r"transparent in 50\.00 % of its pixels"):
        read_display(saved(tmp_path / name, rgba, **options))


def test_a_transparent_colour_counts_as_alpha(tmp_path: Path) -> None:
    key = SMALL[3, 4].astype(">u2").tobytes()
    with pytest.raises(UnsupportedFileError, match="transparent"):
        read_display(png_with(tmp_path / "a.png", {b"tRNS": key}))
    with pytest.raises(UnsupportedFileError, match="transparent"):
        read_display(png_with(tmp_path / "b.png", {b"tRNS": DEEP[3, 4].astype(">u2").tobytes()}, DEEP))
    palette = Image.fromarray(smooth(20, 20)).quantize(16)
    palette.save(tmp_path / "p.png", transparency=0)
    with pytest.raises(UnsupportedFileError, match="transparent"):
        read_display(tmp_path / "p.png")


def test_channels_of_a_tiff_that_are_no_alpha_are_left_out(tmp_path: Path) -> None:
    four = np.dstack([SMALL, RNG.integers(0, 256, (24, 40), np.uint8)])
    tifffile.imwrite(tmp_path / "a.tif", four, photometric="rgb", extrasamples=["unspecified"])
    image = read_display(tmp_path / "a.tif").image
    assert image is not None
    np.testing.assert_array_equal(image.data, SMALL)


# --- orientation, frames, metadata ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_come_out_upright(tmp_path: Path, name: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / name, smooth(24, 40), exif=exif.tobytes())
    file = read_display(path)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB")).astype(int)
    assert file.image is not None
    assert file.image.data.shape == upright.shape
    assert np.abs(file.image.data - upright).max() <= 3  # two AVIF decoders differ in their chroma
    assert file.metadata.orientation == 1


def test_the_first_of_several_pictures_is_read(tmp_path: Path) -> None:
    frames = [Image.fromarray(SMALL), Image.fromarray(255 - SMALL)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    for name in ("a.png", "a.webp", "a.tif"):
        file = read_display(tmp_path / name)
        assert file.image is not None
        np.testing.assert_array_equal(file.image.data, SMALL)
        assert "2 pa" in file.notes[0] or "2 pictures" in file.notes[0]
    frames[0].save(tmp_path / "a.avif", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedFileError, match="AVIF animation"):
        read_display(tmp_path / "a.avif")


def test_a_reduced_copy_in_a_tiff_is_passed_over(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(SMALL[::2, ::2], photometric="rgb", subfiletype=1)
        tif.write(SMALL, photometric="rgb")
    file = read_display(tmp_path / "a.tif")
    np.testing.assert_array_equal(file.image.data, SMALL)
    assert file.notes == ()


def test_a_picture_below_its_thumbnail_in_a_tiff_is_found(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.nef") as tif:
        tif.write(SMALL[::2, ::2], photometric="rgb", subfiletype=1, subifds=1)
        tif.write(SMALL, photometric="rgb", subfiletype=0)
    file = read_display(tmp_path / "a.nef")
    assert file.image is not None
    np.testing.assert_array_equal(file.image.data, SMALL)
    assert file.notes == ()


def test_metadata_come_along(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker", "Model 1"
    exif.get_ifd(0x8769)[0x829A] = (1, 250)
    for name in ("a.jpg", "a.png", "a.webp"):
        metadata = read_display(saved(tmp_path / name, SMALL, exif=exif.tobytes())).metadata
        assert (metadata.make, metadata.model) == ("Maker", "Model 1")


# --- colour --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif"])
def test_display_p3_keeps_its_codes_and_its_colours(tmp_path: Path, name: str) -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = 255
    file = read_display(saved(tmp_path / name, red, icc_profile=P3))
    assert file.image is not None
    assert file.image.icc == P3
    assert np.abs(file.image.data.astype(int) - red).max() <= 3
    assert linearise(file.image).data[8, 8, 0] > 1.2  # outside of sRGB and not cut
    np.testing.assert_allclose(linearise(file.image, colour_space="display-p3").data[8, 8], [1, 0, 0], atol=0.01)


def test_adobe_rgb_is_known_by_exif_alone(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({0xA001: 65535, 0xA005: {1: "R03"}})
    green = np.zeros((16, 16, 3), np.uint8)
    green[..., 1] = 255
    image = read_display(saved(tmp_path / "a.jpg", green, quality=100, exif=exif.tobytes())).image
    assert image is not None
    light = linearise(image).data[8, 8]
    np.testing.assert_allclose(light, [-0.398, 1.0, -0.043], atol=0.02)  # Adobe RGB (1998) 4.3.4 against sRGB


def test_a_damaged_or_foreign_profile_is_as_good_as_none(tmp_path: Path) -> None:
    cmyk = bytearray(P3)
    cmyk[16:20] = b"CMYK"
    for profile, words in ((P3[:200], "damaged"), (bytes(cmyk), "CMYK")):
        file = read_display(saved(tmp_path / "a.jpg", SMALL, icc_profile=profile))
        assert file.image is not None
        assert file.image.icc == b""
        assert words in file.notes[0]


def test_png_chunks_of_gamma_and_chromaticities_are_a_profile(tmp_path: Path) -> None:
    linear = read_display(png_with(tmp_path / "a.png", {b"gAMA": struct.pack(">I", 100000)})).image
    assert linear is not None
    np.testing.assert_allclose(linearise(linear).data, SMALL / 255, atol=2e-4)
    common = read_display(png_with(tmp_path / "b.png", {b"gAMA": struct.pack(">I", 45455)})).image
    assert common is not None
    assert common.icc == b""


def test_code_points_of_an_ordinary_avif_are_a_profile(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    path.write_bytes(imagecodecs.avif_encode(smooth(24, 40), level=100, primaries=12, transfer=13, matrix=0))
    image = read_display(path).image
    assert image is not None
    assert image.icc == P3


def test_ten_bits_of_an_avif_reach_both_ends_of_sixteen(tmp_path: Path) -> None:
    codes = np.zeros((16, 16, 3), np.uint16)
    codes[:8] = 1023
    path = tmp_path / "a.avif"
    path.write_bytes(imagecodecs.avif_encode(codes, level=100, bitspersample=10, primaries=1, transfer=13, matrix=0))
    image = read_display(path).image
    assert image is not None
    assert (image.data.min(), image.data.max()) == (0, 65535)


# --- refusals ------------------------------------------------------------------------------------------------------


def test_cmyk_is_refused_with_the_reason(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.tif"):
        Image.fromarray(SMALL).convert("CMYK").save(tmp_path / name)
        with pytest.raises(UnsupportedFileError, match="CMYK"):
            read_display(tmp_path / name)


def test_other_samples_of_a_tiff_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "f.tif", SMALL.astype(np.float32), photometric="rgb")
    with pytest.raises(UnsupportedFileError, match="floating point samples of 32 bits"):
        read_display(tmp_path / "f.tif")
    Image.fromarray(SMALL).convert("1").save(tmp_path / "b.tif")
    with pytest.raises(UnsupportedFileError, match="1 bits"):
        read_display(tmp_path / "b.tif")
    Image.fromarray(SMALL).convert("LAB").save(tmp_path / "l.tif")
    with pytest.raises(UnsupportedFileError, match="CIELAB"):
        read_display(tmp_path / "l.tif")


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    with pytest.raises(UnreadableFileError, match="is empty"):
        read_display(tmp_path / "empty.jpg")
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_display(tmp_path / "missing.jpg")
    with pytest.raises(UnreadableFileError, match="is a folder"):
        read_display(tmp_path)
    (tmp_path / "text.jpg").write_text("no picture at all, but some text that is long enough")
    with pytest.raises(UnsupportedFileError, match="is not a JPEG, PNG"):
        read_display(tmp_path / "text.jpg")


def test_a_raw_file_is_no_display_picture(tmp_path: Path) -> None:
    tags = [(33421, "H", 2, (2, 2), False), (33422, "B", 4, bytes((0, 1, 1, 2)), False)]
    dng = [(50706, "B", 4, bytes((1, 4, 0, 0)), False), *tags]
    tifffile.imwrite(tmp_path / "a.dng", DEEP[..., 0], photometric=32803, extratags=dng)
    with pytest.raises(UnsupportedFileError, match="camera raw file"):
        read_display(tmp_path / "a.dng")


def test_huge_dimensions_are_refused_before_decoding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = bytearray(imagecodecs.png_encode(SMALL))
    data[16:24] = struct.pack(">II", 100_000, 100_000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(UnreadableFileError, match="pixels"):
        read_display(tmp_path / "bomb.png")
    monkeypatch.setattr(decoded, "LARGEST_PIXELS", 24 * 40 - 1)
    for name in ("a.jpg", "a.png", "a.webp", "a.tif", "a.avif"):
        with pytest.raises(UnreadableFileError, match="claims 40 x 24 pixels"):
            read_display(saved(tmp_path / name, SMALL))


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif", "deep.png"])
def test_truncated_files_are_one_clear_error(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "deep.png":
        path.write_bytes(imagecodecs.png_encode(DEEP))
    else:
        saved(path, SMALL)
    whole = path.read_bytes()
    for share in (0.1, 0.5, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises((UnreadableFileError, UnsupportedFileError)) as caught:
            read_display(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tif", "a.avif"])
def test_damaged_bytes_never_raise_anything_else(tmp_path: Path, name: str) -> None:
    path = saved(tmp_path / name, smooth(24, 40), icc_profile=P3)
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    for _ in range(40):
        data = bytearray(whole)
        for position in rng.integers(0, len(data), 4):
            data[position] = rng.integers(0, 256)
        path.write_bytes(data)
        with contextlib.suppress(HdrcliError):
            read_display(path)


def test_a_heic_picture_without_the_extra_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.heic").write_bytes(struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + bytes(40))
    with pytest.raises(UnsupportedFileError, match=r"pip install 'hdrcli\[heif\]'"):
        read_display(tmp_path / "a.heic")


# --- real files ----------------------------------------------------------------------------------------------------


def test_real_pictures_are_read(shared_data: Path) -> None:
    folder = shared_data / "photos" / "special"
    expected = {
        "canon_5d3_orientation8.jpg": ((1920, 1280, 3), np.uint8),
        "display_p3_colour_ring.png": ((1000, 1000, 3), np.uint8),
        "srgb_8bit.avif": ((1080, 1617, 3), np.uint8),
        "weld_16bit_crop.png": ((300, 400, 3), np.uint16),
    }
    for name, (shape, dtype) in expected.items():
        image = read_display(folder / name).image
        assert image is not None
        assert (image.data.shape, image.data.dtype) == (shape, dtype), name
    ring = read_display(folder / "display_p3_colour_ring.png").image
    assert ring is not None
    assert linearise(ring).data.min() < -0.2


def test_an_iphone_picture_carries_its_hdr(shared_data: Path) -> None:
    pytest.importorskip("pillow_heif")
    file = read_display(shared_data / "photos" / "special" / "iphone_15_pro_p3_rotated6.heic")
    assert file.image is not None
    assert file.scene is not None
    assert file.image.data.shape == file.scene.data.shape == (4032, 3024, 3)  # turned once, not twice
    assert file.hdr == "gain map"
    ratio = file.scene.data[::8, ::8].mean(axis=2) / np.maximum(linearise(file.image).data[::8, ::8].mean(axis=2), 0.01)
    assert 1 < np.median(ratio) < np.max(ratio) < 3.848  # the headroom that the file states


def test_photographs_are_read_as_pillow_reads_them(shared_data: Path) -> None:
    folder = shared_data / "photos"
    for path in [*sorted((folder / "kodak").iterdir())[:2], *sorted((folder / "sharp").iterdir())[:2]]:
        image = read_display(path).image
        assert image is not None
        buffer = io.BytesIO(path.read_bytes())
        np.testing.assert_array_equal(
            image.data, np.asarray(ImageOps.exif_transpose(Image.open(buffer)).convert("RGB"))
        )
