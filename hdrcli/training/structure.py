"""What a network costs and how far it sees, found by running it."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from math import ceil

import numpy as np
import torch
from torch import Tensor, nn

Feed = Callable[[Tensor], Sequence[Tensor]]
"""Makes a network's inputs of one tensor (N, C, H, W)."""

BORDER_ERROR = 2e-4
"""Difference of a tile from the whole picture, in compressed units, that at most one value in a thousand exceeds: a
fiftieth of the noise of an ordinary sample, and a twentieth of a code of an 8-bit display of such values."""

_PERCENTILE = 99.9
_PROBE_CELLS = 16


def multiply_accumulates(network: nn.Module, inputs: Sequence[Tensor]) -> int:
    """Return the multiplications of the convolutions and linear layers of a network, for all of the inputs."""
    total = 0

    def count(module: nn.Module, _: object, output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += output.numel() * module.weight[0].numel()
        elif isinstance(module, nn.ConvTranspose2d | nn.Linear | nn.Conv1d | nn.Conv3d):
            raise NotImplementedError(f"multiplications of {type(module).__name__} are not counted")

    hooks = [module.register_forward_hook(count) for module in network.modules()]
    try:
        with torch.no_grad():
            network(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return total


def reach(network: nn.Module, feed: Feed, *, channels: int, multiple: tuple[int, int]) -> tuple[int, int]:
    """Return by how many rows and columns an output can lie away from a cell of the input and still depend on it.

    A cell of `multiple` that holds no numbers makes all that depends on it no number, whatever the weights are. Tiles
    that begin at multiples and have a border of the reach equal the whole picture but for rounding.

    Parameters
    ----------
    network : Module
    feed : callable
    channels : int
        C of what it takes.
    multiple : tuple of 2 int
        What heights and widths of the inputs must be divisible by.
    """
    # In double precision convolutions are plain sums; faster algorithms let what is no number spill over.
    probe = copy.deepcopy(network).double().cpu()
    rows, columns = multiple
    return (
        _reach(probe, feed, (channels, *multiple), axis=0, other=columns),
        _reach(probe, feed, (channels, *multiple), axis=1, other=rows),
    )


def measure_border(
    network: nn.Module,
    feed: Feed,
    planes: Tensor,
    *,
    multiple: tuple[int, int],
    tile: tuple[int, int],
    limit: float = BORDER_ERROR,
) -> tuple[tuple[int, int], float]:
    """Return the narrowest border of tiles with which they are as good as the whole picture.

    Parameters
    ----------
    network : Module
    feed : callable
    planes : Tensor (N, C, H, W)
        Of pictures with much texture, larger than a tile by the network's reach on all sides.
    multiple : tuple of 2 int
        The border comes in these steps.
    tile : tuple of 2 int
    limit : float
        What 99.9 % of the differences have to stay under.

    Returns
    -------
    border : tuple of 2 int
        Rows and columns; at most what leaves one `multiple` inside the tile.
    error : float
        The 99.9th percentile of the differences with it.
    """
    tile_rows, tile_columns = (length // step * step for length, step in zip(tile, multiple, strict=True))
    height, width = planes.shape[2:]
    y = (height - tile_rows) // 2 // multiple[0] * multiple[0]
    x = (width - tile_columns) // 2 // multiple[1] * multiple[1]
    window = np.s_[..., y : y + tile_rows, x : x + tile_columns]
    with torch.no_grad():
        whole, part = (_outputs(network(*feed(some))) for some in (planes, planes[window]))
    error = (part - whole[window]).abs().numpy()

    def percentile(rows: int, columns: int) -> float:
        return float(np.percentile(error[..., rows : tile_rows - rows, columns : tile_columns - columns], _PERCENTILE))

    most = [(length - 1) // 2 // step for length, step in zip((tile_rows, tile_columns), multiple, strict=True)]
    # One axis at a time, far from the edges along the other; then both together.
    rows = _first(range(most[0]), lambda n: percentile(n * multiple[0], most[1] * multiple[1] // 2) < limit)
    columns = _first(range(most[1]), lambda n: percentile(most[0] * multiple[0] // 2, n * multiple[1]) < limit)
    while percentile(rows * multiple[0], columns * multiple[1]) >= limit and (rows < most[0] or columns < most[1]):
        rows, columns = min(rows + 1, most[0]), min(columns + 1, most[1])
    border = rows * multiple[0], columns * multiple[1]
    return border, percentile(*border)


def _reach(probe: nn.Module, feed: Feed, cell: tuple[int, int, int], *, axis: int, other: int) -> int:
    """Return the reach along one axis, on a picture that is as long as it takes and narrow across."""
    channels, step = cell[0], cell[1 + axis]
    cells = _PROBE_CELLS
    while True:
        length, first = 2 * cells * step, cells * step
        shape = (1, channels, length, other) if axis == 0 else (1, channels, other, length)
        planes = torch.zeros(shape, dtype=torch.float64)
        planes.narrow(2 + axis, first, step).fill_(torch.nan)
        with torch.no_grad():
            answer = _outputs(probe(*feed(planes)))
        reached = torch.isnan(answer).any(dim=3 - axis).any(dim=1)[0].nonzero()
        before, after = first - int(reached.min()), int(reached.max()) + 1 - first - step
        if before < first and after < length - first - step:
            return max(before, after)
        cells *= 2


def _outputs(answer: Tensor | Sequence[Tensor]) -> Tensor:
    """Return all outputs of a network along the channels."""
    return answer if isinstance(answer, Tensor) else torch.cat(list(answer), dim=1)


def _first(numbers: range, is_enough: Callable[[int], bool]) -> int:
    return next((number for number in numbers if is_enough(number)), numbers.stop)


def per_pixel(total: int, *, pixels: int) -> int:
    """Return a total per pixel, rounded up."""
    return ceil(total / pixels)
