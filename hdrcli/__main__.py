"""Where the command `hdrcli`, and `python -m hdrcli`, begins."""

from __future__ import annotations

import os
import sys


def main() -> int:
    """Run the command line and return the exit code; Ctrl-C is answered from the first import on."""
    # The kernels run as fast with LLVM's first level of optimisation as with its third, and compile a quarter faster,
    # which the first run after an installation is made of. Workers inherit it; programs that import hdrcli choose.
    os.environ.setdefault("NUMBA_OPT", "1")
    try:
        from hdrcli.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("hdrcli: interrupted.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
