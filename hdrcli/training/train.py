"""A training from the command line's words: network, data and state are put together, resumed, and run."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from hdrcli.errors import ModelError, OutputError, UsageError
from hdrcli.inference.registry import find_model
from hdrcli.training.export import model_weights
from hdrcli.training.fit import FitSettings, State, fit, load_weights, read_checkpoint
from hdrcli.training.forms import form_of
from hdrcli.training.networks import build_network, network_config, parameter_count
from hdrcli.training.shards import read_shards, shard_facts
from hdrcli.training.tasks import task_kind

DEVICES = ("auto", "cpu", "cuda")

_MOST_WORKERS = 12
_COUNTER = "num_batches_tracked"  # of torch's batch normalisation: nothing is computed with it, no graph holds it


@dataclass(frozen=True)
class Plan:
    """What to train, and on what.

    Attributes
    ----------
    network : str
        One of `networks.NETWORKS`.
    shards : sequence of Path
    checkpoint, log : Path
        Written while it trains.
    config : mapping of str to object
        How the network is built, where not as usual.
    options : mapping of str to object
        What differs from the defaults of the options of its task.
    settings : FitSettings
    seed : int
    device : str
        "cpu", "cuda", or "auto": CUDA where there is a GPU.
    threads : int or None
        Of the processor; None for as many as torch takes.
    resume : bool
        Go on from the checkpoint, in the same schedule; network, options and seed have to be the same.
    start : str
        A checkpoint, or the name or folder of a model, whose weights a new schedule begins with; empty for none.
    """

    network: str
    shards: Sequence[Path]
    checkpoint: Path
    log: Path
    config: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    settings: FitSettings = field(default_factory=FitSettings)
    seed: int = 1
    device: str = "auto"
    threads: int | None = None
    resume: bool = False
    start: str = ""


def train(plan: Plan, *, say: Callable[[str], object] = print, stop: Callable[[], bool] = lambda: False) -> State:
    """Train until the minutes or steps are up, or `stop` says so; returns what the checkpoint holds.

    Raises
    ------
    UsageError
        When the plan makes no sense.
    UnreadableFileError
        When a shard or a checkpoint cannot be read.
    ModelError
        When weights are those of another network.
    OutputError
        When the checkpoint exists and is not to be resumed.
    """
    form = form_of(plan.network)
    kind = task_kind(plan.network)
    options = kind.options(**plan.options)
    options.check(form.multiple)
    _check(plan)
    device = find_device(plan.device)
    if plan.threads is not None:
        torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.seed)
    network = build_network(plan.network, plan.config)
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    facts = _facts(plan, options, config=network_config(network), device=device)
    state = State.fresh(network, learning_rate=plan.settings.learning_rate)
    if plan.resume:
        _check_same(plan.checkpoint, facts)
        state.load(plan.checkpoint)
    elif plan.start:
        _start(state, plan)
    _open_log(plan.log, state)
    workers = 1 if device.type == "cpu" else max(1, min(_MOST_WORKERS, (os.cpu_count() or 1) - 2))
    task = kind.task(read_shards(plan.shards), options=options, seed=plan.seed, device=device, workers=workers)
    try:
        say(f"{plan.network}: {parameter_count(network)} parameters, on {facts['device']}, from step {state.step}")
        say("classical estimate: " + "  ".join(f"{key} {value:.2f}" for key, value in task.baseline().items()))
        fit(
            state,
            task,
            plan.settings,
            checkpoint=plan.checkpoint,
            log=plan.log,
            facts=facts,
            say=say,
            stop=stop,
        )
    finally:
        task.close()
    return state


def task_options(network: str, words: Sequence[str]) -> dict[str, Any]:
    """Return options of a network's task from words such as "crop=160".

    Raises
    ------
    UsageError
        When there is no such network or option, or the value is of another type.
    """
    known = {entry.name: type(entry.default) for entry in fields(task_kind(network).options)}
    options: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or name not in known:
            raise UsageError(f"--set takes OPTION=VALUE with one of {', '.join(known)}; not {word!r}.")
        options[name] = _value(name, text, known[name])
    return options


def network_options(words: Sequence[str]) -> dict[str, Any]:
    """Return how a network is built from words such as "widths=48,72,96".

    Raises
    ------
    UsageError
        When a value is not made of whole numbers.
    """
    config: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        try:
            numbers = [int(part) for part in text.split(",")]
        except ValueError:
            numbers = []
        if not equals or not numbers:
            raise UsageError(f"--network takes NAME=N,N,... such as widths=48,72,96; not {word!r}.")
        config[name] = numbers
    return config


def find_device(name: str) -> torch.device:
    """Return the device of a name.

    Raises
    ------
    UsageError
        When there is no such device here.
    """
    if name not in DEVICES:
        raise UsageError(f"There is no device {name!r}; choose one of {', '.join(DEVICES)}.")
    found = torch.cuda.is_available()
    if name == "cuda" and not found:
        raise UsageError("This torch finds no GPU; choose --device cpu, or install a build of torch for CUDA.")
    return torch.device("cuda" if found and name != "cpu" else "cpu")


def _value(name: str, text: str, kind: type) -> Any:
    if kind is bool:
        words = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
        if text.lower() not in words:
            raise UsageError(f"{name} is yes or no, not {text!r}.")
        return words[text.lower()]
    try:
        return kind(text)
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise UsageError(f"{name} is {what}, not {text!r}.") from error


def _check(plan: Plan) -> None:
    settings = plan.settings
    for name, value in (
        ("--minutes", settings.minutes),
        ("--steps", settings.steps),
        ("--threads", plan.threads),
        ("--learning-rate", settings.learning_rate),
    ):
        if value is not None and not 0 < value < float("inf"):
            raise UsageError(f"{name} has to be above 0, not {value:g}.")
    if settings.minutes is None and settings.steps is None:
        raise UsageError("Say how long to train: --minutes, --steps, or both.")
    if plan.seed < 0:
        raise UsageError(f"--seed is a whole number from 0, not {plan.seed}.")
    if plan.resume and plan.start:
        raise UsageError("--resume goes on with the checkpoint, --start begins anew from other weights; choose one.")
    if not plan.resume and plan.checkpoint.exists():
        raise OutputError(
            f"The checkpoint {str(plan.checkpoint)!r} exists already; "
            "go on with --resume, or give another --checkpoint."
        )
    for path in (plan.checkpoint, plan.log):
        if not path.absolute().parent.is_dir():
            raise OutputError(f"There is no folder {str(path.absolute().parent)!r} to write {path.name!r} to.")


def _facts(plan: Plan, options: Any, *, config: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Return what the checkpoint says of the training; plain types only."""
    facts: dict[str, Any] = {
        "network": plan.network,
        "config": config,
        "options": asdict(options),
        "seed": plan.seed,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine(),
        "torch": str(torch.__version__),
        "commit": _commit(),
        "data": [shard_facts(path) for path in plan.shards],
    }
    if plan.start:
        facts["start"] = Path(plan.start).name
    return facts


