"""What networks see of a frame: one phase for all frames, compressed samples, clipping and noise as planes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest

from hdrcli.dualiso.planes import (
    CHANNELS,
    PERIOD,
    FrameConstants,
    canonical_phase,
    compress,
    expand,
    frame_constants,
    input_planes,
    merge_exposures,
    own_colours,
    own_factors,
    smoothstep,
)
from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.images import BAYER_PATTERNS, FloatArray, NoiseModel
from hdrcli.sensor.mosaic import ROW_PATTERNS, high_rows, mosaic

CANONICAL = np.array(["HR HG", "HG HB", "LR LG", "LG LB"])
LOW, HIGH = NoiseModel(3e-5, 6e-8), NoiseModel(3e-5, 4e-9)


def labelled(row_pattern: str, cfa: str, height: int, width: int) -> np.ndarray[tuple[int, ...], np.dtype[np.str_]]:
    """Return the class and the colour of each sample of a mosaic: "HR", "LG"."""
    classes = np.where(high_rows(height, row_pattern), "H", "L")[:, None]
    colours = np.array([list(cfa[:2]), list(cfa[2:])])[np.arange(height)[:, None] % 2, np.arange(width)[None] % 2]
    return np.char.add(np.broadcast_to(classes, colours.shape), colours)


def single(values: Sequence[Any]) -> FloatArray:
    return np.array(values, dtype=np.float32)


def constants(balance: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> FrameConstants:
    return FrameConstants(np.array(balance, np.float32), 0.998, 0.998 / 16, LOW, HIGH)


@pytest.mark.parametrize("height", [12, 13, 14, 15])
@pytest.mark.parametrize(("row_pattern", "cfa"), list(product(ROW_PATTERNS, BAYER_PATTERNS)))
def test_every_mosaic_comes_to_one_phase_by_a_flip_and_a_shift(row_pattern: str, cfa: str, height: int) -> None:
    phase = canonical_phase(row_pattern, cfa, height)
    seen = labelled(row_pattern, cfa, height, 7)
    turned = seen[::-1] if phase.flip else seen
    canonical = labelled("HHLL", "RGGB", *PERIOD)
    assert [" ".join(row) for row in canonical] == CANONICAL.tolist()
    rows, columns = np.arange(height) + phase.rows, np.arange(7) + phase.columns
    np.testing.assert_array_equal(turned, canonical[np.ix_(rows % 4, columns % 2)])
    assert phase.rows in range(4)
    assert phase.columns in range(2)


def test_half_of_all_mosaics_need_no_flip() -> None:
    flips = [canonical_phase(rows, cfa, 16).flip for rows, cfa in product(ROW_PATTERNS, BAYER_PATTERNS)]
    assert sum(flips) == 8


def test_compression_is_odd_keeps_one_and_is_undone_by_expansion() -> None:
    x = np.concatenate([[0], np.geomspace(1e-7, 100, 200)]).astype(np.float32)
    y = compress(x)
    assert y.dtype == np.float32
    assert y[0] == 0
    assert compress(single([1.0]))[0] == pytest.approx(1, abs=1e-6)
    np.testing.assert_array_equal(compress(-x), -y)
    np.testing.assert_allclose(y, np.arcsinh(x.astype(np.float64) / 4e-4) / np.arcsinh(1 / 4e-4), rtol=1e-5, atol=2e-8)
    np.testing.assert_allclose(expand(y), x, rtol=2e-5, atol=1e-10)
    np.testing.assert_allclose(expand(-y), -x, rtol=2e-5, atol=1e-10)
    assert expand(y).dtype == np.float32


def test_compression_follows_the_mu_law_in_the_light() -> None:
    x = np.geomspace(0.01, 1, 50)
    difference = compress(x.astype(np.float32)) - np.log1p(5000 * x) / np.log1p(5000)
    assert np.ptp(difference) < 0.005


@pytest.mark.parametrize("phase", list(product(range(2), range(2))))
def test_own_colours_are_those_of_the_mosaic(phase: tuple[int, int]) -> None:
    rgb = np.random.default_rng(0).random((3, 9, 7), dtype=np.float32)
    cfa = {(0, 0): "RGGB", (0, 1): "GRBG", (1, 0): "GBRG", (1, 1): "BGGR"}[phase]
    expected = mosaic(rgb.transpose(1, 2, 0), cfa)
    np.testing.assert_array_equal(own_colours(rgb, phase=phase), expected)
    np.testing.assert_array_equal(own_colours(rgb[None], phase=phase)[0], expected)
    factors = np.broadcast_to(single([2, 3, 5])[:, None, None], rgb.shape)
    np.testing.assert_array_equal(
        own_factors(single([2, 3, 5]), (9, 7), phase=phase), own_colours(factors, phase=phase)
    )


def test_the_balance_is_taken_by_colour_from_places_of_the_cell() -> None:
    data = np.zeros((8, 8), np.float32)
    for cfa, balance in (("RGGB", [[2, 1], [1, 3]]), ("GBRG", [[1, 3], [2, 1]]), ("BGGR", [[3, 1], [1, 2]])):
        found = frame_constants(DualIsoFrame(data, cfa, "HHLL", 16, 1, 0.06, LOW, HIGH), np.array(balance))
        np.testing.assert_array_equal(found.balance, [2, 1, 3])
        assert (found.clip_high, found.noise_high) == (0.06, HIGH)


def test_planes_hold_samples_estimate_and_clipping() -> None:
    rng = np.random.default_rng(1)
    samples = rng.uniform(-1e-4, 1.0, (8, 6)).astype(np.float32)
    samples[0, 0], samples[3, 3] = 0.998 / 16, 0.998
    base = rng.uniform(0, 2, (8, 6, 3)).astype(np.float32)
    planes = input_planes(samples, base, constants((1.5, 1.0, 0.5)))
    assert planes.shape == (len(CHANNELS), 8, 6)
    assert planes.dtype == np.float32
    factors = np.tile(single([[1.5, 1.0], [1.0, 0.5]]), (4, 3))
    np.testing.assert_allclose(planes[0], compress(samples * factors), rtol=1e-6)
    np.testing.assert_allclose(planes[1:4], compress(base).transpose(2, 0, 1), rtol=1e-6)
    clip = np.where(np.arange(8) % 4 < 2, 0.998 / 16, 0.998)[:, None].astype(np.float32)
    np.testing.assert_array_equal(planes[4], samples >= clip)
    assert planes[4, 0, 0] == planes[4, 3, 3] == 1


# The plane takes the compression as straight within the noise, which is exact for small noise and about so for real.
@pytest.mark.parametrize(("share", "tolerance"), [(0.01, 0.015), (1.0, 0.25)])
@pytest.mark.parametrize("level", [2e-4, 3e-3, 0.05, 0.6])
def test_the_noise_plane_tells_the_noise_of_compressed_samples(level: float, share: float, tolerance: float) -> None:
    balance = single([1.8, 1.0, 1.3])
    low, high = (NoiseModel(noise.shot * share, noise.read * share) for noise in (LOW, HIGH))
    known = FrameConstants(balance, 0.998, 0.998 / 16, low, high)
    plane = input_planes(np.zeros((4, 2), np.float32), np.full((4, 2, 3), level, np.float32), known)[5]
    rng = np.random.default_rng(2)
    for row, column in product(range(4), range(2)):
        noise = high if row < 2 else low
        factor = float(balance[[0, 1, 1, 2][2 * (row % 2) + column]])
        light = level / factor
        samples = rng.normal(light, np.sqrt(noise.shot * light + noise.read), 40_000)
        measured = compress((factor * samples).astype(np.float32)).std()
        assert 0.01 * np.exp(4 * plane[row, column]) == pytest.approx(measured, rel=tolerance)


def test_the_noise_plane_of_black_is_that_of_the_read_noise() -> None:
    base = np.full((4, 2, 3), -0.01, np.float32)
    plane = input_planes(np.zeros((4, 2), np.float32), base, constants())[5]
    slope = 1 / (4e-4 * np.arcsinh(1 / 4e-4))
    for rows, noise in ((slice(0, 2), HIGH), (slice(2, 4), LOW)):
        np.testing.assert_allclose(0.01 * np.exp(4 * plane[rows]), np.sqrt(noise.read) * slope, rtol=1e-4)


def test_exposures_are_merged_at_the_clip_of_the_high_one() -> None:
    clip = 1 / 16
    classical = np.array([[0.0, 0.5 * clip, 0.8 * clip, 0.95 * clip, clip, 1.0]], np.float32)
    low, high = np.full_like(classical, 2.0), np.full_like(classical, 1.0)
    merged = merge_exposures(low, high, classical, clip_high=clip)
    np.testing.assert_allclose(merged, [[1, 1, 1, 2, 2, 2]], atol=1e-5)
    halfway = merge_exposures(low[:, :1], high[:, :1], single([[0.875 * clip]]), clip_high=clip)
    assert halfway[0, 0] == pytest.approx(1.5, abs=1e-4)


def test_smoothstep_rises_once_from_nothing_to_all() -> None:
    x = np.linspace(-1, 2, 301, dtype=np.float32)
    y = smoothstep(x, 0.0, 1.0)
    assert y.dtype == np.float32
    assert (y[0], y[150], y[-1]) == (0, 0.5, 1)
    assert np.all(np.diff(y) >= 0)
