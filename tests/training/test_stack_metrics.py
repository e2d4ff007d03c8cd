"""The metrics of merged brackets, against their definitions written out."""

from __future__ import annotations

import numpy as np
import pytest

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray
from hdrcli.sensor.curves import SET_ASIDE
from hdrcli.training.metrics import mosaic_psnr
from hdrcli.training.single_metrics import ntire_mu_psnr
from hdrcli.training.stack_metrics import (
    area_stops,
    merged_mosaic_psnr,
    merged_picture_psnr,
    response_error,
    used_codes,
)

GAINS = (0.25, 1.0, 4.0)


def light(seed: int = 1, shape: tuple[int, ...] = (48, 64)) -> FloatArray:
    return np.random.default_rng(seed).lognormal(-1.5, 1.5, shape).astype(np.float32)


def compressed(x: FloatArray) -> FloatArray:
    return np.asarray(np.log(1 + 5000 * x) / np.log(5001))


def test_mosaics_are_compared_on_the_scale_of_the_shortest_frame() -> None:
    truth = light() * 8
    merged = truth * np.float32(1.1)
    kept = truth / 4 < 0.98
    assert 0.02 < np.mean(~kept) < 0.5
    error = compressed(np.minimum(merged / 4, 1)) - compressed(truth / 4)
    expected = -10 * np.log10(np.mean(error[kept] ** 2))
    assert merged_mosaic_psnr(merged, truth, GAINS) == pytest.approx(expected, abs=1e-3)


def test_what_the_shortest_frame_clips_does_not_count_but_what_the_reference_clips_does() -> None:
    truth = np.full((8, 8), 0.5, np.float32)
    truth[0] = 5.0
    wrong = truth.copy()
    wrong[0] = 100
    assert merged_mosaic_psnr(wrong, truth, GAINS) > 200
    truth[0] = 2.0
    assert merged_mosaic_psnr(wrong, truth, GAINS) < 40


def test_a_mask_chooses_what_counts() -> None:
    truth, where = light(), np.zeros((48, 64), bool)
    where[:, :32] = True
    wrong = truth.copy()
    wrong[:, 32:] *= 2
    assert merged_mosaic_psnr(wrong, truth, GAINS, where=where) > 200
    assert merged_mosaic_psnr(wrong, truth, GAINS) < 40
    assert mosaic_psnr(wrong, truth, where=~where) < mosaic_psnr(wrong, truth)
    colours, wrong_colours = light(shape=(48, 64, 3)), light(shape=(48, 64, 3))
    wrong_colours[:, 32:] *= 2
    assert ntire_mu_psnr(wrong_colours, colours, where=where) > 200
    assert ntire_mu_psnr(wrong_colours, colours, where=~where) < ntire_mu_psnr(wrong_colours, colours)


def test_a_global_scale_of_a_picture_does_not_count_but_a_cast_does() -> None:
    truth = light(shape=(48, 64, 3))
    assert merged_picture_psnr(truth * 3, truth, GAINS) > 60
    assert merged_picture_psnr(truth * np.float32([1, 1.4, 1]), truth, GAINS) < 36


def test_stops_are_those_of_the_area_up_to_the_clip_of_the_shortest_frame() -> None:
    truth = light(shape=(16, 16)) + np.float32(0.3)
    area = np.zeros(truth.shape, bool)
    area[4:8] = True
    picture = np.where(area, 2 * truth, 7 * truth)
    truth[5], picture[5] = 4.5, 100  # both beyond the clip at 4
    inside = area.copy()
    inside[5] = False
    expected = np.sqrt(
        np.mean(np.log2((np.minimum(picture, 4) + 1e-3) / (np.minimum(truth, 4) + 1e-3))[inside] ** 2) * 0.75
    )
    assert area_stops(picture, truth, area, gains=GAINS) == pytest.approx(expected, rel=1e-5)
    assert np.isnan(area_stops(picture, truth, np.zeros_like(area), gains=GAINS))


def test_stops_of_pictures_in_colour_have_a_floor() -> None:
    truth = np.zeros((8, 8, 3), np.float32)
    area = np.ones((8, 8), bool)
    assert area_stops(truth + np.float32(1e-3), truth, area, gains=GAINS) == pytest.approx(1, rel=1e-5)


def test_a_gain_of_a_response_does_not_count_and_relative_errors_do() -> None:
    curve = np.repeat(SET_ASIDE[0].decode(np.arange(256, dtype=np.float32) / 255)[:, None], 3, axis=1).astype(float)
    assert response_error(7 * curve, curve) == pytest.approx(0, abs=1e-9)
    wavy = curve * (1 + 0.03 * (-1.0) ** np.arange(256))[:, None]
    assert response_error(wavy, curve) == pytest.approx(3, rel=1e-2)
    cast = curve * [1.02, 1, 0.98]
    assert response_error(cast, curve) == pytest.approx(100 * np.sqrt(2 / 3) * 0.02, rel=2e-2)


def test_codes_at_the_ends_and_codes_that_do_not_occur_do_not_count() -> None:
    curve = np.repeat(np.linspace(0.001, 1, 256)[:, None], 3, axis=1)
    wrong = curve.copy()
    wrong[:5] *= 5
    wrong[251:] *= 5
    assert response_error(wrong, curve) == pytest.approx(0, abs=1e-9)
    wrong[5:50] *= 5
    assert response_error(wrong, curve) > 50
    used = np.zeros((256, 3), bool)
    used[50:] = True
    assert response_error(wrong, curve, used) == pytest.approx(0, abs=1e-9)
    with pytest.raises(UsageError, match="No code"):
        response_error(curve, curve, np.zeros((256, 3), bool))


def test_used_codes_are_those_that_occur_by_channel() -> None:
    pictures = [np.full((2, 2, 3), (3, 4, 5), np.uint8), np.full((2, 2, 3), (3, 200, 5), np.uint8)]
    used = used_codes(pictures)
    assert used.shape == (256, 3)
    assert [np.flatnonzero(used[:, c]).tolist() for c in range(3)] == [[3], [4, 200], [5]]
