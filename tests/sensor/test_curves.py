"""Camera curves rise from black to white, and those for testing are kept apart."""

from __future__ import annotations

import numpy as np
import pytest

from hdrcli.sensor.curves import FAMILIES, SET_ASIDE, SRGB, CameraCurve, random_curve

LIGHT = np.linspace(0, 1, 2001, dtype=np.float32)


@pytest.mark.parametrize("seed", range(60))
def test_random_curves_rise_strictly_from_zero_to_one(seed: int) -> None:
    codes = random_curve(np.random.default_rng(seed)).encode(LIGHT)
    np.testing.assert_allclose(codes[[0, -1]], [0, 1], atol=1e-6)
    assert np.diff(codes).min() > 0


@pytest.mark.parametrize("curve", SET_ASIDE, ids=lambda curve: curve.family)
def test_curves_for_testing_rise_strictly_and_are_of_no_family_that_is_drawn(curve: CameraCurve) -> None:
    codes = curve.encode(LIGHT)
    np.testing.assert_allclose(codes[[0, -1]], [0, 1], atol=1e-6)
    assert np.diff(codes).min() > 0
    assert curve.family not in FAMILIES


def test_every_family_is_drawn_and_in_its_share() -> None:
    rng = np.random.default_rng(1)
    drawn = [random_curve(rng).family for _ in range(1000)]
    for family, share in FAMILIES.items():
        assert drawn.count(family) / 1000 == pytest.approx(share, abs=0.05)
    assert sum(FAMILIES.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("curve", "light", "code"),
    [
        (CameraCurve("srgb"), 0.2158605, 0.5019608),
        (CameraCurve("srgb"), 0.001, 0.01292),
        (CameraCurve("gamma", (2.2,)), 0.2, 0.2 ** (1 / 2.2)),
        (CameraCurve("sigmoid", (0.65, 0.6)), 0.25, 1.6 * 0.25**0.65 / (0.25**0.65 + 0.6)),
        (CameraCurve("film", (1.0, 0.0, 2.0)), 0.5, ((1 - np.exp(-0.5)) / (1 - np.exp(-1))) ** 0.5),
        (CameraCurve("log", (40.0,)), 0.1, np.log(5) / np.log(41)),
    ],
)
def test_curves_have_the_values_of_their_formulas(curve: CameraCurve, light: float, code: float) -> None:
    assert float(curve.encode(np.array([light], np.float32))[0]) == pytest.approx(code, abs=1e-5)


@pytest.mark.parametrize("pivot", [0.35, 0.5, 0.6])
def test_the_pivot_of_a_contrast_curve_stays_where_it_is(pivot: float) -> None:
    light = CameraCurve("srgb").decode(np.array([pivot], np.float32))
    assert float(CameraCurve("contrast", (0.0, 0.8, 2.5, pivot)).encode(light)[0]) == pytest.approx(pivot, abs=1e-4)


@pytest.mark.parametrize("seed", range(20))
def test_decoding_undoes_encoding(seed: int) -> None:
    curve = random_curve(np.random.default_rng(seed))
    np.testing.assert_allclose(curve.encode(curve.decode(LIGHT)), LIGHT, atol=1e-3)


def test_light_outside_the_range_is_cut() -> None:
    curve = CameraCurve("gamma", (2.2,))
    np.testing.assert_array_equal(curve.encode(np.array([-1, 7], np.float32)), [0, 1])


def drawn_splines(number: int) -> list[CameraCurve]:
    drawn = (random_curve(np.random.default_rng([seed, 1])) for seed in range(4 * number))
    return [curve for curve in drawn if curve.family == "spline"][:number]


@pytest.mark.parametrize("steepness", [-0.8, 0.0, 1.5])
def test_a_spline_as_steep_everywhere_is_a_power_of_srgb(steepness: float) -> None:
    curve = CameraCurve("spline", (steepness,) * 7)
    light = np.geomspace(2.0**-13, 1, 200, dtype=np.float32)
    stretched = np.exp2(np.log2(light) * 2**steepness).astype(np.float32)
    np.testing.assert_allclose(curve.encode(stretched), SRGB.encode(light), atol=2e-4)


def test_a_spline_takes_its_steepness_at_each_code_from_its_knots() -> None:
    steepness = (0.2, -0.4, 0.5, 0.0, 1.0, 2.0, 3.0)
    codes = np.array([0.15, 0.3, 0.5, 0.6, 0.7, 0.85])
    near = (codes + np.array([[-5e-3], [5e-3]])).astype(np.float32)
    slopes, plain = (
        np.diff(np.log2(curve.decode(near)), axis=0)[0] for curve in (CameraCurve("spline", steepness), SRGB)
    )
    expected = np.interp(codes, (0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0), steepness)
    np.testing.assert_allclose(np.log2(slopes / plain), expected, atol=0.06)


def test_drawn_splines_hold_as_much_above_the_middle_code_as_cameras_do() -> None:
    above = [-float(np.log2(curve.decode(np.array([0.5], np.float32))[0])) for curve in drawn_splines(200)]
    assert len(above) == 200
    assert 3.3 < np.median(above) < 4.0
    assert 2.2 < np.quantile(above, 0.05) < 3.0
    assert 4.8 < np.quantile(above, 0.95) < 6.5


def test_splines_rise_from_black_on_and_are_undone() -> None:
    dark = np.geomspace(1e-7, 1e-3, 50, dtype=np.float32)
    for curve in drawn_splines(40):
        assert np.diff(curve.encode(dark)).min() > 0
        np.testing.assert_allclose(curve.encode(curve.decode(LIGHT)), LIGHT, atol=2e-5)
        assert curve.encode(np.array([0], np.float32)) == 0
