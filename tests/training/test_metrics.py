"""The metrics of the tables, against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from hdrcli.images import FloatArray
from hdrcli.training.metrics import (
    dark_error_stops,
    mosaic_psnr,
    mu_law,
    period_four_excess,
    picture_psnr,
    psnr,
    pu21,
    pu21_psnr,
    tonemapped_psnr,
)


def test_mu_law_maps_the_ends_of_its_range_to_themselves() -> None:
    np.testing.assert_allclose(mu_law(np.array([-1, 0, 1], np.float32)), [0, 0, 1], atol=1e-7)


def test_psnr_of_a_tenth_is_twenty_decibels() -> None:
    assert psnr(np.full((4, 4), 0.1, np.float32)) == pytest.approx(20, abs=1e-4)


def test_a_global_scale_does_not_count_in_the_developed_picture() -> None:
    truth = np.random.default_rng(1).uniform(0.02, 0.8, (32, 32, 3)).astype(np.float32)
    assert picture_psnr(truth * np.float32(0.8), truth) > 80


def test_clipped_samples_do_not_count_on_the_mosaic() -> None:
    truth = np.full((8, 8), 0.5, np.float32)
    truth[0] = 3.0
    merged = truth.copy()
    merged[0] = 1.0
    assert mosaic_psnr(merged, truth) > 100


def test_a_factor_of_two_in_the_dark_is_one_stop() -> None:
    truth = np.geomspace(0.01, 1, 3000, dtype=np.float32).reshape(10, 100, 3)
    assert dark_error_stops(truth * 2, truth) == pytest.approx(1, abs=0.15)


def test_stripes_of_period_four_show_in_their_figure_and_noise_does_not() -> None:
    rng = np.random.default_rng(2)
    truth = np.full((256, 64), 0.1, np.float32)
    noisy = truth + 0.001 * rng.standard_normal(truth.shape).astype(np.float32)
    assert abs(period_four_excess(noisy, truth)) < 1
    noisy[0::4] += np.float32(0.001)
    assert period_four_excess(noisy, truth) > 6


def test_pu21_gives_256_at_100_candela() -> None:
    assert float(pu21(np.array([100.0], np.float32))[0]) == pytest.approx(256, abs=1)
    assert pu21_psnr(np.full((2, 2, 3), 0.1, np.float32), np.full((2, 2, 3), 0.1, np.float32)) > 100


def grey_noise(stops: float, seed: int) -> FloatArray:
    light = np.exp2(np.random.default_rng(seed).uniform(-stops, 0, (100, 100, 1)))
    return light.repeat(3, axis=2).astype(np.float32)


def test_a_global_scale_does_not_count_after_tone_mapping() -> None:
    truth = grey_noise(6, 3)
    assert tonemapped_psnr(truth * np.float32(8), truth) > 100


@pytest.mark.parametrize("key", [0.15, 0.36])
def test_tone_mapped_psnr_is_that_of_the_operator_written_out(key: float) -> None:
    truth, wrong = grey_noise(6, 3), grey_noise(6, 3) * grey_noise(0.3, 4)

    def shown(picture: FloatArray) -> NDArray[np.float64]:
        light = picture.astype(np.float64)
        scaled = light * key / np.exp(np.mean(np.log(light)))
        white = max(1.0, np.percentile(scaled, 99.9))
        return np.asarray(np.clip(scaled * (1 + scaled / white**2) / (1 + scaled), 0, 1))

    steps_of_8_bits = 255 * (shown(wrong) - shown(truth))
    expected = 10 * np.log10(255**2 / np.mean(steps_of_8_bits**2))
    assert tonemapped_psnr(wrong, truth, key=key) == pytest.approx(expected, abs=0.01)


def test_the_key_of_tone_mapping_is_that_of_the_paper() -> None:
    truth, wrong = grey_noise(6, 3), grey_noise(5, 3)
    assert tonemapped_psnr(wrong, truth) == tonemapped_psnr(wrong, truth, key=0.15)
    assert tonemapped_psnr(wrong, truth) != tonemapped_psnr(wrong, truth, key=0.18)
