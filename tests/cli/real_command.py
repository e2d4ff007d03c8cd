"""The real command, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hdrcli

_PACKAGE_PARENT = str(Path(hdrcli.__file__).resolve().parent.parent)


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment, in which `hdrcli` can be imported from any folder."""
    paths = [_PACKAGE_PARENT, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **changes}


def command_line(*arguments: object) -> list[str]:
    """Return the words that start `hdrcli` with `arguments`."""
    return [sys.executable, "-m", "hdrcli", *map(str, arguments)]


def run_hdrcli(*arguments: object, cwd: Path, timeout: float = 120, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run `hdrcli` with `arguments` in `cwd` and `changes` of the environment; return how it ended and what it said."""
    return subprocess.run(
        command_line(*arguments),
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        text=True,
        errors="surrogateescape",
        timeout=timeout,
        check=False,
    )
