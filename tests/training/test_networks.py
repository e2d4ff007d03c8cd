"""The networks have the layers that their papers and descriptions say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from hdrcli.errors import ModelError, UsageError
from hdrcli.training.networks import NETWORKS, build_network, network_config, parameter_count
from hdrcli.training.networks.dualisonet import CORRECTION_SCALE, DualIsoNet, DualIsoNetPair
from hdrcli.training.networks.packing import pack, unpack
from hdrcli.training.structure import multiply_accumulates


def test_each_network_of_the_pair_has_the_published_size() -> None:
    pair = DualIsoNetPair()
    assert [parameter_count(network) for network in (pair.low, pair.high)] == [194_817, 194_817]
    assert multiply_accumulates(pair.low, [torch.zeros(1, 1, 136, 136)]) == 3_590_295_552


def test_the_published_additions_are_counted_too() -> None:
    # 7,193,630,784 operations: two for each multiplication, and one for the bias of each of 705 channels and pixels.
    network = DualIsoNet()
    channels = sum(m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d))
    assert 2 * 3_590_295_552 + channels * 136 * 136 == 7_193_630_784


def test_long_skips_add_the_input_of_the_mirrored_block() -> None:
    network = DualIsoNet()
    steps = [2.0**k for k in range(10)]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.head.bias.fill_(1000.0)  # type: ignore[union-attr]
        for block, step in zip(network.blocks, steps, strict=True):
            block.second.bias.fill_(step)  # type: ignore[union-attr,operator]
    seen: list[Tensor] = []
    network.tail_inner.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(torch.zeros(1, 1, 8, 8))
    # Block k adds its step to what comes in; blocks 6 to 10 add what went into blocks 5 to 1 as well.
    inputs = [1000.0 + sum(steps[:k]) for k in range(5)]
    assert torch.all(seen[0] == 1000.0 + sum(steps) + sum(inputs))


def test_the_pair_corrects_the_estimate() -> None:
    pair = DualIsoNetPair()
    mosaic, estimate = torch.rand(2, 1, 1, 16, 16)
    assert all(torch.equal(exposure, estimate) for exposure in pair(mosaic, estimate)), "before training"
    with torch.no_grad():
        for network in (pair.low, pair.high):
            network.tail.weight.normal_()  # type: ignore[union-attr,operator]
    low, high = pair(mosaic, estimate)
    torch.testing.assert_close(low, estimate + CORRECTION_SCALE * pair.low(mosaic))
    torch.testing.assert_close(high, estimate + CORRECTION_SCALE * pair.high(mosaic))
    assert not torch.equal(low, high)


def test_the_last_layer_of_the_pair_may_answer_below_zero() -> None:
    network = DualIsoNet()
    with torch.no_grad():
        network.tail.bias.fill_(-5.0)  # type: ignore[union-attr]
        assert network(torch.zeros(1, 1, 8, 8)).max() < -4


def unet_parameters(features: int, widths: tuple[int, int, int], blocks: tuple[int, ...]) -> int:
    """Return the number of weights of the U-Net, counted by hand."""
    full, half, quarter = widths

    def conv(inputs: int, outputs: int, side: int) -> int:
        return inputs * outputs * side * side + outputs

    residual = sum(
        number * 2 * conv(width, width, 3)
        for number, width in zip(blocks, (full, half, quarter, half, full), strict=True)
    )
    resampling = conv(full, half, 2) + conv(half, quarter, 2) + conv(quarter, 4 * half, 1) + conv(half, 4 * full, 1)
    return conv(features, full, 3) + residual + resampling + conv(full, 24, 3)


@pytest.mark.parametrize(
    ("widths", "blocks"),
    [((64, 96, 128), (2, 2, 2, 1, 3)), ((8, 8, 8), (1, 1, 1, 1, 1)), ((8, 16, 24), (0, 1, 2, 0, 1))],
)
def test_the_unet_has_the_size_that_its_layers_add_up_to(widths: tuple[int, int, int], blocks: tuple[int, ...]) -> None:
    network = build_network("dualiso-unet", {"widths": list(widths), "blocks": list(blocks)})
    features = network.head.in_channels  # type: ignore[union-attr]
    assert parameter_count(network) == unet_parameters(features, widths, blocks)  # type: ignore[arg-type]


def test_the_default_unet_costs_a_fifth_of_the_published_pair() -> None:
    network = build_network("dualiso-unet")
    assert parameter_count(network) == 1_648_312
    per_pixel = multiply_accumulates(network, [torch.zeros(1, 6, 32, 32)]) / 32**2
    assert per_pixel == 73_800
    assert per_pixel < 0.2 * 2 * 194_112


def test_untrained_unet_returns_the_classical_estimate() -> None:
    planes = torch.rand(2, 6, 32, 16)
    torch.testing.assert_close(build_network("dualiso-unet")(planes), planes[:, 1:4])


def test_the_unet_sees_only_its_own_batch_item() -> None:
    torch.manual_seed(0)
    network = build_network("dualiso-unet", {"widths": [8, 8, 8], "blocks": [1, 1, 1, 1, 1]})
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, 0.1)
    planes = torch.rand(3, 6, 32, 16)
    together = network(planes)
    torch.testing.assert_close(together[1:2], network(planes[1:2]), rtol=1e-5, atol=1e-6)


def test_packing_puts_each_place_of_the_cell_into_a_channel_of_its_own() -> None:
    x = torch.arange(2 * 3 * 8 * 4).reshape(2, 3, 8, 4)
    packed = pack(x)
    assert packed.shape == (2, 24, 2, 2)
    for channel in range(3):
        for row in range(4):
            for column in range(2):
                place = packed[:, 8 * channel + 2 * row + column]
                assert torch.equal(place, x[:, channel, row::4, column::2])


def test_unpacking_undoes_packing() -> None:
    x = torch.rand(2, 5, 16, 6)
    assert torch.equal(unpack(pack(x)), x)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_built_again_from_their_config(name: str) -> None:
    network = build_network(name)
    again = build_network(name, network_config(network))
    again.load_state_dict(network.state_dict())


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(UsageError, match="no network 'resnet'"):
        build_network("resnet")
    with pytest.raises(UsageError, match="cannot be built"):
        build_network("dualiso-unet", {"widths": [8, 8]})
    with pytest.raises(ModelError, match="skip = A"):
        build_network("dualisonet-dsc", {"skip": "A"})


def test_unpacking_two_rows_is_the_pixel_shuffle() -> None:
    x = torch.rand(2, 12, 5, 3)
    assert torch.equal(unpack(x, rows=2), torch.nn.functional.pixel_shuffle(x, 2))
