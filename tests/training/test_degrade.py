"""What torch photographs has the mean, the variance and the clipping of what `hdrcli.sensor` photographs."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from hdrcli.images import FloatArray
from hdrcli.sensor.cameras import cameras, find_camera
from hdrcli.sensor.capture import CaptureSettings, capture, daylight_neutral
from hdrcli.training.degrade import capture_batch, photograph, random_photograph

# From below the read noise to beyond the clip of the low rows, with two levels beside that of the high rows.
LEVELS = (0.0, 1e-5, 1e-4, 1e-3, 0.01, 0.04, 0.055, 0.06, 0.07, 0.3, 0.9, 0.99, 1.02, 1.4, 3.0)
HEIGHT, PATCH = 256, 64
PAIRS = (("Canon EOS 5D Mark III", (100.0, 1600.0)), ("Canon EOS 550D", (200.0, 800.0)))


class Both(NamedTuple):
    """Samples (H, W) of the same scene, in units of the low clip, and the true camera RGB (H, W, 3)."""

    numpy: FloatArray
    torch: FloatArray
    true_numpy: FloatArray
    true_torch: FloatArray
    clip_high: float


def ladder() -> FloatArray:
    """Return a scene of flat patches side by side, slightly coloured."""
    levels = np.repeat(np.array(LEVELS, np.float32), PATCH)
    return np.ascontiguousarray(
        np.broadcast_to(levels[None, :, None] * np.array([1.1, 1, 0.9], np.float32), (HEIGHT, levels.size, 3))
    )


def photographed(name: str, iso: tuple[float, float], *, row_noise: float = 0.0, seed: int = 1) -> Both:
    camera = find_camera(name)
    neutral = daylight_neutral(camera)
    settings = CaptureSettings(iso=iso, row_pattern="HHLL", cfa="RGGB", blur_px=0, row_noise=row_noise, exposure=0.97)
    taken = capture(ladder(), camera, settings, np.random.default_rng(seed))
    counts = taken.raw.counts.astype(np.float32) - np.float32(camera.black)
    high = np.arange(HEIGHT) % 4 < 2
    counts[~high] /= camera.white(iso[0]) - camera.black
    counts[high] /= (camera.white(iso[0]) - camera.black) * taken.gain
    exposed = photograph(camera, iso, neutral=neutral, exposure=settings.exposure, row_noise=row_noise)
    scenes = torch.from_numpy(ladder()).permute(2, 0, 1)[None].contiguous()
    samples, truth = capture_batch(scenes, [exposed], torch.Generator().manual_seed(seed))
    return Both(counts, samples[0].numpy(), taken.truth, truth[0].permute(1, 2, 0).numpy(), 1 / exposed.high.factor)


def patches(samples: FloatArray) -> NDArray[np.float32]:
    """Return samples by class (high, low), level and place in the Bayer cell: (2, levels, 4, n)."""
    cells = samples.reshape(HEIGHT // 4, 2, 2, len(LEVELS), PATCH // 2, 2)
    return cells.transpose(1, 3, 2, 5, 0, 4).reshape(2, len(LEVELS), 4, -1)


@pytest.mark.parametrize(("name", "iso"), PAIRS)
def test_the_truth_is_the_same(name: str, iso: tuple[float, float]) -> None:
    both = photographed(name, iso)
    np.testing.assert_allclose(both.true_torch, both.true_numpy, rtol=2e-6, atol=1e-9)


@pytest.mark.parametrize(("name", "iso"), PAIRS)
def test_mean_and_variance_are_the_same_in_both_row_classes(name: str, iso: tuple[float, float]) -> None:
    both = photographed(name, iso)
    one, other = (patches(samples).astype(np.float64) for samples in (both.numpy, both.torch))
    n = one.shape[-1]
    means, variances = ([x.mean(axis=-1) for x in (one, other)], [x.var(axis=-1) for x in (one, other)])
    # Where all samples clip there is no variance, and the means are the clip.
    clipped = variances[0] + variances[1] == 0
    assert 8 <= np.count_nonzero(clipped) < clipped.size / 2
    np.testing.assert_allclose(means[0][clipped], means[1][clipped], rtol=1e-6)
    noisy = ~clipped
    standard = np.sqrt((variances[0] + variances[1]) / n)[noisy]
    assert np.abs((means[0] - means[1])[noisy] / standard).max() < 4
    # The fourth moment says how far two estimates of a variance may lie apart, whatever the distribution.
    fourth = [((x - m[..., None]) ** 4).mean(axis=-1) for x, m in zip((one, other), means, strict=True)]
    spread = np.sqrt(sum(f - v**2 for f, v in zip(fourth, variances, strict=True)) / n)[noisy]
    assert np.abs((variances[0] - variances[1])[noisy] / spread).max() < 4.5


@pytest.mark.parametrize(("name", "iso"), PAIRS)
def test_as_many_samples_clip_and_at_the_same_level(name: str, iso: tuple[float, float]) -> None:
    both = photographed(name, iso)
    clips = np.array([both.clip_high, 1.0])[:, None, None, None] * (1 - 1e-5)
    one, other = (patches(samples) for samples in (both.numpy, both.torch))
    shares = [(x >= clips).mean(axis=-1) for x in (one, other)]
    assert {0.0, 1.0} <= set(np.unique(shares[0]).tolist())
    mean = (shares[0] + shares[1]) / 2
    spread = np.sqrt(2 * mean * (1 - mean) / one.shape[-1])
    assert np.all(np.abs(shares[0] - shares[1]) <= 4 * spread)
    for k in range(2):
        assert one[k].max() == pytest.approx(other[k].max(), rel=1e-6)


def test_rows_share_an_offset_of_the_same_size() -> None:
    camera, iso = next(camera for camera in cameras().values() if camera.row_sigma_by_iso), (100.0, 1600.0)
    both = photographed(camera.name, iso, row_noise=20.0)
    gain = iso[1] / iso[0]
    for first, value, scale in ((0, iso[1], gain), (2, iso[0], 1.0)):
        expected = 20.0 * camera.row_sigma(value) / (camera.white(iso[0]) - camera.black) / scale
        for samples in (both.numpy, both.torch):
            dark = np.concatenate([samples[row::4, : 2 * PATCH] for row in (first, first + 1)])
            alone = dark.std(axis=1).mean() / np.sqrt(dark.shape[1])
            assert expected > 3 * alone
            assert dark.mean(axis=1).std() == pytest.approx(np.hypot(expected, alone), rel=0.25)


def test_a_batch_holds_one_photograph_each() -> None:
    camera = find_camera(PAIRS[0][0])
    neutral = daylight_neutral(camera)
    taken = [photograph(camera, (100.0, 1600.0), neutral=neutral, exposure=exposure) for exposure in (1.0, 0.25)]
    scene = torch.full((2, 3, 8, 8), 0.5)
    samples, truth = capture_batch(scene, taken, torch.Generator().manual_seed(0))
    torch.testing.assert_close(truth[1] * 4, truth[0])
    assert float(samples[0, 2::4].mean() / samples[1, 2::4].mean()) == pytest.approx(4, rel=0.1)


def test_the_generator_alone_decides() -> None:
    camera = find_camera(PAIRS[0][0])
    taken = photograph(camera, (100.0, 1600.0), neutral=daylight_neutral(camera), exposure=1.0)
    scene = torch.full((1, 3, 16, 16), 0.01)
    one, again, other = (capture_batch(scene, [taken], torch.Generator().manual_seed(s))[0] for s in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_an_error_of_the_black_level_shifts_all_samples() -> None:
    camera = find_camera(PAIRS[0][0])
    right = photograph(camera, (100.0, 1600.0), neutral=daylight_neutral(camera), exposure=1.0)
    wrong = replace(right, low=replace(right.low, black_error=5.0))
    scene = torch.full((1, 3, 16, 64), 0.05)
    one, other = (capture_batch(scene, [taken], torch.Generator().manual_seed(1))[0] for taken in (right, wrong))
    shift = (other - one)[:, 2::4] * right.low.span
    assert float(shift.mean()) == pytest.approx(5.0, abs=0.05)
    assert torch.equal(one[:, 0::4], other[:, 0::4])


def test_random_photographs_are_between_calibrated_cameras() -> None:
    rng = np.random.default_rng(4)
    taken = [random_photograph(2.0, rng) for _ in range(200)]
    ratios = np.array([p.high.factor * p.high.span / p.low.span for p in taken])
    assert ratios.min() < 2.5
    assert ratios.max() > 50
    whites = np.array([(p.matrix @ np.full(3, 2.0)).max() for p in taken])
    assert 2**-4.1 < whites.min() < whites.max() < 2**0.3
    assert all(p.low.noise.read > 0 and p.high.noise.read > 0 and p.low.row_sigma >= 0 for p in taken)
    sixteen = [random_photograph(1.0, rng, one_ratio=True) for _ in range(20)]
    assert np.allclose([p.high.factor * p.high.span / p.low.span for p in sixteen], 16, rtol=0.05)
