"""What a bracket leaves besides its result: the aligned frames and the mask."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from functools import partial
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
from bracket_files import write_bracket
from numpy.typing import NDArray
from small_brackets import HAND, TRIPOD, display_of, merged_raw, raw_of, textured

from hdrcli.errors import OutputError, UsageError
from hdrcli.images import BayerImage, CameraProfile, DisplayImage, FloatArray, Metadata, RawFrame
from hdrcli.io.display import read_display
from hdrcli.io.dng import write_dng
from hdrcli.io.icc import icc_profile
from hdrcli.io.metadata import provenance_of, read_metadata, write_metadata
from hdrcli.io.raw import read_raw
from hdrcli.io.tiff import write_tiff
from hdrcli.isp.linearise import linear, measure_black
from hdrcli.recipes import stack as recipe
from hdrcli.recipes.stack import stack
from hdrcli.recipes.stack_raw import AlignedRaw, stack_raw
from hdrcli.recipes.stack_saved import SavedFrames
from hdrcli.recipes.stack_settings import StackSettings
from hdrcli.sensor.bracket import DisplayBracket, RawBracket
from hdrcli.sensor.motion import random_object

COUNT = 1 / (65535 - 1024)
FUSION = StackSettings(method="fusion")


@pytest.fixture(scope="module")
def hand() -> RawBracket:
    return raw_of(HAND, textured(2, (256, 288)))


@pytest.fixture(scope="module")
def raw_files(hand: RawBracket, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return written(hand, tmp_path_factory.mktemp("raw"))


@pytest.fixture(scope="module")
def shown_hand() -> DisplayBracket:
    return display_of(HAND, textured(2, (256, 288)))


@pytest.fixture(scope="module")
def pictures(shown_hand: DisplayBracket, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    paths = [folder / f"shot-{number}.jpg" for number in (1, 2, 3)]
    for path, capture, metadata in zip(paths, shown_hand.captures, shown_hand.metadata, strict=True):
        path.write_bytes(capture.encoded)
        write_metadata(path, metadata)
    return paths


def written(bracket: RawBracket, folder: Path, **metadata: object) -> list[Path]:
    """Write a raw bracket, with other metadata where they are given."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{frame.name}.dng" for frame in bracket.frames]
    for path, frame in zip(paths, bracket.frames, strict=True):
        write_dng(path, replace(frame, metadata=replace(frame.metadata, **metadata)))
    return paths


def light_of(frame: RawFrame) -> FloatArray:
    return linear(frame, measure_black(frame), frame.white).data


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def mask_of(path: Path) -> NDArray[np.uint8]:
    mask = imagecodecs.png_decode(path.read_bytes())
    assert mask.ndim == 2
    assert mask.dtype == np.uint8
    return np.asarray(mask)


