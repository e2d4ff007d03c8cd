"""Shards give back what was packed, and damaged ones are refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hdrcli.errors import OutputError, UnreadableFileError, UnsuitableInputError, UsageError
from hdrcli.images import Metadata, SceneImage
from hdrcli.io.exr import write_exr
from hdrcli.training.shards import MAGIC, Picture, read_shards, shard_facts, write_shards
from hdrcli.training.sources import synthetic_pictures, training_pictures


def test_pictures_come_back_as_they_were(tmp_path: Path, pictures: list[Picture]) -> None:
    paths = write_shards(pictures, tmp_path / "s")
    assert [path.name for path in paths] == ["shard-000.bin"]
    found = read_shards(paths)
    assert [(p.name, p.kind, p.data.dtype) for p in found] == [(p.name, p.kind, p.data.dtype) for p in pictures]
    for one, other in zip(found, pictures, strict=True):
        assert isinstance(one.data, np.memmap)
        np.testing.assert_array_equal(one.data, other.data)


def test_no_shard_is_larger_than_the_limit(tmp_path: Path) -> None:
    pictures = [Picture(f"p{i}", "photo", np.full((50, 40 + i, 3), i, np.uint8)) for i in range(9)]
    paths = write_shards(pictures, tmp_path, limit_bytes=40_000)
    assert len(paths) > 2
    assert max(path.stat().st_size for path in paths) <= 40_000
    assert [p.name for p in read_shards(paths)] == [p.name for p in pictures]


def test_a_picture_over_the_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsuitableInputError, match="'p' takes"):
        write_shards([Picture("p", "photo", np.zeros((99, 99, 3), np.uint8))], tmp_path, limit_bytes=20_000)


def test_shards_are_replaced_only_when_asked(tmp_path: Path, pictures: list[Picture]) -> None:
    write_shards(pictures, tmp_path, limit_bytes=60_000)
    assert len(list(tmp_path.iterdir())) > 1
    with pytest.raises(OutputError, match="--overwrite"):
        write_shards(pictures, tmp_path)
    write_shards(pictures, tmp_path, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["shard-000.bin"]


def test_the_facts_of_a_shard_follow_from_its_index(tmp_path: Path, pictures: list[Picture]) -> None:
    (path,) = write_shards(pictures, tmp_path / "a")
    (again,) = write_shards(pictures, tmp_path / "b")
    (other,) = write_shards(pictures[:2], tmp_path / "c")
    assert shard_facts(path) == shard_facts(again)
    assert shard_facts(path)["pictures"] == {"photo": 1, "scene": 2}
    assert shard_facts(path)["sha256"] != shard_facts(other)["sha256"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no shard"),
        (b"something else altogether", "is no shard"),
        (MAGIC + (10**6).to_bytes(8, "little") + b"[", "index .* is damaged"),
        (MAGIC + (2**63).to_bytes(8, "little") + b"[]", "index .* is damaged"),
        (MAGIC + (11).to_bytes(8, "little") + b'[{"a": 1}] ', "index .* is damaged"),
        (MAGIC + (4).to_bytes(8, "little") + b"null", "index .* is damaged"),
    ],
)
def test_what_is_no_shard_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=message):
        read_shards([path])


def test_a_shard_that_is_cut_short_is_refused(tmp_path: Path, pictures: list[Picture]) -> None:
    (path,) = write_shards(pictures, tmp_path)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(UnreadableFileError, match="cut short"):
        read_shards([path])


def test_a_shard_of_unknown_values_is_refused(tmp_path: Path) -> None:
    entry = {"name": "p", "kind": "scene", "dtype": "float64", "shape": [1, 1, 3], "offset": 0}
    index = json.dumps([entry]).encode()
    path = tmp_path / "x.bin"
    path.write_bytes(MAGIC + len(index).to_bytes(8, "little") + index + bytes(200))
    with pytest.raises(UnreadableFileError, match="'float64'"):
        read_shards([path])


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"gone\.bin' cannot be read"):
        read_shards([tmp_path / "gone.bin"])


def test_drawn_pictures_are_the_same_each_time() -> None:
    (one,), (other,) = (list(synthetic_pictures(1, seed=5)) for _ in range(2))
    np.testing.assert_array_equal(one.data, other.data)
    assert one.data.shape == (512, 512, 3)
    assert 0 <= one.data.min() < one.data.max() < np.inf


def test_scenes_and_photographs_are_packed_in_order(tmp_path: Path) -> None:
    import cv2

    (tmp_path / "scenes").mkdir()
    (tmp_path / "photos").mkdir()
    light = np.linspace(0, 1e6, 32 * 32 * 3, dtype=np.float32).reshape(32, 32, 3)
    for name in "ba":
        write_exr(tmp_path / "scenes" / f"{name}.exr", SceneImage(light), metadata=Metadata(), bits=32)
    codes = np.arange(32 * 32 * 3, dtype=np.uint8).reshape(32, 32, 3)
    cv2.imwrite(str(tmp_path / "photos" / "c.png"), codes[:, :, ::-1])
    found = list(training_pictures([tmp_path / "scenes"], [tmp_path / "photos"]))
    assert [(p.name, p.kind) for p in found] == [("a", "scene"), ("b", "scene"), ("c", "photo")]
    np.testing.assert_array_equal(found[2].data, codes)
    assert found[0].data.max() == 60000  # what a half float can hold with room to spare


def test_validation_scenes_are_never_packed(tmp_path: Path) -> None:
    folder = tmp_path / "scenes" / "val"
    folder.mkdir(parents=True)
    (tmp_path / "linked").symlink_to(folder)
    for name in (folder, tmp_path / "linked"):
        with pytest.raises(UsageError, match="not trained on"):
            training_pictures([name])


def test_packing_needs_something_to_pack(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to pack"):
        training_pictures()
    with pytest.raises(UnreadableFileError, match="no folder"):
        training_pictures([tmp_path / "gone"])
    with pytest.raises(UnsuitableInputError, match=r"\.exr"):
        training_pictures([tmp_path])
