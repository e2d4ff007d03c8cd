"""Places are kept for validation, pictures drawn by their kinds, and chunks made ahead."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from hdrcli.errors import UnsuitableInputError
from hdrcli.training.prepare import Ahead, draw_pictures, split_places
from hdrcli.training.shards import Picture

SHARES = {"scene": 0.6, "photo": 0.3, "rendered": 0.1}


def named(*names: str, kind: str = "scene") -> list[Picture]:
    return [Picture(name, kind, np.ones((2, 2, 3), np.float16)) for name in names]


def names(pictures: list[Picture]) -> list[str]:
    return [picture.name for picture in pictures]


def test_every_eighth_scene_validates_and_its_place_is_not_trained_on() -> None:
    scenes = named("hall-a_0", "hall-b_0", "road_0", "wood_0", "lake_0", "barn-1_0", "barn-2_0", "mill_0", "barn-3")
    training, validation = split_places(scenes)
    assert names(validation) == ["barn-1_0"]
    assert names(training) == ["hall-a_0", "hall-b_0", "road_0", "wood_0", "lake_0", "mill_0"]


def test_a_photograph_of_a_place_that_validates_is_not_trained_on() -> None:
    scenes = named(*(f"place{i}_0" for i in range(14)))
    others = [*named("place5_left", "other_left", kind="photo"), *named("place13_x", kind="rendered")]
    training, validation = split_places([*others, *scenes])
    assert names(validation) == ["place5_0", "place13_0"]
    assert {"place5_left", "place13_x"}.isdisjoint(names(training))
    assert "other_left" in names(training)
    assert len(training) == 12 + 1


def test_photographs_of_other_places_are_not_lost_for_what_their_names_begin_with() -> None:
    scenes = named(*(f"place{i}_0" for i in range(6)))
    training, _ = split_places([*scenes, *named("place51_a", kind="photo")])
    assert "place51_a" in names(training)


def test_without_enough_scenes_training_pictures_validate() -> None:
    pictures = [*named("a_0", "b_0"), *named(*(f"p{i}_a" for i in range(9)), kind="photo")]
    training, validation = split_places(pictures)
    assert training == pictures
    assert validation == pictures[:8]


def test_there_has_to_be_something_to_train_on() -> None:
    with pytest.raises(UnsuitableInputError, match="no pictures to train on"):
        split_places([])
    with pytest.raises(UnsuitableInputError, match="no pictures to train on"):
        split_places(named(*(f"same-{i}_0" for i in range(6))))


def test_kinds_are_drawn_by_their_shares_and_pictures_evenly() -> None:
    pictures = [*named("a", "b"), *named("c", kind="photo"), *named("d", kind="rendered")]
    drawn = names(draw_pictures(pictures, 4000, np.random.default_rng(1), shares=SHARES))
    for name, share in {"a": 0.3, "b": 0.3, "c": 0.3, "d": 0.1}.items():
        assert drawn.count(name) / 4000 == pytest.approx(share, abs=0.03)


def test_a_kind_that_is_missing_leaves_its_share_to_the_others() -> None:
    pictures = [*named("a"), *named("d", kind="rendered")]
    drawn = names(draw_pictures(pictures, 3000, np.random.default_rng(1), shares=SHARES))
    assert drawn.count("a") / 3000 == pytest.approx(6 / 7, abs=0.03)


def test_draws_follow_from_the_generator() -> None:
    pictures = named(*"abcdefgh")
    one, same, other = (names(draw_pictures(pictures, 9, np.random.default_rng(s), shares=SHARES)) for s in (1, 1, 2))
    assert one == same != other


@pytest.mark.parametrize("workers", [1, 3])
def test_chunks_are_made_once_and_ahead(workers: int) -> None:
    made: list[int] = []
    enough = threading.Event()

    def make(number: int) -> str:
        made.append(number)
        if len(made) > workers:
            enough.set()
        return f"chunk {number}"

    chunks = Ahead(make, workers=workers)
    assert [chunks[0], chunks[0]] == ["chunk 0", "chunk 0"]
    assert enough.wait(10)
    assert sorted(made) == list(range(workers + 1))
    assert chunks[1] == "chunk 1"
    assert chunks[7] == "chunk 7"
    assert chunks[2] == "chunk 2", "also one that was let go"
    chunks.close()
    assert made.count(0) == made.count(1) == 1


def test_what_making_a_chunk_raises_comes_where_it_is_asked_for() -> None:
    def make(number: int) -> int:
        if number == 1:
            raise UnsuitableInputError("no light")
        return number

    chunks = Ahead(make, workers=1)
    assert chunks[0] == 0
    with pytest.raises(UnsuitableInputError, match="no light"):
        chunks[1]
    chunks.close()


def test_closing_waits_for_what_is_being_made_and_drops_the_rest() -> None:
    made: list[int] = []
    begun, go_on = threading.Event(), threading.Event()

    def make(number: int) -> int:
        if number == 1:
            begun.set()
            go_on.wait(10)
        made.append(number)
        return number

    chunks = Ahead(make, workers=1)
    assert chunks[0] == 0
    assert begun.wait(10)
    threading.Timer(0.1, go_on.set).start()
    chunks.close()
    assert made == [0, 1]
    with pytest.raises(RuntimeError):
        chunks[5]
