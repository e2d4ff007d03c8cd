"""What networks cost and see is found by running them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from hdrcli.training.forms import form_of
from hdrcli.training.networks import build_network
from hdrcli.training.structure import measure_border, multiply_accumulates, reach


def first_plane(planes: Tensor) -> Sequence[Tensor]:
    return (planes[:, :1],)


def convolutions(*radii: int, weight: float = 1.0) -> nn.Module:
    """Return box filters one after the other, each a mean times a weight."""
    layers = []
    for radius in radii:
        layer = nn.Conv2d(1, 1, 2 * radius + 1, padding=radius, bias=False)
        nn.init.constant_(layer.weight, weight / (2 * radius + 1) ** 2)
        layers.append(layer)
    return nn.Sequential(*layers).requires_grad_(False)


def test_multiplications_are_those_of_the_convolutions() -> None:
    network = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Conv2d(3, 4, 2, stride=2, groups=1))
    assert multiply_accumulates(network, [torch.zeros(5, 2, 8, 6)]) == 5 * (48 * 3 * 2 * 9 + 12 * 4 * 3 * 4)


def test_grouped_convolutions_multiply_less() -> None:
    assert multiply_accumulates(nn.Conv2d(4, 4, 3, padding=1, groups=4), [torch.zeros(1, 4, 8, 8)]) == 64 * 4 * 9


@pytest.mark.parametrize(("multiple", "expected"), [((1, 1), (6, 6)), ((4, 2), (6, 6))])
def test_reach_of_plain_convolutions_is_the_sum_of_their_radii(
    multiple: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert reach(convolutions(1, 3, 2), first_plane, channels=6, multiple=multiple) == expected


def test_reach_of_the_published_network_is_69() -> None:
    form = form_of("dualisonet-dsc")
    assert reach(build_network("dualisonet-dsc"), form.feed, channels=6, multiple=form.multiple) == (69, 69)


def test_reach_of_the_unet_is_twice_as_far_along_columns_of_the_cell() -> None:
    form = form_of("dualiso-unet")
    network = build_network("dualiso-unet", {"widths": [4, 4, 4], "blocks": [1, 0, 1, 0, 0]})
    rows, columns = reach(network, form.feed, channels=6, multiple=form.multiple)
    # Packed: 1 + 2 at full size, 2 at a quarter (8 of full size) with up to 3 of its own cell, 1 in the tail.
    assert rows == 2 * columns
    assert 4 * (1 + 2 + 8 + 1) <= rows <= 4 * (1 + 2 + 8 + 3 + 1)


def test_tiles_with_the_reach_as_border_equal_the_whole() -> None:
    torch.manual_seed(3)
    form = form_of("dualiso-unet")
    network = build_network("dualiso-unet", {"widths": [4, 4, 4], "blocks": [1, 0, 1, 0, 0]})
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, 0.2)
    rows, columns = reach(network, form.feed, channels=6, multiple=form.multiple)
    planes = torch.rand(1, 6, 256, 128)
    with torch.no_grad():
        whole, tile = network(planes), network(planes[..., 64:192, 32:96])
    inside = (slice(None), slice(None), slice(rows, 128 - rows), slice(columns, 64 - columns))
    torch.testing.assert_close(tile[inside], whole[..., 64:192, 32:96][inside], rtol=0, atol=1e-5)
    assert (tile - whole[..., 64:192, 32:96]).abs().max() > 1e-3


def test_the_border_is_as_wide_as_the_limit_asks() -> None:
    planes = torch.rand(1, 6, 96, 96) + 1
    network = convolutions(2, 2, 2)
    wide, error = measure_border(network, first_plane, planes, multiple=(2, 2), tile=(64, 64), limit=1e-6)
    assert wide == (6, 6)
    assert error < 1e-6
    narrow, error = measure_border(network, first_plane, planes, multiple=(2, 2), tile=(64, 64), limit=0.5)
    assert narrow[0] < 6
    assert 1e-6 < error < 0.5


def test_a_network_that_needs_no_neighbours_needs_no_border() -> None:
    border, error = measure_border(
        convolutions(0), first_plane, torch.rand(1, 6, 64, 64), multiple=(4, 2), tile=(32, 32)
    )
    assert (border, error) == ((0, 0), 0.0)


def test_the_border_ends_where_the_tile_does() -> None:
    border, error = measure_border(
        convolutions(20), first_plane, torch.rand(1, 6, 96, 96) + 1, multiple=(4, 4), tile=(32, 32), limit=1e-9
    )
    assert border == (12, 12)
    assert error > 1e-9
