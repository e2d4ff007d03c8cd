"""A network over a picture of any size, tile by tile.

Tiles begin at a fixed phase of the picture's period (mosaic, rows of a dual-ISO frame), all have the same size, and
reach beyond the picture's border into whole mirrored periods (NETWORKS.md 6). Each pixel is written by exactly one of
them, so the result does not depend on the order, the batch or the number of threads; with a border as wide as the
receptive field it does not depend on the tiles either.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import lcm
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import ModelError, UnsuitableInputError, UsageError
from hdrcli.images import FloatArray
from hdrcli.mirror import mirrored

Indices = NDArray[np.intp]
Read = Callable[[Indices, Indices], Mapping[str, FloatArray]]
Run = Callable[[Mapping[str, FloatArray]], Sequence[FloatArray]]


class Write(Protocol):
    """Takes the valid part of each output of one tile."""

    def __call__(self, rows: slice, columns: slice, *outputs: FloatArray) -> object:
        """Keep `outputs`, each (C, h, w), as rows and columns of the picture."""


def run_tiled(
    run: Run,
    read: Read,
    write: Write,
    *,
    size: tuple[int, int],
    origin: tuple[int, int] = (0, 0),
    period: tuple[int, int],
    multiple: tuple[int, int],
    tile: int | tuple[int, int],
    border: int | tuple[int, int],
    batch: int = 1,
    lanes: int = 1,
    progress: Callable[[float], object] | None = None,
) -> None:
    """Run a network over a picture.

    Parameters
    ----------
    run : callable
        The network: takes its inputs by name, each stacked to (n, C, h, w), and returns its outputs, each
        (n, C, h, w) of the same h and w. `Session.run` is one.
    read : callable
        Called with picture indices of rows (h,) and columns (w,), returns the inputs by name, each (C, h, w).
        The indices go from one to the next, and beyond the picture they are mirrored by whole periods.
    write : callable
        Called with the rows and the columns of the picture as slices, and the outputs, each (C, rows, columns).
        Every pixel comes exactly once. Arrays may be views; copy what is to be kept.
    size : tuple of 2 int
        Height and width of the picture, at least one period.
    origin : tuple of 2 int
        Phase of the picture's first sample: sample (i, j) is at phase ((i + origin[0]) % period[0],
        (j + origin[1]) % period[1]). Every tile begins at phase (0, 0).
    period : tuple of 2 int
        Rows and columns after which what the network sees repeats: (4, 2) for dual-ISO, (2, 2) for Bayer, (1, 1).
    multiple : tuple of 2 int
        What heights and widths of tiles must be divisible by.
    tile : int or tuple of 2 int
        Largest height and width of a tile; rounded down to the multiple (and period). Tiles are made as much smaller
        as the same number of them allows, and a picture that fits into one with its border is one tile.
    border : int or tuple of 2 int
        Rows and columns next to a tile's edge that are not used; rounded up to the multiple (and period).
    batch : int
        Tiles in one call of `run`.
    lanes : int
        Calls of `run` at the same time, each in a thread of its own; `Session.lanes` says how many are fastest.
    progress : callable, optional
        Called in the calling thread with the share that is done, up to 1.0; what it raises ends the work.

    Raises
    ------
    UsageError
        When the tile has no room for its border.
    UnsuitableInputError
        When the picture is smaller than a period.
    ModelError
        When the network answers in another size than asked.

    Notes
    -----
    `read` and `write` are called from one background thread, one call at a time, while the network runs on other
    tiles. At most `lanes` + 3 batches of tiles are in memory. What any of the callables raises ends the work and is
    raised here.
    """
    tiles = _tiles(size, origin=origin, period=period, multiple=multiple, tile=_pair(tile), border=_pair(border))
    if batch < 1 or lanes < 1:
        raise UsageError(f"{batch} tiles a batch in {lanes} lanes make no sense; both are at least 1.")
    batches = [tiles[first : first + batch] for first in range(0, len(tiles), batch)]
    # One thread reads and writes, so that neither callable need be safe to call twice at a time.
    with _threads(1, "hdrcli-tiles") as background, _threads(lanes, "hdrcli-network") as network:
        writing: Future[None] | None = None
        answers = _answers(batches, run, read, background=background, network=network, lanes=lanes)
        for index, (some, outputs) in enumerate(answers):
            if writing is not None:
                writing.result()
            writing = background.submit(_write, write, some, outputs)
            if progress is not None:
                progress(index / len(batches))
        if writing is not None:
            writing.result()
    if progress is not None:
        progress(1.0)


def _answers(
    batches: list[list[_Tile]],
    run: Run,
    read: Read,
    *,
    background: ThreadPoolExecutor,
    network: ThreadPoolExecutor,
    lanes: int,
) -> Iterator[tuple[list[_Tile], Sequence[FloatArray]]]:
    """Yield each batch with the network's outputs, in order, while the next ones are read and run."""
    running: deque[tuple[list[_Tile], Future[Sequence[FloatArray]]]] = deque()
    reading = [background.submit(_read, read, batches[0])]
    for index, some in enumerate(batches):
        inputs = reading.pop().result()
        if index + 1 < len(batches):
            reading.append(background.submit(_read, read, batches[index + 1]))
        running.append((some, network.submit(run, inputs)))
        if len(running) > lanes:
            finished, answer = running.popleft()
            yield finished, answer.result()
    for finished, answer in running:
        yield finished, answer.result()


