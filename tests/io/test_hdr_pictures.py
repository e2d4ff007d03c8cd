"""Files that carry HDR are recognised, and their light is what the standards say."""

from __future__ import annotations

import struct
import warnings
import zlib
from pathlib import Path
from types import ModuleType

import imagecodecs
import numpy as np
import pytest
from display_files import hdr_avif, ultra_hdr
from PIL import Image

from hdrcli.errors import UnsupportedFileError
from hdrcli.images import DisplayImage
from hdrcli.io.code_points import CodePoints, decode_hdr, pq_to_light, profile_of
from hdrcli.io.display import read_display
from hdrcli.io.gainmap import (
    GainMap,
    adobe_gain_map,
    apple_gain_map,
    apple_maker_headroom,
    apply_gain_map,
    iso_gain_map,
)
from hdrcli.io.icc import icc_profile
from hdrcli.io.profile import linearise, matrix_encoded, own_light, primaries_matrix, profile_name
from hdrcli.isp.colour import space_to_space

LIBULTRAHDR_RTOL = 0.02  # of two decoders of the base's JPEG, one of which rounds to half floats
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about="" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" {}</rdf:Description>'
    "</rdf:RDF></x:xmpmeta>"
)


def colour_science() -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import colour

        return colour


def multi_picture(base: np.ndarray, gain: np.ndarray, *, xmp: str) -> bytes:
    """Return a JPEG with a second one behind it that has XMP, joined by an index of the Multi-Picture Format."""
    parts = [bytes(imagecodecs.jpeg8_encode(array, level=100)) for array in (base, gain)]
    packet = b"http://ns.adobe.com/xap/1.0/\0" + xmp.encode()
    second = parts[1][:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(packet)) + packet + parts[1][2:]
    size = 4 + 4 + 8 + 2 + 3 * 12 + 4 + 32  # marker, name, header, entries, two pictures
    first_size = len(parts[0]) + size
    entries = struct.pack(">HHI4s", 0xB000, 7, 4, b"0100") + struct.pack(">HHII", 0xB001, 4, 1, 2)
    entries += struct.pack(">HHII", 0xB002, 7, 32, 8 + 2 + 36 + 4)
    index = b"MM\0*" + struct.pack(">IH", 8, 3) + entries + bytes(4)
    header_at = 2 + 4 + 4  # in the file: after SOI, marker and name
    index += struct.pack(">IIIHH", 0x030000, first_size, 0, 0, 0)
    index += struct.pack(">IIIHH", 0, len(second), first_size - header_at, 0, 0)
    block = b"\xff\xe2" + struct.pack(">H", 2 + 4 + len(index)) + b"MPF\0" + index
    return parts[0][:2] + block + parts[0][2:] + second


def iso_description(*, channels: int = 1, flags: int = 0x40, alternate: int = 2, gamma: int = 1) -> bytes:
    """Return ISO 21496-1 metadata: gains 0 to 2 stops, offsets 1/64."""
    channel = struct.pack(">iIiIIIiIiI", 0, 1, 2, 1, gamma, 1, 1, 64, 1, 64)
    return struct.pack(">HHBIIII", 0, 0, flags, 0, 1, alternate, 1) + channel * channels


# --- gain maps -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("gamut", "space"), [(0, "srgb-linear"), (1, "display-p3"), (2, "rec2020")])
def test_an_ultra_hdr_jpeg_comes_out_as_libultrahdr_has_it(tmp_path: Path, gamut: int, space: str) -> None:
    data, light = ultra_hdr(gamut)
    (tmp_path / "a.jpg").write_bytes(data)
    file = read_display(tmp_path / "a.jpg")
    assert file.hdr == "gain map"
    assert file.scene is not None
    assert file.image is not None
    own = file.scene.data @ space_to_space("srgb-linear", space).T
    theirs = imagecodecs.ultrahdr_decode(data)[..., :3].astype(np.float32)
    assert np.percentile(np.abs(own - theirs) / (theirs + 0.05), 99) < LIBULTRAHDR_RTOL
    assert np.median(np.abs(own - light) / (light + 0.05)) < LIBULTRAHDR_RTOL