def _check_same(checkpoint: Path, facts: Mapping[str, Any]) -> None:
    """Raise UsageError where a training would go on with other data or options than it began with."""
    before = read_checkpoint(checkpoint).get("facts", {})
    for key in ("network", "config", "options", "seed", "data"):
        if key in before and before[key] != facts[key]:
            raise UsageError(
                f"The training in {str(checkpoint)!r} began with another {key}; go on with the same, "
                "or begin a new schedule from its weights with --start and another --checkpoint."
            )


def _start(state: State, plan: Plan) -> None:
    """Load the weights of a checkpoint or of a model."""
    path = Path(plan.start)
    if path.is_file() and path.suffix not in {".onnx", ".json"}:
        state.load(path, weights_only=True)
        return
    model = find_model(plan.start)
    weights = model_weights(model)
    wanted = [name for name in state.network.state_dict() if not name.endswith(_COUNTER)]
    missing = [name for name in wanted if name not in weights]
    if missing:
        raise ModelError(f"The model {model.name!r} holds no weights for {missing[0]!r}; it is of another network.")
    for network in (state.network, state.mean):
        load_weights(network, network.state_dict() | {name: weights[name] for name in wanted}, source=model.name)
    training = model.manifest.training
    state.seconds = state.begun = float(training.get("seconds", 0.0))
    state.samples = int(training.get("samples", 0))


def _open_log(log: Path, state: State) -> None:
    """Begin a log, or cut one that is gone on with at the step that training goes on from."""
    lines: list[str] = []
    if state.step > 0 and log.exists():
        for line in log.read_text(encoding="utf-8").splitlines():
            try:
                if json.loads(line)["step"] <= state.step:
                    lines.append(line + "\n")
            except (ValueError, TypeError, KeyError):
                continue
    log.write_text("".join(lines), encoding="utf-8")


def _commit() -> str:
    """Return the commit of the code, with a + where files differ from it; empty outside a checkout."""
    folder = Path(__file__).resolve().parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", str(folder.parent))
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""
