"""The two-stage network is trained on crops of views, towards what its paper says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hdrcli.errors import UsageError
from hdrcli.expand.features import from_stops
from hdrcli.expand.learned import ENCODING
from hdrcli.training import single, two_stage
from hdrcli.training.networks import two_stage as network_module
from hdrcli.training.networks.two_stage import TwoStageNet
from hdrcli.training.shards import Picture
from hdrcli.training.single_metrics import COLUMNS
from hdrcli.training.two_stage import LOSSES, TwoStageOptions, TwoStageTask

SMALL: dict[str, Any] = {"batch": 3, "height": 48, "width": 64, "views": 3, "steps_per_chunk": 4, "crop": 32}
CPU = torch.device("cpu")


@pytest.fixture
def task(pictures: list[Picture], monkeypatch: pytest.MonkeyPatch) -> Iterator[TwoStageTask]:
    monkeypatch.setattr(single, "_VALIDATION_ROUNDS", 1)
    monkeypatch.setattr(two_stage, "_VALIDATE_EVERY", 2)
    task = TwoStageTask(pictures, options=TwoStageOptions(**SMALL), seed=3, device=CPU)
    yield task
    task.close()


class Answers(nn.Module):
    """Answers with the same two pictures, the second times a factor that is learned."""

    def __init__(self, first: Tensor, second: Tensor) -> None:
        super().__init__()
        self.first, self.second = first, second
        self.factor = nn.Parameter(torch.tensor(1.0))

    def forward(self, ldr: Tensor) -> tuple[Tensor, Tensor]:
        return self.first, self.factor * self.second


def wanted(batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Return what both stages should answer."""
    light = torch.from_numpy(from_stops(batch["truth"].numpy())).clamp(max=32)
    encoded = light ** (1 / 2.24)
    return (255 * encoded.clamp(max=1)).round() / 255, encoded


def test_a_batch_follows_from_seed_and_step_alone(pictures: list[Picture], task: TwoStageTask) -> None:
    again = TwoStageTask(pictures, options=TwoStageOptions(**SMALL), seed=3, device=CPU, workers=2)
    for step in (6, 1):
        one, same = task.batch(step), again.batch(step)
        assert {name: tuple(part.shape) for name, part in one.items()} == {
            "codes": (3, 3, 32, 32),
            "truth": (3, 3, 32, 32),
            "lit": (3,),
        }
        assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(task.batch(1)["codes"], task.batch(2)["codes"])
    again.close()


def test_crops_are_parts_of_views_the_same_of_codes_and_truth(task: TwoStageTask) -> None:
    places = set()
    for step in range(4):
        batch = task.batch(step)
        whole = task._chunks[0].taken(range(3))
        for codes, truth in zip(batch["codes"], batch["truth"], strict=True):
            found = [
                (i, y, x)
                for i in range(3)
                for y in range(48 - 32 + 1)
                for x in range(64 - 32 + 1)
                if torch.equal(whole["codes"][i, :, y : y + 32, x : x + 32], codes)
                and torch.equal(whole["truth"][i, :, y : y + 32, x : x + 32], truth)
            ]
            assert len(found) == 1
            places.update(found)
    assert len(places) > 8
    assert max(y for _, y, _ in places) > 12
    assert max(x for _, _, x in places) > 24


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_is_nothing_for_the_truth_and_grows_with_the_error(task: TwoStageTask, loss: str) -> None:
    task = TwoStageTask(task.training, options=TwoStageOptions(**SMALL, loss=loss), seed=3, device=CPU)
    batch = task.batch(0)
    first, second = wanted(batch)
    right, dark, dim, blurred = (
        float(task.loss(Answers(a, b), batch).detach())
        for a, b in ((first, second), (first, 0.8 * second), (first, 0.95 * second), (first.mean() + 0 * first, second))
    )
    assert right == pytest.approx(0, abs=2e-4)
    assert right < dim < dark
    assert blurred > right + 0.05
    network = Answers(first, 0.9 * second)
    task.loss(network, batch).backward()  # type: ignore[no-untyped-call]
    assert network.factor.grad is not None
    assert network.factor.grad < 0
    task.close()


