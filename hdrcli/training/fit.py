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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hdrcli.errors import ModelError, UnreadableFileError

PRECISIONS = ("auto", "float32", "bf16")

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
        Without `steps`: wall time of the whole schedule, over all the runs of a training that was interrupted. With
        `steps`: this run stops after it, and the schedule can be gone on with.
    steps : int or None
        Steps of the whole schedule.
    learning_rate : float
        At its highest.
    batch : int
        Crops of a step, for the count of samples.
    precision : str
        "float32", "bf16" (autocast), or "auto": bf16 where the device has instructions for it.
    log_seconds, validate_seconds, checkpoint_seconds : float
        How often.
    """

    minutes: float | None = None
    steps: int | None = None
    learning_rate: float = 1e-3
    batch: int = 8
    precision: str = "auto"
    log_seconds: float = 10.0
    validate_seconds: float = 180.0
    checkpoint_seconds: float = 120.0


@dataclass
class State:
    """All that a training is at one step.

    Attributes
    ----------
    network, mean : Module
        Being trained; with the running mean of its weights.
    optimiser : Optimizer
    step : int
        Steps of this schedule.
    seconds, samples : float, int
        Spent on these weights, earlier schedules included.
    begun : float
        `seconds` when this schedule began.
    """

    network: nn.Module
    mean: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    samples: int = 0
    begun: float = 0.0

    @classmethod
    def fresh(cls, network: nn.Module, *, learning_rate: float) -> State:
        """Return the state before the first step."""
        mean = copy.deepcopy(network).requires_grad_(False)
        optimiser = torch.optim.AdamW(network.parameters(), lr=learning_rate, betas=(0.9, 0.99), weight_decay=1e-4)
        return cls(network, mean, optimiser)

    def save(self, path: Path, **facts: Any) -> None:
        """Write a checkpoint; the old one stays until the new one is complete."""
        counts = {"step": self.step, "seconds": self.seconds, "samples": self.samples, "begun": self.begun}
        content = {
            "network": self.network.state_dict(),
            "mean": self.mean.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "counts": counts,
            "facts": facts,
        }
        partial = path.with_name(path.name + ".partial")
        torch.save(content, partial)
        partial.replace(path)

    def load(self, path: Path, *, weights_only: bool = False) -> None:
        """Go on from a checkpoint, or (`weights_only`) begin a new schedule from its averaged weights.

        Raises
        ------
        UnreadableFileError
            When the file is missing or no checkpoint.
        ModelError
            When it is of another network.
        """
        content = read_checkpoint(path, device=next(self.network.parameters()).device)
        counts = content["counts"]
        load_weights(self.mean, content["mean"], source=str(path))
        self.seconds, self.samples = counts["seconds"], counts["samples"]
        if weights_only:
            self.begun = self.seconds
            self.network.load_state_dict(content["mean"])
            return
        self.network.load_state_dict(content["network"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.begun = counts["step"], counts.get("begun", 0.0)


def read_checkpoint(path: Path, *, device: torch.device | str = "cpu") -> dict[str, Any]:
    """Return the content of a checkpoint: network, mean, optimiser, counts, facts.

    Raises
    ------
    UnreadableFileError
        When the file is missing or no checkpoint.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except OSError as error:
        raise UnreadableFileError(f"The checkpoint {str(path)!r} cannot be read: {error.strerror}.") from error
    except Exception as error:  # what torch raises on damaged files has no common root
        raise UnreadableFileError(f"{str(path)!r} is no checkpoint of a training, or is damaged.") from error
    if not isinstance(content, dict) or not {"network", "mean", "optimiser", "counts"} <= content.keys():
        raise UnreadableFileError(f"{str(path)!r} is no checkpoint of a training.")
    return content


def load_weights(network: nn.Module, weights: dict[str, Tensor], *, source: str) -> None:
    """Load weights by name.

    Raises
    ------
    ModelError
        When they are those of another network.
    """
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise ModelError(
            f"{source!r} holds the weights of another network, or of one of other widths and blocks than asked for."
        ) from error


