"""Tiles never show: any size, tile, border, phase, batch and number of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import lcm
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import correlate
from tiny_models import convolution, write_model

from hdrcli.errors import ModelError, UnsuitableInputError, UsageError
from hdrcli.images import FloatArray
from hdrcli.inference.registry import find_model
from hdrcli.inference.session import Session
from hdrcli.inference.tiles import Indices, Run, run_tiled
from hdrcli.mirror import mirrored

KERNEL = np.random.default_rng(5).normal(size=(7, 7)).astype(np.float32)
RADIUS = 3
DUAL_ISO: dict[str, Any] = {"period": (4, 2), "multiple": (4, 2)}


@dataclass
class Picture:
    """A picture to read from, and one to write to."""

    size: tuple[int, int]
    source: FloatArray = field(init=False)
    result: FloatArray = field(init=False)
    written: np.ndarray[Any, np.dtype[np.int64]] = field(init=False)

    def __post_init__(self) -> None:
        self.source = np.random.default_rng(1).random((1, *self.size), dtype=np.float32)
        self.result = np.zeros_like(self.source)
        self.written = np.zeros(self.size, np.int64)

    def read(self, rows: Indices, columns: Indices) -> Mapping[str, FloatArray]:
        return {"x": self.source[:, rows[:, None], columns]}

    def write(self, rows: slice, columns: slice, *outputs: FloatArray) -> None:
        self.result[:, rows, columns] = outputs[0]
        self.written[rows, columns] += 1

    def run(self, run: Run, **layout: Any) -> FloatArray:
        run_tiled(run, self.read, self.write, size=self.size, **layout)
        assert np.all(self.written == 1)
        return self.result


def identity(inputs: Mapping[str, FloatArray]) -> Sequence[FloatArray]:
    return [inputs["x"]]


def convolve(inputs: Mapping[str, FloatArray]) -> Sequence[FloatArray]:
    """Convolve with zeros beyond the edge, as networks do."""
    return [correlate(inputs["x"], KERNEL[None, None], mode="constant")]


def convolved_whole(source: FloatArray, *, period: tuple[int, int], margin: int) -> FloatArray:
    """Return what `convolve` makes of a whole picture that goes on beyond its borders."""
    rows, columns = (
        mirrored(-margin, n + margin, length=n, period=p) for n, p in zip(source.shape[1:], period, strict=True)
    )
    padded = source[None, :, rows[:, None], columns]
    whole: FloatArray = convolve({"x": padded})[0][0, :, margin:-margin, margin:-margin]
    return whole


sizes = st.tuples(st.integers(4, 60), st.integers(4, 60))
layouts = st.fixed_dictionaries(
    {
        "period": st.sampled_from([(4, 2), (2, 2), (1, 1)]),
        "multiple": st.sampled_from([(4, 2), (8, 8), (1, 1), (3, 1)]),
        "tile": st.one_of(st.integers(44, 70), st.tuples(st.integers(44, 70), st.integers(60, 90))),
        "border": st.one_of(st.integers(0, 10), st.tuples(st.integers(0, 10), st.integers(0, 10))),
        "origin": st.tuples(st.integers(0, 5), st.integers(-1, 3)),
        "batch": st.integers(1, 5),
        "lanes": st.integers(1, 3),
    }
)


@given(size=sizes, layout=layouts)
@settings(max_examples=60)
def test_a_network_that_changes_nothing_returns_the_picture(size: tuple[int, int], layout: dict[str, Any]) -> None:
    picture = Picture(size)
    np.testing.assert_array_equal(picture.run(identity, **layout), picture.source)


@given(size=sizes, layout=layouts)
@settings(max_examples=40)
def test_with_a_border_as_wide_as_the_field_tiles_equal_the_whole_picture(
    size: tuple[int, int], layout: dict[str, Any]
) -> None:
    layout["border"] = RADIUS
    picture = Picture(size)
    whole = convolved_whole(picture.source, period=layout["period"], margin=RADIUS)
    np.testing.assert_allclose(picture.run(convolve, **layout), whole, rtol=0, atol=1e-5)


def test_the_size_of_tiles_does_not_change_the_result() -> None:
    results = [
        Picture((61, 47)).run(convolve, **DUAL_ISO, tile=tile, border=4, origin=(3, 1)) for tile in (12, 16, 20, 40, 99)
    ]
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], rtol=0, atol=1e-5)


@given(size=sizes, layout=layouts)
@settings(max_examples=60)
def test_every_tile_begins_at_the_phase_of_the_origin(size: tuple[int, int], layout: dict[str, Any]) -> None:
    """A network that answers the phase of each of its own rows and columns."""
    period, origin = layout["period"], layout["origin"]

    def phases(inputs: Mapping[str, FloatArray]) -> Sequence[FloatArray]:
        n, _, height, width = inputs["x"].shape
        cell = 10 * (np.arange(height) % period[0])[:, None] + np.arange(width) % period[1]
        return [np.broadcast_to(cell.astype(np.float32), (n, 1, height, width))]

    result = Picture(size).run(phases, **layout)[0]
    rows, columns = ((np.arange(size[k]) + origin[k]) % period[k] for k in (0, 1))
    np.testing.assert_array_equal(result, 10 * rows[:, None] + columns)


@given(size=sizes, layout=layouts)
@settings(max_examples=60)
def test_what_is_read_goes_on_in_phase_and_in_tiles_of_one_size(size: tuple[int, int], layout: dict[str, Any]) -> None:
    picture, shapes = Picture(size), set()
    period, multiple, origin = layout["period"], layout["multiple"], layout["origin"]

    def read(rows: Indices, columns: Indices) -> Mapping[str, FloatArray]:
        for k, indices in enumerate((rows, columns)):
            assert indices.min() >= 0
            assert indices.max() < size[k]
            np.testing.assert_array_equal((indices + origin[k]) % period[k], np.arange(indices.size) % period[k])
        shapes.add((rows.size, columns.size))
        return picture.read(rows, columns)

    run_tiled(identity, read, picture.write, size=size, **layout)
    assert len(shapes) == 1
    tile = layout["tile"] if isinstance(layout["tile"], tuple) else (layout["tile"],) * 2
    for side, largest, p, m in zip(shapes.pop(), tile, period, multiple, strict=True):
        assert side % lcm(p, m) == 0
        assert side <= largest


@pytest.mark.parametrize("size", [(4, 2), (5, 3), (8, 8), (9, 1000), (31, 17)])
@pytest.mark.parametrize("origin", [(0, 0), (1, 1), (3, 0)])
def test_small_pictures_are_one_small_tile(size: tuple[int, int], origin: tuple[int, int]) -> None:
    picture, shapes = Picture(size), []

    def run(inputs: Mapping[str, FloatArray]) -> Sequence[FloatArray]:
        shapes.append(inputs["x"].shape)
        return identity(inputs)

    result = picture.run(run, **DUAL_ISO, tile=(136, 1024), border=10, origin=origin)
    np.testing.assert_array_equal(result, picture.source)
    assert len(shapes) == 1
    assert shapes[0][2] <= size[0] + 6 + 24
    assert shapes[0][3] <= size[1] + 2 + 20


def test_tiles_are_made_as_small_as_their_number_allows() -> None:
    shapes = []

    def run(inputs: Mapping[str, FloatArray]) -> Sequence[FloatArray]:
        shapes.append(inputs["x"].shape)
        return identity(inputs)

    Picture((8, 130)).run(run, period=(1, 1), multiple=(1, 1), tile=100, border=5)
    assert shapes == [(1, 1, 18, 75), (1, 1, 18, 75)]


def test_an_onnx_model_in_tiles_equals_the_whole_picture(tmp_path: Path) -> None:
    model = find_model(str(write_model(tmp_path / "m", files={"model.onnx": convolution(radius=2)})))
    session = Session(model, device="cpu", threads=1)
    picture = Picture((77, 53))
    layout = {"period": model.manifest.period, "multiple": model.manifest.multiple, "border": model.manifest.border}
    result = picture.run(session.run, **layout, tile=model.manifest.tile, batch=3, lanes=2)
    rows, columns = (mirrored(-2, n + 2, length=n, period=p) for n, p in zip((77, 53), (4, 2), strict=True))
    (whole,) = session.run({"x": picture.source[None, :, rows[:, None], columns]})
    np.testing.assert_allclose(result, whole[0, :, 2:-2, 2:-2], rtol=0, atol=1e-5)


def test_several_inputs_and_outputs_keep_their_order() -> None:
    picture = Picture((40, 40))
    seen = {"sum": np.zeros((1, 40, 40), np.float32), "twice": np.zeros((2, 40, 40), np.float32)}

    def read(rows: Indices, columns: Indices) -> Mapping[str, FloatArray]:
        return {**picture.read(rows, columns), "gain": np.array([2.0], np.float32)}

    def run(inputs: Mapping[str, FloatArray]) -> Sequence[FloatArray]:
        x, gain = inputs["x"], inputs["gain"]
        assert gain.shape == (len(x), 1)
        twice = x * gain[:, :, None, None]
        return [x + 1, np.concatenate([twice, -twice], axis=1)]

    def write(rows: slice, columns: slice, *outputs: FloatArray) -> None:
        for name, output in zip(seen, outputs, strict=True):
            seen[name][:, rows, columns] = output

    run_tiled(run, read, write, size=(40, 40), **DUAL_ISO, tile=20, border=4, batch=2)
    np.testing.assert_array_equal(seen["sum"], picture.source + 1)
    np.testing.assert_array_equal(seen["twice"], np.concatenate([2 * picture.source, -2 * picture.source]))


@pytest.mark.parametrize("lanes", [1, 2])
def test_few_tiles_are_in_memory_at_a_time(lanes: int) -> None:
    """Counted between reading a batch and having written it."""
    picture, lock, state = Picture((64, 64)), threading.Lock(), {"now": 0, "most": 0}

    def read(rows: Indices, columns: Indices) -> Mapping[str, FloatArray]:
        with lock:
            state["now"] += 1
            state["most"] = max(state["most"], state["now"])
        return picture.read(rows, columns)

    def run(inputs: Mapping[str, FloatArray]) -> Sequence[FloatArray]:
        time.sleep(0.001)
        return identity(inputs)

    def write(rows: slice, columns: slice, *outputs: FloatArray) -> None:
        picture.write(rows, columns, *outputs)
        with lock:
            state["now"] -= 1

    run_tiled(run, read, write, size=(64, 64), **DUAL_ISO, tile=8, border=0, lanes=lanes)
    assert state["most"] <= lanes + 3
    np.testing.assert_array_equal(picture.result, picture.source)


def test_reading_goes_on_while_the_network_runs() -> None:
    """The network waits until the tile after its own has been read, which would never happen one after the other."""
    picture, reads = Picture((4, 64)), threading.Semaphore(0)

    def read(rows: Indices, columns: Indices) -> Mapping[str, FloatArray]:
        reads.release()
        return picture.read(rows, columns)

    tiles_left = [8]

    def run(inputs: Mapping[str, FloatArray]) -> Sequence[FloatArray]:
        tiles_left[0] -= 1
        assert reads.acquire(timeout=10)
        if tiles_left[0] == 7:
            assert reads.acquire(timeout=10)
            reads.release()
        return identity(inputs)

    run_tiled(run, read, picture.write, size=(4, 64), **DUAL_ISO, tile=8, border=0)


class PartFailedError(Exception):
    pass


@pytest.mark.parametrize("culprit", ["read", "run", "write", "progress"])
@pytest.mark.parametrize("lanes", [1, 2])
def test_what_a_part_raises_ends_the_work(culprit: str, lanes: int) -> None:
    picture, calls, before = (
        Picture((64, 64)),
        {"read": 0, "run": 0, "write": 0, "progress": 0},
        threading.active_count(),
    )

    def count(part: str) -> None:
        calls[part] += 1
        if part == culprit and calls[part] == 3:
            raise PartFailedError(part)

    def read(rows: Indices, columns: Indices) -> Mapping[str, FloatArray]:
        count("read")
        return picture.read(rows, columns)

    def run(inputs: Mapping[str, FloatArray]) -> Sequence[FloatArray]:
        count("run")
        return identity(inputs)

    def write(rows: slice, columns: slice, *outputs: FloatArray) -> None:
        count("write")

    layout = {**DUAL_ISO, "tile": 8, "border": 0, "lanes": lanes}
    with pytest.raises(PartFailedError, match=culprit):
        run_tiled(run, read, write, size=(64, 64), **layout, progress=lambda _: count("progress"))
    assert max(calls.values()) <= 3 + lanes + 3
    assert threading.active_count() == before


def test_progress_grows_to_one_in_the_calling_thread() -> None:
    shares, picture = [], Picture((32, 32))

    def progress(share: float) -> None:
        assert threading.current_thread() is threading.main_thread()
        shares.append(share)

    picture.run(identity, **DUAL_ISO, tile=8, border=0, batch=3, progress=progress)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) == 7


@pytest.mark.parametrize(
    ("choice", "error", "message"),
    [
        ({"tile": 64, "border": 40}, UsageError, "A tile of 64 has no room for a border of 40 on both sides; "),
        ({"tile": 64, "border": 31}, UsageError, r"border of 31 \(rounded up to 32\).* at least 68"),
        ({"tile": 2, "border": 0}, UsageError, "choose a tile of at least 4"),
        ({"tile": 0, "border": 0}, UsageError, "choose a tile of at least 4"),
        ({"tile": 64, "border": -1}, UsageError, "A border of -1 makes no sense"),
        ({"tile": 64, "border": 4, "batch": 0}, UsageError, "at least 1"),
        ({"tile": 64, "border": 4, "size": (3, 100)}, UnsuitableInputError, "100 x 3 samples is too small; at least 2"),
    ],
)
def test_what_makes_no_sense_is_refused(choice: dict[str, Any], error: type[Exception], message: str) -> None:
    picture = Picture((100, 100))
    with pytest.raises(error, match=message):
        run_tiled(identity, picture.read, picture.write, **{"size": (100, 100), **DUAL_ISO, **choice})


def test_a_network_that_answers_in_another_size_is_refused() -> None:
    picture = Picture((40, 40))
    with pytest.raises(ModelError, match=r"answers \(1, 1, 36, 40\) to 1 tiles of 40 x 40"):
        run_tiled(
            lambda inputs: [inputs["x"][:, :, 4:]],
            picture.read,
            picture.write,
            size=(40, 40),
            **DUAL_ISO,
            tile=40,
            border=0,
        )
