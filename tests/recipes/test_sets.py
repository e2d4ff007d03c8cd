"""Brackets are found among files by their metadata alone, whatever else lies between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdrcli.recipes.bracket_set import Grouping, Shot
from hdrcli.recipes.sets import group, one_set

NOON = datetime(2024, 6, 1, 12, 0, 0)
EV_ATOL = 1e-6


def taken(
    evs: Sequence[float],
    *,
    at: datetime = NOON,
    number: int = 1,
    base_s: float = 1 / 60,
    pause_s: float = 0.3,
    **facts: Any,
) -> list[Shot]:
    """Return shots of the exposures, one after the other, as a camera states them."""
    shots = []
    for offset, ev in enumerate(evs):
        exposure_s = base_s * 2.0**ev
        usual: dict[str, Any] = {"camera": "Maker 1", "size": (600, 400), "kind": "raw", "f_number": 8.0, "iso": 100.0}
        path = Path(f"card/IMG_{number + offset:04d}.CR2")
        shots.append(Shot(path, captured=at, exposure_time_s=exposure_s, **(usual | facts)))
        at += timedelta(seconds=exposure_s + pause_s)
    return shots


def numbers(found: Grouping) -> list[list[int]]:
    """Return the numbers of the files of each set."""
    return [[int(path.stem.rpartition("_")[2]) for path in one.files] for one in found.sets]


def kinds(found: Grouping) -> dict[str, list[int]]:
    """Return the numbers of the files that are in no set, by kind."""
    by_kind: dict[str, list[int]] = {}
    for single in found.singles:
        by_kind.setdefault(single.kind, []).append(int(single.file.stem.rpartition("_")[2]))
    return by_kind


def without_times(shots: Sequence[Shot]) -> list[Shot]:
    return [replace(shot, captured=None) for shot in shots]


@pytest.mark.parametrize("order", [(0, -2, 2), (-2, 0, 2), (2, 0, -2), (0, -1, 1, -2, 2), (0, 3)])
def test_a_bracket_is_found_in_the_order_of_any_camera(order: tuple[float, ...]) -> None:
    shots = taken(order)
    (found,) = group(shots).sets
    assert [path.name for path in found.files] == [f"IMG_{n:04d}.CR2" for n in range(1, len(order) + 1)]
    assert found.exposures == pytest.approx(order, abs=EV_ATOL)
    assert (found.kind, found.camera, found.first) == ("raw", "Maker 1", NOON)
    assert found.last == shots[-1].captured
    assert found.name == Path(f"card/IMG_0001-{len(order):04d}.CR2")
    assert found.reason.startswith(f"{len(order)} frames within ")
    assert found.reason.endswith("then no further frame")
    assert found.advice.split() == ["hdrcli", "stack", *map(str, found.files)]


patterns = st.lists(st.integers(-12, 12), min_size=2, max_size=9, unique=True).map(
    lambda thirds: [t / 3 for t in thirds]
)


@given(
    pattern=patterns,
    repeats=st.integers(1, 8),
    base_s=st.floats(1 / 500, 4),
    pause_s=st.floats(0.01, 2.9),
    order=st.randoms(use_true_random=False),
)
def test_a_pattern_that_starts_again_begins_a_set(
    pattern: list[float], repeats: int, base_s: float, pause_s: float, order: Any
) -> None:
    shots = taken(pattern * repeats, base_s=base_s, pause_s=pause_s)
    order.shuffle(shots)
    found = group(shots)
    size = len(pattern)
    assert sorted(numbers(found)) == [list(range(1 + k * size, 1 + (k + 1) * size)) for k in range(repeats)]
    assert found.singles == ()
    middle = sorted(pattern)[(size - 1) // 2]
    for one in found.sets:
        assert one.exposures == pytest.approx([ev - middle for ev in pattern], abs=EV_ATOL)


@given(pattern=patterns, repeats=st.integers(1, 5), base_s=st.floats(1 / 500, 4), pause_s=st.floats(0.0, 1.9))
def test_clocks_of_whole_seconds_are_enough(pattern: list[float], repeats: int, base_s: float, pause_s: float) -> None:
    shots = taken(pattern * repeats, base_s=base_s, pause_s=pause_s)
    shots = [replace(shot, captured=shot.captured and shot.captured.replace(microsecond=0)) for shot in shots]
    assert [len(found) for found in numbers(group(shots))] == [len(pattern)] * repeats


any_shot = st.builds(
    lambda seconds, ev, camera, kind, bias, mode: taken(
        [ev], at=NOON + timedelta(seconds=seconds), camera=camera, kind=kind, bias_ev=bias, mode=mode
    )[0],
    seconds=st.floats(0, 60),
    ev=st.sampled_from([-2.0, 0.0, 0.1, 2.0]),
    camera=st.sampled_from(["Maker 1", "Maker 2"]),
    kind=st.sampled_from(["raw", "display", ""]),
    bias=st.sampled_from([None, 0.0, -2.0]),
    mode=st.sampled_from([None, 0, 1, 2]),
)


@given(shots=st.lists(any_shot, max_size=25), timed=st.booleans(), order=st.randoms(use_true_random=False))
def test_every_file_is_in_one_place_whatever_the_order(shots: list[Shot], timed: bool, order: Any) -> None:
    shots = [replace(shot, path=Path(f"card/IMG_{n:04d}")) for n, shot in enumerate(shots)]
    shots = shots if timed else without_times(shots)
    found = group(shots)
    files = [path for one in found.sets for path in one.files] + [single.file for single in found.singles]
    assert sorted(files) == sorted(shot.path for shot in shots)
    for one in found.sets:
        assert max(one.exposures) - min(one.exposures) > 0.1
    shuffled = list(shots)
    order.shuffle(shuffled)
    again = group(shuffled)
    assert set(again.sets) == set(found.sets)
    assert set(again.singles) == set(found.singles)


def test_a_hundred_frames_of_brackets_and_what_lies_between() -> None:
    shots: list[Shot] = []
    at = NOON
    for number in range(1, 101, 5):  # a test shot, three frames, a picture of something else
        shots += taken([1.0], at=at, number=number)
        shots += taken([0, -2, 2], at=at + timedelta(seconds=20), number=number + 1)
        shots += taken([0.5], at=at + timedelta(seconds=40), number=number + 4)
        at += timedelta(seconds=60)
    found = group(shots)
    assert numbers(found) == [[n + 1, n + 2, n + 3] for n in range(1, 101, 5)]
    assert len(kinds(found)["single"]) == 40
    assert all(one.reason.endswith("then a pause of 19 s") for one in found.sets)
    one_go = group(taken([0, -2, 2, -4, 4] * 20))
    assert [len(one.files) for one in one_go.sets] == [5] * 20
    assert one_go.sets[0].reason.endswith("then the exposures start again")


def test_long_exposures_are_no_pauses() -> None:
    found = group(taken([-2, 0, 2, 4], base_s=2.0, pause_s=1.0))
    assert numbers(found) == [[1, 2, 3, 4]]
    assert found.sets[0].exposures == pytest.approx((-2, 0, 2, 4))


def test_the_gap_counts_beyond_the_exposure() -> None:
    shots = taken([0, -2, 2], base_s=1.0, pause_s=6.0)
    assert group(shots).sets == ()
    assert kinds(group(shots)) == {"single": [1, 2, 3]}
    assert numbers(group(shots, gap=6.1)) == [[1, 2, 3]]


@pytest.mark.parametrize("f_number", [(None, None, None), (None, 8.0, 8.0), (8.0, None, 8.0)])
def test_a_missing_aperture_is_a_constant_one(f_number: tuple[float | None, ...]) -> None:
    shots = [replace(shot, f_number=f) for shot, f in zip(taken([0, -2, 2]), f_number, strict=True)]
    (found,) = group(shots).sets
    assert found.exposures == pytest.approx((0, -2, 2))


def test_iso_and_aperture_make_exposures_too() -> None:
    shots = taken([0, 0, 0])
    shots = [replace(shots[0], iso=100.0), replace(shots[1], iso=400.0), replace(shots[2], iso=400.0, f_number=16.0)]
    (found,) = group(shots[:2]).sets
    assert found.exposures == pytest.approx((0, 2))
    assert group([shots[0], shots[2]]).sets == ()  # four times the ISO, a quarter of the light


def test_midnight_and_the_new_year_part_nothing() -> None:
    eve = datetime(2023, 12, 31, 23, 59, 59, 500000)
    assert numbers(group(taken([0, -2, 2], at=eve, pause_s=0.4))) == [[1, 2, 3]]


def test_cameras_do_not_mix() -> None:
    one, other = taken([0, -2, 2] * 2), taken([0, -2, 2] * 2, number=101, camera="Maker 2")
    twin = taken([0, -2, 2] * 2, number=201, serial="7")
    mixed = [shot for shots in zip(one, other, twin, strict=True) for shot in shots]
    assert sorted(numbers(group(mixed))) == [[n, n + 1, n + 2] for n in (1, 4, 101, 104, 201, 204)]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size": (300, 200)}, "another size"),
        ({"lens": "50 mm"}, "another lens"),
        ({"focal_length_mm": 50.0}, "another focal length"),
    ],
)
def test_a_change_of_setting_begins_a_set(change: dict[str, Any], reason: str) -> None:
    shots = taken([0, -2, 2, 4, 6], focal_length_mm=35.0)
    shots = shots[:3] + [replace(shot, **change) for shot in shots[3:]]
    found = group(shots)
    assert numbers(found) == [[1, 2, 3], [4, 5]]
    assert found.sets[0].reason.endswith(f"then {reason}")


def test_a_zoom_that_trembles_is_no_other_focal_length() -> None:
    shots = [replace(shot, focal_length_mm=24 + 0.1 * n) for n, shot in enumerate(taken([0, -2, 2]))]
    assert numbers(group(shots)) == [[1, 2, 3]]


def test_equal_exposures_are_a_burst() -> None:
    found = group(taken([0] * 6))
    assert (found.sets, kinds(found)) == ((), {"burst": [1, 2, 3, 4, 5, 6]})
    assert found.singles[0].reason == "one of 6 frames of equal exposure"
    rounded = [
        replace(shot, exposure_time_s=1 / seconds) for shot, seconds in zip(taken([0, 0]), (60, 64), strict=True)
    ]
    assert kinds(group(rounded)) == {"burst": [1, 2]}


def test_a_burst_before_a_bracket_ends_where_the_bracket_begins() -> None:
    found = group(taken([0, 0, 0, 0, -2, 2]))
    assert numbers(found) == [[4, 5, 6]]
    assert kinds(found) == {"burst": [1, 2, 3]}


def test_a_bracket_with_each_exposure_twice_is_one_bracket() -> None:
    found = group(taken([0, 0, -2, -2, 2, 2] * 2))
    assert numbers(found) == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]]
    assert found.sets[0].exposures == pytest.approx((0, 0, -2, -2, 2, 2))


def test_an_automatic_bracket_repeats_its_compensation_where_the_light_has_changed() -> None:
    first, second = taken([0, -2, 2]), taken([0.5, -1.5, 2.5], number=4, at=NOON + timedelta(seconds=2))
    biases = (0.0, -2.0, 2.0)
    shots = [replace(shot, bias_ev=bias) for shot, bias in zip(first + second, biases * 2, strict=True)]
    assert numbers(group(shots)) == [[1, 2, 3], [4, 5, 6]]


def test_what_the_meter_alone_exposes_differently_is_no_bracket() -> None:
    snapshots = taken([0, 0.33, -0.33, 0.66], mode=0, bias_ev=0.0)
    found = group(snapshots)
    assert (found.sets, kinds(found)) == ((), {"single": [1, 2, 3, 4]})
    by_hand = [replace(shot, mode=1) for shot in snapshots]
    assert numbers(group(by_hand)) == [[1, 2, 3, 4]]
    compensated = [replace(shot, bias_ev=bias) for shot, bias in zip(snapshots, (0.0, 0.33, -0.33, 0.66), strict=True)]
    assert numbers(group(compensated)) == [[1, 2, 3, 4]]
    assert numbers(group(taken([0, -2, 2], mode=0, bias_ev=0.0))) == [[1, 2, 3]]


@pytest.mark.parametrize("folder", ["card", "card/jpeg"])
def test_of_raw_and_jpeg_the_raw_files_make_the_set(folder: str) -> None:
    raw = taken([0, -2, 2])
    pictures = [
        replace(shot, kind="display", size=(590, 390), path=Path(folder, f"{shot.path.stem}.JPG")) for shot in raw
    ]
    found = group([shot for pair in zip(pictures, raw, strict=True) for shot in pair])
    assert [path.suffix for one in found.sets for path in one.files] == [".CR2"] * 3
    assert [single.reason for single in found.singles] == [f"the same shot as IMG_000{n}.CR2" for n in (1, 2, 3)]
    assert numbers(group(pictures)) == [[1, 2, 3]]


def test_of_a_raw_file_and_its_dng_the_cameras_own_counts() -> None:
    raw = taken([0, -2, 2])
    found = group([*(replace(shot, path=shot.path.with_suffix(".DNG")) for shot in raw), *raw])
    assert [path.suffix for one in found.sets for path in one.files] == [".CR2"] * 3
    assert kinds(found) == {"same shot": [1, 2, 3]}


def test_without_times_the_numbers_in_the_names_decide() -> None:
    shots = [
        replace(shot, path=Path(f"scan/shot{number}.jpg"))
        for number, shot in zip((8, 9, 10, 11, 12, 13), taken([0, -2, 2] * 2), strict=True)
    ]
    found = group(without_times(shots[::-1]))
    assert [[path.stem for path in one.files] for one in found.sets] == [
        ["shot11", "shot12", "shot13"],
        ["shot8", "shot9", "shot10"],
    ]
    assert all(one.first is None for one in found.sets)
    assert "by name (no times stated)" in found.sets[0].reason
    elsewhere = [replace(shot, path=Path("other", shot.path.name)) for shot in shots[3:]]
    assert len(group(without_times(shots[:2] + elsewhere[2:])).sets) == 1


def in_zone(shot: Shot, hours: int) -> Shot:
    """Return a shot whose camera says the same moment, noon being that of UTC, in a zone."""
    assert shot.captured is not None
    return replace(shot, captured=shot.captured.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=hours))))


def test_times_are_compared_in_utc_where_all_state_their_offset() -> None:
    shots = taken([0, -2, 2])
    assert numbers(group([in_zone(shot, hours) for shot, hours in zip(shots, (0, 2, -5), strict=True)])) == [[1, 2, 3]]
    partly = [shots[0], in_zone(shots[1], 0), shots[2]]
    assert numbers(group(partly)) == [[1, 2, 3]]


def test_what_no_set_can_be_made_of_is_named() -> None:
    shots = taken([0, -2, 2, -4, 4, 6])
    shots[3] = replace(shots[3], exposure_time_s=None)
    shots[4] = replace(shots[4], made_here=True)
    shots[5] = Shot(shots[5].path)
    found = group(shots)
    assert numbers(found) == [[1, 2, 3]]
    assert kinds(found) == {"no exposure": [4], "result": [5], "no picture": [6]}
    assert found.lines_of_singles() == [
        "Left: no exposure IMG_0004.CR2",
        "Left: result      IMG_0005.CR2",
        "Left: no picture  IMG_0006.CR2",
    ]


def test_sets_read_as_lines_and_as_json() -> None:
    shots = [replace(shot, path=Path("a b", shot.path.name)) for shot in taken([0, -1 / 3, 2])]
    found = group(shots)
    assert found.lines_of_sets() == [
        "IMG_0001-0003  EV 0 -0.3 +2  hdrcli stack 'a b/IMG_0001.CR2' 'a b/IMG_0002.CR2' 'a b/IMG_0003.CR2'"
    ]
    assert found.as_dict()["singles"] == []
    (facts,) = [one.as_dict() for one in found.sets]
    assert facts["name"] == "IMG_0001-0003"
    assert facts["ev"] == [0.0, -0.333, 2.0]
    assert facts["first"] == "2024-06-01T12:00:00"
    odd = replace(found.sets[0], files=(Path("-a.dng"), Path("-b.dng")))
    assert odd.advice == "hdrcli stack -- -a.dng -b.dng"


def test_files_that_the_user_puts_together_are_a_set_whatever_they_state() -> None:
    shots = taken([0, 0, 2])
    assert one_set(shots, "as named").exposures == pytest.approx((0, 0, 2))
    silent = [replace(shots[0], exposure_time_s=None), *shots[1:]]
    assert one_set(silent, "as named").exposures == (0, 0, 0)


def test_nothing_makes_no_sets() -> None:
    assert group([]) == Grouping((), ())
