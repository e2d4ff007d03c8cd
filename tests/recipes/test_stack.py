"""One bracket from files to files: every format, what is noted in them and in the report, and nothing half done."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from bracket_files import write_bracket
from display_files import hdr_avif, saved
from PIL import Image
from small_brackets import TRIPOD, display_of, raw_of, textured

from hdrcli.errors import HdrcliError, OutputError, UnreadableFileError, UnsuitableInputError, UsageError
from hdrcli.io.dng import write_dng
from hdrcli.io.exr import read_exr
from hdrcli.io.metadata import provenance_of, read_metadata, write_metadata
from hdrcli.io.raw import read_raw
from hdrcli.isp.develop import DevelopSettings
from hdrcli.isp.linearise import linear, measure_black
from hdrcli.isp.orient import orient
from hdrcli.recipes.stack import develop_stack, stack
from hdrcli.recipes.stack_raw import stack_raw
from hdrcli.recipes.stack_settings import StackSettings
from hdrcli.response.files import read_response
from hdrcli.sensor.bracket import RawBracket
from hdrcli.training.evaluate import true_colours
from hdrcli.training.metrics import mosaic_psnr, picture_psnr

FLOATS = StackSettings(bits=32)
EVS = (0, -2, 2)


@pytest.fixture(scope="module")
def bracket() -> RawBracket:
    return raw_of(replace(TRIPOD, clipped=0.08), textured(2, (128, 160)))


@pytest.fixture(scope="module")
def raw_files(bracket: RawBracket, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("raw")
    paths = [folder / f"{frame.name}.dng" for frame in bracket.frames]
    for path, frame in zip(paths, bracket.frames, strict=True):
        write_dng(path, frame)
    return paths


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_bracket(tmp_path_factory.mktemp("pictures"), EVS)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_a_raw_bracket_becomes_what_the_steps_make_of_it(
    bracket: RawBracket, raw_files: list[Path], tmp_path: Path
) -> None:
    output = tmp_path / "out.exr"
    report = stack(raw_files, output, settings=FLOATS)
    result = stack_raw([lambda path=path: read_raw(path) for path in raw_files])
    np.testing.assert_array_equal(read_exr(output).data, develop_stack(result).data)
    true = true_colours(bracket.truth / np.float32(result.range), bracket.frames[1].camera)
    assert picture_psnr(read_exr(output).data / np.float32(result.range), true) > 38
    assert names(tmp_path) == {"out.exr"}
    assert (report.kind, report.method, report.response, report.reference) == ("raw", "hdr", "none", "frame-2.dng")
    assert report.size == (160, 128)
    assert report.clipped_everywhere < 0.01
    assert [frame.name for frame in report.frames] == [path.name for path in raw_files]
    json.dumps(report.as_dict())
    assert report.lines()


def test_what_was_done_is_noted_in_the_file(raw_files: list[Path], tmp_path: Path) -> None:
    output = tmp_path / "out.tif"
    stack(raw_files, output, settings=replace(FLOATS, deghost="high", linear=True))
    noted = provenance_of(output)
    assert noted["command"] == "stack"
    assert noted["reference"] == "frame-2.dng"
    assert noted["frames"] == "frame-1.dng frame-2.dng frame-3.dng"
    assert noted["deghost"] == "high"
    assert np.array(noted["exposures"].split(), float) == pytest.approx([-2, 0, 1.97], abs=0.05)
    assert read_metadata(output).exposure_time_s == pytest.approx(1 / 60)


@pytest.mark.parametrize("dng_format", ["integer", "half"])
def test_a_merged_mosaic_is_a_raw_file(
    bracket: RawBracket, raw_files: list[Path], tmp_path: Path, dng_format: str
) -> None:
    output, preview = tmp_path / "out.dng", tmp_path / "small.jpg"
    stack(raw_files, output, settings=StackSettings(dng_format=dng_format), preview=preview)
    raw = read_raw(output)
    light = linear(raw, measure_black(raw), float(raw.white)).data  # 1.0 is the clip of the shortest frame
    truth = bracket.truth_mosaic * np.float32(min(bracket.gains))
    assert mosaic_psnr(light, truth) > 50
    assert names(tmp_path) == {"out.dng", "small.jpg"}
    with Image.open(preview) as shown:
        assert shown.size == (160, 128)


@pytest.mark.parametrize("suffix", [".exr", ".tif", ".jpg", ".png", ".avif"])
@pytest.mark.parametrize("kind", ["raw", "display"])
def test_every_format_is_written(
    suffix: str, kind: str, raw_files: list[Path], pictures: list[Path], tmp_path: Path
) -> None:
    output = tmp_path / f"out{suffix}"
    report = stack(raw_files if kind == "raw" else pictures, output)
    assert output.stat().st_size > 500
    assert names(tmp_path) == {output.name}
    assert (report.rendering is not None) == (suffix == ".avif")


def test_raw_files_are_turned_upright(bracket: RawBracket, tmp_path: Path) -> None:
    paths = []
    for orientation, frames in ((1, bracket.frames), (6, bracket.frames)):
        folder = tmp_path / str(orientation)
        folder.mkdir()
        for frame in frames:
            turned = replace(frame, metadata=replace(frame.metadata, orientation=orientation))
            write_dng(folder / f"{frame.name}.dng", turned)
        paths.append(sorted(folder.iterdir()))
        stack(paths[-1], tmp_path / f"{orientation}.exr", settings=FLOATS)
    upright, turned = (read_exr(tmp_path / f"{orientation}.exr").data for orientation in (1, 6))
    np.testing.assert_array_equal(turned, orient(upright, 6))


def test_exposure_and_colour_space_are_those_of_the_settings(pictures: list[Path], tmp_path: Path) -> None:
    plain, brighter, wide = tmp_path / "a.exr", tmp_path / "b.exr", tmp_path / "c.exr"
    stack(pictures, plain, settings=FLOATS)
    stack(pictures, brighter, settings=replace(FLOATS, develop=DevelopSettings(exposure_ev=1.0)))
    stack(pictures, wide, settings=replace(FLOATS, develop=DevelopSettings(colour_space="rec2020")))
    light = read_exr(plain)
    np.testing.assert_allclose(read_exr(brighter).data, 2 * light.data, rtol=1e-5)
    assert read_exr(wide).colour_space == "rec2020"
    grey = np.ptp(light.data, axis=2) < 1e-3 * light.data.max(axis=2)
    np.testing.assert_allclose(read_exr(wide).data[grey], light.data[grey], rtol=0.01)


def test_a_response_is_saved_drawn_and_used_again(tmp_path: Path) -> None:
    shots = display_of(replace(TRIPOD, error_stops=0.0), textured(2, (128, 160)))
    files = [tmp_path / f"{number}.jpg" for number in range(3)]
    for path, capture, metadata in zip(files, shots.captures, shots.metadata, strict=True):
        path.write_bytes(capture.encoded)
        write_metadata(path, metadata)
    saved_to, plot, first, second = (tmp_path / name for name in ("curve.csv", "curve.svg", "a.exr", "b.exr"))
    report = stack(files, first, settings=FLOATS, save_response=saved_to, plot=plot)
    assert report.response == "debevec"
    assert "<svg" in plot.read_text()
    again = stack(files, second, settings=replace(FLOATS, response_file=saved_to))
    assert again.response == "curve.csv"
    assert read_response(saved_to).curve[255] == pytest.approx([1, 1, 1])
    np.testing.assert_allclose(read_exr(second).data, read_exr(first).data, rtol=2e-3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_fusion_is_a_picture_in_the_profile_of_the_pictures(
    suffix: str, pictures: list[Path], tmp_path: Path
) -> None:
    output = tmp_path / f"out{suffix}"
    report = stack(pictures, output, settings=StackSettings(method="fusion"), preview=tmp_path / "small.png")
    assert (report.method, report.response) == ("fusion", "none")
    data = imagecodecs.imread(output)
    assert data.shape == (64, 96, 3)
    assert data.dtype == (np.uint8 if suffix == ".jpg" else np.uint16)
    shown = data / np.iinfo(data.dtype).max
    middle = np.asarray(Image.open(pictures[0])) / 255
    assert abs(shown.mean() - middle.mean()) < 0.2
    assert names(tmp_path) == {output.name, "small.png"}


WRONG: dict[str, tuple[dict[str, object], str, str]] = {
    "one frame": ({}, "out.exr", "two frames or more"),
    "two scales": ({"evs": (0, 1, 2), "times": (1, 2, 4)}, "out.exr", "one of them is enough"),
    "too few": ({"evs": (0, 1)}, "out.exr", "2 exposures are given for 3 frames"),
    "no time": ({"times": (0, 1, 2)}, "out.exr", "above 0 seconds"),
    "no such frame": ({"reference": 3}, "out.exr", "no frame 3 among 3"),
    "deghosting": ({"deghost": "strong"}, "out.exr", "no deghosting 'strong'"),
    "method": ({"method": "mean"}, "out.exr", "no method 'mean'"),
    "response": ({"response": "film"}, "out.exr", "no response 'film'"),
    "fusion to EXR": ({"method": "fusion"}, "out.exr", "without HDR"),
    "mosaic of pictures": ({}, "out.dng", "no mosaic"),
    "camera colours": ({"develop": DevelopSettings(colour_space="camera")}, "out.exr", "no colour space 'camera'"),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_what_makes_no_sense_is_refused(case: str, pictures: list[Path], tmp_path: Path) -> None:
    chosen, name, message = WRONG[case]
    sources = pictures[:1] if case == "one frame" else pictures
    with pytest.raises(UsageError, match=message):
        stack(sources, tmp_path / name, settings=StackSettings(**chosen))
    assert names(tmp_path) == set()


@pytest.mark.parametrize("option", ["save_response", "plot"])
def test_raw_files_and_fusions_have_no_response(
    option: str, raw_files: list[Path], pictures: list[Path], tmp_path: Path
) -> None:
    asked = {option: tmp_path / "curve.svg"}
    with pytest.raises(UsageError, match="linear"):
        stack(raw_files, tmp_path / "out.exr", **asked)
    with pytest.raises(UsageError, match="needs no response"):
        stack(pictures, tmp_path / "out.jpg", settings=StackSettings(method="fusion"), **asked)
    with pytest.raises(UsageError, match="Fusion is for display pictures"):
        stack(raw_files, tmp_path / "out.jpg", settings=StackSettings(method="fusion"))
    assert names(tmp_path) == set()


def test_raw_files_and_pictures_are_not_mixed(raw_files: list[Path], pictures: list[Path], tmp_path: Path) -> None:
    with pytest.raises(UnsuitableInputError, match=r"IMG_0001\.jpg is a display picture and frame-1\.dng is not"):
        stack([raw_files[0], pictures[0]], tmp_path / "out.exr")


def test_pictures_that_are_hdr_already_are_no_frames(pictures: list[Path], tmp_path: Path) -> None:
    bright = tmp_path / "pq.avif"
    bright.write_bytes(hdr_avif(np.full((64, 96, 3), 500, np.uint16)))
    with pytest.raises(UnsuitableInputError, match=r"pq\.avif is .* throughout: it is HDR already"):
        stack([pictures[0], bright], tmp_path / "out.exr")


def broken(path: Path, how: str) -> Path:
    """Damage a file."""
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": data[: len(data) // 3], "empty": b"", "head": data[:40]}[how])
    return path


@pytest.mark.parametrize("how", ["cut", "empty", "head", "missing"])
@pytest.mark.parametrize("suffix", [".jpg", ".dng"])
def test_one_frame_that_cannot_be_read_is_left_out(how: str, suffix: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    files = write_bracket(folder, EVS, suffix=suffix)
    whole = stack(files, tmp_path / "whole.exr")
    assert whole.left_out == ()
    broken(files[1], how)
    report = stack(files, tmp_path / "out.exr", settings=FLOATS)
    ((name, reason),) = report.left_out
    assert name == "IMG_0002" + suffix
    assert reason
    assert [frame.name for frame in report.frames] == [files[0].name, files[2].name]
    stack([files[0], files[2]], tmp_path / "two.exr", settings=FLOATS)
    np.testing.assert_array_equal(read_exr(tmp_path / "out.exr").data, read_exr(tmp_path / "two.exr").data)


@pytest.mark.parametrize("suffix", [".jpg", ".dng"])
def test_one_readable_frame_is_no_bracket_and_nothing_is_written(suffix: str, tmp_path: Path) -> None:
    files = write_bracket(tmp_path, EVS, suffix=suffix)
    broken(files[0], "cut")
    broken(files[2], "empty")
    before = names(tmp_path)
    with pytest.raises(UnreadableFileError, match="IMG_0001"):
        stack(files, tmp_path / "out.exr", preview=tmp_path / "out.jpg")
    assert names(tmp_path) == before


def test_outputs_that_exist_stay_unless_told_otherwise(pictures: list[Path], tmp_path: Path) -> None:
    for name in ("out.exr", "out.jpg"):
        (tmp_path / name).write_text("precious")
    with pytest.raises(OutputError):
        stack(pictures, tmp_path / "out.exr")
    with pytest.raises(OutputError):
        stack(pictures, tmp_path / "new.exr", preview=tmp_path / "out.jpg")
    assert {path.read_text() for path in tmp_path.iterdir()} == {"precious"}
    assert names(tmp_path) == {"out.exr", "out.jpg"}
    stack(pictures, tmp_path / "out.exr", preview=tmp_path / "out.jpg", overwrite=True)
    assert read_exr(tmp_path / "out.exr").data.shape == (64, 96, 3)


def test_a_frame_is_never_overwritten(tmp_path: Path) -> None:
    files = write_bracket(tmp_path, EVS)
    before = [path.read_bytes() for path in files]
    for target in ({"output": files[0]}, {"output": tmp_path / "out.exr", "preview": files[1]}):
        with pytest.raises(OutputError):
            stack(files, overwrite=True, **target)
    assert [path.read_bytes() for path in files] == before


def test_nothing_is_left_when_writing_fails(pictures: list[Path], tmp_path: Path) -> None:
    response = tmp_path / "missing" / "curve.csv"
    with pytest.raises(HdrcliError):
        stack(pictures, tmp_path / "out.exr", save_response=response)
    assert names(tmp_path) == set()


def test_sources_stay_as_they_are_and_progress_ends(tmp_path: Path) -> None:
    files = write_bracket(tmp_path, EVS)
    before, told = [path.read_bytes() for path in files], []
    stack(files, tmp_path / "out.exr", progress=lambda stage, share: told.append(share))
    assert [path.read_bytes() for path in files] == before
    assert told == sorted(told)
    assert 0 <= told[0] < told[-1] <= 1


def test_pictures_of_other_profiles_and_orientations_are_upright(tmp_path: Path) -> None:
    codes = (np.linspace(10, 200, 64 * 96 * 3).reshape(64, 96, 3)).astype(np.uint8)
    files = []
    for number, factor in enumerate((0.5, 1.0)):
        path = saved(tmp_path / f"{number}.png", (codes * factor).astype(np.uint8), orientation=6)
        files.append(path)
    report = stack(files, tmp_path / "out.exr", settings=StackSettings(evs=(0, 2), bits=32))
    assert report.size == (64, 96)
    assert read_exr(tmp_path / "out.exr").data.shape == (96, 64, 3)
