"""Demosaicing: exact where it can be, no artefacts where it cannot, the same on every machine."""

from __future__ import annotations

import tracemalloc
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from hdrcli.errors import UsageError
from hdrcli.images import BAYER_PATTERNS, BayerImage, FloatArray, NoiseModel, shift_cfa
from hdrcli.isp.demosaic import MARGIN, METHODS, TileDemosaicker, demosaic, for_each_tile
from hdrcli.isp.demosaic.root_scale import black_noise
from hdrcli.sensor.mosaic import mosaic

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # about plotting packages that are not installed
    from colour_demosaicing import (
        demosaicing_CFA_Bayer_bilinear,
        demosaicing_CFA_Bayer_Malvar2004,
        demosaicing_CFA_Bayer_Menon2007,
    )

FLAT_RTOL = 2e-6
LINEAR_ATOL = 1e-5


def smooth_picture(height: int, width: int, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    coarse = rng.random((height // 8 + 2, width // 8 + 2, 3)).astype(np.float32)
    picture = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(np.clip(picture, 0.01, 1))


def lamp(colour: tuple[float, float, float], surroundings: float = 1e-5) -> FloatArray:
    """Return a disc, a bar and two points of light, as a lens shows them, in the dark."""
    y, x = np.mgrid[:48, :48]
    shape = ((y - 23.3) ** 2 + (x - 24.6) ** 2 < 40).astype(np.float32)
    shape[8:40, 5] = shape[5, 20] = shape[6, 35] = 1
    light = cv2.GaussianBlur(shape[:, :, None] * np.array(colour, np.float32), (0, 0), 0.6)
    return np.asarray(light + np.float32(surroundings), dtype=np.float32)


def srgb_decode(v: FloatArray) -> FloatArray:
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4).astype(np.float32)


def psnr(a: FloatArray, b: FloatArray) -> float:
    return float(-10 * np.log10(np.mean((a[8:-8, 8:-8].astype(np.float64) - b[8:-8, 8:-8]) ** 2)))


def interpolate_linear(method: str, samples: FloatArray, cfa: str) -> FloatArray:
    """Run a method on the samples as they are, as published."""
    rgb = np.empty((*samples.shape, 3), dtype=np.float32)
    colours = np.array(["RGB".index(colour) for colour in cfa]).reshape(2, 2)
    interpolate, scratch = METHODS[method]
    interpolate(np.pad(samples, MARGIN, mode="reflect"), colours, rgb, scratch(*samples.shape))
    return rgb


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_malvar_is_the_published_filter(cfa: str) -> None:
    samples = np.random.default_rng(1).random((40, 50), dtype=np.float32)
    expected = demosaicing_CFA_Bayer_Malvar2004(samples, cfa)
    np.testing.assert_allclose(
        interpolate_linear("malvar2004", samples, cfa)[4:-4, 4:-4], expected[4:-4, 4:-4], atol=LINEAR_ATOL
    )


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
def test_bilinear_is_the_mean_of_the_nearest_samples(cfa: str) -> None:
    samples = np.random.default_rng(1).random((40, 50), dtype=np.float32)
    expected = demosaicing_CFA_Bayer_bilinear(samples, cfa)
    np.testing.assert_allclose(
        interpolate_linear("bilinear", samples, cfa)[4:-4, 4:-4], expected[4:-4, 4:-4], atol=LINEAR_ATOL
    )


@pytest.mark.parametrize("cfa", BAYER_PATTERNS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(64, 80), (63, 81), (97, 513), (7, 5)])
def test_measured_samples_come_back_exactly(method: str, cfa: str, shape: tuple[int, int]) -> None:
    samples = np.random.default_rng(2).normal(0.2, 0.3, shape).astype(np.float32)
    np.testing.assert_array_equal(mosaic(demosaic(BayerImage(samples, cfa), method=method), cfa), samples)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("colour", [(0.2, 0.2, 0.2), (0.9, 0.3, 0.05), (1e-5, 2e-5, 5e-6), (0.0, 0.0, 0.0)])
def test_a_flat_colour_stays_flat(method: str, colour: tuple[float, float, float]) -> None:
    flat = np.broadcast_to(np.array(colour, np.float32), (37, 45, 3))
    result = demosaic(BayerImage(mosaic(np.ascontiguousarray(flat), "GRBG"), "GRBG"), method=method)
    # The root scale carries 24 bits relative to its offset of 1e-4.
    np.testing.assert_allclose(result, flat, rtol=FLAT_RTOL, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("rows", "columns"), [(0, 1), (1, 0), (1, 1)])
def test_the_four_phases_agree(method: str, rows: int, columns: int) -> None:
    picture = smooth_picture(60, 70)
    whole = demosaic(BayerImage(mosaic(picture, "RGGB"), "RGGB"), method=method)
    cfa = shift_cfa("RGGB", rows, columns)
    part = demosaic(BayerImage(mosaic(picture[rows:, columns:], cfa), cfa), method=method)
    np.testing.assert_allclose(
        part[MARGIN:-MARGIN, MARGIN:-MARGIN],
        whole[rows:, columns:][MARGIN:-MARGIN, MARGIN:-MARGIN],
        rtol=1e-4,
        atol=1e-6,
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (5, 1), (2, 2), (2, 3), (3, 2)])
@pytest.mark.parametrize("method", METHODS)
def test_the_smallest_pictures_have_all_colours(method: str, shape: tuple[int, int]) -> None:
    samples = np.linspace(0.2, 0.6, shape[0] * shape[1], dtype=np.float32).reshape(shape)
    result = demosaic(BayerImage(samples, "BGGR"), method=method)
    assert result.shape == (*shape, 3)
    assert result.min() > 0
    assert result.max() < 2


