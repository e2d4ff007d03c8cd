"""`python -m hdrcli` does what `hdrcli` does."""

from __future__ import annotations

import sys

from hdrcli.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
