"""The command `hdrcli`: finds the subcommand, and turns every error into one line and an exit code."""

from __future__ import annotations

import difflib
import importlib
import io
import os
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType

import click

from hdrcli import __version__
from hdrcli.cli.console import one_line
from hdrcli.errors import HdrcliError, UsageError

COMMANDS = {
    "deinterlace": "hdrcli.cli.deinterlace",
    "single": "hdrcli.cli.single",
    "stack": "hdrcli.cli.stack",
    "info": "hdrcli.cli.info",
    "models": "hdrcli.cli.models",
}
"""Name of each command and the module whose `command` it is."""


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the help page."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name]).command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command of `args`; where there is none say which one may have been meant."""
        name = args[0]
        if name in COMMANDS or name.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        similar = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {similar[0]!r}" if similar else f"the commands are {', '.join(COMMANDS)}"
        raise click.UsageError(f"no such command {name!r}; {hint}", ctx)


EXAMPLES = """\b
Examples:
  hdrcli deinterlace IMG_1234.CR2 -o IMG_1234.exr
  hdrcli single IMG_1234.jpg -o IMG_1234.exr
"""


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    epilog=EXAMPLES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "-V", "--version", message="hdrcli %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Turn what a camera wrote into scene-linear HDR."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name; those of the process by default.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C, once the workers have cleaned up.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    _stop_in_order()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")  # names of files need not be text
    try:
        code = cli.main(words, prog_name="hdrcli", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except click.Abort:  # what click makes of Ctrl-C
        raise KeyboardInterrupt from None
    except Exception as error:
        return _report(error, with_traceback="--traceback" in words)
    return code if isinstance(code, int) else 0


def _report(error: Exception, *, with_traceback: bool) -> int:
    """Print one line about `error` and return the exit code."""
    if with_traceback:
        traceback.print_exception(error)
    if isinstance(error, click.ClickException):
        page = f"{error.ctx.command_path} --help" if isinstance(error, click.UsageError) and error.ctx else ""
        message = one_line(error.format_message())
        message += "" if message.endswith((".", "?", ")")) else "."
        click.echo(f"hdrcli: {message}" + (f" See {page!r}." if page else ""), err=True)
        return UsageError.exit_code
    if isinstance(error, HdrcliError):
        click.echo(f"hdrcli: {one_line(str(error))}", err=True)
        return error.exit_code
    click.echo(
        f"hdrcli: internal error ({one_line(f'{type(error).__name__}: {error}')}). "
        "Run it again with --traceback and report what it prints.",
        err=True,
    )
    return 1


def _stop_in_order() -> None:
    """Let a request to end (kill, closed terminal) unwind, so that workers are told and clean up."""
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _exit_on_signal)


def _exit_on_signal(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