def test_the_paper_adds_likeness_and_colour_to_l1(task: TwoStageTask) -> None:
    batch = task.batch(0) | {"lit": torch.ones(3)}
    first, second = wanted(batch)
    tinted = second * torch.tensor([1.05, 1.0, 0.95])[:, None, None]
    losses = {}
    for loss in LOSSES:
        other = TwoStageTask(task.training, options=TwoStageOptions(**SMALL, loss=loss), seed=3, device=CPU)
        losses[loss] = [
            float(other.loss(Answers(a, b), batch).detach())
            for a, b in ((first, tinted), (first.roll(3, dims=3), second))
        ]
        other.close()
    assert losses["l1"][0] == pytest.approx(float((tinted - second).abs().mean()), rel=1e-4)
    assert losses["paper"][0] > losses["l1"][0] + 1 / 255
    assert losses["paper"][1] > losses["l1"][1] + 0.05


@pytest.mark.parametrize("loss", LOSSES)
def test_light_above_the_clip_counts_only_where_it_is_known(task: TwoStageTask, loss: str) -> None:
    task = TwoStageTask(task.training, options=TwoStageOptions(**SMALL, loss=loss), seed=3, device=CPU)
    batch = task.batch(0) | {"lit": torch.tensor([0.0, 1.0, 0.0])}
    batch["truth"][:, :, :16] = -2.0
    batch["truth"][:, 1, :8] = 1.5  # one channel is enough
    first, second = wanted(batch)
    right = float(task.loss(Answers(first, second), batch).detach())
    for view, lit in enumerate((False, True, False)):
        for rows, counts in ((slice(0, 8), lit), (slice(8, 16), True)):
            wrong = second.clone()
            wrong[view, :, rows] *= 0.8
            assert (float(task.loss(Answers(first, wrong), batch).detach()) != right) == counts
    task.close()


@pytest.mark.parametrize("loss", LOSSES)
def test_black_and_wild_answers_have_gradients_that_are_numbers(task: TwoStageTask, loss: str) -> None:
    task = TwoStageTask(task.training, options=TwoStageOptions(**SMALL, loss=loss), seed=3, device=CPU)
    batch = task.batch(0)
    for answer in (0.0, 1.0, 1e4):
        x = torch.full((3, 3, 32, 32), answer, requires_grad=True)
        task.loss(Answers(x, x), batch).backward()  # type: ignore[no-untyped-call]
        assert x.grad is not None
        assert torch.isfinite(x.grad).all()
    task.close()


def test_one_step_trains_both_stages(task: TwoStageTask) -> None:
    network = TwoStageNet(width=4, growth=2)
    task.loss(network, task.batch(0)).backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is not None for parameter in network.parameters())
    for stage in (network.first, network.second):
        assert any(
            float(parameter.grad.abs().sum()) > 0 for parameter in stage.parameters() if parameter.grad is not None
        )


def test_validation_measures_the_second_answer_on_some_views_every_time_the_same(task: TwoStageTask) -> None:
    views = task._validation_views()
    truth = from_stops(views.truth.float().numpy()) ** np.float32(1 / ENCODING)

    class Knows(nn.Module):
        def forward(self, ldr: Tensor) -> tuple[Tensor, Tensor]:
            (i,) = [k for k in range(len(truth)) if torch.equal(ldr[0], views.taken([k])["codes"][0])]
            asked.append(i)
            return ldr, torch.from_numpy(truth[i : i + 1])

    asked: list[int] = []
    found = task.validate(Knows())
    assert asked == [0, 2]
    assert tuple(found) == COLUMNS
    assert found["mu"] > 55
    assert found["unclipped"] < 0.01
    network = TwoStageNet(width=4, growth=2)
    assert task.validate(network) == task.validate(network)
    assert set(task.baseline()) == set(COLUMNS)
    assert task.baseline()["unclipped"] > found["unclipped"]


def test_inference_undoes_the_encoding_that_is_trained() -> None:
    assert ENCODING == network_module.ENCODING


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"crop": 31}, "crop is between 32 and 256, not 31"),
        ({"crop": 300}, "crop is between 32 and 256, not 300"),
        ({"height": 40, "crop": 48}, "crop is between 32 and 40, not 48"),
        ({"loss": "l2"}, "no loss 'l2'; choose from paper, l1"),
        ({"part": "curve"}, "no part 'curve' of them"),
        ({"part": "sky"}, "no part 'sky'"),
        ({"batch": 0}, "batch is at least 1, not 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        TwoStageOptions(**wrong).check((1, 1))


def test_a_batch_of_one_is_enough() -> None:
    TwoStageOptions(batch=1, height=50, width=60, crop=50).check((1, 1))
