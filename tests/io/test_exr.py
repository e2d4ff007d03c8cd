"""EXR files say what they hold, read back as written, and are checked for it."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

import numpy as np
import OpenEXR
import pytest

from hdrcli.errors import OutputError, UnreadableFileError, UnsupportedFileError, UsageError
from hdrcli.images import Metadata, SceneImage
from hdrcli.io import exr
from hdrcli.io.exr import read_exr, write_exr
from hdrcli.io.icc import PRIMARIES

METADATA = Metadata(
    exposure_time_s=1 / 60,
    iso=100,
    f_number=5.6,
    focal_length_mm=35,
    captured="2024:05:06 07:08:09",
    make="Canon",
    model="EOS 5D Mark III",
    lens="EF 35mm f/2",
    artist="Jürg 漢",
    copyright="© Jürg",
    exif={
        "Exif.Photo.OffsetTimeOriginal": "+02:00",
        "Exif.GPSInfo.GPSLatitude": "46/1 57/1 305/10",
        "Exif.GPSInfo.GPSLatitudeRef": "S",
        "Exif.GPSInfo.GPSLongitude": "7/1 30/1 0/1",
        "Exif.GPSInfo.GPSLongitudeRef": "E",
        "Exif.GPSInfo.GPSAltitude": "4321/10",
        "Exif.Photo.LensModel": "EF 35mm f/2",
    },
    provenance={"version": "1.2.3", "command": "deinterlace ü"},
)


def scene(shape: tuple[int, int] = (37, 53), peak: float = 50.0, space: str = "srgb-linear") -> SceneImage:
    rng = np.random.default_rng(5)
    return SceneImage((rng.random((*shape, 3)) * peak - 0.01).astype(np.float32), space)


def header(path: Path) -> dict[str, object]:
    with OpenEXR.File(str(path), header_only=True) as file:
        return dict(file.header())


def pixels(path: Path, name: str = "RGB") -> np.ndarray:
    with OpenEXR.File(str(path)) as file:
        return np.array(file.channels()[name].pixels)


@pytest.mark.parametrize("compression", ["zip", "piz"])
def test_half_is_the_default_and_lossless(tmp_path: Path, compression: str) -> None:
    path, picture = tmp_path / "ünï 漢.exr", scene()
    write_exr(path, picture, metadata=Metadata(), compression=compression)
    assert pixels(path).dtype == np.float16
    np.testing.assert_array_equal(pixels(path), picture.data.astype(np.float16))
    assert str(header(path)["compression"]).startswith(f"Compression.{compression.upper()}_")


def test_dwaa_is_close(tmp_path: Path) -> None:
    smooth = np.linspace(0.1, 1, 64 * 64 * 3, dtype=np.float32).reshape(64, 64, 3)
    write_exr(tmp_path / "a.exr", SceneImage(smooth), metadata=Metadata(), compression="dwaa")
    np.testing.assert_allclose(pixels(tmp_path / "a.exr"), smooth, rtol=0.02)


def test_32_bits_are_exact(tmp_path: Path) -> None:
    write_exr(tmp_path / "a.exr", scene(), metadata=Metadata(), bits=32)
    np.testing.assert_array_equal(pixels(tmp_path / "a.exr"), scene().data)


@pytest.mark.parametrize(("value", "kind"), [(65504.0, np.float16), (65505.0, np.float32), (-65505.0, np.float32)])
def test_what_half_cannot_hold_makes_a_float_file(tmp_path: Path, value: float, kind: type) -> None:
    picture = scene()
    picture.data[20, 30, 1] = value
    write_exr(tmp_path / "a.exr", picture, metadata=Metadata())
    found = pixels(tmp_path / "a.exr")
    assert found.dtype == kind
    assert found[20, 30, 1] == value


def test_values_that_are_no_numbers_stay_and_do_not_hide_an_overflow(tmp_path: Path) -> None:
    picture = scene()
    picture.data[3, 4] = [np.nan, np.inf, -np.inf]
    write_exr(tmp_path / "a.exr", picture, metadata=Metadata())
    assert pixels(tmp_path / "a.exr").dtype == np.float16
    np.testing.assert_array_equal(pixels(tmp_path / "a.exr")[3, 4], [np.nan, np.inf, -np.inf])
    picture.data[4, 4, 0] = 1e6
    write_exr(tmp_path / "a.exr", picture, metadata=Metadata())
    assert pixels(tmp_path / "a.exr").dtype == np.float32


def test_negative_values_and_values_above_one_survive(tmp_path: Path) -> None:
    picture = SceneImage(np.array([[[-0.25, 0.0, 17.5]]], dtype=np.float32))
    write_exr(tmp_path / "a.exr", picture, metadata=Metadata())
    np.testing.assert_array_equal(read_exr(tmp_path / "a.exr").data, picture.data)


def test_standard_attributes(tmp_path: Path) -> None:
    write_exr(tmp_path / "a.exr", scene(), metadata=METADATA)
    found = header(tmp_path / "a.exr")
    expected = {
        "owner": "© Jürg",
        "artist": "Jürg 漢",
        "capDate": "2024:05:06 07:08:09",
        "utcOffset": -7200,
        "expTime": 1 / 60,
        "aperture": 5.6,
        "isoSpeed": 100,
        "nominalFocalLength": 35,
        "cameraMake": "Canon",
        "cameraModel": "EOS 5D Mark III",
        "lensModel": "EF 35mm f/2",
        "latitude": -(46 + 57 / 60 + 30.5 / 3600),
        "longitude": 7.5,
        "altitude": 432.1,
        "exif:GPSAltitude": "4321/10",
        "colorInteropID": "lin_rec709_scene",
        "hdrcli:version": "1.2.3",
        "hdrcli:command": "deinterlace ü",
    }
    for name, value in expected.items():
        assert found[name] == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value), name


def test_what_is_not_known_is_not_written(tmp_path: Path) -> None:
    write_exr(tmp_path / "a.exr", scene(), metadata=Metadata())
    absent = {"owner", "capDate", "expTime", "aperture", "isoSpeed", "utcOffset", "latitude", "altitude", "cameraMake"}
    assert absent.isdisjoint(header(tmp_path / "a.exr"))


@pytest.mark.parametrize("damaged", ["x", "1/0 2/1 3/1", "1/1 x 3/1"])
def test_odd_positions_are_left_out(tmp_path: Path, damaged: str) -> None:
    metadata = Metadata(exif={"Exif.GPSInfo.GPSLatitude": damaged, "Exif.Photo.OffsetTimeOriginal": damaged})
    write_exr(tmp_path / "a.exr", scene(), metadata=metadata)
    assert {"latitude", "utcOffset"}.isdisjoint(header(tmp_path / "a.exr"))


@pytest.mark.parametrize("space", [*PRIMARIES, "camera"])
def test_the_colour_space_is_written_and_read(tmp_path: Path, space: str) -> None:
    write_exr(tmp_path / "a.exr", scene(space=space), metadata=Metadata())
    assert read_exr(tmp_path / "a.exr").colour_space == space
    stated = header(tmp_path / "a.exr").get("chromaticities")
    assert stated == (None if space == "camera" else pytest.approx(PRIMARIES[space], abs=1e-6))


def test_layers_are_named_channels(tmp_path: Path) -> None:
    low, high = scene(peak=1), scene(peak=70000)
    write_exr(tmp_path / "a.exr", scene(), metadata=Metadata(), layers={"low": low, "high": high})
    with OpenEXR.File(str(tmp_path / "a.exr"), separate_channels=True) as file:
        channels = file.channels()
        assert set(channels) == {"R", "G", "B", "low.R", "low.G", "low.B", "high.R", "high.G", "high.B"}
        np.testing.assert_array_equal(channels["low.G"].pixels, low.data[..., 1].astype(np.float16))
        np.testing.assert_array_equal(channels["high.B"].pixels, high.data[..., 2])
    np.testing.assert_array_equal(read_exr(tmp_path / "a.exr").data, scene().data.astype(np.float16))


def test_layers_of_another_size_or_space_are_refused(tmp_path: Path) -> None:
    for layer in (scene((37, 54)), scene(space="rec2020")):
        with pytest.raises(ValueError, match="layer 'low' differs"):
            write_exr(tmp_path / "a.exr", scene(), metadata=Metadata(), layers={"low": layer})


def test_unknown_options_are_usage_errors(tmp_path: Path) -> None:
    for options in ({"bits": 8}, {"compression": "dwab"}):
        with pytest.raises(UsageError, match="16 or 32 bits and compression zip, piz, dwaa"):
            write_exr(tmp_path / "a.exr", scene(), metadata=Metadata(), **options)


@pytest.mark.parametrize("shape", [(1, 1), (1, 101), (101, 1), (16, 17)])
def test_any_size(tmp_path: Path, shape: tuple[int, int]) -> None:
    write_exr(tmp_path / "a.exr", scene(shape), metadata=Metadata(), bits=32)
    np.testing.assert_array_equal(read_exr(tmp_path / "a.exr").data, scene(shape).data)


def test_a_cropped_view_is_written_right(tmp_path: Path) -> None:
    view = SceneImage(scene().data[3:30:2, 5:40:3])
    write_exr(tmp_path / "a.exr", view, metadata=Metadata(), bits=32)
    np.testing.assert_array_equal(pixels(tmp_path / "a.exr"), view.data)


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, old[1]))
    try:
        with pytest.raises(OutputError, match="cannot be written: File too large"):
            write_exr(tmp_path / "a.exr", scene((300, 300)), metadata=Metadata())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("damage", ["values", "attributes", "truncation"])
def test_a_file_that_reads_back_differently_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    check = exr._check

    def damaged_check(path: Path, channels: dict, attributes: dict, *, exact: bool) -> None:
        if damage == "values":
            channels = {name: data + np.float16(1) for name, data in channels.items()}
        elif damage == "attributes":
            attributes = {**attributes, "isoSpeed": 101.0}
        else:
            path.write_bytes(path.read_bytes()[:-2000])
        check(path, channels, attributes, exact=exact)

    monkeypatch.setattr(exr, "_check", damaged_check)
    with pytest.raises(OutputError, match=r"reads? back"):
        write_exr(tmp_path / "a.exr", scene(), metadata=METADATA)


@pytest.mark.parametrize("content", [b"", b"junk" * 100, None])
def test_damaged_files_are_unreadable(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "a.exr"
    write_exr(path, scene((200, 200)), metadata=Metadata())
    path.write_bytes(path.read_bytes()[:5000] if content is None else content)
    with pytest.raises(UnreadableFileError, match=r"a\.exr' is no EXR file or is damaged"):
        read_exr(path)


def test_missing_files_and_folders_are_unreadable(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no.exr"):
        with pytest.raises(UnreadableFileError, match="does not exist or is no file"):
            read_exr(path)


def test_files_without_rgb_or_with_unknown_primaries_are_unsupported(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    grey = np.ones((8, 8), np.float32)
    with OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Y": grey}) as file:
        file.write(str(path))
    with pytest.raises(UnsupportedFileError, match="no channels R, G and B but Y"):
        read_exr(path)
    attributes = {"type": OpenEXR.scanlineimage, "chromaticities": (0.6, 0.3, 0.2, 0.7, 0.1, 0.1, 0.3, 0.3)}
    with OpenEXR.File(attributes, {"RGB": scene().data}) as file:
        file.write(str(path))
    with pytest.raises(UnsupportedFileError, match="unknown primaries"):
        read_exr(path)


def test_scenes_without_chromaticities_are_srgb(tmp_path: Path) -> None:
    with OpenEXR.File({"type": OpenEXR.scanlineimage}, {"RGB": scene().data}) as file:
        file.write(str(tmp_path / "a.exr"))
    assert read_exr(tmp_path / "a.exr").colour_space == "srgb-linear"


def test_the_scenes_of_the_collection_are_read(shared_data: Path) -> None:
    found = read_exr(shared_data / "scenes" / "val" / "br_gate.exr")
    assert found.colour_space == "srgb-linear"
    luminance = found.data @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    assert np.median(luminance) == pytest.approx(0.18, rel=0.02)
