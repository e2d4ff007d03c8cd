"""Noise reduction on the mosaic: removes noise, keeps signal, and leaves no trace of its blocks."""

from __future__ import annotations

import numpy as np
import pytest

from hdrcli.images import BayerImage, NoiseModel
from hdrcli.isp.denoise import denoise_mosaic
from hdrcli.sensor.noise import add_noise

NOISE = NoiseModel(2e-5, 4e-8)


def test_noise_on_a_flat_field_falls_to_less_than_a_third() -> None:
    light = np.full((128, 128), 0.004, np.float32)
    noisy = add_noise(light, NOISE, np.random.default_rng(1))
    clean = denoise_mosaic(BayerImage(noisy, "RGGB", NOISE)).data
    assert (clean - light).std() < 0.3 * (noisy - light).std()
    assert abs(clean.mean() - 0.004) < 2e-5


def test_texture_well_above_the_noise_stays() -> None:
    y, x = np.mgrid[0:128, 0:128]
    light = (0.02 + 0.01 * np.sin(x * 0.9) * np.cos(y * 0.7)).astype(np.float32)
    noisy = add_noise(light, NOISE, np.random.default_rng(2))
    clean = denoise_mosaic(BayerImage(noisy, "RGGB", NOISE)).data
    assert (clean - light).std() < 0.95 * (noisy - light).std()
    kept = np.corrcoef((clean - clean.mean()).ravel(), (light - light.mean()).ravel())[0, 1]
    assert kept > 0.99


def test_a_lamp_beside_darkness_does_not_spread() -> None:
    light = np.full((64, 64), 1e-4, np.float32)
    light[:, 32:] = 1.0
    noisy = add_noise(light, NOISE, np.random.default_rng(3))
    clean = denoise_mosaic(BayerImage(noisy, "RGGB", NOISE)).data
    assert clean[:, :30].max() < 2e-3


@pytest.mark.parametrize("shape", [(16, 16), (17, 33), (40, 23)])
def test_odd_rows_and_columns_are_left_as_they_are(shape: tuple[int, int]) -> None:
    noisy = add_noise(np.full(shape, 0.01, np.float32), NOISE, np.random.default_rng(4))
    clean = denoise_mosaic(BayerImage(noisy, "GRBG", NOISE)).data
    assert clean.shape == shape
    assert np.isfinite(clean).all()
    even = tuple(n // 2 * 2 for n in shape)
    np.testing.assert_array_equal(clean[even[0] :], noisy[even[0] :])
    np.testing.assert_array_equal(clean[:, even[1] :], noisy[:, even[1] :])


def test_strength_zero_or_no_noise_model_changes_nothing() -> None:
    image = BayerImage(np.random.default_rng(5).random((32, 32), dtype=np.float32), "RGGB", NOISE)
    assert denoise_mosaic(image, strength=0) is image
    unknown = BayerImage(image.data, "RGGB")
    assert denoise_mosaic(unknown) is unknown


def test_more_strength_leaves_less_noise() -> None:
    noisy = add_noise(np.full((96, 96), 0.004, np.float32), NOISE, np.random.default_rng(6))
    spreads = [denoise_mosaic(BayerImage(noisy, "RGGB", NOISE), strength=s).data.std() for s in (0.3, 0.6, 1.0)]
    assert spreads[0] > spreads[1] > spreads[2]