@dataclass(frozen=True)
class _Span:
    """A tile along one axis: the picture indices it is made of, and which of its samples go where."""

    indices: Indices
    target: slice
    valid: slice


@dataclass(frozen=True)
class _Tile:
    rows: _Span
    columns: _Span


def _tiles(
    size: tuple[int, int],
    *,
    origin: tuple[int, int],
    period: tuple[int, int],
    multiple: tuple[int, int],
    tile: tuple[int, int],
    border: tuple[int, int],
) -> list[_Tile]:
    """Return the tiles of a picture, row by row."""
    if any(length < span for length, span in zip(size, period, strict=True)):
        raise UnsuitableInputError(
            f"A picture of {size[1]} x {size[0]} samples is too small; at least {period[1]} x {period[0]} are needed."
        )
    rows, columns = (
        _spans(size[k], origin=origin[k], period=period[k], multiple=multiple[k], tile=tile[k], border=border[k])
        for k in (0, 1)
    )
    return [_Tile(row, column) for row in rows for column in columns]


def _spans(length: int, *, origin: int, period: int, multiple: int, tile: int, border: int) -> list[_Span]:
    """Return the tiles along one axis, in order.

    Positions are counted from a phase of 0 at or before the first sample, `origin` samples before it.
    """
    step = lcm(period, multiple)
    origin %= period
    end = _round_up(origin + length, step)
    margin = _round_up(border, step)
    if border < 0:
        raise UsageError(f"A border of {border} makes no sense; 0 is the least.")
    inner = tile // step * step - 2 * margin
    if end <= inner:
        inner = end
    elif inner < step:
        rounded = "" if margin == border else f" (rounded up to {margin})"
        raise UsageError(
            f"A tile of {tile} has no room for a border of {border}{rounded} on both sides; "
            f"choose a tile of at least {2 * margin + step}, or a narrower border."
        )
    # As many tiles as it takes, each only as large as that many need to be.
    inner = _round_up(-(-end // -(-end // inner)), step)
    spans = []
    for first in range(0, end, inner):
        start = min(first, end - inner) - margin - origin  # the last one is moved back to end with the picture
        indices = mirrored(start, start + inner + 2 * margin, length=length, period=period)
        target = slice(max(first - origin, 0), min(first + inner - origin, length))
        spans.append(_Span(indices, target, slice(target.start - start, target.stop - start)))
    return spans


def _read(read: Read, tiles: list[_Tile]) -> Mapping[str, FloatArray]:
    """Return the inputs of some tiles, stacked."""
    if len(tiles) == 1:
        return {name: plane[None] for name, plane in read(tiles[0].rows.indices, tiles[0].columns.indices).items()}
    parts = [read(tile.rows.indices, tile.columns.indices) for tile in tiles]
    return {name: np.stack([part[name] for part in parts]) for name in parts[0]}


def _write(write: Write, tiles: list[_Tile], outputs: Sequence[FloatArray]) -> None:
    """Hand over the valid parts of some tiles."""
    rows, columns = tiles[0].rows.indices.size, tiles[0].columns.indices.size
    for output in outputs:
        if output.ndim != 4 or (output.shape[0], *output.shape[2:]) != (len(tiles), rows, columns):
            raise ModelError(
                f"The network answers {output.shape} to {len(tiles)} tiles of {rows} x {columns}; "
                "its outputs must have the size of its inputs."
            )
    for index, tile in enumerate(tiles):
        parts = [output[index, :, tile.rows.valid, tile.columns.valid] for output in outputs]
        write(tile.rows.target, tile.columns.target, *parts)


@contextmanager
def _threads(count: int, name: str) -> Iterator[ThreadPoolExecutor]:
    """Run threads; after an error what has not begun is dropped."""
    pool = ThreadPoolExecutor(count, thread_name_prefix=name)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _round_up(value: int, step: int) -> int:
    return -(-value // step) * step
