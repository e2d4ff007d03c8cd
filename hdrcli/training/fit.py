"""Training for a given time or number of steps, resumable at any step.

AdamW, a short linear warm-up, a cosine to zero, and a running mean of the weights, which is what is validated and
exported. bf16 autocast on processors and devices that have it.
"""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

_WARM_UP = 0.02
_MEAN_DECAY = 0.999
_CLIP_NORM = 1.0


class Task(Protocol):
    """What is learned; batches follow from the number of the step alone."""

    def batch(self, step: int) -> dict[str, Tensor]:
        """Return the batch of a step."""
        ...

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of a network on a batch, a scalar."""
        ...

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Return figures on fixed cases; the first decides."""
        ...


@dataclass(frozen=True)
class FitSettings:
    """How long and how fast to train.

    Attributes
    ----------
    minutes : float or None
        Stop after this wall time; without `steps` the schedule ends there too.
    steps : int or None
        Steps of the whole schedule; a resumed training goes on until them.
    learning_rate : float
        At its highest.
    batch : int
        Crops of a step, for the count of samples.
    log_seconds, validate_seconds, checkpoint_seconds : float
        How often.
    """

    minutes: float | None = None
    steps: int | None = None
    learning_rate: float = 1e-3
    batch: int = 8
    log_seconds: float = 10.0
    validate_seconds: float = 180.0
    checkpoint_seconds: float = 120.0


@dataclass
class State:
    """All that a training is at one step."""

    network: nn.Module
    mean: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    samples: int = 0

    @classmethod
    def fresh(cls, network: nn.Module, *, learning_rate: float) -> State:
        """Return the state before the first step."""
        mean = copy.deepcopy(network).requires_grad_(False)
        optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
        return cls(network, mean, optimiser)

    def save(self, path: Path, **facts: Any) -> None:
        """Write a checkpoint; the old one stays until the new one is complete."""
        content = {
            "network": self.network.state_dict(),
            "mean": self.mean.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "counts": {"step": self.step, "seconds": self.seconds, "samples": self.samples},
            "facts": facts,
        }
        partial = path.with_name(path.name + ".partial")
        torch.save(content, partial)
        partial.replace(path)

    def load(self, path: Path, *, weights_only: bool = False) -> None:
        """Go on from a checkpoint, or (`weights_only`) begin a new schedule from its averaged weights."""
        content = torch.load(path, map_location=next(self.network.parameters()).device, weights_only=True)
        self.mean.load_state_dict(content["mean"])
        self.seconds, self.samples = content["counts"]["seconds"], content["counts"]["samples"]
        if weights_only:
            self.network.load_state_dict(content["mean"])
            return
        self.network.load_state_dict(content["network"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.step = content["counts"]["step"]


def fit(
    state: State,
    task: Task,
    settings: FitSettings,
    *,
    checkpoint: Path,
    log: Path,
    facts: dict[str, Any] | None = None,
    say: Callable[[str], None] = print,
    stop_at_step: int | None = None,
) -> None:
    """Train until the time or the steps are up; the checkpoint is then complete and can be exported.

    Parameters
    ----------
    state : State
        Changed in place.
    task : Task
    settings : FitSettings
    checkpoint, log : Path
        The log gets one JSON object a line: seconds, step, loss, rate; and the figures where validated.
    facts : dict, optional
        Written into the checkpoint: network, config, options.
    say : callable
        Takes each line meant for people.
    stop_at_step : int, optional
        Stop there without ending the schedule, as an interruption would.
    """
    if settings.minutes is None and settings.steps is None:
        raise ValueError("a training ends after some minutes or some steps; neither is given")
    device = next(state.network.parameters()).device
    begin = time.perf_counter()
    earlier = state.seconds
    next_log = next_validation = next_checkpoint = 0.0
    losses: list[float] = []
    last_step = settings.steps if stop_at_step is None else stop_at_step

    def elapsed() -> float:
        return time.perf_counter() - begin

    def record(entry: dict[str, float]) -> None:
        counts = {"seconds": round(state.seconds, 1), "step": state.step, "samples": state.samples}
        with log.open("a") as file:
            file.write(json.dumps({**counts, **entry}) + "\n")
        say("  ".join(f"{key} {value:.5g}" for key, value in {**counts, **entry}.items()))

    next_checkpoint, next_validation = settings.checkpoint_seconds, settings.validate_seconds
    while (last_step is None or state.step < last_step) and (
        settings.minutes is None or elapsed() < settings.minutes * 60
    ):
        rate = settings.learning_rate * _schedule(_progress(settings, state.step, elapsed()))
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        losses.append(_step(state, task, device))
        state.samples += settings.batch
        state.seconds = earlier + elapsed()
        if elapsed() >= next_log:
            record({"loss": sum(losses) / len(losses), "rate": rate})
            losses.clear()
            next_log = elapsed() + settings.log_seconds
        if elapsed() >= next_validation:
            record(task.validate(state.mean))
            next_validation = elapsed() + settings.validate_seconds
        if elapsed() >= next_checkpoint:
            state.save(checkpoint, **(facts or {}), settings=asdict(settings))
            next_checkpoint = elapsed() + settings.checkpoint_seconds
    record(task.validate(state.mean))
    state.save(checkpoint, **(facts or {}), settings=asdict(settings))


def _step(state: State, task: Task, device: torch.device) -> float:
    batch = task.batch(state.step)
    # On processors without bf16 instructions autocast is slower than float32.
    reduced = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    with torch.autocast(device.type, torch.bfloat16, enabled=reduced):
        loss = task.loss(state.network, batch)
    state.optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(state.network.parameters(), _CLIP_NORM)
    state.optimiser.step()
    state.step += 1
    # The mean forgets the beginning sooner than it will forget later steps.
    decay = min(_MEAN_DECAY, (1 + state.step) / (10 + state.step))
    with torch.no_grad():
        torch._foreach_lerp_(list(state.mean.parameters()), list(state.network.parameters()), 1 - decay)
    return float(loss.detach())


def _progress(settings: FitSettings, step: int, elapsed: float) -> float:
    if settings.steps is not None:
        return step / settings.steps
    assert settings.minutes is not None  # checked by `fit`
    return elapsed / (settings.minutes * 60)


def _schedule(progress: float) -> float:
    """Return the factor on the learning rate: linear up, then a cosine down to 0."""
    if progress < _WARM_UP:
        return max(progress / _WARM_UP, 1e-3)
    along = min((progress - _WARM_UP) / (1 - _WARM_UP), 1.0)
    return 0.5 + 0.5 * math.cos(math.pi * along)
