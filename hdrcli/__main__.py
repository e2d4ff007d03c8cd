"""Where the command `hdrcli`, and `python -m hdrcli`, begins."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the command line and return the exit code; Ctrl-C is answered from the first import on."""
    try:
        from hdrcli.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        sys.stderr.write("hdrcli: interrupted.\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
