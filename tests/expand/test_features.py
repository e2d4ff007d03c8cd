"""What networks for one picture see: the same at any resolution, finite for any picture, and telling of the curve."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hdrcli.expand.features import (
    BLACK_STOPS,
    CLIP,
    LEVELS,
    PLANES,
    STATISTICS,
    WHITE,
    clipping,
    context,
    expansion,
    from_stops,
    level_statistics,
    reduced,
    srgb_light,
    to_stops,
)
from hdrcli.expand.highlights import expand_highlights
from hdrcli.images import FloatArray
from hdrcli.sensor.curves import SRGB

STEPS = [STATISTICS.index(name) for name in ("step 1", "step 2", "step 4", "step 16", "curvature")]
TINY = [(1, 1), (2, 2), (3, 3), (8, 8), (1, 300), (300, 1), (2, 17), (7, 5), (1, 2000)]


def photograph(shape: tuple[int, int] = (128, 512), seed: int = 0) -> FloatArray:
    """Return codes with texture at every level, in a colour; some are clipped."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(-0.1, 1.2, (6, 8)).astype(np.float32)
    texture = cv2.GaussianBlur(rng.normal(0, 0.3, shape).astype(np.float32), (0, 0), 2)
    level = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC) + texture
    codes = np.clip(level[..., None] * np.array([1, 0.9, 0.75], np.float32), 0, 1)
    return np.ascontiguousarray(codes, dtype=np.float32)


def test_stops_and_light_undo_each_other() -> None:
    light = np.append(np.float32(0), np.geomspace(1e-6, 60000, 5001, dtype=np.float32))
    # In deep shadows the floor takes most of the digits.
    np.testing.assert_allclose(from_stops(to_stops(light)), light, rtol=3e-6, atol=2e-9)


def test_stops_count_from_the_floor_and_light_from_the_clip() -> None:
    assert to_stops(np.array([0, -7], np.float32)).tolist() == [-BLACK_STOPS, -BLACK_STOPS]
    assert to_stops(np.array([1, 4], np.float32)).tolist() == pytest.approx([0, 2], abs=2e-3)
    assert from_stops(np.array([-BLACK_STOPS, -30], np.float32)).tolist() == [0, 0]


def test_codes_become_light_by_the_srgb_curve() -> None:
    codes = np.linspace(0, 1, 4001, dtype=np.float32)
    np.testing.assert_allclose(SRGB.encode(srgb_light(codes)), codes, atol=3e-6)


@pytest.mark.parametrize("between", [CLIP, WHITE])
def test_clipping_rises_from_nothing_to_all_between_its_codes(between: tuple[float, float]) -> None:
    codes = np.linspace(0, 1, 2001, dtype=np.float32)
    share = clipping(codes, between=between)
    first, full = between
    assert np.all(share[codes <= first] == 0)
    assert np.all(share[codes >= full] == 1)
    assert clipping(np.array([(first + full) / 2], np.float32), between=between).item() == pytest.approx(0.5, abs=1e-4)
    assert np.all(np.diff(share) >= 0)
    assert 0 < first < full < 1


@pytest.mark.parametrize("shape", [(130, 200), (40, 700), (1, 9)])
def test_expansion_is_what_the_classical_method_adds_in_stops(shape: tuple[int, int]) -> None:
    codes = photograph(shape)
    light = srgb_light(codes)
    np.testing.assert_allclose(expansion(codes), to_stops(expand_highlights(light)) - to_stops(light), atol=1e-6)
    assert expansion(codes).max() > 0.5
    assert expansion(codes).min() > -1e-5


@pytest.mark.parametrize("factor", [2, 3])
def test_a_picture_of_more_pixels_looks_the_same(factor: int) -> None:
    codes = photograph()
    small, large = context(codes), context(codes.repeat(factor, axis=0).repeat(factor, axis=1))
    np.testing.assert_allclose(large.planes, small.planes, atol=2e-3)
    np.testing.assert_allclose(large.levels, small.levels, atol=2e-3)


