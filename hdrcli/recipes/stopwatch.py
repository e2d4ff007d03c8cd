"""Stages of a recipe: how long each took, and which one goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str, float], None]
"""Told the stage that begins and the share of the work done so far; may raise to cancel."""


class Stopwatch:
    """Times the stages of a recipe and reports their beginning."""

    def __init__(self, progress: Progress | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress
        self._share = 0.0

    @contextmanager
    def stage(self, name: str, share: float) -> Iterator[None]:
        """Time the block as stage `name`, which begins when `share` (0 to 1) of the work is done."""
        self.goes_on(name, share)
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin

    def goes_on(self, name: str, share: float | None = None) -> None:
        """Report that stage `name` goes on, and the share of the whole work that is done, where it is known anew.

        The share never falls: work that is gone over again goes on from where it was.
        """
        self._share = max(self._share, self._share if share is None else share)
        if self._progress is not None:
            self._progress(name, self._share)
