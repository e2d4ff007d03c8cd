"""Batches follow from the seed and the step, hold what networks see and should answer, and losses weigh them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hdrcli.dualiso.planes import compress, expand, own_colours
from hdrcli.errors import UnsuitableInputError, UsageError
from hdrcli.training.chunks import photograph_regions
from hdrcli.training.degrade import own_samples
from hdrcli.training.dual_iso import LOSSES, DualIsoExposuresTask, DualIsoOptions, DualIsoTask
from hdrcli.training.networks import build_network
from hdrcli.training.regions import random_region, relighting, stretched, with_lamps
from hdrcli.training.shards import Picture

SMALL: dict[str, Any] = {"crop": 32, "batch": 2, "region": 64, "regions": 3, "steps_per_chunk": 4}
CPU = torch.device("cpu")


@pytest.fixture
def task(pictures: list[Picture]) -> Iterator[DualIsoTask]:
    task = DualIsoTask(pictures, options=DualIsoOptions(**SMALL), seed=3, device=CPU)
    yield task
    task.close()


class Shift(nn.Module):
    """Answers with the classical estimate plus a constant."""

    def __init__(self, shift: float) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.tensor(shift))

    def forward(self, planes: Tensor) -> Tensor:
        return planes[:, 1:4] + self.shift


def test_a_batch_follows_from_seed_and_step_alone(pictures: list[Picture], task: DualIsoTask) -> None:
    again = DualIsoTask(pictures, options=DualIsoOptions(**SMALL), seed=3, device=CPU, workers=2)
    other = DualIsoTask(pictures, options=DualIsoOptions(**SMALL), seed=4, device=CPU)
    for step in (9, 2):
        one, same, different = (t.batch(step) for t in (task, again, other))
        assert all(torch.equal(one[name], same[name]) for name in one)
        assert not torch.equal(one["planes"], different["planes"])
    again.close()
    other.close()


def test_a_batch_has_planes_truth_and_weights(task: DualIsoTask) -> None:
    batch = task.batch(0)
    assert {name: tuple(value.shape) for name, value in batch.items()} == {
        "planes": (2, 6, 32, 32),
        "truth": (2, 3, 32, 32),
        "weight": (2, 4, 32, 32),
    }
    assert all(torch.isfinite(value).all() for value in batch.values())
    assert set(np.unique(batch["weight"][:, :3].numpy())) <= {np.float32(0.1), np.float32(1)}


def test_the_truth_is_what_the_estimate_tends_to(pictures: list[Picture]) -> None:
    chunk = photograph_regions(pictures * 4, np.random.default_rng(1), side=64, augment=False)
    error = (chunk.planes[:, 1:4] - chunk.truth)[chunk.weight[:, :3] == 1]
    assert float(error.abs().median()) < 0.03
    for light, truth, balance in zip(chunk.light, chunk.truth.numpy(), chunk.balances, strict=True):
        np.testing.assert_allclose(truth, compress(np.minimum(light, 1) * balance[:, None, None]), atol=1e-6)


def test_the_sample_plane_is_the_estimate_plus_noise_where_nothing_clips(pictures: list[Picture]) -> None:
    chunk = photograph_regions(pictures, np.random.default_rng(2), side=64, augment=False)
    for planes, frame, balance in zip(chunk.planes.numpy(), chunk.frames, chunk.balances, strict=True):
        factors = own_colours(np.broadcast_to(balance[:, None, None], (3, 64, 64)))
        np.testing.assert_allclose(planes[0], compress(factors * frame.data), atol=1e-6)


def test_crops_begin_at_the_phase_of_the_cell(task: DualIsoTask) -> None:
    task.batch(0)
    chunk = task._chunks[0]
    # Rows of the noise plane tell the class: photographs have less read noise in the high rows.
    for planes in task.batch(1)["planes"]:
        found = [
            (y, x)
            for region in chunk.planes
            for y in range(33)
            for x in range(33)
            if torch.equal(region[0, y, x : x + 32], planes[0, 0])
            and torch.equal(region[:, y : y + 32, x : x + 32], planes)
        ]
        assert found
        assert all(y % 4 == 0 and x % 2 == 0 for y, x in found)


def test_without_noise_inputs_their_plane_is_zero(pictures: list[Picture]) -> None:
    for wanted in (True, False):
        task = DualIsoTask(pictures, options=DualIsoOptions(**SMALL, noise_inputs=wanted), seed=3, device=CPU)
        assert bool(task.batch(0)["planes"][:, 5].any()) is wanted
        task.close()


def test_pictures_of_validated_places_are_not_trained_on() -> None:
    places = ["hall-a_0", "hall-b_0", "road_0", "wood_0", "lake_0", "barn-1_0", "barn-2_0", "mill_0", "tower_0"]
    pictures = [Picture(name, "scene", np.ones((64, 64, 3), np.float16)) for name in places]
    task = DualIsoTask(pictures, options=DualIsoOptions(**SMALL), seed=1, device=CPU)
    assert [p.name for p in task.validation] == ["barn-1_0"]
    assert {p.name for p in task.training} == set(places) - {"barn-1_0", "barn-2_0"}
    task.close()


def test_there_has_to_be_something_to_train_on() -> None:
    with pytest.raises(UnsuitableInputError, match="no pictures"):
        DualIsoTask([], options=DualIsoOptions(), seed=1, device=CPU)


@pytest.mark.parametrize("loss", LOSSES)
def test_losses_are_least_for_the_truth_and_have_gradients(pictures: list[Picture], loss: str) -> None:
    task = DualIsoTask(pictures, options=DualIsoOptions(**SMALL, loss=loss), seed=3, device=CPU)
    batch = task.batch(0)
    batch["planes"][:, 1:4] = batch["truth"]
    right, near, far = (Shift(shift) for shift in (0.0, 0.01, 0.1))
    losses = [float(task.loss(network, batch).detach()) for network in (right, near, far)]
    assert 0 == losses[0] < losses[1] < losses[2]
    task.loss(far, batch).backward()  # type: ignore[no-untyped-call]
    assert far.shift.grad is not None
    assert far.shift.grad > 0
    task.close()


def test_the_linear_loss_is_the_squared_error_of_light(pictures: list[Picture]) -> None:
    task = DualIsoTask(pictures, options=DualIsoOptions(**SMALL, loss="linear"), seed=3, device=CPU)
    batch = task.batch(0)
    light, truth = (expand(batch[name].numpy()) for name in ("planes", "truth"))
    weight = batch["weight"][:, :3].numpy()
    expected = 1000 * np.mean(weight * (light[:, 1:4] - truth) ** 2)
    assert float(task.loss(Shift(0.0), batch).detach()) == pytest.approx(expected, rel=1e-3)
    task.close()


def test_validation_measures_the_network(task: DualIsoTask) -> None:
    baseline = task.baseline()
    assert task.validate(Shift(0.0)) == pytest.approx(baseline)
    assert set(baseline) == {"mosaic", "colours"}
    assert task.validate(Shift(0.05))["mosaic"] < baseline["mosaic"]


def test_the_pair_is_trained_up_to_the_clip_of_each_exposure(pictures: list[Picture]) -> None:
    task = DualIsoExposuresTask(pictures, options=DualIsoOptions(**SMALL), seed=3, device=CPU)
    network = build_network("dualisonet-dsc")
    assert set(task.validate(network)) == {"mosaic"}

    class Off(nn.Module):
        """Answers the truth, the high exposure wrong where it clips."""

        def forward(self, mosaic: Tensor, estimate: Tensor) -> tuple[Tensor, Tensor]:
            truth = own_samples(batch["truth"])
            return truth, truth + 0.5 * (1 - batch["weight"][:, 3:])

    batch = task.batch(1)
    assert float(task.loss(Off(), batch)) == 0
    task.close()


def test_own_samples_are_those_of_the_mosaic() -> None:
    colours = torch.rand(2, 3, 8, 6)
    np.testing.assert_array_equal(own_samples(colours)[:, 0].numpy(), own_colours(colours.numpy()))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"loss": "l3"}, "no loss 'l3'"),
        ({"crop": 40}, "multiples of 16 rows and 8 columns"),
        ({"crop": 64, "region": 48}, "too small"),
        ({"batch": 0}, "batch is at least 1"),
        ({"denoise": 2.0}, "denoise is between"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        DualIsoOptions(**wrong).check((16, 8))


@pytest.mark.parametrize("augment", [False, True])
def test_regions_are_linear_light_of_the_size_asked_for(pictures: list[Picture], augment: bool) -> None:
    for i, picture in enumerate(pictures * 5):
        region, brightness = random_region(picture, 48, np.random.default_rng(i), augment=augment)
        assert region.shape == (48, 48, 3)
        assert region.dtype == np.float32
        assert region.min() >= 0
        assert brightness > 0


def test_photographs_become_linear_and_their_lights_brighter() -> None:
    codes = np.broadcast_to(np.array([0, 64, 128, 192, 255], np.uint8)[:, None, None], (5, 40, 3))
    light = stretched(codes, np.random.default_rng(0)).mean(axis=(1, 2))
    assert np.all(np.diff(light) > 0)
    assert light[0] < 1e-3
    assert light[2] <= 0.22
    assert light[4] > 0.95


def test_relighting_is_smooth_and_lamps_are_bright() -> None:
    factor = relighting(64, np.random.default_rng(1))
    assert factor.shape == (64, 64, 1)
    assert np.abs(np.diff(np.log2(factor[:, :, 0]), axis=0)).max() < 0.5
    region = np.full((64, 64, 3), 0.1, np.float32)
    lit = with_lamps(region, np.random.default_rng(1))
    assert lit.max() > 0.19
    assert np.count_nonzero(lit != region) < lit.size / 2