def fit(
    state: State,
    task: Task,
    settings: FitSettings,
    *,
    checkpoint: Path,
    log: Path,
    facts: dict[str, Any] | None = None,
    say: Callable[[str], object] = print,
    stop_at_step: int | None = None,
    stop: Callable[[], bool] = lambda: False,
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
    stop : callable
        Asked after every step; True stops there too.

    Raises
    ------
    ModelError
        When the loss is no longer a number; the checkpoint is then the last sound one.
    """
    if settings.minutes is None and settings.steps is None:
        raise ValueError("a training ends after some minutes or some steps; neither is given")
    clock = _Clock(state, settings)
    book = _Book(state, log, say)

    def save(rate: float) -> None:
        book.write_loss(rate)  # which proves that the weights are sound
        state.save(checkpoint, **(facts or {}), settings=asdict(settings))

    next_checkpoint, next_validation = settings.checkpoint_seconds, settings.validate_seconds
    next_log = rate = 0.0
    last_step = settings.steps if stop_at_step is None else stop_at_step
    while (last_step is None or state.step < last_step) and not clock.is_over() and not stop():
        rate = settings.learning_rate * _schedule(clock.progress())
        for group in state.optimiser.param_groups:
            group["lr"] = rate
        book.losses.append(_step(state, task, settings.precision))
        state.samples += settings.batch
        clock.tick()
        if clock.elapsed >= next_log:
            book.write_loss(rate)
            next_log = clock.elapsed + settings.log_seconds
        if clock.elapsed >= next_validation:
            book.write(task.validate(state.mean))
            next_validation = clock.measure() + settings.validate_seconds
        if clock.elapsed >= next_checkpoint:
            save(rate)
            next_checkpoint = clock.measure() + settings.checkpoint_seconds
    save(rate)
    book.write(task.validate(state.mean))


class _Clock:
    """The time of one run."""

    def __init__(self, state: State, settings: FitSettings) -> None:
        self._state, self._settings = state, settings
        self._begin, self._earlier = time.perf_counter(), state.seconds
        self.elapsed = 0.0

    def measure(self) -> float:
        """Return the seconds since this run began."""
        self.elapsed = time.perf_counter() - self._begin
        return self.elapsed

    def tick(self) -> None:
        """Note the time that has passed."""
        self._state.seconds = self._earlier + self.measure()

    def is_over(self) -> bool:
        """Return whether the minutes are up."""
        if self._settings.minutes is None:
            return False
        spent = self.measure() if self._settings.steps is not None else self._spent()
        return spent >= self._settings.minutes * 60

    def progress(self) -> float:
        """Return the share of the schedule that is done."""
        if self._settings.steps is not None:
            return self._state.step / self._settings.steps
        assert self._settings.minutes is not None  # checked by `fit`
        return self._spent() / (self._settings.minutes * 60)

    def _spent(self) -> float:
        return self._earlier - self._state.begun + self.measure()


@dataclass
class _Book:
    """Where the figures go."""

    state: State
    log: Path
    say: Callable[[str], object]
    losses: list[Tensor] = field(default_factory=list)

    def write_loss(self, rate: float) -> None:
        """Write the mean loss since the last time, if there is any."""
        if not self.losses:
            return
        loss = float(torch.stack(self.losses).mean())
        self.losses.clear()
        if not math.isfinite(loss):
            raise ModelError(
                f"The loss is {loss} at step {self.state.step}; the last checkpoint is from before. "
                "Go on from it with a lower --learning-rate."
            )
        self.write({"loss": loss, "rate": rate})

    def write(self, entry: dict[str, float]) -> None:
        """Write a line with the counts and other figures."""
        counts = {"seconds": round(self.state.seconds, 1), "step": self.state.step, "samples": self.state.samples}
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**counts, **entry}) + "\n")
        self.say("  ".join(f"{key} {value:.5g}" for key, value in {**counts, **entry}.items()))


def autocasts(device: torch.device, precision: str = "auto") -> bool:
    """Return whether training on a device uses bf16: by itself only where there are instructions for it."""
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    supported: Callable[[], bool] | None = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return supported is not None and supported()


def _step(state: State, task: Task, precision: str) -> Tensor:
    device = next(state.network.parameters()).device
    batch = task.batch(state.step)
    torch.manual_seed(state.step)  # what is dropped follows from the step too, as does all else
    with torch.autocast(device.type, torch.bfloat16, enabled=autocasts(device, precision)):
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
        for mean, own in zip(state.mean.buffers(), state.network.buffers(), strict=True):
            mean.copy_(own)  # measured, not learned
    return loss.detach()


def _schedule(progress: float) -> float:
    """Return the factor on the learning rate: linear up, then a cosine down to 0."""
    if progress < _WARM_UP:
        return max(progress / _WARM_UP, 1e-3)
    along = min((progress - _WARM_UP) / (1 - _WARM_UP), 1.0)
    return 0.5 + 0.5 * math.cos(math.pi * along)