def test_raw_frames_lie_on_the_reference_at_their_own_exposure(
    hand: RawBracket, raw_files: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "aligned"
    report = stack(raw_files, tmp_path / "out.exr", save_aligned=folder)
    assert names(folder) == {path.name for path in raw_files}
    for index, (source, frame) in enumerate(zip(raw_files, report.frames, strict=True)):
        aligned = read_raw(folder / source.name)
        assert aligned.cfa == hand.frames[hand.reference].cfa
        assert (aligned.white, aligned.black) == (65535, (1024,) * 4)
        light, expected = light_of(aligned), hand.truth_mosaic * np.float32(hand.gains[index])
        inner = (slice(16, -16),) * 2
        well = (expected[inner] > 0.05) & (expected[inner] < 0.8)
        error = light[inner][well] / expected[inner][well]
        assert np.median(error) == pytest.approx(1, abs=0.01)
        assert np.percentile(np.abs(error - 1), 90) < 0.12
        assert light.max() <= 1
        own, stated = read_metadata(folder / source.name), hand.frames[index].metadata
        assert (own.exposure_time_s, own.iso) == pytest.approx((stated.exposure_time_s, stated.iso))
        assert abs(np.log2(hand.gains[index]) - frame.ev_used) < 0.02


def test_the_raw_reference_is_only_linearised(hand: RawBracket, raw_files: list[Path], tmp_path: Path) -> None:
    stack(raw_files, tmp_path / "out.exr", save_aligned=tmp_path)
    saved, read = (light_of(read_raw(folder / "frame-2.dng")) for folder in (tmp_path, raw_files[0].parent))
    np.testing.assert_allclose(saved, np.minimum(read, 1), atol=1.01 * COUNT)


def test_aligned_frames_have_no_motion_left_and_are_no_new_bracket(
    raw_files: list[Path], pictures: list[Path], tmp_path: Path
) -> None:
    for files, suffix in ((raw_files, ".dng"), (pictures, ".tif")):
        moved = stack(files, tmp_path / f"a{suffix[1:]}.exr", save_aligned=tmp_path)
        again = [tmp_path / f"{path.stem}{suffix}" for path in files]
        still = stack(again, tmp_path / f"b{suffix[1:]}.exr")
        motion = [max(np.hypot(*frame.shift) for frame in report.frames) for report in (moved, still)]
        assert motion[0] > 1
        assert motion[1] < 0.3
        assert {provenance_of(path)["alignedTo"] for path in again} == {moved.reference}


@pytest.mark.parametrize("settings", [StackSettings(), FUSION], ids=["hdr", "fusion"])
def test_pictures_are_saved_in_their_codes(
    settings: StackSettings, shown_hand: DisplayBracket, pictures: list[Path], tmp_path: Path
) -> None:
    report = stack(pictures, tmp_path / "out.jpg", settings=settings, save_aligned=tmp_path / "aligned")
    assert names(tmp_path / "aligned") == {"shot-1.tif", "shot-2.tif", "shot-3.tif"}
    for path, metadata, frame in zip(pictures, shown_hand.metadata, report.frames, strict=True):
        aligned = read_display(tmp_path / "aligned" / f"{path.stem}.tif")
        before = read_display(path).image
        assert aligned.image is not None
        assert before is not None
        assert aligned.image.data.dtype == np.uint16
        assert aligned.metadata.exposure_time_s == pytest.approx(metadata.exposure_time_s)
        is_reference = path.name == report.reference
        assert is_reference == np.array_equal(aligned.image.data, before.data.astype(np.uint16) * 257)
        assert np.mean(aligned.image.data) == pytest.approx(257 * np.mean(before.data), rel=0.05)
        assert frame.name == path.name


def test_pictures_keep_their_profile_and_sixteen_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    codes = rng.integers(2000, 20000, (32, 48, 3), dtype=np.uint16)
    wide = icc_profile("display-p3", linear=False)
    files = [tmp_path / "a.tif", tmp_path / "b.tif"]
    for path, factor in zip(files, (1, 2), strict=True):
        write_tiff(path, DisplayImage(codes * np.uint16(factor), wide), metadata=Metadata(exposure_time_s=0.01))
    settings = StackSettings(evs=(0, 2), align=False)
    stack(files, tmp_path / "out.exr", settings=settings, save_aligned=tmp_path / "aligned")
    for path in files:
        before, saved = read_display(path).image, read_display(tmp_path / "aligned" / path.name).image
        assert before is not None
        assert saved is not None
        np.testing.assert_array_equal(saved.data, before.data)
        assert saved.icc == before.icc == wide


def test_without_alignment_frames_are_as_they_were(raw_files: list[Path], pictures: list[Path], tmp_path: Path) -> None:
    settings = StackSettings(align=False)
    stack(raw_files, tmp_path / "raw.exr", settings=settings, save_aligned=tmp_path)
    stack(pictures, tmp_path / "shown.exr", settings=settings, save_aligned=tmp_path)
    for path in raw_files:
        before, saved = light_of(read_raw(path)), light_of(read_raw(tmp_path / path.name))
        np.testing.assert_allclose(saved, np.minimum(before, 1), atol=1.01 * COUNT)
    for path in pictures:
        before, saved = read_display(path).image, read_display(tmp_path / f"{path.stem}.tif").image
        assert before is not None
        assert saved is not None
        np.testing.assert_array_equal(saved.data, before.data.astype(np.uint16) * 257)


@pytest.mark.parametrize("kind", ["raw", "display"])
def test_the_mask_is_dark_where_something_moved_and_white_elsewhere(kind: str, tmp_path: Path) -> None:
    scene, other = textured(5, (256, 288)), textured(6, (256, 288))
    moving = random_object(np.random.default_rng(5), scene, other, frames=3, reference=1)
    if kind == "raw":
        bracket: RawBracket | DisplayBracket = raw_of(scene=scene, moving=moving)
        files = written(bracket, tmp_path / "in")
    else:
        bracket = display_of(scene=scene, moving=moving)
        files = [tmp_path / f"{number}.jpg" for number in (1, 2, 3)]
        for path, capture, metadata in zip(files, bracket.captures, bracket.metadata, strict=True):
            path.write_bytes(capture.encoded)
            write_metadata(path, metadata)
    report = stack(files, tmp_path / "out.exr", save_mask=tmp_path / "mask.png")
    mask = mask_of(tmp_path / "mask.png")
    assert mask.shape == (256, 288)
    assert bracket.moving is not None
    assert np.mean(mask[bracket.moving] < 128) > 0.7
    around = cv2.dilate(bracket.moving.astype(np.uint8), np.ones((33, 33), np.uint8)) > 0
    assert np.mean(mask[~around] > 128) > 0.97
    assert {0, 255} <= set(np.unique(mask))
    # The least of all frames, which has at least the share of each.
    assert np.mean(1 - mask / 255) >= max(frame.ghosts for frame in report.frames) - 1e-3
    stack(files, tmp_path / "off.exr", settings=StackSettings(deghost="off"), save_mask=tmp_path / "off.png")
    assert mask_of(tmp_path / "off.png").min() == 255
    assert provenance_of(tmp_path / "mask.png")["command"] == "stack"


def test_what_a_moved_frame_does_not_reach_is_white(raw_files: list[Path], tmp_path: Path) -> None:
    report = stack(raw_files, tmp_path / "out.exr", save_mask=tmp_path / "mask.png")
    assert max(np.hypot(*frame.shift) for frame in report.frames) > 2
    mask = mask_of(tmp_path / "mask.png")
    assert np.mean(mask < 128) <= sum(frame.ghosts for frame in report.frames) + 1e-3
    assert np.mean(mask[[0, -1]] > 250) > 0.9


def test_the_mask_is_upright(hand: RawBracket, tmp_path: Path) -> None:
    files = written(hand, tmp_path / "in", orientation=6)
    stack(files, tmp_path / "out.exr", save_mask=tmp_path / "mask.png")
    assert mask_of(tmp_path / "mask.png").shape == (288, 256)


@pytest.mark.parametrize("size", [(2, 2), (5, 8), (4, 7)])
def test_masks_of_any_size(size: tuple[int, int], tmp_path: Path) -> None:
    shown = np.ones((size[0] // 2, size[1] // 2), np.float32)
    shown[-1, -1] = 0
    frame = AlignedRaw(0, BayerImage(np.zeros(size, np.float32), "RGGB"), CameraProfile(), Metadata())
    saved = SavedFrames([Path("a"), Path("b")], None, kind="raw", mask=True)
    for where in (None, shown, np.ones_like(shown)):
        saved.take(frame, where)
    saved.write_mask(tmp_path / "mask.png", Metadata())
    mask = mask_of(tmp_path / "mask.png")
    assert mask.shape == size
    assert mask[-1, -1] == 0
    assert mask[0, 0] == (0 if size == (2, 2) else 255)


def test_a_bracket_of_one_reference_is_white(tmp_path: Path) -> None:
    frame = AlignedRaw(0, BayerImage(np.zeros((6, 8), np.float32), "RGGB"), CameraProfile(), Metadata())
    saved = SavedFrames([Path("a"), Path("b")], None, kind="raw", mask=True)
    saved.take(frame, None)
    saved.write_mask(tmp_path / "mask.png", Metadata())
    assert mask_of(tmp_path / "mask.png").min() == 255


def test_a_frame_that_cannot_be_read_is_not_saved(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    files = write_bracket(tmp_path / "in", (0, -2, 2))
    files[1].write_bytes(b"")
    stack(files, tmp_path / "out.exr", save_aligned=tmp_path / "aligned")
    assert names(tmp_path / "aligned") == {"IMG_0001.tif", "IMG_0003.tif"}


def test_the_result_is_the_same_and_frames_are_handed_on_only_when_asked(hand: RawBracket) -> None:
    told: list[tuple[int, bool]] = []
    frames = [partial(lambda frame: frame, frame) for frame in hand.frames]
    result = stack_raw(frames, follow=lambda frame, shown: told.append((frame.source, shown is None)))
    assert told[0] == (hand.reference, True)
    assert sorted(told) == [(0, False), (1, True), (2, False)]
    np.testing.assert_array_equal(result.mosaic.data, merged_raw(hand).mosaic.data)


def test_what_exists_stays_unless_told_otherwise(raw_files: list[Path], tmp_path: Path) -> None:
    folder, mask = tmp_path / "aligned", tmp_path / "mask.png"
    folder.mkdir()
    for path in (folder / "frame-3.dng", mask):
        path.write_text("precious")
    with pytest.raises(OutputError, match=r"frame-3\.dng' exists already"):
        stack(raw_files, tmp_path / "out.exr", save_aligned=folder)
    with pytest.raises(OutputError, match=r"mask\.png' exists already"):
        stack(raw_files, tmp_path / "out.exr", save_mask=mask)
    assert (folder / "frame-3.dng").read_text() == mask.read_text() == "precious"
    assert (names(folder), names(tmp_path)) == ({"frame-3.dng"}, {"aligned", "mask.png"})
    stack(raw_files, tmp_path / "out.exr", save_aligned=folder, save_mask=mask, overwrite=True)
    assert mask_of(mask).shape == (256, 288)
    assert read_raw(folder / "frame-3.dng").counts.shape == (256, 288)


def test_what_cannot_be_is_refused_before_any_work(raw_files: list[Path], pictures: list[Path], tmp_path: Path) -> None:
    before = [path.read_bytes() for path in raw_files]
    with pytest.raises(OutputError, match="is an input"):
        stack(raw_files, tmp_path / "out.exr", save_aligned=raw_files[0].parent, overwrite=True)
    assert [path.read_bytes() for path in raw_files] == before
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(OutputError, match="cannot be made"):
        stack(raw_files, tmp_path / "out.exr", save_aligned=tmp_path / "file")
    with pytest.raises(UsageError, match=r"must be a \.png"):
        stack(pictures, tmp_path / "out.exr", save_mask=tmp_path / "mask.jpg")
    with pytest.raises(UsageError, match="Two results would be written"):
        stack(pictures, tmp_path / "out.png", save_mask=tmp_path / "out.png")
    with pytest.raises(UsageError, match="Two results would be written"):
        stack(pictures, tmp_path / "shot-2.tif", save_aligned=tmp_path)
    double = tmp_path / "double"
    double.mkdir()
    twin = double / pictures[0].name
    twin.write_bytes(pictures[0].read_bytes())
    with pytest.raises(UsageError, match="would both be written"):
        stack([pictures[0], pictures[1], twin], tmp_path / "out.exr", save_aligned=tmp_path / "aligned")
    assert names(tmp_path) == {"file", "double"}


@pytest.mark.parametrize("kind", ["raw", "display"])
def test_nothing_is_left_when_it_fails(
    kind: str, raw_files: list[Path], pictures: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, folder = raw_files if kind == "raw" else pictures, tmp_path / "aligned"

    def fails(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recipe, "write_picture", fails)
    with pytest.raises(OutputError, match="No space left"):
        stack(files, tmp_path / "out.exr", save_aligned=folder, save_mask=tmp_path / "mask.png")
    monkeypatch.undo()
    assert (names(tmp_path), names(folder)) == ({"aligned"}, set())

    def stops(stage: str, share: float) -> None:
        if stage == "save" and any(folder.iterdir()):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stack(files, tmp_path / "out.exr", save_aligned=folder, progress=stops)
    assert (names(tmp_path), names(folder)) == ({"aligned"}, set())


def test_memory_does_not_grow_with_the_number_of_frames_saved(tmp_path: Path) -> None:
    bracket = raw_of(TRIPOD, textured(1, (96, 128)))

    def peak(number: int) -> int:
        frames = [replace(bracket.frames[index % 3], name=f"{index:02d}") for index in range(number)]
        sources = [Path(f"{frame.name}.dng") for frame in frames]
        reads = [partial(lambda frame: replace(frame, counts=frame.counts.copy()), frame) for frame in frames]
        tracemalloc.start()
        try:
            with SavedFrames(sources, tmp_path / str(number), kind="raw", mask=True) as saved:
                stack_raw(reads, follow=saved.take)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(3)
    assert peak(24) < 1.6 * peak(6)
    assert len(names(tmp_path / "24")) == 24
