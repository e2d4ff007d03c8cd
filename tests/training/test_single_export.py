"""Exported networks for one picture: what the command computes with them is what torch computes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from hdrcli.errors import UsageError
from hdrcli.expand.features import (
    KNOTS,
    PLANES,
    STATISTICS,
    context,
    expansion,
    from_stops,
    smoothed,
    srgb_light,
    to_stops,
)
from hdrcli.expand.learned import ENCODING, curved, expand_learned
from hdrcli.images import FloatArray
from hdrcli.inference.check import check_model
from hdrcli.inference.registry import Model
from hdrcli.inference.session import Session
from hdrcli.training.export import ExportSettings, export, model_weights
from hdrcli.training.fit import State
from hdrcli.training.networks import network_config, parameter_count
from hdrcli.training.networks.single_unet import SingleUNet, light_stops
from hdrcli.training.networks.two_stage import TwoStageNet
from hdrcli.training.samples import sample_codes, seen_of_codes

SIZES = [(96, 130), (130, 96), (40, 700), (9, 9), (1, 30)]


def random_network(kind: type[nn.Module], deviation: float, **config: Any) -> Any:
    """Return a network with random weights, and with statistics as if it had been trained."""
    torch.manual_seed(7)
    network = kind(**config)
    for parameter in network.parameters():
        nn.init.normal_(parameter, 0, deviation)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean.normal_(1, 0.3)
            module.running_var.uniform_(0.05, 0.5)
    return network.eval().requires_grad_(False)


def exported(folder: Path, name: str, network: nn.Module, settings: ExportSettings) -> Model:
    state = State.fresh(network, learning_rate=1e-3)
    facts: Mapping[str, Any] = {"network": name, "config": network_config(network)}
    state.save(folder / f"{name}.pt", **facts)
    return export(folder / f"{name}.pt", folder / name, settings)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("single")


@pytest.fixture(scope="module")
def single_unet() -> SingleUNet:
    network: SingleUNet = random_network(SingleUNet, 0.1, widths=[8, 8, 8, 8], vector=[8])
    return network


@pytest.fixture(scope="module")
def single_model(folder: Path, single_unet: SingleUNet) -> Model:
    return exported(folder, "single-unet", single_unet, ExportSettings(default=True))


@pytest.fixture(scope="module")
def two_stage() -> TwoStageNet:
    network: TwoStageNet = random_network(TwoStageNet, 0.05, width=8, growth=4)
    return network


@pytest.fixture(scope="module")
def two_stage_model(folder: Path, two_stage: TwoStageNet) -> Model:
    return exported(folder, "two-stage", two_stage, ExportSettings(tile=(64, 64)))


def photograph(shape: tuple[int, int]) -> FloatArray:
    """Return codes with texture at every level; some are clipped."""
    rng = np.random.default_rng(2)
    y, x = np.mgrid[: shape[0], : shape[1]]
    level = 0.6 + 0.5 * np.sin(x / 9) * np.cos(y / 11) + rng.normal(0, 0.03, shape)
    codes = 255 * np.clip(level[..., None] * [1, 0.9, 0.8], 0, 1)
    return codes.astype(np.uint8) * np.float32(1 / 255)


def planes_first(picture: FloatArray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]


@pytest.mark.parametrize("size", SIZES)
def test_the_command_computes_the_light_that_torch_computes(
    size: tuple[int, int], single_unet: SingleUNet, single_model: Model
) -> None:
    codes = photograph(size)
    around = context(codes)
    curve, maps = single_unet(torch.from_numpy(around.planes)[None], torch.from_numpy(around.levels)[None])
    assert float(maps.abs().max()) > 0.1
    stops = light_stops(planes_first(codes), planes_first(expansion(codes)), curve, maps)[0].numpy().transpose(1, 2, 0)
    smooth = smoothed(codes)  # the command alone keeps the curve from making hills of JPEG noise
    knots = curve[0].numpy()
    stops += to_stops(srgb_light(codes)) - curved(codes, knots) + curved(smooth, knots) - to_stops(srgb_light(smooth))
    light = expand_learned(codes, Session(single_model, device="cpu", threads=1))
    np.testing.assert_allclose(light, from_stops(stops), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("size", [(40, 70), (70, 40), (9, 9), (1, 30)])
def test_tiles_with_the_exact_border_are_the_whole_picture_of_torch(
    size: tuple[int, int], two_stage: TwoStageNet, two_stage_model: Model
) -> None:
    codes = photograph(size)
    margin = 20  # the picture goes on mirrored for the network, and with zeros for torch
    mirrored = np.pad(codes, ((margin, margin), (margin, margin), (0, 0)), "symmetric")
    encoded = two_stage(planes_first(mirrored))[1][0].numpy()[:, margin:-margin, margin:-margin]
    session = Session(two_stage_model, device="cpu", threads=1)
    assert two_stage_model.manifest.border_exact == (17, 17)
    for tile in (50, 66, 1000):
        light = expand_learned(codes, session, tile=tile, border=17)
        np.testing.assert_allclose(light.transpose(2, 0, 1), encoded**ENCODING, rtol=1e-3, atol=1e-6)


def test_the_manifest_of_a_network_that_sees_the_whole_picture_has_no_tiles(
    single_unet: SingleUNet, single_model: Model
) -> None:
    manifest = single_model.manifest
    assert (manifest.task, manifest.default_for, manifest.period, manifest.multiple) == (
        "single",
        "single",
        (1, 1),
        (8, 8),
    )
    assert (manifest.border, manifest.border_exact) == ((0, 0), None)
    assert manifest.parameters == parameter_count(single_unet)
    assert dict(manifest.config) == {"network": "single-unet", "widths": [8, 8, 8, 8], "vector": [8]}
    planes, levels = manifest.inputs
    assert (planes.shape, planes.channels) == (("n", 11, "h", "w"), PLANES)
    assert (levels.shape, levels.channels) == (("n", 7, 24), STATISTICS)
    curve, maps = manifest.outputs
    assert (curve.shape, curve.range) == (("n", KNOTS), (-10, 0))
    assert maps.shape == ("n", 3, "h", "w")
    assert manifest.macs_per_pixel > 1000


def test_the_manifest_of_the_published_network_has_the_border_that_serves(two_stage_model: Model) -> None:
    manifest = two_stage_model.manifest
    assert (manifest.task, manifest.tile, manifest.multiple) == ("single", (64, 64), (1, 1))
    assert 0 < manifest.border[0] <= 17
    assert [(tensor.name, tensor.shape) for tensor in (*manifest.inputs, *manifest.outputs)] == [
        ("ldr", ("n", 3, "h", "w")),
        ("hdr", ("n", 3, "h", "w")),
    ]
    assert "CVPR" in manifest.paper


def test_checks_pass(single_model: Model, two_stage_model: Model) -> None:
    assert check_model(single_model) < 1e-4
    assert check_model(two_stage_model) < 1e-4


def test_several_pictures_are_answered_as_each_alone(single_model: Model) -> None:
    planes, levels = seen_of_codes(sample_codes(48, 64, seed=3))
    session = Session(single_model, device="cpu", threads=1)
    together = session.run({"planes": planes.numpy(), "levels": levels.numpy()})
    for i in range(2):
        alone = session.run({"planes": planes[i : i + 1].numpy(), "levels": levels[i : i + 1].numpy()})
        for one, whole in zip(alone, together, strict=True):
            np.testing.assert_allclose(one[0], whole[i], atol=1e-4)


@pytest.mark.parametrize("name", ["single", "two_stage"])
def test_weights_come_back_from_the_graphs_by_name(request: pytest.FixtureRequest, name: str) -> None:
    network = request.getfixturevalue("single_unet" if name == "single" else name)
    weights = model_weights(request.getfixturevalue(f"{name}_model"))
    for key, value in network.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            assert torch.equal(weights[key], value), key


@pytest.mark.parametrize("change", [{"tile": (64, 64)}, {"border": (8, 8)}])
def test_tiles_of_a_network_that_has_none_are_refused(
    folder: Path, single_model: Model, change: dict[str, tuple[int, int]]
) -> None:
    with pytest.raises(UsageError, match="sees a picture as a whole"):
        export(folder / "single-unet.pt", folder / "refused", ExportSettings(**change))


def test_samples_are_seeded_codes_with_texture_and_what_is_seen_of_them() -> None:
    one, again, other = (sample_codes(40, 56, seed) for seed in (1, 1, 2))
    assert one.shape == (2, 3, 40, 56)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert 0 <= float(one.min()) < float(one.max()) <= 1
    assert float(one.std()) > 0.05
    planes, levels = seen_of_codes(one)
    around = context(np.ascontiguousarray(one[1].permute(1, 2, 0).numpy()))
    np.testing.assert_array_equal(planes[1].numpy(), around.planes)
    np.testing.assert_array_equal(levels[1].numpy(), around.levels)
