"""Packed training pictures: few files, memory-mapped, read without decoding.

A shard is one file: eight bytes of magic, the length of the index (8 bytes, little endian), the index as JSON, then the
arrays, each on a 64-byte boundary. Scenes are half floats (linear light); photographs are the bytes of their display
encoding, because half floats would only make them larger.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import HdrcliError, OutputError, UnreadableFileError, UnsuitableInputError

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
        "scene" (linear, any range), "photo" (display-encoded sRGB), "synthetic" (linear, drawn by this project) or
        "rendered" (linear, path-traced).
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


def write_shards(
    pictures: Iterable[Picture], folder: Path, *, limit_bytes: int = LIMIT_BYTES, overwrite: bool = False
) -> list[Path]:
    """Write pictures into as few shards as the limit allows, in order; returns their paths.

    Parameters
    ----------
    pictures : iterable of Picture
    folder : Path
        Made where it is missing.
    limit_bytes : int
        Of one shard.
    overwrite : bool
        Whether shards that are there are deleted first.

    Raises
    ------
    OutputError
        When there are shards in the folder already, or it cannot be written.
    UnsuitableInputError
        When one picture alone is larger than the limit.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        old = sorted(folder.glob("shard-*.bin"))
        if old and not overwrite:
            raise OutputError(f"There are shards in {str(folder)!r} already; give another folder, or --overwrite.")
        for path in old:
            path.unlink()
        return _write_shards(pictures, folder, limit_bytes)
    except OSError as error:
        if isinstance(error, HdrcliError):
            raise
        raise OutputError(f"{str(folder)!r} cannot be written: {error.strerror}.") from error


def read_shards(paths: Sequence[Path]) -> list[Picture]:
    """Return the pictures of some shards, memory-mapped.

    Raises
    ------
    UnreadableFileError
        When a file is missing or no shard.
    """
    return [picture for path in paths for picture in _read_shard(path)]


def _write_shards(pictures: Iterable[Picture], folder: Path, limit_bytes: int) -> list[Path]:
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
            raise UnsuitableInputError(f"{picture.name!r} takes {own} bytes; a shard holds {limit_bytes}.")
        if size + own > limit_bytes:
            flush()
            size = 0
        waiting.append(picture)
        size += own
    flush()
    return paths


def _write_shard(path: Path, pictures: Sequence[Picture]) -> None:
    entries, offset = [], 0
    for picture in pictures:
        entries.append(_Entry(picture.name, picture.kind, str(picture.data.dtype), picture.data.shape, offset))
        offset += -(-picture.data.nbytes // _ALIGN) * _ALIGN
    index = json.dumps([asdict(entry) for entry in entries]).encode()
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(MAGIC + len(index).to_bytes(8, "little") + index)
        start = -(-file.tell() // _ALIGN) * _ALIGN
        for entry, picture in zip(entries, pictures, strict=True):
            file.seek(start + entry.offset)
            file.write(np.ascontiguousarray(picture.data).tobytes())
    partial.replace(path)


def shard_facts(path: Path) -> dict[str, object]:
    """Return what identifies a shard: its name, the SHA-256 of its index, and its pictures by kind.

    Raises
    ------
    UnreadableFileError
        When the file is missing or no shard.
    """
    index, entries, _ = _read_index(path)
    kinds = [entry.kind for entry in entries]
    return {
        "file": path.name,
        "sha256": hashlib.sha256(index).hexdigest(),
        "pictures": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
    }


def _read_shard(path: Path) -> list[Picture]:
    _, entries, start = _read_index(path)
    return [_mapped(path, start, entry) for entry in entries]


def _read_index(path: Path) -> tuple[bytes, list[_Entry], int]:
    """Return the index of a shard, what it says, and where the arrays begin."""
    try:
        with path.open("rb") as file:
            head = file.read(16)
            if head[:8] != MAGIC:
                raise UnreadableFileError(f"{str(path)!r} is no shard of training pictures; `pack` writes them.")
            length = int.from_bytes(head[8:], "little")
            index = file.read(min(length, LIMIT_BYTES))
    except OSError as error:
        if isinstance(error, UnreadableFileError):
            raise
        raise UnreadableFileError(f"{str(path)!r} cannot be read: {error.strerror}.") from error
    try:
        if len(index) < length:
            raise ValueError("the index goes on beyond the end of the file")
        entries = [_Entry(**entry) for entry in json.loads(index)]
    except (ValueError, TypeError) as error:
        raise UnreadableFileError(f"The index of the shard {str(path)!r} is damaged; pack it again.") from error
    return index, entries, -(-(16 + length) // _ALIGN) * _ALIGN


def _mapped(path: Path, start: int, entry: _Entry) -> Picture:
    if entry.dtype not in _DTYPES:
        raise UnreadableFileError(
            f"{str(path)!r} holds values of type {entry.dtype!r}, which this version does not know."
        )
    try:
        data = np.memmap(path, dtype=entry.dtype, mode="r", offset=start + entry.offset, shape=tuple(entry.shape))
    except (OSError, ValueError, TypeError) as error:
        raise UnreadableFileError(f"The shard {str(path)!r} is damaged or cut short; pack it again.") from error
    return Picture(entry.name, entry.kind, data)
