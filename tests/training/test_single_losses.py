"""The loss for one picture is what the tables measure, differentiable."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from hdrcli.expand.features import from_stops, to_stops
from hdrcli.training.single_losses import Weights, picture_loss
from hdrcli.training.single_metrics import figures

NOTHING = {"unclipped": 0.0, "clipped": 0.0, "decibels": 0.0, "level": 0.0}


def pictures(seed: int = 1, *, number: int = 1, gain: float = 0.8) -> tuple[Tensor, Tensor]:
    """Return stops over the floor of answers and of the truth, which lies well above the floor."""
    rng = np.random.default_rng(seed)
    truth = rng.lognormal(-1.5, 1.3, (number, 3, 40, 48)).astype(np.float32) + np.float32(0.02)
    # A wrong curve and lost highlights, as networks have them.
    answer = gain * truth**0.9 * np.exp2(rng.normal(0, 0.2, truth.shape)) / (1 + 0.1 * np.maximum(truth - 1, 0))
    return torch.from_numpy(to_stops(answer.astype(np.float32))), torch.from_numpy(to_stops(truth))


def loss_of(answer: Tensor, truth: Tensor, *, lit: float = 1.0, **weights: float) -> Tensor:
    """Return the loss of pictures, with these weights alone."""
    light = from_stops(truth.numpy())
    percentile = torch.tensor([np.percentile(one, 99) for one in light], dtype=torch.float32)
    return picture_loss(
        answer,
        truth,
        percentile=percentile,
        lit=torch.full((len(truth),), lit),
        weights=Weights(**{**NOTHING, **weights}),
    )


def measured(answer: Tensor, truth: Tensor) -> dict[str, float]:
    light, true = (np.ascontiguousarray(from_stops(x[0].numpy()).transpose(1, 2, 0)) for x in (answer, truth))
    return figures(light, true)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("column", ["unclipped", "clipped"])
def test_errors_in_stops_are_those_of_the_tables(seed: int, column: str) -> None:
    answer, truth = pictures(seed)
    assert float(loss_of(answer, truth, **{column: 1})) == pytest.approx(measured(answer, truth)[column], rel=0.01)


@pytest.mark.parametrize("seed", range(4))
def test_decibels_are_those_of_the_tables(seed: int) -> None:
    answer, truth = pictures(seed)
    table = measured(answer, truth)
    decibels = 10 / math.log(10) * float(loss_of(answer, truth, decibels=1))
    assert decibels == pytest.approx(-table["mu"] - table["pu21"], abs=0.2)


def test_the_level_is_the_gain_that_is_missing() -> None:
    _, truth = pictures()
    assert float(loss_of(truth - 1.5, truth, level=1)) == pytest.approx(1.5, abs=1e-5)
    assert float(loss_of(truth + 1.5, truth, level=2)) == pytest.approx(3, abs=1e-5)


@pytest.mark.parametrize("gain", [0.25, 0.7, 3.0])
def test_a_gain_of_the_whole_picture_does_not_count_but_as_level(gain: float) -> None:
    # But for the floor, under which more of a darker picture lies.
    one, truth = pictures()
    other, _ = pictures(gain=0.8 * gain)
    for part in ("unclipped", "clipped", "decibels"):
        assert float(loss_of(other, truth, **{part: 1})) == pytest.approx(
            float(loss_of(one, truth, **{part: 1})), rel=0.04
        )


def test_each_part_grows_with_the_error_and_is_least_for_the_truth() -> None:
    answer, truth = pictures()
    for part in NOTHING:
        losses = [float(loss_of(truth + share * (answer - truth), truth, **{part: 1})) for share in (0, 0.1, 0.5, 1)]
        assert losses == sorted(losses)
        assert losses[0] < losses[-1] - 0.05


def test_without_a_truth_above_the_clip_only_unclipped_pixels_count() -> None:
    answer, truth = pictures()
    clipped = (truth.amax(dim=1, keepdim=True) >= 0).expand_as(truth)
    assert 0.1 < float(clipped.float().mean()) < 0.6
    invented = torch.where(clipped, answer + 4, answer)
    parts = {"unclipped": 4.0, "clipped": 0.6, "decibels": 0.25, "level": 0.1}
    assert torch.equal(loss_of(answer, truth, lit=0, **parts), loss_of(invented, truth, lit=0, **parts))
    assert float(loss_of(answer, truth, **parts)) < float(loss_of(invented, truth, **parts)) - 0.5
    wanting = answer.clone().requires_grad_()
    loss_of(wanting, truth, lit=0, **parts).backward()  # type: ignore[no-untyped-call]
    assert wanting.grad is not None
    assert not wanting.grad[clipped].any()
    assert wanting.grad[~clipped].abs().min() > 0


def test_pictures_count_each_for_itself() -> None:
    answer, truth = pictures(number=3)
    parts = {"unclipped": 4.0, "clipped": 0.6, "decibels": 0.25, "level": 0.1}
    alone = [float(loss_of(answer[i : i + 1], truth[i : i + 1], **parts)) for i in range(3)]
    assert float(loss_of(answer, truth, **parts)) == pytest.approx(np.mean(alone), rel=1e-5)


@pytest.mark.parametrize(
    ("light", "answered"),
    [(0.0, 0.3), (0.0, 0.0), (0.2, 0.2), (3.0, 0.5), (1.0, 1.0), (2.0**12, 2.0**13), (1e-7, 2.0)],
)
def test_loss_and_gradient_are_numbers_for_pictures_of_one_value(light: float, answered: float) -> None:
    # Black, wholly clipped and perfectly answered pictures, some of which have none of one kind of pixels.
    truth, answer = (torch.from_numpy(to_stops(np.full((2, 3, 8, 8), x, np.float32))) for x in (light, answered))
    answer.requires_grad_()
    loss = picture_loss(
        answer,
        truth,
        percentile=torch.full((2,), light),
        lit=torch.tensor([1.0, 0.0]),
        weights=Weights(),
    )
    loss.backward()  # type: ignore[no-untyped-call]
    assert answer.grad is not None
    assert torch.isfinite(loss)
    assert torch.isfinite(answer.grad).all()
