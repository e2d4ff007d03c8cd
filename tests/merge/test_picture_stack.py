"""Merging display pictures in the log domain: light comes back, and what clips everywhere stays bright and white."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdrcli.images import FloatArray
from hdrcli.merge.picture_stack import LightTables, PictureStack, code_trust
from hdrcli.response.response import srgb_response
from hdrcli.sensor.curves import SET_ASIDE, SRGB, CameraCurve
from hdrcli.training.stack_plain import light_of_codes

SHAPE = (48, 64)


def tables_of(curve: CameraCurve) -> LightTables:
    return LightTables(np.repeat(light_of_codes(curve)[:, None], 3, axis=1).astype(np.float64))


def codes_of(light: FloatArray, gain: float, curve: CameraCurve = SRGB, *, rounded: bool = True) -> FloatArray:
    """Return the codes (H, W, 3), 0 to 255, of light on the scale of the reference."""
    codes = 255 * curve.encode(np.minimum(light * np.float32(gain), 1))
    return np.asarray(np.rint(codes) if rounded else codes, dtype=np.float32)


def merged(light: FloatArray, gains: list[float], curve: CameraCurve = SRGB) -> tuple[FloatArray, PictureStack]:
    stack = PictureStack(light.shape[:2])
    for gain in gains:
        codes = codes_of(light, gain, curve)
        stack.add(codes, tables_of(curve), code_trust(codes), gain=gain)
    return stack.result(brightest=1 / min(gains)), stack


def gradient(low: float, high: float, shape: tuple[int, int] = SHAPE) -> FloatArray:
    """Return smooth light (H, W, 3), the same in each 2x2 cell."""
    ramp = np.geomspace(low, high, (shape[1] + 1) // 2, dtype=np.float32).repeat(2)[: shape[1]]
    return np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (*shape, 3)))


@given(
    stops=st.lists(st.floats(-3, 3), min_size=0, max_size=3),
    curve=st.sampled_from([SRGB, *SET_ASIDE]),
    height=st.integers(1, 10).map(lambda cells: 2 * cells),
    width=st.integers(4, 32).map(lambda cells: 2 * cells),
)
@settings(max_examples=30)
def test_the_light_comes_back(stops: list[float], curve: CameraCurve, height: int, width: int) -> None:
    gains = [1.0, *(2.0**ev for ev in stops)]
    light = gradient(0.05, 0.7 / min(gains), (height, width))
    found, _ = merged(light, gains, curve)
    assert found.shape == (height, width, 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, light, rtol=0.03)  # of codes as whole numbers


def test_more_exposures_tell_more() -> None:
    light = gradient(0.002, 3.0, (96, 128)) * np.random.default_rng(1).uniform(0.95, 1.05, (96, 128, 1))
    light = light.astype(np.float32)
    below = light < 0.8

    def error(gains: list[float]) -> float:
        return float(np.std(np.log(merged(light, gains)[0][below] / light[below])))

    alone, pair, bracket = (error(gains) for gains in ([1.0], [1.0, 4.0], [1.0, 4.0, 0.25]))
    assert pair < 0.6 * alone
    assert bracket < 1.05 * pair


@given(seed=st.integers(0, 999), keep_shape=st.sampled_from(["half", "none"]))
@settings(max_examples=10)
def test_what_shows_something_else_leaves_no_trace(seed: int, keep_shape: str) -> None:
    rng, light = np.random.default_rng(seed), gradient(0.02, 3.0)
    ghost = light.copy()
    ghost[:, 20:44] = rng.uniform(0.02, 1.0, (1, 1, 3))
    keep = np.zeros((SHAPE[0] // 2, SHAPE[1] // 2), np.float32)
    if keep_shape == "half":
        keep[:, :10] = 1
        keep[:, 22:] = 1
    results = []
    for other in (ghost, light):
        stack, tables = PictureStack(SHAPE), tables_of(SRGB)
        for seen, gain, kept in ((light, 1.0, None), (other, 0.25, keep)):
            codes = codes_of(seen, gain)
            stack.add(codes, tables, code_trust(codes), gain=gain, keep=kept)
        results.append(stack.result(brightest=4.0)[:, 20:44])
    np.testing.assert_array_equal(*results)


def test_light_that_clips_in_every_picture_is_what_it_is_at_least() -> None:
    found, stack = merged(gradient(0.05, 60.0), [1.0, 4.0, 0.25])
    clips = gradient(0.05, 60.0) > 4.2
    np.testing.assert_allclose(found[clips], 4.0, rtol=1e-5)
    assert (np.diff(found, axis=1) > -0.02 * found[:, 1:]).all()  # no hole, no rim
    cells = stack.cells()
    everywhere = clips[::2, ::2, 0]
    assert (cells.trust[everywhere] == 0).all()
    assert (cells.variance[everywhere] == 0).all()


@pytest.mark.parametrize("tint", [(1.0, 0.8, 0.55), (0.5, 1.0, 0.8)])
def test_a_lamp_that_clips_everywhere_keeps_to_the_colour_of_its_edge(tint: tuple[float, float, float]) -> None:
    light = gradient(0.05, 40.0) * np.array(tint, np.float32)
    found, _ = merged(light, [1.0, 0.25])
    ratio = np.log(found / found[..., 1:2])
    true = np.log(np.array(tint) / tint[1])
    unclipped = light.max(axis=2) < 0.85 * 4
    assert np.abs(ratio - true)[unclipped].max() < 0.06
    # Beyond that each colour ends at the clip: nothing tips over to the other side of white.
    assert (ratio * np.sign(true) > -0.02).all()
    assert (found.max(axis=2)[light.max(axis=2) > 4.2] > 3.9).all()


def test_a_lamp_behind_something_that_moved_is_no_hole() -> None:
    light = np.full((*SHAPE, 3), 0.1, np.float32)
    light[8:40, 8:56] = 3.0
    hidden = light.copy()
    hidden[18:30, 24:40] = 0.05
    keep = np.ones((SHAPE[0] // 2, SHAPE[1] // 2), np.float32)
    keep[9:15, 12:20] = 0
    stack, tables = PictureStack(SHAPE), tables_of(SRGB)
    for seen, gain, kept in ((light, 1.0, None), (hidden, 0.25, keep)):
        codes = codes_of(seen, gain)
        stack.add(codes, tables, code_trust(codes), gain=gain, keep=kept)
    found = stack.result(brightest=4.0)
    np.testing.assert_allclose(found[18:30, 24:40], 3.0, rtol=0.1)


def test_something_bright_that_moved_keeps_its_colour_where_one_channel_clips() -> None:
    light = np.full((*SHAPE, 3), 0.8, np.float32)
    light[18:30, 24:40] = 1.4, 0.4, 0.3
    elsewhere = np.full((*SHAPE, 3), 0.8, np.float32)
    keep = np.ones((SHAPE[0] // 2, SHAPE[1] // 2), np.float32)
    keep[8:16, 11:21] = 0
    stack, tables = PictureStack(SHAPE), tables_of(SRGB)
    for seen, gain, kept in ((light, 1.0, None), (elsewhere, 0.25, keep), (elsewhere, 4.0, keep)):
        codes = codes_of(seen, gain)
        stack.add(codes, tables, code_trust(codes), gain=gain, keep=kept)
    found = stack.result(brightest=4.0)[18:30, 24:40]
    np.testing.assert_allclose(found[..., 1:], light[18:30, 24:40, 1:], rtol=0.03)
    assert (found[..., 0] > 0.95).all()
    assert (found[..., 0] < 1.1).all()


def test_a_gain_that_is_hardly_known_counts_less() -> None:
    light = np.full((*SHAPE, 3), 0.3, np.float32)
    found = []
    for gain_error in (0.0, 0.05):
        stack, tables = PictureStack(SHAPE), tables_of(SRGB)
        for gain, said, error in ((1.0, 1.0, 0.0), (2.2, 2.0, gain_error)):
            codes = codes_of(light, gain)
            stack.add(codes, tables, code_trust(codes), gain=said, gain_error=error)
        found.append(float(stack.result(brightest=1.0).mean()))
    assert found[0] > 0.314
    assert 0.3 < found[1] < 0.7 * found[0] + 0.3 * 0.3


@given(codes=st.lists(st.integers(0, 255), min_size=12, max_size=12))
def test_trust_falls_before_any_channel_clips(codes: list[int]) -> None:
    cell = np.array(codes, np.float32).reshape(2, 2, 3)
    (trust,) = code_trust(cell).ravel()
    assert (trust == 1) == (max(codes) <= 243)
    assert (trust == 0) == (max(codes) >= 252)
    assert 0 <= trust <= 1
    whole = np.full((6, 6, 3), 100, np.float32)
    whole[2:4, 2:4] = cell
    np.testing.assert_allclose(code_trust(whole), min(trust, 1), atol=1e-6)  # of the neighbours as well


def test_tables_say_what_a_response_says() -> None:
    response = srgb_response()
    tables = LightTables(response.curve)
    codes = np.array([[[0, 1, 2.5], [128, 200.25, 255]]], np.float32)
    light = tables.of(tables.light, codes)
    expected = [np.interp(code, np.arange(256), response.curve[:, 0]) for code in codes.ravel()]
    np.testing.assert_allclose(light.ravel()[1:], expected[1:], rtol=1e-4)
    assert light.min() > 0  # of black, too: it has a logarithm
    assert (np.diff(tables.logs, axis=0) > 0).all()
    assert np.isfinite(tables.weights).all()
    assert tables.weights.min() > 0
    assert (tables.variance >= 0).all()
    np.testing.assert_allclose(tables.logs, np.log(tables.light), atol=1e-5)
    # A step of the code is worth more light, but a smaller share of it, the brighter.
    assert tables.weights[200, 1] > 5 * tables.weights[20, 1]


def test_shares_tell_how_much_a_picture_counts() -> None:
    light = gradient(0.05, 0.6)
    stack, tables = PictureStack(SHAPE), tables_of(SRGB)
    codes = codes_of(light, 1.0)
    trust = code_trust(codes)
    shares = [stack.add(codes, tables, trust, gain=1.0) for _ in range(4)]
    np.testing.assert_allclose(shares, [1, 1 / 2, 1 / 3, 1 / 4], rtol=1e-5)
    assert stack.add(codes, tables, trust, gain=1.0, keep=np.zeros_like(trust)) == 0
