"""The photographic operators against their formulas, and the encoding for screens."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray, SceneImage
from hdrcli.isp.tonemap import encode_display, expose, reinhard_global, reinhard_local

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about plotting packages that are not installed
    import colour

OPERATORS = [reinhard_global, reinhard_local]


def wide_scene(height: int = 60, width: int = 90, seed: int = 0) -> SceneImage:
    rng = np.random.default_rng(seed)
    light = np.exp(rng.normal(-3, 2, (height, width, 1))) * rng.uniform(0.5, 1.5, (height, width, 3))
    return SceneImage(light.astype(np.float32))


def luminance(rgb: FloatArray) -> FloatArray:
    return rgb.astype(np.float64) @ np.array([0.2126, 0.7152, 0.0722])


def test_the_global_operator_is_equation_4() -> None:
    scene = SceneImage(np.random.default_rng(1).uniform(0.01, 2, (40, 50, 1)).astype(np.float32).repeat(3, axis=2))
    light = luminance(scene.data)
    average = math.exp(np.mean(np.log(light + 1e-6 * np.percentile(light, 99))))
    scaled = 0.18 / average * light
    white = 0.18 / average * 1.5
    expected = scaled * (1 + scaled / white**2) / (1 + scaled)
    result = reinhard_global(scene, key=0.18, white=1.5)
    np.testing.assert_allclose(result[..., 0], np.clip(expected, 0, 1), rtol=2e-4)


def test_the_log_average_goes_to_the_key() -> None:
    exposure = expose(SceneImage(np.full((20, 20, 3), 0.003, np.float32)), key=0.36)
    assert exposure.scale * 0.003 == pytest.approx(0.36, rel=1e-4)


def test_the_automatic_key_is_that_of_2003() -> None:
    scene = wide_scene()
    light = luminance(scene.data)
    dark, bright = np.percentile(light, (1, 99))
    average = math.exp(np.mean(np.log(light + 1e-6 * bright)))
    place = (2 * math.log2(average) - math.log2(dark) - math.log2(bright)) / (math.log2(bright) - math.log2(dark))
    assert expose(scene).key == pytest.approx(0.18 * 4**place, rel=1e-4)


@pytest.mark.parametrize("operator", OPERATORS)
def test_the_white_point_becomes_white(operator: object) -> None:
    scene = np.full((64, 64, 3), 0.02, np.float32)
    scene[:32] = 0.7
    result = operator(SceneImage(scene), key=0.18, white=0.7)  # type: ignore[operator]
    assert result[:8].min() > 0.98
    assert 0 < result[-8:].max() < 0.7


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_brighter_exposure_of_a_scene_looks_the_same(operator: object) -> None:
    scene = wide_scene()
    brighter = SceneImage(scene.data * np.float32(16))
    np.testing.assert_allclose(operator(brighter), operator(scene), atol=1e-4)  # type: ignore[operator]


def test_a_flat_scene_becomes_middle_grey_not_white() -> None:
    result = reinhard_global(SceneImage(np.full((10, 10, 3), 3e-4, np.float32)))
    np.testing.assert_allclose(result, 0.18, rtol=1e-3)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("value", [0.0, -0.1, float("nan"), 1e30])
def test_odd_scenes_stay_in_range(operator: object, value: float) -> None:
    scene = wide_scene(20, 30).data
    scene[3:9, 4:12] = value
    for data in (scene, np.full((5, 7, 3), value, np.float32), scene[:1, :1]):
        result = np.nan_to_num(operator(SceneImage(np.ascontiguousarray(data))))  # type: ignore[operator]
        assert result.min() >= 0
        assert result.max() <= 1


def test_hues_keep_their_ratios() -> None:
    scene = wide_scene()
    result = reinhard_global(scene, key=0.05)
    inside = (result.max(axis=2) < 1) & (result.min(axis=2) > 1e-3)
    ratio = result / scene.data
    assert (np.ptp(ratio, axis=2)[inside] / ratio.max(axis=2)[inside]).max() < 1e-4


def test_luminance_is_that_of_the_space() -> None:
    green = SceneImage(np.array([[[0, 1, 0]]], np.float32), "rec2020")
    assert expose(green, key=0.18).scale == pytest.approx(0.18 / 0.6780, rel=1e-3)


def test_the_local_operator_keeps_texture_that_the_global_one_flattens() -> None:
    rng = np.random.default_rng(2)
    texture = 1 + 0.3 * rng.standard_normal((128, 128))
    light = np.where(np.arange(128)[None, :] < 64, 0.02, 8.0) * np.clip(texture, 0.3, 2)
    scene = SceneImage(np.repeat(light[:, :, None], 3, axis=2).astype(np.float32))
    bright = np.s_[8:-8, 80:-8]

    def contrast(rgb: FloatArray) -> float:
        return float(rgb[bright].std() / rgb[bright].mean())

    options = {"key": 0.18, "white": 1e6}
    assert contrast(reinhard_local(scene, **options)) > 1.2 * contrast(reinhard_global(scene, **options))


def test_the_local_operator_makes_no_halo_at_a_strong_edge() -> None:
    light = np.where(np.arange(200)[None, :] < 100, 0.01, 10.0) * np.ones((100, 1))
    scene = SceneImage(np.repeat(light[:, :, None], 3, axis=2).astype(np.float32))
    row = reinhard_local(scene, key=0.18, white=1e6)[50, :, 0]
    assert np.ptp(row[:97]) < 0.1 * row[:97].mean()
    assert np.ptp(row[103:]) < 0.1 * row[103:].mean()


def test_the_local_operator_sees_large_pictures_as_small_ones() -> None:
    small = wide_scene(40, 60).data
    small = np.repeat(np.repeat(small, 8, axis=0), 8, axis=1)
    large = np.repeat(np.repeat(small, 4, axis=0), 4, axis=1)
    a = reinhard_local(SceneImage(small), key=0.18)
    b = reinhard_local(SceneImage(large), key=0.18).reshape(320, 4, 480, 4, 3).mean(axis=(1, 3))
    assert np.abs(a - b).mean() < 0.02


@pytest.mark.parametrize("bits", [8, 16])
def test_the_encoding_is_the_srgb_curve(bits: int) -> None:
    linear = np.linspace(0, 1, 9999, dtype=np.float32).reshape(-1, 3, 3)
    expected = colour.models.eotf_inverse_sRGB(linear.astype(np.float64)) * (2**bits - 1)
    result = encode_display(linear, bits=bits, icc=b"profile")
    assert result.data.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert np.abs(result.data - expected).max() < 0.51 + (bits == 16) * 0.1
    assert result.icc == b"profile"


def test_values_out_of_range_are_cut() -> None:
    linear = np.array([[[-1, 2, np.nan], [np.inf, -np.inf, 1]]], np.float32)
    np.testing.assert_array_equal(encode_display(linear).data, [[[0, 255, 0], [255, 0, 255]]])
    assert encode_display(np.empty((0, 4, 3), np.float32)).data.shape == (0, 4, 3)


def test_senseless_settings_are_refused() -> None:
    scene = wide_scene(4, 4)
    with pytest.raises(UsageError, match="key of 0"):
        reinhard_global(scene, key=0)
    with pytest.raises(UsageError, match="white point of -1"):
        reinhard_local(scene, white=-1)
    with pytest.raises(UsageError, match="not 12"):
        encode_display(scene.data, bits=12)


def test_a_bright_colour_fades_instead_of_changing_its_hue() -> None:
    data = np.full((8, 8, 3), 0.1, np.float32)
    data[0, 0] = [0.1, 0.5, 3.0]
    red, green, blue = reinhard_global(SceneImage(data), key=0.18, white=5.0)[0, 0]
    assert blue == pytest.approx(1, abs=1e-5)
    assert red > 0.1
    assert (green - red) / (blue - red) == pytest.approx((0.5 - 0.1) / (3.0 - 0.1), abs=1e-3)
