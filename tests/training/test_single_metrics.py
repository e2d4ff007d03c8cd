"""The metrics of one-picture HDR, against their definitions written out."""

from __future__ import annotations

import numpy as np
import pytest

from hdrcli.images import FloatArray
from hdrcli.training.single_metrics import (
    COLUMNS,
    clipped_pixels,
    figures,
    fitted,
    ntire_mu_psnr,
    pu21_psnr,
    rms_stops,
)


def light(seed: int = 1, size: int = 48) -> FloatArray:
    return np.random.default_rng(seed).lognormal(-1.5, 1.2, (size, size, 3)).astype(np.float32)


def test_ntire_psnr_of_two_constants() -> None:
    # p = 1: T(tanh 1) - T(tanh 0.5) = (ln 3808.9707 - ln 2311.5858) / ln 5001 = 0.058641; 24.636 dB.
    truth, wrong = np.full((4, 4, 3), 1, np.float32), np.full((4, 4, 3), 0.5, np.float32)
    assert ntire_mu_psnr(wrong, truth) == pytest.approx(24.636, abs=2e-3)


def test_ntire_psnr_is_that_of_the_tool_on_stored_pictures() -> None:
    truth, wrong = light(), light() * np.float32(1.3)
    stored, stored_wrong = (x.astype(np.float64) ** (1 / 2.24) for x in (truth, wrong))
    peak = np.percentile(stored**2.24, 99)
    bounded = [np.log(1 + 5000 * np.tanh(x**2.24 / peak)) / np.log(5001) for x in (stored, stored_wrong)]
    expected = 10 * np.log10(1 / np.mean((bounded[0] - bounded[1]) ** 2))
    assert ntire_mu_psnr(wrong, truth) == pytest.approx(expected, abs=1e-3)


def test_pu21_psnr_of_the_clip_and_of_twice_the_clip() -> None:
    # PU21 (banding_glare) of 100 cd/m2 is 256.38, of 200 cd/m2 302.77.
    truth, wrong = np.full((4, 4, 3), 1, np.float32), np.full((4, 4, 3), 2, np.float32)
    assert pu21_psnr(wrong, truth) == pytest.approx(20 * np.log10(256 / (302.77 - 256.38)), abs=0.02)


def test_nothing_above_1000_candela_counts_for_pu21() -> None:
    truth, wrong = np.full((4, 4, 3), 10, np.float32), np.full((4, 4, 3), 500, np.float32)
    assert pu21_psnr(wrong, truth) > 100
    assert pu21_psnr(wrong, truth * np.float32(0.5)) < 40


def test_a_factor_of_two_is_one_stop() -> None:
    truth = light() + np.float32(0.5)
    everywhere = np.ones(truth.shape[:2], bool)
    assert rms_stops(truth * 2, truth, everywhere) == pytest.approx(1, abs=2e-3)
    assert np.isnan(rms_stops(truth, truth, ~everywhere))


def test_light_far_below_the_floor_does_not_count() -> None:
    dark = np.full((4, 4, 3), 1e-7, np.float32)
    assert rms_stops(dark * 100, dark, np.ones((4, 4), bool)) < 0.02


@pytest.mark.parametrize("factor", [0.02, 0.7, 8.0])
def test_a_global_gain_does_not_count(factor: float) -> None:
    truth = light()
    np.testing.assert_allclose(fitted(truth * np.float32(factor), truth), truth, rtol=2e-3)
    assert figures(truth * np.float32(factor), truth)["unclipped"] < 0.01


def test_the_gain_is_fitted_to_unclipped_pixels_alone() -> None:
    truth = light()
    invented = np.where(clipped_pixels(truth)[..., None], np.float32(100), truth * np.float32(0.5))
    result = figures(invented, truth)
    assert result["unclipped"] < 0.01
    assert result["clipped"] > 4


def test_one_channel_above_the_clip_makes_a_clipped_pixel() -> None:
    truth = np.full((2, 2, 3), 0.5, np.float32)
    truth[0, 1, 2] = 1.0
    np.testing.assert_array_equal(clipped_pixels(truth), [[False, True], [False, False]])


def test_the_truth_itself_is_without_error() -> None:
    result = figures(light(), light())
    assert tuple(result) == COLUMNS
    assert result["mu"] > 60
    assert result["pu21"] > 60
    assert result["clipped"] < 1e-3


def test_a_picture_that_clips_nowhere_has_no_error_of_clipped_pixels() -> None:
    truth = np.full((16, 16, 3), 0.2, np.float32)
    assert np.isnan(figures(truth, truth)["clipped"])
