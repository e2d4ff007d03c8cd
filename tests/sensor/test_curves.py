"""Camera curves rise from black to white, and those for testing are kept apart."""

from __future__ import annotations

import numpy as np
import pytest

from hdrcli.sensor.curves import FAMILIES, SET_ASIDE, CameraCurve, random_curve

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
