"""Every error a user can meet, each with its exit code.

The library raises these; only `hdrcli.cli` turns one into a line on the screen.
Each subclass also inherits the builtin it specialises, so that a program may catch either.
A message is one sentence that says what was found and one that says what to do.
"""

from __future__ import annotations


class HdrcliError(Exception):
    """Root of all errors that hdrcli raises on purpose."""

    exit_code = 1


class SomeInputsFailedError(HdrcliError):
    """Some of several inputs failed; the others were written (exit code 1)."""

    exit_code = 1


class UsageError(HdrcliError, ValueError):
    """An option or argument makes no sense, whatever the files hold (exit code 2)."""

    exit_code = 2


class UnreadableFileError(HdrcliError, OSError):
    """The input is missing, empty, truncated, damaged or not permitted to be read (exit code 3)."""

    exit_code = 3


class UnsupportedFileError(HdrcliError, ValueError):
    """The input is intact but of a kind that no command here reads (exit code 3)."""

    exit_code = 3


class UnsuitableInputError(HdrcliError, ValueError):
    """The input is fine but not for this command, for example not dual-ISO (exit code 4)."""

    exit_code = 4


class ModelError(HdrcliError, ValueError):
    """A model is missing, damaged or does not fit the task (exit code 5)."""

    exit_code = 5


class OutputError(HdrcliError, OSError):
    """The output exists already, is an input, or cannot be written (exit code 6)."""

    exit_code = 6
