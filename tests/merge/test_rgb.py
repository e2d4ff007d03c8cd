"""Equation 19: the weighted mean of developed exposures."""

from __future__ import annotations

import numpy as np

from hdrcli.images import BayerImage, SceneImage
from hdrcli.merge.rgb import high_exposure_weight, low_exposure_weight, merge_rgb


def test_merging_a_picture_with_itself_returns_it() -> None:
    picture = SceneImage(np.random.default_rng(1).random((6, 7, 3), dtype=np.float32))
    weights = np.random.default_rng(2).random((6, 7), dtype=np.float32) + np.float32(0.1)
    merged = merge_rgb(picture, picture, low_weight=weights, high_weight=1 - weights / 2)
    np.testing.assert_allclose(merged.data, picture.data, rtol=1e-6)


def test_the_weights_never_vanish_together() -> None:
    light = np.geomspace(1e-6, 4, 400, dtype=np.float32).reshape(20, 20)
    low = low_exposure_weight(BayerImage(np.minimum(light, 1), "RGGB"))
    high = high_exposure_weight(BayerImage(np.minimum(light * 16, 1), "RGGB"))
    assert (low + high > 0).all()


def test_a_clipped_sample_takes_the_weight_of_its_whole_neighbourhood() -> None:
    data = np.full((8, 8), 0.2, np.float32)
    data[4, 4] = 1.0
    weight = high_exposure_weight(BayerImage(data, "RGGB"))
    assert (weight[3:6, 3:6] == 0).all()
    assert weight[0, 0] == 1
