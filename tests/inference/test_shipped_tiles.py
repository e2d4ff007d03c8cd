"""Shipped networks in tiles: exact with the border that their manifests call exact."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from hdrcli.images import FloatArray
from hdrcli.inference.registry import Model, shipped_models
from hdrcli.inference.session import Session
from hdrcli.inference.tiles import Indices, run_tiled


def run(
    model: Model, picture: Mapping[str, FloatArray], *, tile: tuple[int, int], border: tuple[int, int]
) -> FloatArray:
    """Return all outputs of a model over a picture, by channel."""
    manifest = model.manifest
    height, width = next(iter(picture.values())).shape[1:]
    channels = sum(int(output.shape[1]) for output in manifest.outputs) * len(manifest.graphs)
    result = np.full((channels, height, width), np.nan, np.float32)

    def read(rows: Indices, columns: Indices) -> dict[str, FloatArray]:
        return {name: np.ascontiguousarray(plane[:, rows][:, :, columns]) for name, plane in picture.items()}

    def write(rows: slice, columns: slice, *outputs: FloatArray) -> None:
        result[:, rows, columns] = np.concatenate(outputs)

    session = Session(model, device="cpu")
    run_tiled(
        session.run,
        read,
        write,
        size=(height, width),
        period=manifest.period,
        multiple=manifest.multiple,
        tile=tile,
        border=border,
    )
    return result


@pytest.mark.parametrize("model", shipped_models(), ids=lambda model: model.name)
def test_tiles_with_the_exact_border_equal_the_whole_picture(model: Model) -> None:
    exact = model.manifest.border_exact
    if exact is None:
        pytest.skip("no border is exact for this network")
    steps = model.manifest.multiple
    # Three tiles in each direction, the last one moved back, on a picture whose sides are no multiples of anything.
    height, width = (9 * step + 3 for step in steps)
    rows, columns = (2 * -(-border // step) * step + 4 * step for border, step in zip(exact, steps, strict=True))
    rng = np.random.default_rng(1)
    picture = {
        tensor.name: rng.random((int(tensor.shape[1]), height, width), dtype=np.float32)
        for tensor in model.manifest.inputs
    }
    tiled = run(model, picture, tile=(rows, columns), border=exact)
    whole = run(model, picture, tile=(4096, 4096), border=exact)
    np.testing.assert_allclose(tiled, whole, atol=2e-5)