def test_a_single_sample_is_grey() -> None:
    np.testing.assert_allclose(demosaic(BayerImage(np.full((1, 1), 0.3, np.float32), "RGGB"))[0, 0], 0.3, rtol=1e-5)


def test_an_empty_mosaic_gives_an_empty_picture() -> None:
    assert demosaic(BayerImage(np.empty((0, 4), np.float32), "RGGB")).shape == (0, 4, 3)


def test_gains_balance_the_samples_first() -> None:
    picture = smooth_picture(50, 60) * np.float32(0.4)
    gains = (2.0, 1.0, 1.5)
    unbalanced = BayerImage(mosaic(picture / np.array(gains, np.float32), "RGGB"), "RGGB")
    np.testing.assert_allclose(
        demosaic(unbalanced, gains=gains), demosaic(BayerImage(mosaic(picture, "RGGB"), "RGGB")), rtol=2e-3, atol=1e-5
    )


def test_grey_texture_gets_no_colour() -> None:
    stripes = np.indices((64, 64)).sum(axis=0) % 9 < 4
    grey = cv2.GaussianBlur(stripes.astype(np.float32), (0, 0), 1.0) * np.float32(0.5) + np.float32(0.05)
    result = demosaic(BayerImage(grey, "RGGB"))[8:-8, 8:-8]
    colour = np.ptp(result, axis=2)
    assert np.median(colour) < 0.01
    linear = demosaicing_CFA_Bayer_Menon2007(grey, "RGGB")[8:-8, 8:-8]
    assert colour.mean() < 0.5 * np.ptp(linear, axis=2).mean()


@pytest.mark.parametrize("colour", [(1.0, 1.0, 1.0), (1.0, 0.6, 0.25), (0.5, 0.8, 1.0)])
def test_nothing_rings_beside_a_lamp_a_hundred_thousand_times_brighter(colour: tuple[float, float, float]) -> None:
    truth = lamp(colour)
    result = demosaic(BayerImage(mosaic(truth, "RGGB"), "RGGB"))
    assert result.min() > -1e-4
    assert np.mean(result < 0) < 0.04
    assert result.max() < 1.2 * truth.max()
    # The surroundings keep their darkness: light does not leak out of the lamp.
    near = cv2.dilate(truth.max(axis=2), np.ones((5, 5)))
    assert (result.max(axis=2) / near).max() < 1.2


def test_noise_grows_no_maze() -> None:
    """A maze is noise that runs in lines; structure is measured as coherence of gradients in 5x5."""
    noise = np.random.default_rng(3).normal(1e-3, 1e-3, (300, 300)).astype(np.float32)

    def coherence(rgb: FloatArray) -> float:
        green = np.ascontiguousarray(rgb[..., 1], dtype=np.float32)
        gx, gy = cv2.Sobel(green, cv2.CV_32F, 1, 0), cv2.Sobel(green, cv2.CV_32F, 0, 1)
        xx, yy, xy = (cv2.blur(product, (5, 5)) for product in (gx * gx, gy * gy, gx * gy))
        return float((np.hypot(xx - yy, 2 * xy) / (xx + yy))[10:-10, 10:-10].mean())

    directional = demosaic(BayerImage(noise, "RGGB"))
    assert coherence(directional) < coherence(demosaicing_CFA_Bayer_bilinear(noise, "RGGB"))
    assert directional.std() < noise.std()


