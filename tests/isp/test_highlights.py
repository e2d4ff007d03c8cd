"""Highlights: grey stays grey past the clip, colours keep what was measured, and nothing turns pink."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from hdrcli.errors import UsageError
from hdrcli.images import BAYER_PATTERNS, BayerImage, FloatArray
from hdrcli.isp.demosaic import demosaic
from hdrcli.isp.highlights import METHODS, near_clip, neutralise_highlights, rebuild_part
from hdrcli.sensor.mosaic import mosaic

GAINS = (2.0, 1.0, 1.5)


def exposed(balanced: FloatArray) -> FloatArray:
    """Return balanced RGB after a sensor that clips at 1.0 before white balance."""
    gains = np.array(GAINS, np.float32)
    return np.minimum(balanced / gains, 1) * gains


def everything(bayer: BayerImage) -> tuple[slice, slice]:
    return slice(0, bayer.data.shape[0]), slice(0, bayer.data.shape[1])


def rebuilt(bayer: BayerImage) -> BayerImage:
    return replace(bayer, data=rebuild_part(bayer, *everything(bayer), gains=GAINS))


def test_a_grey_ramp_stays_grey_to_the_highest_clip_and_flat_above() -> None:
    light = np.linspace(0, 4, 4001, dtype=np.float32)
    result = neutralise_highlights(exposed(np.repeat(light[:, None], 3, axis=1)), gains=GAINS)
    assert np.ptp(result, axis=1).max() < 1e-5
    np.testing.assert_allclose(result[:, 0], np.minimum(light, 2), atol=1e-5)


@pytest.mark.parametrize("colour", [(1, 1, 1), (1, 0.6, 0.25), (0.4, 0.8, 1), (0.9, 1, 0.8), (1, 0.9, 1)])
def test_brighter_light_never_gets_darker_and_never_jumps(colour: tuple[float, float, float]) -> None:
    light = np.linspace(0, 12, 60001, dtype=np.float32)[:, None] * np.array(colour, np.float32)
    result = neutralise_highlights(exposed(light), gains=GAINS)
    steps = np.diff(result, axis=0)
    assert steps.min() > -1e-4
    assert steps.max() < 0.01
    np.testing.assert_allclose(result[-1], 2, rtol=1e-5)


@pytest.mark.parametrize("colour", [(1, 1, 1), (1, 0.8, 0.6), (0.8, 1, 0.9), (0.5, 0.9, 1)])
def test_green_is_never_below_both_others(colour: tuple[float, float, float]) -> None:
    light = np.linspace(0, 8, 4001, dtype=np.float32)[:, None] * np.array(colour, np.float32)
    result = neutralise_highlights(exposed(light), gains=GAINS)
    assert (result[:, 1] - np.minimum(result[:, 0], result[:, 2])).min() > -1e-5


def test_colours_below_the_clip_are_left_alone() -> None:
    rgb = np.random.default_rng(0).uniform(-0.01, 0.9, (50, 40, 3)).astype(np.float32)
    np.testing.assert_array_equal(neutralise_highlights(rgb, gains=GAINS), rgb)
    bayer = BayerImage(rgb[..., 0], "RGGB")
    np.testing.assert_array_equal(rebuilt(bayer).data, bayer.data)
    assert near_clip(bayer, *everything(bayer)) is None


def test_what_was_measured_is_kept_where_one_channel_clips() -> None:
    result = neutralise_highlights(np.array([[1.6, 1.0, 1.2]], np.float32), gains=GAINS)
    np.testing.assert_allclose(result[0, [0, 2]], [1.6, 1.2])
    assert 1.2 < result[0, 1] < 1.6


@pytest.mark.parametrize("method", METHODS)
def test_white_is_neutral_unless_highlights_are_off(method: str) -> None:
    white = np.array([[2.0, 1.0, 1.5]], np.float32)
    result = neutralise_highlights(white, gains=GAINS, method=method)
    expected = {"rebuild": [2, 2, 2], "neutral": [1, 1, 1], "off": [2, 1, 1.5]}[method]
    np.testing.assert_allclose(result[0], expected, rtol=1e-5)


def test_another_clip_scales_the_rule() -> None:
    rgb = np.random.default_rng(1).uniform(0, 2, (100, 3)).astype(np.float32)
    np.testing.assert_allclose(
        neutralise_highlights(rgb * 4, gains=GAINS, clip=4.0), neutralise_highlights(rgb, gains=GAINS) * 4, rtol=1e-5
    )


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_a_clipped_mosaic_becomes_grey_again(cfa: str) -> None:
    light = np.linspace(0.2, 3, 120, dtype=np.float32)
    ramp = np.ascontiguousarray(np.broadcast_to(light[None, :, None], (31, 120, 3)))
    bayer = BayerImage(mosaic(exposed(ramp) / np.array(GAINS, np.float32), cfa), cfa)
    result = demosaic(rebuilt(bayer), gains=GAINS)
    assert np.ptp(result, axis=2).max() < 0.06
    np.testing.assert_allclose(result[:, -20:], 2, rtol=1e-3)


def test_the_edge_of_a_clipped_area_gets_no_pink_rim() -> None:
    truth = np.full((64, 64, 3), 0.05, np.float32)
    truth[:, 32:] = 3.0
    truth[:, 31] = 0.8
    bayer = BayerImage(mosaic(exposed(truth) / np.array(GAINS, np.float32), "RGGB"), "RGGB")
    result = neutralise_highlights(demosaic(rebuilt(bayer), gains=GAINS), gains=GAINS)
    pink = np.minimum(result[..., 0], result[..., 2]) - result[..., 1]
    assert pink.max() < 0.02
    without = demosaic(bayer, gains=GAINS)
    assert (np.minimum(without[..., 0], without[..., 2]) - without[..., 1]).max() > 0.4


def test_parts_are_those_of_the_whole_mosaic() -> None:
    bayer = BayerImage(np.random.default_rng(2).uniform(0, 1.2, (41, 53)).astype(np.float32) ** 3, "GBRG")
    whole, doubt = rebuilt(bayer).data, near_clip(bayer, *everything(bayer))
    assert doubt is not None
    assert (whole != bayer.data).any()
    for rows in (slice(0, 2), slice(3, 30), slice(40, 41)):
        for columns in (slice(0, 53), slice(7, 8), slice(51, 53)):
            np.testing.assert_array_equal(rebuild_part(bayer, rows, columns, gains=GAINS), whole[rows, columns])
            part = near_clip(bayer, rows, columns)
            np.testing.assert_allclose(0 if part is None else part, doubt[rows, columns], atol=1e-6)


def test_doubt_is_full_beside_a_clipped_sample_and_none_from_four_pixels_away() -> None:
    samples = np.full((31, 31), 0.5, np.float32)
    samples[15, 15] = 1
    doubt = near_clip(BayerImage(samples, "RGGB"), slice(0, 31), slice(0, 31))
    assert doubt is not None
    np.testing.assert_allclose(doubt[15, 11:20], [0, 1 / 3, 2 / 3, 1, 1, 1, 2 / 3, 1 / 3, 0], atol=1e-6)
    np.testing.assert_allclose(doubt[:, 15], doubt[15], atol=1e-6)


def test_doubt_grows_steadily_with_the_level_of_a_sample() -> None:
    samples = np.full((9, 9), 0.1, np.float32)
    seen = []
    for level in np.linspace(0.88, 1, 121, dtype=np.float32):
        samples[4, 4] = level
        doubt = near_clip(BayerImage(samples, "RGGB"), slice(0, 9), slice(0, 9))
        seen.append(0.0 if doubt is None else float(doubt[4, 4]))
    steps = np.diff(seen)
    assert seen[0] == 0
    assert seen[-1] == pytest.approx(1)
    assert steps.min() >= 0
    assert steps.max() < 0.025
    high = BayerImage(samples * 4, "RGGB")
    scaled = near_clip(high, slice(0, 9), slice(0, 9), clip=4.0)
    assert scaled is not None
    assert scaled[4, 4] == pytest.approx(1)


def test_the_inputs_are_not_changed() -> None:
    rgb = np.full((4, 4, 3), 2, np.float32)
    neutralise_highlights(rgb, gains=GAINS)
    bayer = BayerImage(np.ones((4, 4), np.float32), "RGGB")
    rebuilt(bayer)
    near_clip(bayer, *everything(bayer))
    assert (rgb == 2).all()
    assert (bayer.data == 1).all()


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'blend'; choose from rebuild, neutral, off"):
        neutralise_highlights(np.zeros((1, 3), np.float32), gains=GAINS, method="blend")
