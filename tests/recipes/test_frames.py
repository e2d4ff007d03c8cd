"""The frames of a bracket: which can be read, which belong together, and what their exposures are."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hdrcli.errors import UnreadableFileError, UnsuitableInputError, UnsupportedFileError
from hdrcli.images import Metadata
from hdrcli.recipes.frames import FrameFacts, check_together, metadata_ev, read_each, stated_evs
from hdrcli.recipes.stack_settings import StackSettings

POSITIVE = st.floats(1e-5, 1e5)


def reading(*good: bool) -> tuple[list[tuple[int, str]], list[int], list[tuple[int, str]]]:
    """Read frames of which some are broken; return what was visited, kept and left out."""

    def frame(index: int) -> str:
        if not good[index]:
            raise UnreadableFileError(f"frame {index} is broken.")
        return f"frame {index}"

    visited: list[tuple[int, str]] = []
    kept, left_out = read_each(
        [lambda index=index: frame(index) for index in range(len(good))],
        lambda index, one: visited.append((index, one)),
    )
    return visited, kept, left_out


@given(good=st.lists(st.booleans(), min_size=2, max_size=8))
def test_frames_are_read_in_order_and_broken_ones_left_out(good: list[bool]) -> None:
    if sum(good) < 2:
        with pytest.raises(UnreadableFileError, match=f"frame {good.index(False)} is broken"):
            reading(*good)
        return
    visited, kept, left_out = reading(*good)
    assert kept == [index for index, fine in enumerate(good) if fine]
    assert visited == [(index, f"frame {index}") for index in kept]
    assert left_out == [(index, f"frame {index} is broken.") for index, fine in enumerate(good) if not fine]


def test_what_is_of_no_kind_that_is_read_stops_everything() -> None:
    def strange() -> str:
        raise UnsupportedFileError("notes.txt is no picture.")

    with pytest.raises(UnsupportedFileError):
        read_each([lambda: "a", lambda: "b", strange], lambda index, one: None)


@pytest.mark.parametrize(
    ("size", "metadata", "message"),
    [
        ((96, 64), Metadata(make="Canon", model="Canon EOS 6D"), "b has 96 x 64 pixels, a 64 x 96"),
        ((64, 96), Metadata(make="Nikon", model="D810"), "b is of Nikon D810, a of Canon EOS 6D"),
    ],
)
def test_other_sizes_and_cameras_are_refused(size: tuple[int, int], metadata: Metadata, message: str) -> None:
    first = FrameFacts("a", (64, 96), Metadata(make="Canon", model="Canon EOS 6D"))
    with pytest.raises(UnsuitableInputError, match=message):
        check_together(first, FrameFacts("b", size, metadata))


@pytest.mark.parametrize(
    ("lengths", "warns"), [((50, 50), False), ((50, 50.4), False), ((50, 55), True), ((None, 50), False)]
)
def test_other_focal_lengths_are_a_warning(lengths: tuple[float | None, float | None], warns: bool) -> None:
    facts = [FrameFacts(name, (64, 96), Metadata(focal_length_mm=mm)) for name, mm in zip("ab", lengths, strict=True)]
    assert bool(check_together(facts[0], facts[1])) == warns == bool(check_together(facts[1], facts[0]))


@given(time=POSITIVE, iso=POSITIVE, number=st.floats(0.5, 64), factor=st.floats(1 / 64, 64))
def test_a_file_states_the_light_that_it_gathered(time: float, iso: float, number: float, factor: float) -> None:
    whole = metadata_ev(Metadata(exposure_time_s=time, iso=iso, f_number=number))
    assert whole is not None
    for changed in (
        Metadata(exposure_time_s=time * factor, iso=iso, f_number=number),
        Metadata(exposure_time_s=time, iso=iso * factor, f_number=number),
        Metadata(exposure_time_s=time, iso=iso, f_number=number / math.sqrt(factor)),
    ):
        assert metadata_ev(changed) == pytest.approx(whole + math.log2(factor), abs=1e-6)


def test_what_a_manual_lens_does_not_state_is_the_same_for_all() -> None:
    assert metadata_ev(Metadata(exposure_time_s=1.0)) == 0
    assert metadata_ev(Metadata(exposure_time_s=0.25, iso=200.0)) == pytest.approx(-1)
    assert metadata_ev(Metadata(iso=100.0, f_number=8.0)) is None


def test_settings_state_exposures_in_stops_or_seconds() -> None:
    assert stated_evs(StackSettings(), 3) == [None, None, None]
    assert stated_evs(StackSettings(evs=(1.0, -1.0)), 2) == [1.0, -1.0]
    assert stated_evs(StackSettings(times=(0.25, 1.0, 4.0)), 3) == pytest.approx([-2, 0, 2])
