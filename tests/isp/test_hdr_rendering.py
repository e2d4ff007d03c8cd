"""Mid-tones as the tone-mapped picture has them, diffuse white in proportion, a smooth way up to the peak."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray, SceneImage
from hdrcli.isp.colour import convert
from hdrcli.isp.hdr_rendering import HdrRendering, hdr_rendering, render_hdr
from hdrcli.isp.tonemap import expose, reinhard_global

PEAKS = [1.0, 1.5, 1000 / 203, 10000 / 203]


def grey_scene(levels: FloatArray) -> SceneImage:
    return SceneImage(np.repeat(levels.astype(np.float32).reshape(1, -1, 1), 3, axis=2))


def wide_scene(seed: int = 1) -> SceneImage:
    rng = np.random.default_rng(seed)
    light = np.exp(rng.normal(-3, 2.5, (80, 90, 1))) * rng.uniform(0.3, 1.5, (80, 90, 3))
    return SceneImage(light.astype(np.float32))


@pytest.mark.parametrize("key", [None, 0.1, 0.18, 0.5])
def test_light_at_the_log_average_is_as_bright_as_in_the_tone_mapped_picture(key: float | None) -> None:
    rng = np.random.default_rng(2)
    scene = grey_scene(np.exp(rng.normal(-4, 1.5, 4001)))
    exposure = expose(scene, key=key)
    scene.data[0, 0] = exposure.key / exposure.scale
    shown = render_hdr(scene, hdr_rendering(scene, peak=5, key=key)).data[0, 0, 0]
    assert shown == pytest.approx(reinhard_global(scene, key=key)[0, 0, 0], rel=0.01)


def test_a_flat_scene_is_middle_grey() -> None:
    scene = grey_scene(np.full(100, 0.003))
    np.testing.assert_allclose(render_hdr(scene, hdr_rendering(scene, peak=5)).data, 0.18, rtol=1e-3)


@pytest.mark.parametrize("peak", [2.0, 1000 / 203, 10000 / 203])
def test_up_to_diffuse_white_light_is_shown_in_proportion(peak: float) -> None:
    levels = np.geomspace(1e-4, 100, 300)
    scene = grey_scene(levels)
    rendering = hdr_rendering(scene, peak=peak)
    assert rendering.brightest > peak
    shown = render_hdr(scene, rendering).data[0, :, 1]
    below = levels * rendering.scale <= 1
    assert below.sum() > 50
    np.testing.assert_allclose(shown[below], levels[below] * rendering.scale, rtol=1e-5)
    white = render_hdr(grey_scene(np.array([1 / rendering.scale])), rendering).data
    np.testing.assert_allclose(white, 1, rtol=1e-5)


@pytest.mark.parametrize("peak", PEAKS)
def test_the_roll_off_never_falls_has_no_corner_and_ends_on_the_peak(peak: float) -> None:
    rendering = HdrRendering(scale=1, peak=peak, brightest=80)
    light = np.linspace(0, 80, 400_001)
    shown = rendering.roll_off(light.astype(np.float32)).astype(np.float64)
    assert (np.diff(shown) >= -1e-5).all()
    assert shown[-1] == pytest.approx(peak, rel=1e-5)
    assert shown.max() <= peak * (1 + 1e-6)
    coarse = np.gradient(shown[::50], light[::50])
    at_knee = np.searchsorted(light[::50], rendering.knee)
    assert coarse[at_knee - 3] == pytest.approx(1, abs=1e-3)
    assert np.abs(np.diff(coarse)).max() < 0.05  # a corner would be a step in the slope


@pytest.mark.parametrize("peak", PEAKS)
def test_no_channel_leaves_the_range_of_the_display(peak: float) -> None:
    scene = wide_scene()
    shown = render_hdr(scene, hdr_rendering(scene, peak=peak))
    assert shown.colour_space == "rec2020"
    assert shown.data.min() >= 0
    assert shown.data.max() == pytest.approx(peak, rel=1e-5)
    assert shown.data.max() <= np.float32(peak)


def test_a_scene_that_the_display_holds_is_not_bent() -> None:
    scene = grey_scene(np.geomspace(0.01, 0.5, 200))
    rendering = hdr_rendering(scene, peak=5)
    assert rendering.brightest < 5
    np.testing.assert_allclose(render_hdr(scene, rendering).data, rendering.scale * scene.data, rtol=1e-5)


def test_neutral_stays_neutral() -> None:
    shown = render_hdr(scene := grey_scene(np.geomspace(1e-4, 1e4, 500)), hdr_rendering(scene, peak=5)).data
    assert (np.ptp(shown, axis=2) <= 1e-5 * shown.max(axis=2)).all()


def test_bright_colours_keep_their_hue_and_fade_into_white_smoothly() -> None:
    colour = np.array([1.0, 0.4, 0.1], np.float32)
    brightness = np.geomspace(0.1, 1000, 400).astype(np.float32)
    scene = SceneImage((brightness[None, :, None] * colour).astype(np.float32), "rec2020")
    shown = render_hdr(scene, HdrRendering(scale=1, peak=5, brightest=1000)).data[0]
    dark = brightness <= 1
    np.testing.assert_allclose(shown[dark], brightness[dark, None] * colour, rtol=1e-5)
    assert (np.diff(shown, axis=0) >= 0).all()
    purity = 1 - shown.min(axis=1) / shown.max(axis=1)
    assert (np.diff(purity) <= 1e-6).all()
    assert purity[-1] < 0.15
    # Drawn towards white in light itself, a colour keeps its place between its least and its most.
    place = (shown[:, 1] - shown[:, 2]) / (shown[:, 0] - shown[:, 2])
    np.testing.assert_allclose(place, 0.3 / 0.9, rtol=1e-3)


def test_the_exposure_of_the_scene_does_not_matter_unless_it_is_asked_to() -> None:
    scene = wide_scene()
    brighter = SceneImage(scene.data * np.float32(8))
    first, second = (render_hdr(one, hdr_rendering(one, peak=5)).data for one in (scene, brighter))
    np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-6)
    fixed = hdr_rendering(brighter, peak=5, key=0.5, automatic=False)
    assert fixed.scale == 1.0


@pytest.mark.parametrize("space", ["srgb-linear", "display-p3", "acescg", "camera"])
def test_every_space_ends_in_rec2020(space: str) -> None:
    scene = SceneImage(np.random.default_rng(3).uniform(0.1, 0.9, (20, 20, 3)).astype(np.float32), space)
    rendering = hdr_rendering(scene, peak=5, automatic=False)
    known = SceneImage(scene.data, "srgb-linear" if space == "camera" else space)
    np.testing.assert_allclose(render_hdr(scene, rendering).data, convert(known, "rec2020").data, atol=1e-5)


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf, -math.inf, 1e30])
def test_odd_light_is_shown_within_the_range(value: float) -> None:
    scene = wide_scene()
    scene.data[3, 4] = value
    shown = render_hdr(scene, hdr_rendering(scene, peak=5)).data
    assert np.isfinite(shown).all()
    assert shown.min() >= 0
    assert shown.max() <= 5
    assert (shown[3, 4] == 0).all() if not value > 0 else (shown[3, 4] > 4.9).all()


def test_a_black_scene_stays_black() -> None:
    scene = SceneImage(np.zeros((3, 4, 3), np.float32))
    assert (render_hdr(scene, hdr_rendering(scene, peak=5)).data == 0).all()


@pytest.mark.parametrize("choice", [{"key": 0.0}, {"key": -1.0}, {"white": 0.0}, {"white": math.nan}])
def test_impossible_keys_are_usage_errors(choice: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="not positive"):
        hdr_rendering(wide_scene(), peak=5, **choice)


@pytest.mark.parametrize("peak", [0.9, -1.0, math.nan, math.inf])
def test_a_peak_below_white_is_a_usage_error(peak: float) -> None:
    with pytest.raises(UsageError, match="1 or more"):
        hdr_rendering(wide_scene(), peak=peak)
