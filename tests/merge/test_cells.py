"""Exposures by 2x2 cells: colours, the largest sample, and trust that falls before anything clips."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hdrcli.images import BAYER_PATTERNS, FloatArray
from hdrcli.merge.cells import FIRST, FULL, Cells, bayer_cells, colour_positions, picture_cells, unsaturated
from hdrcli.sensor.mosaic import mosaic

LIGHT = st.floats(-0.5, 2, width=32)
SIDES = st.integers(2, 21)


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_every_position_has_its_colour(cfa: str) -> None:
    positions = colour_positions(cfa)
    assert "".join("RGB"[channel] for channel in positions.ravel()) == cfa


@given(height=SIDES, width=SIDES, cfa=st.sampled_from(BAYER_PATTERNS), data=st.data())
@run(max_examples=40)
def test_a_mosaic_of_even_cells_gives_their_colours(height: int, width: int, cfa: str, data: st.DataObject) -> None:
    cells = data.draw(arrays.arrays(np.float32, ((height + 1) // 2, (width + 1) // 2, 3), elements=LIGHT))
    whole = cells.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    light, peak = bayer_cells(mosaic(np.ascontiguousarray(whole), cfa), cfa)
    expected = cells[: height // 2, : width // 2]
    np.testing.assert_allclose(light, expected, atol=1e-6)
    np.testing.assert_array_equal(peak, expected.max(axis=2))


@given(cfa=st.sampled_from(BAYER_PATTERNS), data=arrays.arrays(np.float32, (6, 8), elements=LIGHT))
@run(max_examples=40)
def test_cells_are_means_by_colour_and_the_largest_sample(cfa: str, data: FloatArray) -> None:
    light, peak = bayer_cells(data, cfa)
    tiles = data.reshape(3, 2, 4, 2).swapaxes(1, 2).reshape(3, 4, 4)
    for channel, colour in enumerate("RGB"):
        own = [place for place in range(4) if cfa[place] == colour]
        np.testing.assert_allclose(light[..., channel], tiles[..., own].mean(axis=2), atol=1e-6)
    np.testing.assert_array_equal(peak, tiles.max(axis=2))


@given(height=SIDES, width=SIDES, data=st.data())
@run(max_examples=40)
def test_pictures_give_the_same_whatever_their_size(height: int, width: int, data: st.DataObject) -> None:
    picture = data.draw(arrays.arrays(np.float32, (height, width, 3), elements=LIGHT))
    light, peak = picture_cells(picture)
    rows, columns = height // 2, width // 2
    tiles = picture[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2, 3)
    np.testing.assert_allclose(light, tiles.mean(axis=(1, 3)), atol=1e-5)
    np.testing.assert_array_equal(peak, tiles.max(axis=(1, 3, 4)))


@given(peaks=arrays.arrays(np.float32, (5, 7), elements=st.floats(0, 1.25, width=32)))
@run(max_examples=60)
def test_trust_is_of_the_brightest_around(peaks: FloatArray) -> None:
    trust = unsaturated(peaks)
    assert trust.dtype == np.float32
    padded = np.pad(peaks, 1, constant_values=0)
    around = np.max([padded[i : i + 5, j : j + 7] for i in range(3) for j in range(3)], axis=0)
    assert (trust[around <= FIRST] == 1).all()
    assert (trust[around >= FULL + 1e-6] == 0).all()
    order = np.argsort(around, axis=None)
    assert (np.diff(trust.ravel()[order]) <= 1e-6).all()  # the brighter, the less


def test_luma_is_of_the_four_samples() -> None:
    light = np.array([[[0.1, 0.5, 0.9]]], np.float32)
    ones = np.ones((1, 1), np.float32)
    assert Cells(light, light, ones).luma == pytest.approx((0.1 + 2 * 0.5 + 0.9) / 4)