def test_a_jpeg_with_adobes_xmp_gets_its_gain(tmp_path: Path) -> None:
    base, gain = np.full((32, 32, 3), 128, np.uint8), np.full((16, 16), 255, np.uint8)
    xmp = XMP.format('hdrgm:Version="1.0" hdrgm:GainMapMax="2" hdrgm:OffsetSDR="0" hdrgm:OffsetHDR="0">')
    (tmp_path / "a.jpg").write_bytes(multi_picture(base, gain, xmp=xmp))
    file = read_display(tmp_path / "a.jpg")
    assert file.scene is not None
    assert file.image is not None
    np.testing.assert_allclose(file.scene.data, 4 * linearise(file.image).data, rtol=1e-4)


def test_a_gain_map_that_cannot_be_applied_leaves_the_ordinary_picture(tmp_path: Path) -> None:
    base, gain = np.full((32, 32, 3), 128, np.uint8), np.full((16, 16), 255, np.uint8)
    for entries, words in (
        ('hdrgm:GainMapMax="900">', "make no sense"),
        ('hdrgm:GainMapMax="2" hdrgm:BaseRenditionIsHDR="True">', "HDR base"),
        ('hdrgm:GainMapMax="many">', "not applied"),
    ):
        (tmp_path / "a.jpg").write_bytes(multi_picture(base, gain, xmp=XMP.format(entries)))
        file = read_display(tmp_path / "a.jpg")
        assert file.image is not None
        assert (file.hdr, file.scene) == ("gain map", None)
        assert words in file.notes[0]


def test_two_views_of_a_scene_are_no_gain_map(tmp_path: Path) -> None:
    base = np.full((32, 32, 3), 128, np.uint8)
    (tmp_path / "a.jpg").write_bytes(multi_picture(base, np.full((16, 16), 9, np.uint8), xmp=XMP.format(">")))
    file = read_display(tmp_path / "a.jpg")
    assert file.hdr == ""
    assert "2 pictures" in file.notes[0]


def test_damaged_ultra_hdr_files_still_give_the_picture_or_one_error(tmp_path: Path) -> None:
    data, _ = ultra_hdr(0)
    path = tmp_path / "a.jpg"
    path.write_bytes(data[:-600])  # within the gain map
    file = read_display(path)
    assert file.image is not None
    assert (file.hdr, file.scene) == ("gain map", None)
    assert "damaged" in file.notes[0]


@pytest.mark.parametrize("channels", [1, 3])
def test_iso_gains_follow_the_formula(channels: int) -> None:
    codes = np.full((2, 2, channels), 255, np.uint8)
    flags = 0x40 | (0x80 if channels == 3 else 0)
    found = iso_gain_map(codes, iso_description(channels=channels, flags=flags))
    base = DisplayImage(np.full((2, 2, 3), 255, np.uint8))
    np.testing.assert_allclose(apply_gain_map(base, found).data, (1 + 1 / 64) * 4 - 1 / 64, rtol=1e-5)


def test_gamma_bends_the_gains() -> None:
    codes = np.array([[0, 64, 255]], np.uint8)
    found = iso_gain_map(codes, iso_description(gamma=2))
    np.testing.assert_allclose(found.gain[0, :, 0], [0, 2 * (64 / 255) ** 0.5, 2], rtol=1e-6)


