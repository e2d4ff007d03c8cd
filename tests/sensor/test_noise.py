"""Noise has the mean and the variance that the model states."""

from __future__ import annotations

import numpy as np
import pytest

from hdrcli.images import NoiseModel
from hdrcli.sensor.cameras import cameras, find_camera
from hdrcli.sensor.noise import ReadNoise, add_noise, fit_read_noise

MODEL = NoiseModel(shot=2e-4, read=1e-6)


def noisy(level: float, model: NoiseModel = MODEL, number: int = 200_000, seed: int = 1) -> np.ndarray:
    return add_noise(np.full(number, level, np.float32), model, np.random.default_rng(seed)).astype(np.float64)


# 0.2 is a thousand electrons, where the Poisson numbers give way to their normal limit.
@pytest.mark.parametrize("level", [0.0, 1e-4, 1e-3, 0.02, 0.199, 0.201, 0.9, 1.7])
def test_mean_and_variance_are_those_of_the_model(level: float) -> None:
    samples = noisy(level)
    variance = MODEL.shot * level + MODEL.read
    assert samples.mean() == pytest.approx(level, abs=4 * np.sqrt(variance / samples.size))
    assert samples.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / samples.size) + 1e-3)


@pytest.mark.parametrize("electrons", [0.5, 3.0, 50.0])
def test_few_electrons_are_skewed_as_poisson_numbers_are(electrons: float) -> None:
    model = NoiseModel(MODEL.shot, 0.0)
    deviations = noisy(electrons * MODEL.shot, model) - electrons * MODEL.shot
    skewness = (deviations**3).mean() / (deviations**2).mean() ** 1.5
    assert skewness == pytest.approx(electrons**-0.5, abs=0.05)


def test_without_read_noise_electrons_are_whole() -> None:
    electrons = noisy(0.01, NoiseModel(MODEL.shot, 0.0)) / MODEL.shot
    np.testing.assert_allclose(electrons, np.rint(electrons), atol=1e-4)


def test_noise_is_independent_from_sample_to_sample() -> None:
    deviations = noisy(0.05) - 0.05
    assert abs((deviations[1:] * deviations[:-1]).mean() / deviations.var()) < 0.01


def test_noise_is_not_clipped() -> None:
    assert noisy(0.0).min() < -3e-3
    assert noisy(1.0).max() > 1.03


def test_the_same_seed_gives_the_same_noise() -> None:
    np.testing.assert_array_equal(noisy(0.1, seed=5), noisy(0.1, seed=5))
    assert not np.array_equal(noisy(0.1, seed=5), noisy(0.1, seed=6))


def test_the_input_is_not_changed() -> None:
    light = np.full((10, 10), 0.01, np.float32)
    add_noise(light, MODEL, np.random.default_rng(1))
    np.testing.assert_array_equal(light, np.float32(0.01))


def test_the_variance_of_a_model_does_not_fall_below_its_read_noise() -> None:
    found = MODEL.variance(np.array([-1.0, 0.0, 0.5], np.float32))
    np.testing.assert_allclose(found, [1e-6, 1e-6, 1.01e-4], rtol=1e-6)


def test_read_noise_before_and_behind_the_amplifier_is_recovered() -> None:
    true = ReadNoise(before_dn=0.7, after_dn=6.0)
    found = fit_read_noise({iso: true.sigma_dn(iso) for iso in (100, 200, 400, 800, 1600, 3200)})
    assert (found.before_dn, found.after_dn) == pytest.approx((0.7, 6.0), rel=1e-6)


@pytest.mark.parametrize(
    ("figures", "zero"), [({100: 1.0, 1600: 20.0}, "after_dn"), ({100: 5.0, 1600: 4.0}, "before_dn")]
)
def test_neither_part_of_the_read_noise_becomes_imaginary(figures: dict[int, float], zero: str) -> None:
    found = fit_read_noise(figures)
    assert getattr(found, zero) == 0
    assert max(found.before_dn, found.after_dn) > 0


@pytest.mark.parametrize("name", sorted(cameras()))
def test_calibrated_cameras_make_physical_sense(name: str) -> None:
    camera = find_camera(name)
    for iso in (100, 400, 1600, 6400):
        model = camera.noise(iso)
        full_well = 1 / model.shot
        assert 100_000 * 100 / iso > full_well > 20_000 * 100 / iso
        assert camera.read.sigma_dn(iso) ** 2 == pytest.approx(model.read * (camera.white(iso) - camera.black) ** 2)
        assert 0 <= camera.black < camera.white(iso) <= 2**camera.bits - 1
    assert camera.noise(1600).read > camera.noise(100).read
