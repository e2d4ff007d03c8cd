"""Training can be interrupted anywhere and goes on as if it had not been."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hdrcli.errors import ModelError, UnreadableFileError
from hdrcli.training.dual_iso import DualIsoOptions, DualIsoTask
from hdrcli.training.fit import FitSettings, State, autocasts, fit, read_checkpoint
from hdrcli.training.networks import build_network
from hdrcli.training.shards import Picture

TINY = {"widths": [8, 8, 8], "blocks": [1, 1, 1, 1, 1]}
OPTIONS = DualIsoOptions(crop=32, batch=2, region=64, regions=3, steps_per_chunk=7)
EXACT = FitSettings(steps=40, batch=2, precision="float32")


class Line:
    """Learns one number from noise that follows from the step."""

    def batch(self, step: int) -> dict[str, Tensor]:
        return {"x": torch.randn(8, generator=torch.Generator().manual_seed(step))}

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        x = batch["x"][:, None]
        loss: Tensor = ((network(x) - 3 * x) ** 2).mean()
        return loss

    def validate(self, network: nn.Module) -> dict[str, float]:
        return {"slope": network.state_dict()["weight"].item()}


class Drop(Line):
    """The same for any network."""

    def validate(self, network: nn.Module) -> dict[str, float]:
        return {"nothing": 0.0}


def line_state(rate: float = 0.1) -> State:
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    return State.fresh(network, learning_rate=rate)


def fitted(folder: Path, state: State, settings: FitSettings, **others: Any) -> State:
    fit(state, Line(), settings, checkpoint=folder / "x.pt", log=folder / "x.jsonl", say=lambda line: None, **others)
    return state


def entries(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / "x.jsonl").read_text().splitlines()]


def equal(one: Any, other: Any) -> bool:
    """Return whether nested states hold the same bits."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


@pytest.mark.usefixtures("one_thread")
def test_an_interrupted_training_ends_with_the_same_bits(tmp_path: Path, pictures: list[Picture]) -> None:
    def run(name: str, *, stop_at_step: int | None = None, resume: bool = False) -> State:
        torch.manual_seed(5)
        network = build_network("dualiso-unet", TINY)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        state = State.fresh(network, learning_rate=EXACT.learning_rate)
        if resume:
            state.load(tmp_path / f"{name}.pt")
        task = DualIsoTask(pictures, options=OPTIONS, seed=2, device=torch.device("cpu"))
        checkpoint, log = (tmp_path / f"{name}.{suffix}" for suffix in ("pt", "jsonl"))
        fit(state, task, EXACT, checkpoint=checkpoint, log=log, say=lambda line: None, stop_at_step=stop_at_step)
        task.close()
        return state

    whole = run("whole")
    first = run("parts", stop_at_step=20)
    assert not equal(first.network.state_dict(), whole.network.state_dict())
    parts = run("parts", resume=True)
    assert (parts.step, parts.samples) == (whole.step, whole.samples) == (40, 80)
    assert equal(parts.network.state_dict(), whole.network.state_dict())
    assert equal(parts.mean.state_dict(), whole.mean.state_dict())
    assert equal(parts.optimiser.state_dict(), whole.optimiser.state_dict())


@pytest.mark.usefixtures("one_thread")
def test_what_is_dropped_follows_from_the_step(tmp_path: Path) -> None:
    def run(name: str, *, stop_at_step: int | None = None, resume: bool = False) -> State:
        torch.manual_seed(5)
        network = nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
        state = State.fresh(network, learning_rate=0.1)
        if resume:
            state.load(tmp_path / f"{name}.pt")
            torch.rand(77)  # a program that begins anew is somewhere else among the random numbers
        checkpoint, log = (tmp_path / f"{name}.{suffix}" for suffix in ("pt", "jsonl"))
        fit(state, Drop(), EXACT, checkpoint=checkpoint, log=log, say=lambda line: None, stop_at_step=stop_at_step)
        return state

    whole = run("whole")
    run("parts", stop_at_step=20)
    parts = run("parts", resume=True)
    assert equal(parts.network.state_dict(), whole.network.state_dict())
    assert equal(parts.mean.state_dict(), whole.mean.state_dict())


def test_what_is_measured_is_taken_over_into_the_mean(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(1, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))
    state = State.fresh(network, learning_rate=0.1)
    fit(state, Drop(), EXACT, checkpoint=tmp_path / "x.pt", log=tmp_path / "x.jsonl", say=lambda line: None)
    found, own = (dict(one.named_buffers()) for one in (state.mean, state.network))
    assert equal(found, own)
    assert own["1.running_mean"].abs().max() > 0.01


def test_training_approaches_the_truth_and_the_mean_follows(tmp_path: Path) -> None:
    state = fitted(tmp_path, line_state(), FitSettings(steps=300, learning_rate=0.1))
    weight, mean = (network.state_dict()["weight"].item() for network in (state.network, state.mean))
    assert weight == pytest.approx(3, abs=0.01)
    assert mean == pytest.approx(3, abs=0.3)
    assert mean != weight


