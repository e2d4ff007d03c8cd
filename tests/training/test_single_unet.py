"""The network for one picture: what it is before training, what it can answer, and what the command computes of it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from hdrcli.expand import features, learned
from hdrcli.expand.features import BLACK_STOPS, KNOTS, LEAST_LEFT, LEVELS, PLANES, STATISTICS, WHITE, to_stops
from hdrcli.sensor.curves import random_curve
from hdrcli.training.networks import build_network, parameter_count
from hdrcli.training.networks.single_unet import COLOURS, SingleUNet, clipping, curved, light_stops

TINY = {"widths": [8, 8, 8, 8], "vector": [8]}


def random_network(deviation: float = 0.15) -> SingleUNet:
    """Return a small network with random weights, as it is used."""
    torch.manual_seed(3)
    network = SingleUNet(**TINY).eval()
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, deviation)
    return network.requires_grad_(False)


def inputs(number: int = 2, size: tuple[int, int] = (24, 32), seed: int = 1) -> tuple[Tensor, ...]:
    """Return codes, expansion, planes and levels."""
    generator = torch.Generator().manual_seed(seed)
    codes = torch.rand(number, 3, *size, generator=generator)
    codes[..., : size[1] // 4] = 1
    planes = torch.rand(number, len(PLANES), 16, 24, generator=generator) * 2 - 1
    levels = torch.randn(number, len(STATISTICS), LEVELS, generator=generator)
    return codes, 2 * (codes > 0.9), planes, levels


def test_untrained_it_answers_with_the_classical_expansion_on_a_usual_curve() -> None:
    network = SingleUNet(**TINY).eval()
    codes, raised, planes, levels = inputs()
    curve, maps = network(planes, levels)
    assert not maps.any()
    assert torch.equal(curve[0], curve[1])
    torch.testing.assert_close(light_stops(codes, raised, curve, maps), curved(codes, curve) + raised)
    rng = np.random.default_rng(9)
    knots = np.linspace(0, 1, KNOTS, dtype=np.float32)
    usual = np.mean([to_stops(random_curve(rng).decode(knots)) for _ in range(300)], axis=0)
    np.testing.assert_allclose(curve[0].detach().numpy(), usual, atol=0.3)


@pytest.mark.parametrize(("deviation", "step"), [(0.05, 1e-4), (0.3, 1e-6), (1.0, 0.0)])
@pytest.mark.parametrize("train", [False, True])
def test_the_curve_rises_from_black_to_white_whatever_the_weights(deviation: float, step: float, train: bool) -> None:
    network = random_network(deviation).train(train)
    _, _, planes, levels = inputs(6)
    for scale in (0, 1, 10):
        for curve in (network(planes, scale * levels)[0], network.curve_of_levels(levels)):
            assert curve.shape == (6, KNOTS)
            assert curve.diff(dim=1).min() >= step, "weights of 1 make steps too small for float32"
            assert torch.all(curve[:, 0] == -BLACK_STOPS)
            torch.testing.assert_close(curve[:, -1], torch.zeros(6), rtol=0, atol=1e-5)


def test_random_weights_answer_with_curves_and_maps_of_each_picture() -> None:
    network = random_network()
    _, _, planes, levels = inputs()
    curve, maps = network(planes, levels)
    assert maps.shape == (2, COLOURS, 16, 24)
    assert (curve[0] - curve[1]).abs().max() > 0.01
    assert (maps[0] - maps[1]).abs().max() > 0.01
    alone = network(planes[1:], levels[1:])
    for one, together in zip(alone, (curve[1:], maps[1:]), strict=True):
        torch.testing.assert_close(one, together, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("size", [(8, 128), (128, 8), (96, 128), (8, 8)])
def test_surroundings_take_planes_of_any_shape(size: tuple[int, int]) -> None:
    curve, maps = random_network()(torch.rand(1, len(PLANES), *size), torch.rand(1, 7, LEVELS))
    assert (curve.shape, maps.shape) == ((1, KNOTS), (1, COLOURS, *size))
    assert torch.isfinite(maps).all()


def conv(inputs: int, outputs: int, side: int) -> int:
    return inputs * outputs * side * side + outputs


def counted_parameters(widths: list[int], vector: int) -> int:
    """Return the number of weights, counted by hand."""
    pairs = list(pairwise(widths))
    blocks = sum(2 * conv(width, width, 3) for width in [*widths, *widths[:-1]])
    known = conv(7 * 24, vector, 1) + 2 * conv(vector, vector, 1) + conv(2 * widths[-1], vector, 1)
    resampling = sum(conv(a, b, 2) + conv(b, a, 1) for a, b in pairs)
    ends = conv(11, widths[0], 3) + conv(widths[0], 3, 3) + conv(vector, 32, 1) + conv(vector, widths[-1], 1)
    return blocks + known + resampling + ends


@pytest.mark.parametrize("config", [TINY, {"widths": [8, 16, 24, 32], "vector": [20]}, {}])
def test_the_network_has_the_size_that_its_layers_add_up_to(config: dict[str, list[int]]) -> None:
    network = build_network("single-unet", config)
    assert isinstance(network, SingleUNet)
    assert parameter_count(network) == counted_parameters(network.config["widths"], network.config["vector"][0])


def test_the_default_network_has_a_million_weights() -> None:
    assert parameter_count(SingleUNet()) == 1_027_171


def test_light_is_that_of_curve_expansion_and_maps() -> None:
    codes, raised, planes, levels = inputs()
    curve, maps = random_network()(planes, levels)
    light = light_stops(codes, raised, curve, maps)
    enlarged = functional.interpolate(maps, size=(24, 32), mode="bilinear")
    white, middle = codes >= WHITE[1], codes <= WHITE[0]
    classical = curved(codes, curve) + raised
    torch.testing.assert_close(light[middle], classical[middle])
    left = torch.maximum(raised + enlarged, LEAST_LEFT * raised)
    torch.testing.assert_close(light[white], (curved(codes, curve) + left)[white])
    assert float((light - classical)[white].min()) < 0 < float((light - classical)[white].max())
    torch.testing.assert_close(light_stops(codes, raised, curve), classical)
    least = classical - (1 - LEAST_LEFT) * raised
    torch.testing.assert_close(light_stops(codes, raised, curve, maps - 99)[white], least[white])


def test_the_command_computes_curve_clipping_and_maps_as_torch_does() -> None:
    codes, _, planes, levels = inputs(1, (40, 56))
    codes[0, :, 0] = torch.linspace(0, 1, 56)
    curve, maps = random_network()(planes, levels)
    picture = codes[0].numpy()
    np.testing.assert_allclose(learned.curved(picture, curve[0].numpy()), curved(codes, curve)[0].numpy(), atol=4e-6)
    np.testing.assert_allclose(features.clipping(picture, between=WHITE), clipping(codes)[0].numpy(), atol=1e-5)
    for size in ((40, 56), (501, 330), (9, 100), (4000, 24)):
        rows, columns = (np.arange(length) for length in size)
        whole = functional.interpolate(maps, size=size, mode="bilinear", align_corners=False)[0].numpy()
        np.testing.assert_allclose(learned.enlarge(maps[0].numpy(), rows, columns, size=size), whole, atol=1e-4)


def test_gradients_reach_curve_and_maps_at_once() -> None:
    network = SingleUNet(**TINY)
    codes, raised, planes, levels = inputs()
    light_stops(codes, raised, *network(planes, levels)).square().mean().backward()
    for last in (network.curve, network.tail):
        assert last.weight.grad is not None
        assert last.weight.grad.abs().sum() > 0


def test_noise_is_added_in_training_alone() -> None:
    network = random_network()
    _, _, planes, levels = inputs()
    assert all(torch.equal(one, other) for one, other in zip(*(network(planes, levels) for _ in range(2)), strict=True))
    network.train()
    assert not torch.equal(network(planes, levels)[1], network(planes, levels)[1])
