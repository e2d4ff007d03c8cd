"""What every task does before a batch: keep some places for validation, and make chunks ahead of the training."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import numpy as np

from hdrcli.errors import UnsuitableInputError
from hdrcli.training.shards import Picture

Chunk = TypeVar("Chunk")


class Ahead(Generic[Chunk]):
    """Chunks by number, made in the background shortly before they are asked for.

    Parameters
    ----------
    make : callable
        Returns the chunk of a number, which is all that it depends on.
    workers : int
        Chunks made at the same time; one is enough unless the training device is fast.
    """

    def __init__(self, make: Callable[[int], Chunk], *, workers: int) -> None:
        self._make, self._workers = make, workers
        self._chunks: dict[int, Future[Chunk]] = {}
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="chunks")

    def __getitem__(self, number: int) -> Chunk:
        """Return a chunk, and see to it that the next ones are under way."""
        for wanted in range(number, number + 1 + self._workers):
            if wanted not in self._chunks:
                self._chunks[wanted] = self._pool.submit(self._make, wanted)
        for old in [n for n in self._chunks if n < number]:
            del self._chunks[old]
        return self._chunks[number].result()

    def close(self) -> None:
        """Stop making chunks."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def split_places(pictures: Sequence[Picture]) -> tuple[list[Picture], list[Picture]]:
    """Return the pictures to train on, and those to validate on.

    Every eighth scene is kept for validation, and no other picture of its place is trained on. Without enough scenes
    some training pictures validate.

    Raises
    ------
    UnsuitableInputError
        When there is nothing left to train on.
    """
    held_out = [p for i, p in enumerate(p for p in pictures if p.kind == "scene") if i % 8 == 5]
    places = {_place(p) for p in held_out}
    training = [p for p in pictures if _place(p) not in places]
    if not training:
        raise UnsuitableInputError("These shards hold no pictures to train on; pack more.")
    return training, held_out or list(pictures[:8])


def draw_pictures(
    pictures: Sequence[Picture], number: int, rng: np.random.Generator, *, shares: Mapping[str, float]
) -> list[Picture]:
    """Return so many pictures drawn at random, each kind with its share; kinds that are missing leave it to others."""
    kinds = sorted({p.kind for p in pictures})
    weights = np.array([shares[kind] for kind in kinds])
    by_kind = {kind: [p for p in pictures if p.kind == kind] for kind in kinds}
    drawn = rng.choice(kinds, number, p=weights / weights.sum())
    return [by_kind[kind][rng.integers(len(by_kind[kind]))] for kind in drawn]


def _place(picture: Picture) -> str:
    """Return what pictures of one place share: names of scenes end in "-x" or "_0", those of others begin with it."""
    if picture.kind == "scene":
        return re.sub(r"(-[^-]*)?(_\d)?$", "", picture.name)
    return picture.name.partition("_")[0]
