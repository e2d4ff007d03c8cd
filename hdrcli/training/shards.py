"""Packed training pictures: few files, memory-mapped, read without decoding.

A shard is one file: eight bytes of magic, the length of the index (8 bytes, little endian), the index as JSON, then the
arrays, each on a 64-byte boundary. Scenes are half floats (linear light); photographs are the bytes of their display
encoding, because half floats would only make them larger.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UnreadableFileError

MAGIC = b"HDRSHRD1"
LIMIT_BYTES = 60 * 2**20
_ALIGN = 64
_DTYPES = {"float16", "uint8"}


@dataclass(frozen=True)
class Picture:
    """One packed picture.

    Attributes
    ----------
    name : str
        Of the file it came from, without suffix; pictures of one place or photograph share what is before the "_".
    kind : str
        "scene" (linear, any range), "photo" (display-encoded sRGB) or "synthetic" (linear, made by this project).
    data : ndarray (H, W, 3), float16 or uint8
    """

    name: str
    kind: str
    data: NDArray[np.float16] | NDArray[np.uint8]


@dataclass(frozen=True)
class _Entry:
    name: str
    kind: str
    dtype: str
    shape: tuple[int, ...]
    offset: int


def write_shards(pictures: Iterable[Picture], folder: Path, *, limit_bytes: int = LIMIT_BYTES) -> list[Path]:
    """Write pictures into as few shards as the limit allows, in order; returns their paths.

    Raises
    ------
    ValueError
        When one picture alone is larger than the limit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths: list[Path] = []
    waiting: list[Picture] = []
    size = 0

    def flush() -> None:
        if waiting:
            paths.append(folder / f"shard-{len(paths):03d}.bin")
            _write_shard(paths[-1], waiting)
            waiting.clear()

    for picture in pictures:
        # The index takes about 150 bytes a picture; 4 KiB also cover its head and the alignment.
        own = picture.data.nbytes + 4096
        if own > limit_bytes:
            raise ValueError(f"{picture.name} takes {own} bytes; a shard holds {limit_bytes}")
        if size + own > limit_bytes:
            flush()
            size = 0
        waiting.append(picture)
        size += own
    flush()
    return paths


def read_shards(paths: Sequence[Path]) -> list[Picture]:
    """Return the pictures of some shards, memory-mapped.

    Raises
    ------
    UnreadableFileError
        When a file is missing or no shard.
    """
    return [picture for path in paths for picture in _read_shard(path)]


def _write_shard(path: Path, pictures: Sequence[Picture]) -> None:
    entries, offset = [], 0
    for picture in pictures:
        entries.append(_Entry(picture.name, picture.kind, str(picture.data.dtype), picture.data.shape, offset))
        offset += -(-picture.data.nbytes // _ALIGN) * _ALIGN
    index = json.dumps([asdict(entry) for entry in entries]).encode()
    with path.open("wb") as file:
        file.write(MAGIC + len(index).to_bytes(8, "little") + index)
        start = -(-file.tell() // _ALIGN) * _ALIGN
        for entry, picture in zip(entries, pictures, strict=True):
            file.seek(start + entry.offset)
            file.write(np.ascontiguousarray(picture.data).tobytes())


def _read_shard(path: Path) -> list[Picture]:
    try:
        with path.open("rb") as file:
            head = file.read(16)
            if head[:8] != MAGIC:
                raise UnreadableFileError(f"{path} is no shard of training pictures; `pack` writes them.")
            length = int.from_bytes(head[8:], "little")
            entries = [_Entry(**entry) for entry in json.loads(file.read(length))]
    except OSError as error:
        raise UnreadableFileError(f"{path} cannot be read: {error.strerror}.") from error
    start = -(-(16 + length) // _ALIGN) * _ALIGN
    return [_mapped(path, start, entry) for entry in entries]


def _mapped(path: Path, start: int, entry: _Entry) -> Picture:
    if entry.dtype not in _DTYPES:
        raise UnreadableFileError(f"{path} holds values of type {entry.dtype}, which this version does not know.")
    data = np.memmap(path, dtype=entry.dtype, mode="r", offset=start + entry.offset, shape=tuple(entry.shape))
    return Picture(entry.name, entry.kind, data)
