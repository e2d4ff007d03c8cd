"""The command line of training: `python -m hdrcli.training render | pack | fit | plot | evaluate | export`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from hdrcli.errors import HdrcliError, UnreadableFileError, UnsuitableInputError, UsageError

PROGRAM = "python -m hdrcli.training"
# Packages that not every installation has, and the extra that brings each.
_EXTRA = {"torch": "train", "onnx": "train", "onnxscript": "train", "mitsuba": "render", "mitsuba_oidn": "render"}


class Parser(argparse.ArgumentParser):
    """One whose errors are those of hdrcli."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{message}. See '{self.prog} --help'.")


class Interruption:
    """Ctrl-C and termination, noted instead of obeyed; a second time they end the program at once."""

    def __init__(self) -> None:
        self.came = False

    def __enter__(self) -> Interruption:
        self._before = {kind: signal.signal(kind, self._note) for kind in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for kind, handler in self._before.items():
            signal.signal(kind, handler)

    def __call__(self) -> bool:
        """Return whether a signal came."""
        return self.came

    def _note(self, kind: int, _: FrameType | None) -> None:
        self.came = True
        signal.signal(kind, self._before[signal.Signals(kind)])
        print("Stopping; the checkpoint is being written.", file=sys.stderr, flush=True)


def main(words: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; errors are one line each.

    Parameters
    ----------
    words : sequence of str, optional
        Without the program's name; those of the process by default.
    """
    # Compiled as for the command `hdrcli`, so that both share what is kept on disk.
    os.environ.setdefault("NUMBA_OPT", "1")
    try:
        arguments = _parser().parse_args(words)
        code: int = arguments.run(arguments)
        return code
    except HdrcliError as error:
        return _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        extra = _EXTRA.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        return _fail(f"This needs {error.name}; install it with pip install 'hdrcli[{extra}]'.", 1)
    except KeyboardInterrupt:
        return _fail("interrupted.", 130)


def render(arguments: argparse.Namespace) -> int:
    """Render training pictures."""
    from hdrcli.training.render.pictures import render_pictures

    settings = {name: getattr(arguments, name) for name in ("number", "seed", "size", "samples", "first")}
    for path in render_pictures(arguments.output, **settings):
        _say(path)
    return 0


def pack(arguments: argparse.Namespace) -> int:
    """Write shards."""
    from hdrcli.training.shards import write_shards
    from hdrcli.training.sources import training_pictures

    pictures = training_pictures(
        arguments.scenes, arguments.photos, arguments.rendered, synthetic=arguments.synthetic, seed=arguments.seed
    )
    for path in write_shards(pictures, arguments.output, overwrite=arguments.overwrite):
        print(f"{path}  {path.stat().st_size / 2**20:.1f} MiB")
    return 0


def fit(arguments: argparse.Namespace) -> int:
    """Train."""
    # Threads of torch that wait for work would otherwise spin on the cores that prepare the next pictures. OpenMP reads
    # this when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from hdrcli.training.fit import FitSettings
    from hdrcli.training.train import Plan, network_options, task_options, train

    given = [f"{name}={value}" for name in ("crop", "batch") if (value := getattr(arguments, name)) is not None]
    options = task_options(arguments.name, [*arguments.set, *given])
    checkpoint = arguments.checkpoint or Path(f"{arguments.name}.pt")
    settings = FitSettings(
        minutes=arguments.minutes,
        steps=arguments.steps,
        learning_rate=arguments.learning_rate,
        batch=options.get("batch", FitSettings.batch),
        precision=arguments.precision,
        validate_seconds=arguments.validate_every,
    )
    plan = Plan(
        network=arguments.name,
        shards=arguments.shards,
        checkpoint=checkpoint,
        log=arguments.log or checkpoint.with_suffix(".jsonl"),
        config=network_options(arguments.network),
        options=options,
        settings=settings,
        seed=arguments.seed,
        device=arguments.device,
        threads=arguments.threads,
        resume=arguments.resume,
        start=arguments.start,
    )
    with Interruption() as interruption:
        state = train(plan, say=_say, stop=interruption)
    _say(f"{checkpoint} is complete: step {state.step}, {state.seconds:.0f} s, {state.samples} samples")
    return 130 if interruption.came else 0


def plot(arguments: argparse.Namespace) -> int:
    """Draw logs."""
    from hdrcli.training.plot import read_log, save_plot

    save_plot([read_log(path) for path in arguments.logs], arguments.output)
    return 0


def evaluate(arguments: argparse.Namespace) -> int:
    """Measure models and print the table."""
    from hdrcli.inference.registry import find_model, shipped_models

    if not arguments.scenes.is_dir():
        raise UnreadableFileError(f"There is no folder {str(arguments.scenes)!r}.")
    named = [find_model(name) for name in arguments.models]
    tasks = sorted({model.manifest.task for model in named}) or [arguments.task]
    if len(tasks) > 1:
        raise UsageError(f"Models for {' and '.join(tasks)} cannot be measured in one table.")
    models = arguments.models or [model.name for model in shipped_models(task=tasks[0])]
    measured = _measured_single if tasks[0] == "single" else _measured_dual_iso
    return measured(arguments, models)


def _measured_dual_iso(arguments: argparse.Namespace, models: Sequence[str]) -> int:
    from hdrcli.training import evaluate as measuring
    from hdrcli.training.cases import dual_iso_cases

    rows = measuring.evaluate(
        dual_iso_cases(arguments.scenes, seed=arguments.seed, iso=arguments.iso),
        measuring.standard_methods(models),
        each=lambda row, frame, answers: None if arguments.json else _say(measuring.line(row)),
    )
    return _tell(arguments, measuring, rows, models, verdicts=lambda: measuring.verdicts(rows, models))


def _measured_single(arguments: argparse.Namespace, models: Sequence[str]) -> int:
    from hdrcli.training import single_evaluate as measuring
    from hdrcli.training.single_cases import single_cases

    if arguments.iso is not None:
        raise UsageError("--iso is for models that deinterlace.")
    rows = measuring.evaluate(
        single_cases(arguments.scenes, seed=arguments.seed),
        measuring.standard_methods(models),
        each=lambda row, answers: None if arguments.json else _say(measuring.line(row)),
    )
    return _tell(arguments, measuring, rows, models, verdicts=lambda: measuring.verdicts(rows))


def _tell(
    arguments: argparse.Namespace,
    measuring: Any,
    rows: Sequence[Any],
    models: Sequence[str],
    *,
    verdicts: Callable[[], Sequence[str]],
) -> int:
    """Print the table of the module that measured, and write it into the manifests where that is wanted."""
    from hdrcli.inference.registry import find_model

    if not rows:
        raise UnsuitableInputError(f"There are no scenes (*.exr) in {str(arguments.scenes)!r}.")
    if arguments.json:
        print(json.dumps(measuring.report(rows), indent=2))
    else:
        print("", *measuring.table(rows), *verdicts(), sep="\n")
    for name in models if arguments.record else ():
        measuring.record(find_model(name), rows, name=name, data=arguments.record)
    return 0


def export(arguments: argparse.Namespace) -> int:
    """Write the folder of a model."""
    from hdrcli.training.export import ExportSettings
    from hdrcli.training.export import export as write_model

    settings = ExportSettings(
        version=arguments.version,
        default=arguments.default,
        tile=arguments.tile,
        border=arguments.border,
        shards=arguments.shards,
    )
    model = write_model(arguments.checkpoint, arguments.output, settings, overwrite=arguments.overwrite)
    manifest = model.manifest
    print(f"{model.folder}: {manifest.parameters} parameters, {manifest.macs_per_pixel} multiplications a pixel,")
    print(f"tile {manifest.tile}, border {manifest.border}, exact border {manifest.border_exact}, {model.size} bytes")
    return 0


def _parser() -> Parser:
    parser = Parser(prog=PROGRAM, description="Train the networks of hdrcli, measure them, and make models of them.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    _add_render(commands.add_parser("render", help="path-trace HDR training pictures"))
    _add_pack(commands.add_parser("pack", help="pack training pictures into shards"))
    _add_fit(commands.add_parser("fit", help="train a network"))
    command = commands.add_parser("plot", help="draw the logs of trainings")
    command.add_argument("logs", metavar="LOG", nargs="+", type=Path)
    command.add_argument("-o", "--output", metavar="FILE.png", type=Path, required=True)
    command.set_defaults(run=plot)
    _add_evaluate(commands.add_parser("evaluate", help="print the quality of models on simulated frames"))
    _add_export(commands.add_parser("export", help="make a model of a checkpoint"))
    return parser


def _add_render(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("-o", "--output", metavar="FOLDER", type=Path, required=True)
    add("--number", metavar="N", type=int, required=True, help="of pictures")
    add("--seed", type=int, default=1)
    add("--first", metavar="N", type=int, default=0, help="number of the first picture")
    add("--size", metavar="WxH", type=_size, default=(640, 427), help="by default 640x427")
    add("--samples", metavar="SPP", type=int, default=20, help="paths a pixel (20)")
    command.set_defaults(run=render)


def _add_pack(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("--scenes", metavar="DIR", type=Path, action="append", default=[], help="folder of EXR scenes")
    add("--photos", metavar="DIR", type=Path, action="append", default=[], help="folder of 8-bit photographs")
    add("--rendered", metavar="DIR", type=Path, action="append", default=[], help="folder of what `render` made")
    add("--synthetic", metavar="N", type=int, default=0, help="pictures to draw")
    add("--seed", type=int, default=1, help="of the drawn pictures")
    add("-o", "--output", metavar="FOLDER", type=Path, required=True)
    add("--overwrite", action="store_true", help="replace the shards that are in the folder")
    command.set_defaults(run=pack)


def _add_fit(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("name", metavar="NETWORK", help="such as dualiso-unet or single-unet")
    add("--shards", metavar="FILE", type=Path, nargs="+", required=True, help="written by `pack`")
    add("--minutes", type=float, help="length of the schedule; with --steps, of this run")
    add("--steps", type=int, help="length of the schedule")
    add("--device", default="auto", help="cpu, cuda or auto (the default)")
    add("--checkpoint", metavar="FILE", type=Path, help="by default NETWORK.pt")
    add("--log", metavar="FILE", type=Path, help="by default beside the checkpoint, .jsonl")
    add("--resume", action="store_true", help="go on from the checkpoint")
    add("--start", metavar="WEIGHTS", default="", help="checkpoint or model whose weights to begin with")
    add("--learning-rate", metavar="RATE", type=float, default=1e-3, help="at its highest (0.001)")
    add("--batch", type=int, help="crops of a step")
    add("--crop", type=int, help="their side in samples")
    add("--threads", type=int, help="of the processor")
    add("--seed", type=int, default=1)
    add("--precision", default="auto", choices=("auto", "float32", "bf16"))
    add("--validate-every", metavar="SECONDS", type=float, default=180.0)
    add("--set", metavar="OPTION=VALUE", action="append", default=[], help="of the task, such as loss=l2")
    add("--network", metavar="NAME=N,N,...", action="append", default=[], help="how it is built: widths=48,72,96")
    command.set_defaults(run=fit)


def _add_evaluate(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("models", metavar="MODEL", nargs="*", help="name or folder; by default all that are shipped")
    add("--scenes", metavar="DIR", type=Path, required=True, help="folder of EXR scenes")
    add("--task", default="deinterlace", choices=("deinterlace", "single"), help="where no model is named")
    add("--iso", metavar="L/H", type=_iso_pair, help="one ISO pair for all frames instead of four in turn")
    add("--seed", type=int, default=1)
    add("--json", action="store_true", help="print everything as JSON")
    add("--record", metavar="DATA", help="write the means into the manifests of the models, as measured on DATA")
    command.set_defaults(run=evaluate)


def _add_export(command: argparse.ArgumentParser) -> None:
    add = command.add_argument
    add("checkpoint", metavar="CHECKPOINT", type=Path)
    add("-o", "--output", metavar="FOLDER", type=Path, required=True, help="models/NAME")
    add("--version", default="1.0.0")
    add("--default", action="store_true", help="the model is used where none is asked for")
    add("--tile", metavar="N|HxW", type=_size, help="by default that of the network's kind")
    add("--border", metavar="N|HxW", type=_size, help="by default the measured one")
    add("--shards", metavar="FILE", type=Path, nargs="+", default=[], help="where the checkpoint does not name them")
    add("--overwrite", action="store_true", help="replace the model that is there; its card stays")
    command.set_defaults(run=export)


def _iso_pair(text: str) -> tuple[float, float]:
    try:
        low, high = (float(part) for part in text.split("/"))
    except ValueError:
        low = high = 0.0
    if not 0 < low < high < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no pair such as 100/1600")
    return low, high


def _size(text: str) -> tuple[int, int]:
    """Return height and width."""
    try:
        sides = [int(part) for part in text.split("x")]
    except ValueError:
        sides = []
    if len(sides) not in {1, 2} or min(sides) < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no size such as 512 or 512x1024")
    return sides[0], sides[-1]


def _say(line: Any) -> None:
    print(line, flush=True)


def _fail(message: str, code: int) -> int:
    print(f"{PROGRAM}: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