@pytest.mark.parametrize(
    ("description", "words"),
    [
        (iso_description()[:30], "cut short"),
        (b"\0\1" + iso_description()[2:], "version 1"),
        (iso_description(alternate=0), "HDR base"),
        (iso_description(gamma=0), "no sense"),
        (iso_description()[:9] + bytes(4) + iso_description()[13:], "divides by zero"),
    ],
)
def test_damaged_iso_descriptions_are_told_apart(description: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        iso_gain_map(np.zeros((2, 2), np.uint8), description)


def test_xmp_of_lists_gives_each_channel_its_gain() -> None:
    items = "".join(f"<rdf:li>{stops}</rdf:li>" for stops in (1, 2, 3))
    lists = f"><hdrgm:GainMapMax><rdf:Seq>{items}</rdf:Seq></hdrgm:GainMapMax>"
    found = adobe_gain_map(np.full((1, 1, 3), 255, np.uint8), XMP.format(lists).encode())
    assert found is not None
    np.testing.assert_allclose(found.gain[0, 0], [1, 2, 3])
    assert found.offset_base == (1 / 64,) * 3
    assert adobe_gain_map(np.zeros((1, 1), np.uint8), b"<no xmp") is None


def test_apples_gains_reach_the_headroom() -> None:
    found = apple_gain_map(np.array([[0, 255]], np.uint8), 4.0)
    np.testing.assert_allclose(found.gain[0, :, 0], [0, 2], atol=1e-6)
    with pytest.raises(ValueError, match="headroom"):
        apple_gain_map(np.zeros((1, 1), np.uint8), 0.5)


@pytest.mark.parametrize(("brightness", "share", "stops"), [(0.5, 0.0, 1.8), (0.5, 1.0, 1.5), (1.2, 0.0, 3.0)])
def test_apples_maker_note_gives_the_headroom(brightness: float, share: float, stops: float) -> None:
    values = [(round(1000 * value), 1000) for value in (brightness, share)]
    start = 16 + 2 * 12 + 4
    entries = [struct.pack(">HHII", tag, 10, 1, start + 8 * i) for i, tag in enumerate((33, 48))]
    body = b"".join(struct.pack(">ii", *value) for value in values)
    note = b"Apple iOS\0\0\1MM" + struct.pack(">H", 2) + b"".join(entries) + bytes(4) + body
    assert apple_maker_headroom(note) == pytest.approx(2**stops)
    assert apple_maker_headroom(b"Nikon\0") is None
    assert apple_maker_headroom(note[:40]) is None


def test_the_map_is_stretched_over_the_picture() -> None:
    gain = GainMap(np.array([[[0.0], [2.0]]], np.float32))
    light = apply_gain_map(DisplayImage(np.full((3, 8, 3), 255, np.uint8)), gain).data[1, :, 0]
    assert light[0] == pytest.approx(1, rel=1e-4)
    assert light[-1] == pytest.approx(4, rel=1e-4)
    assert (np.diff(light) >= 0).all()


# --- PQ and HLG ----------------------------------------------------------------------------------------------------


def test_pq_follows_st_2084() -> None:
    colour = colour_science()
    steps = np.linspace(0, 1, 101)
    expected = colour.models.eotf_ST2084(steps) / 203
    np.testing.assert_allclose(pq_to_light(steps), expected, rtol=1e-6, atol=1e-9)


def test_hlg_follows_bt_2100_on_a_display_of_1000_nits() -> None:
    colour = colour_science()
    codes = np.random.default_rng(1).integers(0, 65536, (8, 8, 3), np.uint16)
    light = decode_hdr(codes, CodePoints(9, 18)).data
    expected = colour.models.eotf_BT2100_HLG(codes / 65535) / 203
    np.testing.assert_allclose(light, expected, rtol=2e-3, atol=1e-4)
    white = decode_hdr(np.full((1, 1, 3), round(0.75 * 65535), np.uint16), CodePoints(9, 18)).data
    assert white.max() == pytest.approx(1.0, rel=0.01)  # BT.2408: diffuse white at 75 %


@pytest.mark.parametrize(("transfer", "name", "peak"), [(16, "PQ", 10000 / 203), (18, "HLG", 1000 / 203)])
def test_a_pq_or_hlg_avif_is_light_already(tmp_path: Path, transfer: int, name: str, peak: float) -> None:
    codes = np.zeros((32, 32, 3), np.uint16)
    codes[:16] = 1023
    path = tmp_path / "a.avif"
    path.write_bytes(hdr_avif(codes, transfer=transfer))
    file = read_display(path)
    assert (file.image, file.hdr) == (None, name)
    assert file.scene is not None
    assert file.scene.colour_space == "rec2020"
    np.testing.assert_allclose(file.scene.data[4, 4], peak, rtol=1e-3)
    np.testing.assert_allclose(file.scene.data[-4, -4], 0, atol=1e-5)


def test_a_pq_png_is_known_by_its_cicp_chunk(tmp_path: Path) -> None:
    data = bytes(imagecodecs.png_encode(np.full((4, 6, 3), 65535, np.uint16)))
    body = b"cICP" + bytes((12, 16, 0, 1))
    chunk = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
    (tmp_path / "a.png").write_bytes(data[:33] + chunk + data[33:])
    scene = read_display(tmp_path / "a.png").scene
    assert scene is not None
    assert scene.colour_space == "display-p3"
    np.testing.assert_allclose(scene.data, 10000 / 203, rtol=1e-5)


def test_a_profile_with_pq_code_points_counts_like_a_chunk(tmp_path: Path) -> None:
    profile = bytearray(icc_profile("rec2020", linear=False))
    profile[128:132] = struct.pack(">I", int.from_bytes(profile[128:132], "big"))
    at = profile.find(b"cprt", 132)
    profile[at : at + 12] = struct.pack(">4sII", b"cicp", len(profile), 12)
    profile += b"cicp" + bytes(4) + bytes((9, 16, 0, 1))
    profile[:4] = struct.pack(">I", len(profile))
    Image.fromarray(np.full((4, 6, 3), 255, np.uint8)).save(tmp_path / "a.png", icc_profile=bytes(profile))
    file = read_display(tmp_path / "a.png")
    assert file.hdr == "PQ"


def test_a_ten_bit_pq_heic_is_light_already(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    codes = np.zeros((64, 64, 3), np.uint16)
    codes[:32] = 1023 << 6
    picture = pillow_heif.from_bytes("RGB;16", (64, 64), codes.tobytes())
    points = {"color_primaries": 9, "transfer_characteristics": 16, "matrix_coefficients": 9, "full_range_flag": 1}
    picture.save(tmp_path / "a.heic", quality=-1, chroma=444, **points)
    file = read_display(tmp_path / "a.heic")
    assert file.scene is not None
    assert (file.hdr, file.scene.colour_space) == ("PQ", "rec2020")
    np.testing.assert_allclose(file.scene.data[4, 4], 10000 / 203, rtol=1e-3)


def test_an_ordinary_heic_keeps_codes_profile_and_orientation(tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    array = np.zeros((48, 64, 3), np.uint8)
    array[:24] = 200
    picture = pillow_heif.from_bytes("RGB", (64, 48), array.tobytes())
    exif = Image.Exif()
    exif[0x0112], exif[0x0110] = 6, "Model 1"
    picture.info["icc_profile"], picture.info["icc_profile_type"] = icc_profile("display-p3", linear=False), "prof"
    picture.save(tmp_path / "a.heic", quality=-1, chroma=444, exif=exif.tobytes())
    file = read_display(tmp_path / "a.heic")
    assert file.image is not None
    assert file.metadata.model == "Model 1"
    assert file.image.icc == icc_profile("display-p3", linear=False)
    # pillow-heif's writer turns the orientation into a rotation of the container.
    np.testing.assert_array_equal(file.image.data, np.rot90(array, -1))
    whole = (tmp_path / "a.heic").read_bytes()
    (tmp_path / "a.heic").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(OSError, match="cannot be decoded as a HEIC picture"):
        read_display(tmp_path / "a.heic")


def test_pq_of_unknown_primaries_is_refused() -> None:
    with pytest.raises(UnsupportedFileError, match="primaries 4"):
        decode_hdr(np.zeros((1, 1, 3), np.uint16), CodePoints(4, 16))


# --- profiles ------------------------------------------------------------------------------------------------------


def test_ordinary_code_points_become_profiles() -> None:
    assert profile_of(CodePoints(1, 13)) == (b"", "")
    assert profile_of(CodePoints(2, 2)) == (b"", "")
    assert profile_of(CodePoints(12, 13)) == (icc_profile("display-p3", linear=False), "")
    assert "taken for sRGB" in profile_of(CodePoints(99, 13))[1]
    linear, _ = profile_of(CodePoints(1, 8))
    ramp = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, 2)
    np.testing.assert_allclose(linearise(DisplayImage(ramp, linear)).data, ramp / 255, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("space", ["srgb-linear", "display-p3", "rec2020"])
def test_light_is_what_littlecms_makes_of_every_colour(dtype: type, space: str) -> None:
    top = np.iinfo(dtype).max
    codes = np.random.default_rng(2).integers(0, top + 1, (16, 16, 3)).astype(dtype)
    profile = icc_profile(space, linear=False)
    light = linearise(DisplayImage(codes, profile)).data
    expected = imagecodecs.cms_transform(
        (codes / top).astype(np.float32),
        profile,
        icc_profile("srgb-linear", linear=True),
        colorspace="rgb",
        outcolorspace="rgb",
        outdtype=np.float32,
        intent=1,
    )
    np.testing.assert_allclose(light, expected, atol=2e-4)
    np.testing.assert_allclose(
        primaries_matrix(DisplayImage(codes, profile)), space_to_space(space, "srgb-linear"), atol=2e-4
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_light_in_own_primaries_is_of_each_channel_alone_and_the_matrix_completes_it(dtype: type) -> None:
    top = np.iinfo(dtype).max
    codes = np.random.default_rng(2).integers(0, top + 1, (16, 16, 3)).astype(dtype)
    image = DisplayImage(codes, icc_profile("display-p3", linear=False))
    light = own_light(image)
    x = codes / top
    np.testing.assert_allclose(light, np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4), atol=1e-4)
    for space in ("srgb-linear", "acescg"):
        expected = linearise(image, colour_space=space).data
        np.testing.assert_allclose(light @ primaries_matrix(image, colour_space=space).T, expected, atol=1e-5)


def test_profiles_are_called_by_their_names() -> None:
    assert profile_name(b"") == "sRGB"
    assert profile_name(icc_profile("display-p3", linear=False)) == "Display P3 with sRGB curve (hdrcli)"
    assert profile_name(b"damaged") == "a profile without a name"


def test_neutral_stays_neutral() -> None:
    grey = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, 2)
    light = linearise(DisplayImage(grey, icc_profile("display-p3", linear=False))).data
    assert np.ptp(light, axis=2).max() < 2e-5
    assert light.max() == pytest.approx(1.0, abs=1e-5)


def test_a_profile_of_tables_is_converted_to_a_wide_matrix_space() -> None:
    codes = np.random.default_rng(2).integers(0, 256, (16, 16, 3), np.uint8)
    image = matrix_encoded(codes, _table_profile())
    assert image.data.dtype == np.uint16
    assert image.icc == icc_profile("rec2020", linear=False)
    lightness = codes @ np.array([0.3, 0.6, 0.1]) / 255 * 100
    luminance = np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3)
    np.testing.assert_allclose(linearise(image).data, luminance[..., None].repeat(3, 2), atol=2e-3)


def _table_profile() -> bytes:
    """Return an RGB profile whose A2B0 table makes every colour grey: no curves and matrix can do that to Lab."""
    grid = np.linspace(0, 1, 5)
    r, g, b = np.meshgrid(grid, grid, grid, indexing="ij")
    lightness = (0.3 * r + 0.6 * g + 0.1 * b).ravel()
    table = np.stack([lightness * 65280, np.full(125, 32768.0), np.full(125, 32768.0)], 1).astype(">u2").tobytes()
    identity = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    ramp = struct.pack(">2H", 0, 65535)
    lut = b"mft2" + bytes(4) + bytes((3, 3, 5, 0)) + identity + struct.pack(">2H", 2, 2) + ramp * 3 + table + ramp * 3
    tags = {b"A2B0": lut, b"wtpt": b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)}
    header = bytearray(icc_profile("srgb-linear", linear=False)[:128])
    header[8:12], header[20:24], header[12:16] = b"\2\x40\0\0", b"Lab ", b"scnr"
    directory, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags.items():
        directory += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header[:4] = struct.pack(">I", start + len(body))
    return bytes(header) + struct.pack(">I", len(tags)) + directory + body