@pytest.mark.parametrize("noise", [NoiseModel(0.0, 1e-6), None])
def test_noise_around_black_keeps_its_mean(noise: NoiseModel | None) -> None:
    samples = np.random.default_rng(4).normal(0, 1e-3, (400, 400)).astype(np.float32)
    result = demosaic(BayerImage(samples, "RGGB", noise))
    assert np.abs(result.mean(axis=(0, 1))).max() < 3e-5


def test_noise_of_black_is_found_from_the_samples_below_it() -> None:
    samples = np.random.default_rng(5).normal(0, 2e-3, (200, 200)).astype(np.float32)
    samples[:100] += 0.5
    assert black_noise(BayerImage(samples, "RGGB")) == pytest.approx(2e-3, rel=0.05)
    assert black_noise(BayerImage(samples, "RGGB", NoiseModel(0.0, 9e-6))) == pytest.approx(3e-3)
    assert black_noise(BayerImage(np.abs(samples), "RGGB")) == 0.0


def test_results_do_not_depend_on_the_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    bayer = BayerImage(np.random.default_rng(6).random((500, 700), dtype=np.float32), "RGGB")
    first = demosaic(bayer)
    for cores in (1, 7):
        monkeypatch.setattr("hdrcli.kernels.os.cpu_count", lambda cores=cores: cores)
        np.testing.assert_array_equal(demosaic(bayer), first)


def test_tiles_cover_every_pixel_once_and_begin_at_even_ones() -> None:
    seen = np.zeros((203, 1100), dtype=np.int32)

    def work(rows: slice, columns: slice) -> None:
        assert rows.start % 2 == columns.start % 2 == 0
        seen[rows, columns] += 1

    for_each_tile(work, *seen.shape)
    assert (seen == 1).all()


@pytest.mark.parametrize("method", METHODS)
def test_any_tile_alone_is_that_of_the_whole_picture(method: str) -> None:
    bayer = BayerImage(np.random.default_rng(7).random((101, 120), dtype=np.float32), "GRBG")
    whole, colours = demosaic(bayer, method=method), TileDemosaicker(bayer, method=method)
    for rows in (slice(0, 1), slice(2, 60), slice(98, 101), slice(100, 101)):
        for columns in (slice(0, 3), slice(6, 90), slice(118, 120)):
            np.testing.assert_allclose(colours(rows, columns), whole[rows, columns], rtol=1e-5, atol=1e-7)


def test_samples_of_a_tile_may_be_made_as_they_are_needed() -> None:
    bayer = BayerImage(np.random.default_rng(7).random((60, 80), dtype=np.float32), "RGGB")

    def doubled(bayer: BayerImage, rows: slice, columns: slice) -> FloatArray:
        return np.ascontiguousarray(bayer.data[rows, columns]) * np.float32(2)

    everything = slice(0, 60), slice(0, 80)
    expected = TileDemosaicker(BayerImage(bayer.data * 2, "RGGB"))(*everything)
    np.testing.assert_array_equal(TileDemosaicker(bayer, part=doubled)(*everything), expected)


def test_the_mosaic_is_not_changed() -> None:
    samples = np.random.default_rng(8).random((30, 40), dtype=np.float32)
    before = samples.copy()
    demosaic(BayerImage(samples, "RGGB"), gains=(2, 1, 1.5))
    np.testing.assert_array_equal(samples, before)


def test_memory_beside_the_result_is_small() -> None:
    bayer = BayerImage(np.random.default_rng(9).random((2000, 2000), dtype=np.float32), "RGGB")
    demosaic(bayer)
    tracemalloc.start()
    try:
        result = demosaic(bayer)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * result.nbytes


def test_unknown_methods_and_patterns_are_refused() -> None:
    samples = np.zeros((4, 4), np.float32)
    with pytest.raises(UsageError, match=r"'amaze'; choose from directional"):
        demosaic(BayerImage(samples, "RGGB"), method="amaze")
    with pytest.raises(UsageError, match="no Bayer pattern"):
        demosaic(BayerImage(samples, "RGBG"))


@pytest.mark.parametrize("number", [1, 8, 19])
def test_kodak_pictures_come_out_better_than_by_menon(shared_data: Path, number: int) -> None:
    """On pictures of the benchmark; over all 24 the mean is 40.0 dB in linear light, Menon 2007 has 36.7."""
    path = shared_data / "photos" / "kodak" / f"kodim{number:02d}.webp"
    picture = srgb_decode(np.asarray(Image.open(path).convert("RGB"), dtype=np.float32) / 255)
    samples = mosaic(picture, "RGGB")
    menon = psnr(np.clip(demosaicing_CFA_Bayer_Menon2007(samples, "RGGB"), 0, 1), picture)
    assert psnr(np.clip(demosaic(BayerImage(samples, "RGGB")), 0, 1), picture) > menon + 1
