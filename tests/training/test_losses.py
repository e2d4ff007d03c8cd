"""The losses agree with published numbers and independent computations, and have finite gradients everywhere."""

from __future__ import annotations

from collections.abc import Callable

import colour
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from hdrcli.training.losses import ciede2000, ciede2000_lab, ms_ssim

Loss = Callable[[Tensor, Tensor], Tensor]

# Sharma, Wu, Dalal, Color Research and Application 30(1), 2005, table 1: L, a, b of both colours, difference.
PUBLISHED = np.array(
    [
        [50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425],
        [50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615],
        [50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412],
        [50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669],
        [50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461],
        [50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065],
        [50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492],
        [50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977],
        [50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030],
        [50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
        [36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def windowed(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted sum of every whole window of (3, H, W)."""
    line = np.exp(-((np.arange(11) - 5) ** 2) / 4.5)
    window = np.outer(line, line) / line.sum() ** 2
    h, w = (length - 10 for length in x.shape[1:])
    return sum(window[i, j] * x[:, i : i + h, j : j + w] for i in range(11) for j in range(11))


def plain_ms_ssim(u: NDArray[np.float64], v: NDArray[np.float64]) -> float:
    """Return the measure of one pair (3, H, W)."""
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    count = max(k for k in range(1, 6) if min(u.shape[1:]) / 2 ** (k - 1) >= 11)
    if count < 5:
        weights = [w / sum(weights[:count]) for w in weights[:count]]
    result = 1.0
    for level, weight in enumerate(weights):
        mu, mv = windowed(u), windowed(v)
        likeness = (2 * (windowed(u * v) - mu * mv) + 9e-4) / (windowed(u * u + v * v) - mu**2 - mv**2 + 9e-4)
        if level == count - 1:
            likeness = likeness * (2 * mu * mv + 1e-4) / (mu**2 + mv**2 + 1e-4)
        result *= max(likeness.mean(), 1e-6) ** weight
        h, w = (length // 2 for length in u.shape[1:])
        u, v = (x[:, : 2 * h, : 2 * w].reshape(3, h, 2, w, 2).mean(axis=(2, 4)) for x in (u, v))
    return result


def gradient(loss: Loss, answer: Tensor, truth: Tensor) -> Tensor:
    answer = answer.clone().requires_grad_()
    with torch.autograd.set_detect_anomaly(True):
        loss(answer, truth).sum().backward()
    assert answer.grad is not None
    return answer.grad


@pytest.mark.parametrize("size", [(11, 11), (43, 60), (44, 71), (175, 176), (176, 177)])
def test_ms_ssim_equals_a_plain_computation(size: tuple[int, int]) -> None:
    truth = noise(2, 3, *size).double()
    truth[1] *= 0.2
    answer = (0.7 * truth + 0.3 * noise(2, 3, *size, seed=1)).clamp(0, 1)
    expected = np.mean([plain_ms_ssim(answer[i].numpy(), truth[i].numpy()) for i in range(2)])
    assert 0.2 < expected < 0.98
    assert float(ms_ssim(answer, truth)) == pytest.approx(expected, abs=1e-10)
    assert float(ms_ssim(answer.float(), truth.float())) == pytest.approx(expected, abs=2e-5)


def test_ms_ssim_of_equal_pictures_is_one() -> None:
    for picture in (noise(2, 3, 180, 176), torch.zeros(1, 3, 40, 50), torch.ones(1, 3, 12, 200)):
        assert float(ms_ssim(picture, picture)) == pytest.approx(1, abs=1e-6)


def test_ms_ssim_of_opposite_pictures_is_small_and_has_a_finite_gradient() -> None:
    picture = noise(1, 3, 64, 64)
    assert 0 < float(ms_ssim(1 - picture, picture)) < 1e-3
    assert gradient(ms_ssim, 1 - picture, picture).isfinite().all()


def test_ms_ssim_rises_along_its_gradient() -> None:
    truth = noise(1, 3, 48, 48)
    answer = 0.5 * truth + 0.5 * noise(1, 3, 48, 48, seed=1)
    slope = gradient(ms_ssim, answer, truth)
    rise = float(ms_ssim(answer.double() + 1e-4 * slope, truth) - ms_ssim(answer.double(), truth))
    assert rise == pytest.approx(1e-4 * float(slope.square().sum()), rel=1e-2)
    assert rise > 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_ciede2000_gives_the_published_differences(dtype: torch.dtype) -> None:
    first, second = (torch.tensor(PUBLISHED[:, k : k + 3], dtype=dtype) for k in (0, 3))
    for one, other in ((first, second), (second, first)):
        np.testing.assert_allclose(ciede2000_lab(one, other).numpy(), PUBLISHED[:, 6], rtol=0, atol=2e-4)


def test_ciede2000_of_linear_srgb_is_that_of_colour_science() -> None:
    answer, truth = noise(5, 3, 30, 20), noise(5, 3, 30, 20, seed=1) ** 3
    answer[1] = (truth[1] * 1.05).clamp(0, 1)
    # Dark, on the straight part of the curve; greys beside colours; black and white.
    answer[2:4] *= torch.tensor([1e-3, 1.0])[:, None, None, None]
    truth[3] = truth[3, :1]
    truth[4, :, :15], truth[4, :, 15:] = 0, 1
    space = colour.RGB_COLOURSPACES["sRGB"]
    matrix = colour.normalised_primary_matrix(space.primaries, space.whitepoint)
    expected = colour.delta_E(
        *(
            colour.XYZ_to_Lab(np.moveaxis(x.double().numpy(), 1, -1) @ matrix.T, space.whitepoint)
            for x in (answer, truth)
        ),
        method="CIE 2000",
    )
    np.testing.assert_allclose(ciede2000(answer.double(), truth.double()).numpy(), expected, rtol=1e-4, atol=2e-3)
    np.testing.assert_allclose(ciede2000(answer, truth).numpy(), expected, rtol=1e-3, atol=2e-3)


def test_ciede2000_clips_to_white_and_black() -> None:
    answer = torch.tensor([-0.5, 0.3, 7.0]).reshape(1, 3, 1, 1)
    truth = torch.full((1, 3, 1, 1), 0.4)
    assert torch.equal(ciede2000(answer, truth), ciede2000(answer.clamp(0, 1), truth))
    slope = gradient(ciede2000, answer, truth).flatten()
    assert (slope != 0).tolist() == [False, True, False]


def test_ciede2000_has_finite_gradients_for_greys_black_white_and_equal_colours() -> None:
    colours = torch.tensor(
        [[0, 0, 0], [1, 1, 1], [0.5, 0.5, 0.5], [1e-6, 1e-6, 1e-6], [0.5, 0.5001, 0.5], [0, 0, 1], [0.2, 0.6, 0.1]]
    )
    pairs = torch.cartesian_prod(torch.arange(len(colours)), torch.arange(len(colours)))
    answer, truth = (colours[which][:, :, None, None] for which in pairs.T)
    slope = gradient(ciede2000, answer, truth)
    assert slope.isfinite().all()
    assert slope.abs().amax() < 1e4
    equal = pairs[:, 0] == pairs[:, 1]
    assert slope[equal].abs().amax() < 1e-3
    assert (slope[~equal].abs().amax(dim=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize(("chroma", "pulled"), [(0.3, False), (3.0, True)])
def test_hues_pull_at_colours_and_not_at_greys(chroma: float, pulled: bool) -> None:
    answer, truth = torch.tensor([[50.0, chroma, 0.0]]), torch.tensor([[50.0, 0.0, 3.0]])
    slope = gradient(ciede2000_lab, answer, truth)[0]
    assert slope[1] != 0
    assert bool(slope[2] != 0) is pulled


def test_ciede2000_falls_against_its_gradient() -> None:
    answer, truth = noise(1, 3, 20, 20), noise(1, 3, 20, 20, seed=1)
    before = float(ciede2000(answer, truth).mean())
    for _ in range(60):
        answer = answer.requires_grad_()
        (slope,) = torch.autograd.grad(ciede2000(answer, truth).sum(), answer)
        answer = (answer - 1e-3 * slope).detach().clamp(0, 1)
    assert float(ciede2000(answer, truth).mean()) < before / 4


@pytest.mark.parametrize("loss", [ms_ssim, ciede2000])
def test_under_autocast_losses_compute_in_float32(loss: Loss) -> None:
    answer, truth = noise(1, 3, 40, 40), noise(1, 3, 40, 40, seed=1)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = loss(answer, truth)
    assert mixed.dtype == torch.float32
    assert torch.equal(mixed, loss(answer, truth))
    assert loss(answer.bfloat16(), truth).dtype == torch.float32


@pytest.mark.parametrize("loss", [ms_ssim, ciede2000, ciede2000_lab])
@pytest.mark.parametrize("shapes", [((1, 3, 20, 20), (2, 3, 20, 20)), ((1, 4, 20, 20), (1, 4, 20, 20))])
def test_other_shapes_are_refused(loss: Loss, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="one shape, three long"):
        loss(*(noise(*shape) for shape in shapes))


@pytest.mark.parametrize("shape", [(1, 3, 10, 200), (3, 3, 40)])
def test_ms_ssim_refuses_pictures_smaller_than_its_window(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="at least 11 pixels"):
        ms_ssim(noise(*shape), noise(*shape))