def test_the_same_view_by_cameras_of_any_resolution_looks_much_the_same() -> None:
    scene = photograph((256, 1024), seed=3)
    smaller = np.asarray(cv2.resize(scene, (700, 175), interpolation=cv2.INTER_AREA), dtype=np.float32)
    one, other = context(scene), context(smaller)
    assert np.abs(one.planes - other.planes).mean() < 0.01
    assert np.abs(one.levels - other.levels).mean() < 0.05


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((384, 512), (96, 128)),
        ((512, 384), (128, 96)),
        ((400, 600), (88, 128)),
        ((1000, 40), (128, 8)),
        ((50, 50), (128, 128)),
        ((1, 300), (8, 128)),
    ],
)
def test_the_longer_side_of_the_planes_is_128_and_both_are_multiples_of_8(
    shape: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert context(np.zeros((*shape, 3), np.float32)).planes.shape == (len(PLANES), *expected)


@pytest.mark.parametrize("shape", TINY)
def test_tiny_pictures_have_a_context(shape: tuple[int, int]) -> None:
    around = context(photograph((64, 64))[: shape[0], : shape[1]] if max(shape) <= 64 else photograph(shape))
    assert around.planes.dtype == around.levels.dtype == np.float32
    assert around.planes.flags.c_contiguous
    assert around.levels.shape == (len(STATISTICS), LEVELS)
    assert np.isfinite(around.planes).all()
    assert np.isfinite(around.levels).all()


@pytest.mark.parametrize("level", [0.0, 0.3, 0.95, 1.0])
@pytest.mark.parametrize("shape", [(90, 120), (200, 600)])
def test_constant_pictures_are_finite_and_have_no_differences(shape: tuple[int, int], level: float) -> None:
    around = context(np.full((*shape, 3), level, np.float32))
    assert np.isfinite(around.planes).all()
    assert np.abs(around.planes).max() < 3.2
    assert np.isfinite(around.levels).all()
    # Log2 of the smallest difference, 2^-11, in the units of the statistics; averaging leaves rounding.
    np.testing.assert_allclose(around.levels[1:], -11 / 3 + 2, atol=2e-3)
    assert around.levels[0].argmax() == min(int(level * LEVELS), LEVELS - 1)


def test_planes_show_where_things_are() -> None:
    codes = np.full((256, 512, 3), 0.25, np.float32)
    codes[64:128, 128:256, 0] = 1
    codes[192:, 384:] += np.random.default_rng(1).normal(0, 0.05, (64, 128, 1)).astype(np.float32)
    planes = dict(zip(PLANES, context(codes).planes, strict=True))
    lamp, plain, rough = (slice(18, 30), slice(34, 62)), (slice(2, 12), slice(66, 90)), (slice(50, 62), slice(98, 126))
    np.testing.assert_allclose(planes["code R"][lamp], 1, atol=1e-5)
    np.testing.assert_allclose(planes["code G"][lamp], -0.5, atol=1e-5)
    np.testing.assert_allclose(planes["clipped R"][lamp], 1, atol=1e-5)
    assert not planes["clipped G"].any()
    assert planes["expansion R"][lamp].min() > 0.1
    assert np.abs(planes["expansion R"][plain]).max() < 0.05
    assert planes["texture"][rough].min() > planes["texture"][plain].max() + 0.5
    np.testing.assert_allclose(planes["row"], np.linspace(-1, 1, 64)[:, None].repeat(128, 1), atol=1e-6)


def test_a_known_expansion_is_taken_for_a_picture_that_is_not_reduced_alone() -> None:
    small = photograph((100, 140))
    other = np.full_like(small, 1.5)
    np.testing.assert_array_equal(context(small, raised=expansion(small)).planes, context(small).planes)
    np.testing.assert_allclose(context(small, raised=other).planes[6:9], 0.75, rtol=1e-6)
    large = small.repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_array_equal(context(large, raised=np.zeros_like(large)).planes, context(large).planes)


def test_pictures_are_reduced_by_averaging() -> None:
    codes = photograph()
    assert reduced(codes) is codes
    large = codes.repeat(3, axis=0).repeat(3, axis=1) + np.tile([[0.1, -0.1, 0]], (384, 512))[..., None]
    np.testing.assert_allclose(reduced(large.astype(np.float32)), codes, atol=1e-5)
    assert reduced(np.zeros((3, 6000, 3), np.float32)).shape == (1, 512, 3)


@pytest.mark.parametrize("slope", [0.5, 0.25, 0.125])
def test_where_the_curve_is_flat_differences_are_smaller_by_its_slope(slope: float) -> None:
    # The same contrast at all levels; above 0.5 the curve is flat, so its levels take in more of the scene.
    straight = np.clip(0.5 + 0.1 * np.random.default_rng(1).standard_normal((300, 400, 1)), 0, 1)
    straight = np.asarray((straight + np.linspace(-0.4, 3.2, 400)[:, None]).repeat(3, 2), dtype=np.float32)
    flat = np.where(straight > 0.5, 0.5 + slope * (straight - 0.5), straight)
    one, other = (level_statistics(np.clip(codes, 0, 1).astype(np.float32)) for codes in (straight, flat))
    dark, bright = slice(4, 8), slice(14, 17)
    for row in STEPS:
        np.testing.assert_allclose(other[row, dark], one[row, dark], atol=0.15)
        np.testing.assert_allclose((other - one)[row, bright], np.log2(slope) / 3, atol=0.2)


def test_statistics_are_logarithms_of_means_at_each_level() -> None:
    # Two levels side by side in columns of four: differences at a distance of 4 lie at the level between them.
    codes = np.tile(np.repeat(np.array([0.25, 0.375], np.float32), 4), (16, 4))[..., None].repeat(3, 2)
    codes[..., 0] += 1 / 16
    statistics = dict(zip(STATISTICS, level_statistics(codes), strict=True))
    shares = np.zeros(LEVELS)
    shares[[6, 7, 9, 10]] = 2 / 6, 1 / 6, 2 / 6, 1 / 6
    np.testing.assert_allclose(statistics["share"], np.log2(shares + 2**-12) / 4 + 1.5, atol=1e-6)
    # Only rows differ by the distance of 4: 12 of 16 rows do not, 28 of 32 columns do.
    steps, still = 16 * 28, 12 * 32
    mean = steps * 0.125 / (steps + still)
    pulled = 3 * (steps + still) / 2048 * mean
    # The levels between, 0.3125 twice and 0.375 once, and those of what does not differ.
    counts = np.zeros(LEVELS)
    for level, weight in ((0.3125, 2), (0.375, 1)):
        counts[int(level * LEVELS)] += weight * steps
    sums = counts * 0.125
    for level, weight in ((0.25, 2), (0.3125, 1), (0.375, 2), (0.4375, 1)):
        counts[int(level * LEVELS)] += weight * still / 2
    expected = (sums + pulled) / (counts + 3 * (steps + still) / 2048)
    np.testing.assert_allclose(statistics["step 4"], np.log2(expected + 2**-11) / 3 + 2, atol=1e-5)


def test_the_colour_of_a_picture_is_in_its_statistics() -> None:
    codes = photograph((100, 150))
    grey = np.repeat(codes[..., 1:2], 3, axis=2)
    row = STATISTICS.index("colour")
    np.testing.assert_allclose(level_statistics(grey)[row], -11 / 3 + 2, atol=1e-5)
    assert level_statistics(codes)[row].min() > -11 / 3 + 2 + 0.3


def test_features_do_not_change_their_input() -> None:
    codes = photograph((90, 120))
    codes.flags.writeable = False
    context(codes)
    expansion(codes)