def test_the_rate_rises_and_falls_to_nothing(tmp_path: Path) -> None:
    fitted(tmp_path, line_state(), FitSettings(steps=100, learning_rate=0.5, log_seconds=0))
    rates = [entry["rate"] for entry in entries(tmp_path) if "rate" in entry]
    assert max(rates) == pytest.approx(0.5, rel=0.01)
    assert rates.index(max(rates)) == 2
    assert rates[-1] < 0.001
    assert rates[50] == pytest.approx(0.25, rel=0.1)


def test_minutes_end_a_training_and_its_schedule(tmp_path: Path) -> None:
    state = fitted(tmp_path, line_state(), FitSettings(minutes=0.01, learning_rate=0.1))
    assert 0.6 <= state.seconds < 20
    assert state.step > 3
    assert entries(tmp_path)[-2]["rate"] < 0.02
    assert read_checkpoint(tmp_path / "x.pt")["counts"]["step"] == state.step


def test_minutes_count_over_interruptions(tmp_path: Path) -> None:
    settings = FitSettings(minutes=0.01, learning_rate=0.1)
    fitted(tmp_path, line_state(), settings, stop_at_step=10)
    state = line_state()
    state.load(tmp_path / "x.pt")
    fitted(tmp_path, state, settings)
    assert 0.6 <= state.seconds < 20
    step = state.step
    assert fitted(tmp_path, state, settings).step == step > 10


def test_with_steps_minutes_only_interrupt(tmp_path: Path) -> None:
    settings = FitSettings(minutes=0.003, steps=10**6, learning_rate=0.1)
    first = fitted(tmp_path, line_state(), settings).step
    state = line_state()
    state.load(tmp_path / "x.pt")
    assert fitted(tmp_path, state, settings).step > first > 0


def test_a_request_to_stop_leaves_a_checkpoint_to_go_on_from(tmp_path: Path) -> None:
    left = [True] * 7
    state = fitted(tmp_path, line_state(), FitSettings(steps=100), stop=lambda: not left or not left.pop())
    assert state.step == 7
    content = read_checkpoint(tmp_path / "x.pt")
    assert content["counts"]["step"] == 7
    assert equal(content["mean"], state.mean.state_dict())


def test_the_checkpoint_holds_facts_and_settings(tmp_path: Path) -> None:
    fitted(tmp_path, line_state(), FitSettings(steps=3), facts={"network": "line", "config": {"a": [1]}})
    facts = read_checkpoint(tmp_path / "x.pt")["facts"]
    assert (facts["network"], facts["config"], facts["settings"]["steps"]) == ("line", {"a": [1]}, 3)


def test_a_new_schedule_begins_with_the_averaged_weights(tmp_path: Path) -> None:
    earlier = fitted(tmp_path, line_state(), FitSettings(steps=30, learning_rate=0.1))
    state = line_state()
    state.load(tmp_path / "x.pt", weights_only=True)
    assert equal(state.network.state_dict(), earlier.mean.state_dict())
    assert (state.step, state.samples, state.begun) == (0, 240, earlier.seconds)
    state = fitted(tmp_path, state, FitSettings(minutes=0.004, learning_rate=0.1))
    assert 0.24 <= state.seconds - state.begun < 20


def test_a_loss_that_is_no_number_ends_training_and_spares_the_checkpoint(tmp_path: Path) -> None:
    state = fitted(tmp_path, line_state(), FitSettings(steps=10))
    with torch.no_grad():
        state.network.weight.fill_(math.nan)  # type: ignore[operator]
    with pytest.raises(ModelError, match="loss is nan at step 11"):
        fitted(tmp_path, state, FitSettings(steps=20))
    assert torch.isfinite(read_checkpoint(tmp_path / "x.pt")["network"]["weight"]).all()


def test_a_training_needs_an_end(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither"):
        fitted(tmp_path, line_state(), FitSettings())


def test_checkpoints_of_before_begun_was_counted_are_read(tmp_path: Path) -> None:
    state = fitted(tmp_path, line_state(), FitSettings(steps=4))
    content = read_checkpoint(tmp_path / "x.pt")
    del content["counts"]["begun"], content["facts"]
    torch.save(content, tmp_path / "old.pt")
    again = line_state()
    again.load(tmp_path / "old.pt")
    assert (again.step, again.begun) == (4, 0.0)
    assert equal(again.network.state_dict(), state.network.state_dict())


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"gone\.pt' cannot be read"):
        read_checkpoint(tmp_path / "gone.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(UnreadableFileError, match="is no checkpoint"):
        read_checkpoint(tmp_path / "text.pt")
    torch.save({"a": 1}, tmp_path / "other.pt")
    with pytest.raises(UnreadableFileError, match="is no checkpoint"):
        read_checkpoint(tmp_path / "other.pt")


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    fitted(tmp_path, line_state(), FitSettings(steps=2))
    state = State.fresh(nn.Linear(2, 2), learning_rate=1.0)
    with pytest.raises(ModelError, match="another network"):
        state.load(tmp_path / "x.pt")


def test_precision_is_as_asked_for() -> None:
    cpu = torch.device("cpu")
    assert [autocasts(cpu, precision) for precision in ("float32", "bf16")] == [False, True]
    assert isinstance(autocasts(cpu), bool)
