"""The two-stage network has the layers that the paper counts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hdrcli.training.networks import parameter_count
from hdrcli.training.networks.two_stage import DenseBlock, SpatialAttention, Stage, TwoStageNet
from hdrcli.training.structure import multiply_accumulates, reach


@pytest.fixture(scope="module")
def network() -> TwoStageNet:
    torch.manual_seed(1)
    return TwoStageNet()


def test_both_stages_have_the_published_size(network: TwoStageNet) -> None:
    assert [parameter_count(stage) for stage in (network.first, network.second)] == [555_655, 278_821]
    parts = (nn.Conv2d(3, 64, 3), DenseBlock(64, 32, 0.2), SpatialAttention(64), network.first.tail)
    assert [parameter_count(part) for part in parts] == [1_792, 239_808, 37_026, 195]


def test_both_stages_cost_what_their_layers_add_up_to(network: TwoStageNet) -> None:
    picture = [torch.zeros(1, 3, 8, 8)]
    costs = [multiply_accumulates(stage, picture) for stage in (network.first, network.second)]
    assert [cost / 64 for cost in costs] == [555_076, 278_498]


def test_half_the_width_has_the_size_that_its_layers_add_up_to() -> None:
    half = TwoStageNet(width=32, growth=16)
    assert [parameter_count(stage) for stage in (half.first, half.second)] == [139_687, 70_341]


@pytest.mark.parametrize(("part", "half_width"), [("first", 11), ("second", 6), ("", 17)])
def test_an_output_depends_on_as_many_pixels_around_it_as_stated(part: str, half_width: int) -> None:
    # Narrow, for speed: the reach is that of the kernels and does not depend on the width.
    network = TwoStageNet(width=4, growth=2)
    whole = network.get_submodule(part) if part else nn.Sequential(network.first, network.second)
    assert reach(whole, lambda codes: (codes,), channels=3, multiple=(1, 1)) == (half_width, half_width)


def test_tiles_with_a_border_of_the_reach_equal_the_whole_picture() -> None:
    torch.manual_seed(2)
    network = TwoStageNet(width=16, growth=8).double()
    picture = torch.rand(1, 3, 48, 80, dtype=torch.float64)
    with torch.no_grad():
        whole = network(picture)[1]
        exact, short = (network(picture[..., 32 - border : 64])[1][..., border:] for border in (17, 8))
    torch.testing.assert_close(exact[..., :15], whole[..., 32:47], rtol=0, atol=1e-12)
    assert (short - whole[..., 32:64])[..., :15].abs().max() > 1e-9


def test_without_weights_the_network_returns_its_input(network: TwoStageNet) -> None:
    network = TwoStageNet(width=4, growth=2)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    picture = torch.rand(2, 3, 9, 11)
    for result in network(picture):
        torch.testing.assert_close(result, picture)


def test_the_stages_share_no_gradients() -> None:
    network = TwoStageNet(width=4, growth=2)
    network(torch.rand(1, 3, 16, 16))[1].mean().backward()
    assert all(parameter.grad is None for parameter in network.first.parameters())
    assert all(parameter.grad is not None for parameter in network.second.parameters())


def written_out(stage: Stage, x: Tensor, share: float) -> Tensor:
    """Return what a stage does, as the formulas say it."""

    def conv(layer: nn.Module, value: Tensor) -> Tensor:
        side = layer.weight.shape[-1] // 2  # type: ignore[union-attr,operator,index]
        return nn.functional.conv2d(value, layer.weight, layer.bias, padding=side)  # type: ignore[arg-type]

    f = conv(stage.head, x)
    for block in stage.blocks:
        d, s = block.dense, block.attention
        a = torch.relu(conv(d.inner[0], f))  # type: ignore[index,union-attr]
        b = torch.relu(conv(d.inner[1], torch.cat([f, a], 1)))  # type: ignore[index,union-attr]
        c = torch.relu(conv(d.inner[2], torch.cat([f, a, b], 1)))  # type: ignore[index,union-attr]
        e = torch.relu(conv(d.inner[3], torch.cat([f, a, b, c], 1)))  # type: ignore[index,union-attr]
        dense = f + share * conv(d.last, torch.cat([f, a, b, c, e], 1))  # type: ignore[arg-type,union-attr]
        map_ = torch.cat([f.mean(1, keepdim=True), f.amax(1, keepdim=True)], 1)
        f = (0.8 * dense + f) + torch.sigmoid(conv(s.weight, map_)) * conv(s.content, f)  # type: ignore[arg-type,union-attr]
    return torch.relu(conv(stage.tail, f) + x)


def test_the_stages_do_what_the_formulas_say(network: TwoStageNet) -> None:
    picture = torch.rand(1, 3, 12, 16)
    with torch.no_grad():
        stage1 = written_out(network.first, picture, 0.2)
        hdr = written_out(network.second, stage1, 0.5)
        for result, expected in zip(network(picture), (stage1, hdr), strict=True):
            torch.testing.assert_close(result, expected, rtol=1e-5, atol=1e-5)
