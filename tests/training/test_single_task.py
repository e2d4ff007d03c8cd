"""The task of `SingleUNet`: batches follow from the step, parts are trained, held-out places are measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hdrcli.errors import UnsuitableInputError, UsageError
from hdrcli.expand.features import from_stops, srgb_light, to_stops
from hdrcli.training import single
from hdrcli.training.fit import FitSettings, State, fit
from hdrcli.training.networks import build_network
from hdrcli.training.networks.single_unet import SingleUNet
from hdrcli.training.shards import Picture
from hdrcli.training.single import PARTS, SingleOptions, SingleTask, view_figures
from hdrcli.training.single_metrics import COLUMNS, figures
from hdrcli.training.views import Views

SMALL: dict[str, Any] = {"batch": 2, "height": 32, "width": 48, "views": 3, "steps_per_chunk": 4}
TINY = {"widths": [8, 8, 8, 8], "vector": [8]}
CPU = torch.device("cpu")

MakeTask = Callable[..., SingleTask]


@pytest.fixture
def make_task(pictures: list[Picture], monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeTask]:
    """Return a function that makes a task with small views, few of which validate."""
    monkeypatch.setattr(single, "_VALIDATION_ROUNDS", 1)
    tasks: list[SingleTask] = []

    def make(*, of: list[Picture] = pictures, seed: int = 3, workers: int = 1, **others: Any) -> SingleTask:
        options = SingleOptions(**{**SMALL, **others})
        tasks.append(SingleTask(of, options=options, seed=seed, device=CPU, workers=workers))
        return tasks[-1]

    yield make
    for task in tasks:
        task.close()


def tiny_network() -> SingleUNet:
    torch.manual_seed(2)
    network = build_network("single-unet", TINY)
    assert isinstance(network, SingleUNet)
    return network


def test_a_batch_follows_from_seed_and_step_alone(make_task: MakeTask) -> None:
    task, again, other = make_task(), make_task(workers=2), make_task(seed=4)
    for step in (9, 2, 3):
        one, same, different = (t.batch(step) for t in (task, again, other))
        assert all(torch.equal(one[name], same[name]) for name in one)
        assert not torch.equal(one["codes"], different["codes"])


def test_batches_are_views_of_their_chunk_without_repeats(make_task: MakeTask) -> None:
    task = make_task()
    first = task.batch(0)
    assert {name: tuple(part.shape) for name, part in first.items()} == {
        "codes": (2, 3, 32, 48),
        "expansion": (2, 3, 32, 48),
        "truth": (2, 3, 32, 48),
        "planes": (2, 11, 88, 128),
        "levels": (2, 7, 24),
        "percentile": (2,),
        "lit": (2,),
    }
    chunk = task._chunks[0].taken(range(3))["codes"]
    drawn = set()
    for step in range(4):
        found = [[k for k in range(3) if torch.equal(chunk[k], one)] for one in task.batch(step)["codes"]]
        assert all(found)
        assert found[0] != found[1]
        drawn.add(str(found))
    assert len(drawn) > 1
    assert not any(torch.equal(one, other) for one in task.batch(4)["codes"] for other in chunk)


def test_more_views_than_a_chunk_has_are_repeated(make_task: MakeTask) -> None:
    assert len(make_task(batch=5).batch(0)["codes"]) == 5


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("part", PARTS)
def test_an_interrupted_training_ends_with_the_same_bits(make_task: MakeTask, tmp_path: Path, part: str) -> None:
    def run(name: str, *, stop_at_step: int | None = None, resume: bool = False) -> State:
        network = tiny_network().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        state = State.fresh(network, learning_rate=1e-3)
        if resume:
            state.load(tmp_path / f"{name}.pt")
        checkpoint, log = (tmp_path / f"{name}.{suffix}" for suffix in ("pt", "jsonl"))
        settings = FitSettings(steps=6, batch=2, precision="float32")
        task = make_task(part=part)
        fit(state, task, settings, checkpoint=checkpoint, log=log, say=lambda line: None, stop_at_step=stop_at_step)
        return state

    whole = run("whole").network.state_dict()
    run("parts", stop_at_step=3)
    parts = run("parts", resume=True).network.state_dict()
    assert all(torch.equal(parts[name], value) for name, value in whole.items())


def trained_names(task: SingleTask, network: SingleUNet) -> set[str]:
    """Return the first part of the names of what one step of a training reaches."""
    loss = task.loss(network, task.batch(0))
    assert torch.isfinite(loss)
    loss.backward()  # type: ignore[no-untyped-call]
    return {name.partition(".")[0] for name, parameter in network.named_parameters() if parameter.grad is not None}


def test_each_part_trains_its_own_weights(make_task: MakeTask) -> None:
    everything = {name.partition(".")[0] for name, _ in tiny_network().named_parameters()}
    assert trained_names(make_task(part="curve"), tiny_network()) == {"levels", "mix", "curve"}
    assert trained_names(make_task(part="all"), tiny_network()) == everything


@pytest.mark.parametrize("part", PARTS)
def test_some_steps_lower_the_loss(make_task: MakeTask, part: str) -> None:
    task, network = make_task(part=part), tiny_network()
    optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
    batch, losses = task.batch(0), []
    for _ in range(12):
        loss = task.loss(network, batch)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        losses.append(float(loss.detach()))
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.05


class Answers(SingleUNet):
    """Answers with one curve and no maps."""

    def __init__(self, curve: Tensor) -> None:
        super().__init__(**TINY)
        self.wanted = curve

    def forward(self, planes: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
        return self.wanted.expand(len(planes), -1), torch.zeros(len(planes), 3, *planes.shape[2:])


def test_validation_measures_light_by_the_curve(make_task: MakeTask) -> None:
    task = make_task()
    knots = torch.from_numpy(to_stops(srgb_light(np.linspace(0, 1, 33, dtype=np.float32))))[None]
    baseline = task.baseline()
    assert tuple(baseline) == COLUMNS
    # A curve of 33 knots is not quite the one of sRGB near black.
    found = task.validate(Answers(knots))
    assert found["mu"] == pytest.approx(baseline["mu"], abs=0.3)
    assert found["unclipped"] == pytest.approx(baseline["unclipped"], abs=0.03)
    assert task.validate(Answers(torch.linspace(-10, 0, 33)[None]))["unclipped"] > baseline["unclipped"] + 0.3


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("train", [False, True])
def test_validation_is_the_same_every_time_and_leaves_the_network_as_it_was(
    make_task: MakeTask, part: str, train: bool
) -> None:
    network = tiny_network().train(train)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, 0, 0.1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    task = make_task(part=part)
    one = task.validate(network)
    assert task.validate(network) == one
    assert make_task(part=part).validate(network) == one
    assert make_task(part=part, seed=5).validate(network) != one
    assert network.training is train
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_pictures_of_validated_places_are_not_trained_on(make_task: MakeTask) -> None:
    places = ["hall-a_0", "hall-b_0", "road_0", "wood_0", "lake_0", "barn-1_0", "barn-2_0", "mill_0", "tower_0"]
    bright = [np.full((40, 60, 3), 0.1 * (i + 1), np.float16) for i in range(len(places))]
    pictures = [Picture(name, "scene", data) for name, data in zip(places, bright, strict=True)]
    task = make_task(of=pictures)
    assert [picture.name for picture in task.validation] == ["barn-1_0"]
    assert {picture.name for picture in task.training} == set(places) - {"barn-1_0", "barn-2_0"}
    drawn: list[str] = []

    def note(pictures: list[Picture], rng: np.random.Generator, *, augment: bool) -> None:
        assert augment
        drawn.extend(picture.name for picture in pictures)

    task._photograph = note  # type: ignore[method-assign,assignment]
    for number in range(30):
        task._chunk(number)
    assert set(drawn) == set(places) - {"barn-1_0", "barn-2_0"}


def test_there_has_to_be_something_to_train_on(make_task: MakeTask) -> None:
    with pytest.raises(UnsuitableInputError, match="no pictures"):
        make_task(of=[])


def test_figures_of_views_are_the_means_of_those_of_the_tables() -> None:
    rng = np.random.default_rng(3)
    light = rng.lognormal(-1, 1, (2, 3, 16, 24)).astype(np.float32)
    truth = torch.from_numpy(to_stops(light)).half()
    empty = torch.zeros(2)
    views = Views(empty, empty, truth, empty, empty, empty, empty)
    answers = {i: to_stops((0.8 * light[i] ** 0.9).astype(np.float32)) for i in range(2)}
    rows = [
        figures(*(from_stops(stops).transpose(1, 2, 0) for stops in (answers[i], truth[i].float().numpy())))
        for i in range(2)
    ]
    found = view_figures(views, answers)
    assert found == pytest.approx({name: (rows[0][name] + rows[1][name]) / 2 for name in COLUMNS})
    assert view_figures(views, {1: answers[1]}) == pytest.approx(rows[1])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch": 1}, "batch is at least 2, not 1"),
        ({"views": 0}, "views is at least 1, not 0"),
        ({"steps_per_chunk": -1}, "steps_per_chunk is at least 1"),
        ({"part": "sky"}, "no part 'sky'; choose from curve, all"),
        ({"height": 30}, "height is a multiple of 8 from 16, not 30"),
        ({"width": 8}, "width is a multiple of 8 from 16, not 8"),
    ],
)
def test_options_that_make_no_sense_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        SingleOptions(**wrong).check((8, 8))
