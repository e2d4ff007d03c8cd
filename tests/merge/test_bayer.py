"""Weighing measured against predicted samples."""

from __future__ import annotations

import numpy as np

from hdrcli.images import FloatArray
from hdrcli.merge.bayer import merge_predicted

KNEE = np.float32(1e-3)
NOISE = np.array([1e-5, 4e-7, 1e-5, 4e-9], np.float32)


def merged(sample: float, predicted: float, doubt: float, *, high: bool) -> float:
    """Merge one sample, given in linear light, with its prediction."""
    shape = (2, 2)
    compressed = np.full(shape, np.arcsinh(predicted / KNEE), np.float32)
    out: FloatArray = np.empty(shape, np.float32)
    merge_predicted(
        np.full(shape, sample, np.float32), np.full(2, high), np.ones(shape, np.float32), KNEE,
        np.float32(0.99), np.float32(0.06), NOISE, compressed, np.full(shape, doubt, np.float32), out,
    )  # fmt: skip
    return float(out[0, 0])


def test_a_doubtful_prediction_leaves_the_sample_alone() -> None:
    assert abs(merged(0.02, 0.01, 10.0, high=False) - 0.02) < 1e-4


def test_a_sure_prediction_from_quiet_rows_replaces_a_sample_lost_in_noise() -> None:
    assert abs(merged(0.0015, 0.0003, 1e-6, high=False) - 0.0003) < 3e-5


def test_a_clipped_sample_is_a_lower_bound() -> None:
    assert merged(0.0625, 0.01, 1e-3, high=True) >= 0.06
    assert abs(merged(0.0625, 0.5, 1e-3, high=True) - 0.5) < 0.01


def test_predictions_near_the_clip_of_the_high_rows_do_not_count_for_low_rows() -> None:
    assert abs(merged(0.2, 0.0599, 1e-6, high=False) - 0.2) < 1e-3


def test_samples_at_the_low_clip_stay() -> None:
    assert merged(1.0, 0.3, 1e-6, high=False) == 1.0
