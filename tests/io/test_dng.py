"""DNG files hold the counts exactly and mean to other programs what they mean here."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rawpy
import tifffile
from PIL import Image

from hdrcli.errors import UsageError
from hdrcli.images import (
    BAYER_PATTERNS,
    BayerImage,
    CameraProfile,
    ColourMatrix,
    DisplayImage,
    MaskedBorders,
    Metadata,
    NoiseModel,
    RawFrame,
)
from hdrcli.io.dng import merged_to_counts, write_dng, write_dng_half
from hdrcli.io.metadata import read_metadata
from hdrcli.sensor.cameras import find_camera

MATRIX = find_camera("6D").xyz_to_camera
CAMERA = CameraProfile(
    "Canon", "EOS Test", (ColourMatrix(MATRIX * 0.9, 17), ColourMatrix(MATRIX, 21)), (0.5, 1.0, 0.75)
)
METADATA = Metadata(
    exposure_time_s=1 / 60,
    iso=100,
    f_number=8,
    focal_length_mm=50,
    captured="2024:05:06 07:08:09",
    lens="EF 50mm",
    artist="Jürg 漢",
    exif={"Exif.GPSInfo.GPSLatitude": "46/1 57/1 305/10", "Exif.GPSInfo.GPSLatitudeRef": "N"},
    provenance={"version": "1"},
)


def frame(shape: tuple[int, int] = (301, 405), border: tuple[int, int] = (0, 0), **fields: object) -> RawFrame:
    rng = np.random.default_rng(7)
    top, left = border
    borders = MaskedBorders(
        rng.integers(2038, 2060, (shape[0], left)).astype(np.uint16),
        rng.integers(2038, 2060, (top, shape[1])).astype(np.uint16),
    )
    return replace(
        RawFrame(
            counts=rng.integers(0, 65536, shape).astype(np.uint16),
            cfa="RGGB",
            black=(2047.0, 2048.0, 2049.0, 2050.0),
            white=65535.0,
            borders=borders if top or left else None,
            camera=CAMERA,
            metadata=METADATA,
        ),
        **fields,
    )


def bayer(shape: tuple[int, int] = (301, 405), cfa: str = "RGGB") -> BayerImage:
    rng = np.random.default_rng(8)
    data = np.geomspace(1e-6, 1, shape[0] * shape[1]).reshape(shape) + rng.normal(0, 1e-4, shape)
    return BayerImage(np.minimum(data, 1).astype(np.float32), cfa, NoiseModel(1e-5, 1e-8))


def preview() -> DisplayImage:
    """Return an upright picture that is red at the top left and blue at the bottom right."""
    data = np.zeros((90, 60, 3), np.uint8)
    data[:45, :30, 0] = 255
    data[45:, 30:, 2] = 255
    return DisplayImage(data)


def raw_page(file: tifffile.TiffFile) -> tifffile.TiffPage:
    first = file.pages.first
    return first.pages[0] if first.is_reduced else first  # type: ignore[index, return-value]


@pytest.mark.parametrize("compression", ["jpeg", "none"])
@pytest.mark.parametrize(
    "shape", [(301, 405), (256, 512), (100, 511), (256, 256), (24, 22), (97, 131), (1000, 30), (26, 255), (60, 257)]
)
def test_libraw_reads_exactly_the_counts_written(tmp_path: Path, compression: str, shape: tuple[int, int]) -> None:
    path = tmp_path / "ünï 漢.dng"
    write_dng(path, frame(shape), compression=compression)
    with rawpy.imread(str(path)) as raw:
        np.testing.assert_array_equal(raw.raw_image, frame(shape).counts)
        np.testing.assert_array_equal(raw.raw_image_visible, frame(shape).counts)


@pytest.mark.parametrize("compression", ["jpeg", "none"])
@pytest.mark.parametrize("shape", [(1, 1), (2, 15), (3, 17), (15, 300)])
def test_sizes_too_small_for_libraw_are_right_for_tifffile(
    tmp_path: Path, compression: str, shape: tuple[int, int]
) -> None:
    write_dng(tmp_path / "a.dng", frame(shape), compression=compression)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.dng"), frame(shape).counts)


@pytest.mark.parametrize("extreme", [0, 65535, 32768])
def test_extreme_differences_survive_lossless_jpeg(tmp_path: Path, extreme: int) -> None:
    counts = np.full((64, 64), extreme, np.uint16)
    counts[::3, ::5] = 32768
    counts[1::3, 1::5] = 0
    write_dng(tmp_path / "a.dng", frame(counts=counts))
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        np.testing.assert_array_equal(raw.raw_image, counts)


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
@pytest.mark.parametrize("border", [(0, 0), (24, 16), (17, 9), (0, 8), (5, 0)])
def test_pattern_levels_and_borders_are_read_back(tmp_path: Path, cfa: str, border: tuple[int, int]) -> None:
    written = frame(cfa=cfa, border=border)
    write_dng(tmp_path / "a.dng", written)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        np.testing.assert_array_equal(raw.raw_image_visible, written.counts)
        pattern = "".join("RGBG"[raw.raw_pattern[y, x]] for y in (0, 1) for x in (0, 1))
        assert pattern == cfa
        found = [raw.black_level_per_channel[raw.raw_pattern[y, x]] for y in (0, 1) for x in (0, 1)]
        # LibRaw measures black where there are masked areas.
        np.testing.assert_allclose(found, [2047, 2048, 2049, 2050], atol=4 if written.borders else 0)
        assert raw.white_level == 65535
        top, left = raw.sizes.top_margin, raw.sizes.left_margin
        assert (top, left) == (border[0] + border[0] % 2, border[1] + border[1] % 2)
        if written.borders is not None:
            np.testing.assert_array_equal(raw.raw_image[top:, left - border[1] : left], written.borders.left)
            np.testing.assert_array_equal(raw.raw_image[top - border[0] : top, left:], written.borders.top)
            corner = raw.raw_image[:top, :left]
            assert corner.size == 0 or (corner >= 2000).all()
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        masked = raw_page(file).tags.get(50830)
        assert (masked.count if masked else 0) == 4 * sum(side > 0 for side in border)


def test_colour_and_exposure_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    write_dng(path, frame(), baseline_exposure=-1.25, noise=NoiseModel(2e-5, 3e-8))
    with rawpy.imread(str(path)) as raw:
        np.testing.assert_allclose(np.array(raw.camera_whitebalance[:3]) / 2, [1, 0.5, 1 / 1.5], rtol=1e-5)
    with tifffile.TiffFile(path) as file:
        tags = raw_page(file).tags
        for code, matrix in ((50721, MATRIX * 0.9), (50722, MATRIX)):
            values = np.array(tags[code].value, float).reshape(9, 2)
            np.testing.assert_allclose(values[:, 0] / values[:, 1], matrix.ravel(), atol=1e-6)
        assert (tags[50778].value, tags[50779].value) == (17, 21)
        assert tags[50730].value == (-5, 4)
        assert tags[51041].value == (2e-5, 3e-8)
        assert tags[50708].value == "Canon EOS Test"
        assert tuple(tags[50706].value) == (1, 4, 0, 0)


def test_an_unknown_camera_gets_a_matrix_and_a_neutral(tmp_path: Path) -> None:
    write_dng(tmp_path / "a.dng", frame(camera=CameraProfile(), metadata=Metadata()))
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        np.testing.assert_allclose(raw.camera_whitebalance[:3], 1, rtol=1e-3)
        flat = np.full_like(raw.raw_image, 30000)
        raw.raw_image[:] = flat
        assert np.ptp(raw.postprocess(use_camera_wb=True, no_auto_bright=True)[50:-50, 50:-50].mean((0, 1))) < 2
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        assert file.pages.first.tags[50708].value == "Unknown camera"


@pytest.mark.parametrize("aspect", [1.0, 0.5, 2.0])
def test_the_shape_of_pixels_is_read_back(tmp_path: Path, aspect: float) -> None:
    write_dng(tmp_path / "a.dng", frame(pixel_aspect=aspect))
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert raw.sizes.pixel_aspect == aspect


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("with_preview", [False, True])
def test_metadata_is_carried(tmp_path: Path, half: bool, with_preview: bool) -> None:
    path = tmp_path / "a.dng"
    metadata = replace(METADATA, orientation=8)
    picture = preview() if with_preview else None
    if half:
        write_dng_half(path, bayer(), camera=CAMERA, metadata=metadata, preview=picture)
    else:
        write_dng(path, frame(metadata=metadata), preview=picture)
    found = read_metadata(path)
    for field in ("iso", "f_number", "focal_length_mm", "captured", "lens", "artist", "orientation"):
        assert getattr(found, field) == getattr(metadata, field), field
    assert found.exif["Exif.GPSInfo.GPSLatitude"] == "46/1 57/1 305/10"
    assert (found.make, found.model) == ("Canon", "EOS Test")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_preview_is_found_and_upright_once_turned(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "a.dng"
    write_dng(path, frame(metadata=Metadata(orientation=orientation)), preview=preview())
    with rawpy.imread(str(path)) as raw:
        (tmp_path / "thumb.jpg").write_bytes(raw.extract_thumb().data)
    turns = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}  # PIL.Image.Transpose that shows EXIF orientation n upright
    with Image.open(tmp_path / "thumb.jpg") as thumb:
        upright = thumb.transpose(Image.Transpose(turns[orientation])) if orientation > 1 else thumb
        found = np.asarray(upright).astype(int)
    np.testing.assert_allclose(found[10:35, 5:25].mean((0, 1)), [255, 0, 0], atol=4)
    np.testing.assert_allclose(found[55:80, 35:55].mean((0, 1)), [0, 0, 255], atol=4)


def test_the_preview_lies_first_and_the_mosaic_in_a_sub_directory(tmp_path: Path) -> None:
    large = DisplayImage(np.full((3000, 1000, 3), 50000, np.uint16))
    write_dng(tmp_path / "a.dng", frame(), preview=large)
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        first = file.pages.first
        assert first.shape == (2048, 683, 3)
        assert first.tags[330].dtype.name == "LONG"
        np.testing.assert_allclose(first.asarray().mean(), 50000 / 257, atol=1)
        assert raw_page(file).photometric == tifffile.PHOTOMETRIC.CFA
        np.testing.assert_array_equal(raw_page(file).asarray(), frame().counts)


@pytest.mark.parametrize("compression", ["jpeg", "none"])
def test_the_depth_of_samples_is_stated(tmp_path: Path, compression: str) -> None:
    """RawTherapee showed white: the file said 12 bits, and white was shifted until it fitted."""
    write_dng(tmp_path / "a.dng", frame(), compression=compression)
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        assert file.pages.first.tags["BitsPerSample"].value == 16


def test_unknown_compression_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="jpeg, none"):
        write_dng(tmp_path / "a.dng", frame(), compression="zip")


@pytest.mark.parametrize("shape", [(301, 405), (97, 131), (22, 23), (1, 1), (5, 17)])
def test_half_floats_keep_eleven_bits(tmp_path: Path, shape: tuple[int, int]) -> None:
    image = bayer(shape)
    write_dng_half(tmp_path / "a.dng", image, camera=CAMERA, metadata=METADATA, preview=preview())
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        page = raw_page(file)
        assert (page.predictor, page.compression, page.dtype) == (34894, 8, np.float16)
        assert page.tags["TileByteCounts"].dtype.name == "LONG"
        found = (page.asarray().astype(np.float64) - 128) / (32752 - 128)
    error = np.abs(found - image.data) / (np.abs(image.data) + 128 / (32752 - 128))
    assert error.max() <= 2.0**-11 * 1.01


def test_libraw_reads_half_floats_on_the_same_scale(tmp_path: Path) -> None:
    image = bayer(cfa="GBRG")
    write_dng_half(tmp_path / "a.dng", image, camera=CAMERA, metadata=METADATA)
    with rawpy.imread(str(tmp_path / "a.dng")) as raw:
        assert (raw.white_level, set(raw.black_level_per_channel)) == (32752, {128})
        found = (raw.raw_image.astype(float) - 128) / (32752 - 128)
    error = np.abs(found - image.data) - 2.0**-11 * np.abs(image.data)
    assert error.max() <= 1.05 / (32752 - 128)


def test_half_floats_are_clipped_at_white_so_that_readers_keep_the_scale(tmp_path: Path) -> None:
    image = BayerImage(np.array([[-1, 0, 1, 2], [3, 4, np.inf, np.nan]] * 20, np.float32).repeat(10, axis=1), "RGGB")
    write_dng_half(tmp_path / "a.dng", image, camera=CAMERA, metadata=METADATA, white=4)
    with tifffile.TiffFile(tmp_path / "a.dng") as file:
        found = file.pages.first.asarray()
    np.testing.assert_allclose(found[:2, ::10], [[0, 128, 8288, 16448], [24608, 32768, 32768, 0]], rtol=1e-3)


def test_merged_counts_use_the_whole_range() -> None:
    data = np.array([[-1, 0, 0.5, 1, 2, np.nan]], dtype=np.float32)
    found, ev = merged_to_counts(BayerImage(data, "GBRG"), camera=CAMERA, metadata=METADATA)
    np.testing.assert_array_equal(found.counts[0, [0, 1, 3, 4, 5]], [0, 1024, 65535, 65535, 0])
    assert found.counts[0, 2] in (33279, 33280)
    assert (found.black, found.white, found.cfa, ev) == ((1024.0,) * 4, 65535.0, "GBRG", 0.0)
    assert (found.camera, found.metadata, found.borders) == (CAMERA, METADATA, None)


def test_merged_counts_on_another_scale_say_so() -> None:
    found, ev = merged_to_counts(bayer(), camera=CAMERA, metadata=METADATA, black=512, white=8.0)
    assert ev == 3.0
    assert found.counts.max() == pytest.approx(512 + (65535 - 512) / 8, abs=2)


def test_levels_below_one_count_survive_in_the_mean_and_every_call_agrees() -> None:
    steps = np.linspace(0, 2, 9)
    data = (np.repeat(steps, 40)[:, None] * np.ones(500) / (65535 - 1024)).astype(np.float32)
    first, _ = merged_to_counts(BayerImage(data, "RGGB"), camera=CAMERA, metadata=METADATA)
    again, _ = merged_to_counts(BayerImage(data, "RGGB"), camera=CAMERA, metadata=METADATA)
    np.testing.assert_array_equal(first.counts, again.counts)
    means = first.counts.reshape(9, 40, 500).mean(axis=(1, 2)) - 1024
    np.testing.assert_allclose(means, steps, atol=0.02)


def test_the_dither_has_no_vertical_period() -> None:
    flat = np.full((640, 500), 100.5 / (65535 - 1024), np.float32)
    found, _ = merged_to_counts(BayerImage(flat, "RGGB"), camera=CAMERA, metadata=METADATA)
    noise = found.counts.astype(float) - found.counts.mean()
    for lag in (2, 4, 64, 128):
        assert abs((noise[lag:] * noise[:-lag]).mean() / noise.var()) < 0.05


@pytest.mark.skipif(shutil.which("dcraw") is None, reason="dcraw is not installed")
@pytest.mark.parametrize("compression", ["jpeg", "none"])
@pytest.mark.parametrize("with_preview", [False, True])
@pytest.mark.parametrize("shape", [(301, 405), (97, 131)])
def test_dcraw_reads_exactly_the_counts_written(
    tmp_path: Path, compression: str, with_preview: bool, shape: tuple[int, int]
) -> None:
    written = frame(shape, border=(6, 10))
    write_dng(tmp_path / "a.dng", written, compression=compression, preview=preview() if with_preview else None)
    found = subprocess.run(["dcraw", "-D", "-4", "-c", str(tmp_path / "a.dng")], capture_output=True, check=True).stdout
    magic, size, _, samples = found.split(b"\n", 3)
    width, height = map(int, size.split())
    assert magic == b"P5"
    np.testing.assert_array_equal(
        np.frombuffer(samples, ">u2").reshape(height, width)[-shape[0] :, -shape[1] :], written.counts
    )


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
@pytest.mark.parametrize("half", [False, True])
def test_exiftool_finds_nothing_wrong(tmp_path: Path, half: bool) -> None:
    path = tmp_path / "a.dng"
    if half:
        write_dng_half(path, bayer(), camera=CAMERA, metadata=METADATA, preview=preview())
    else:
        write_dng(path, frame(border=(6, 10)), preview=preview())
    found = subprocess.run(
        ["exiftool", "-validate", "-a", "-warning", "-error", "-s3", str(path)],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.splitlines()
    assert [line for line in found[1:] if "[minor]" not in line] == []
