"""Mirroring whole periods beyond the borders."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hdrcli.mirror import mirrored


@given(length=st.integers(4, 40), margin=st.integers(0, 90), period=st.sampled_from([1, 2, 4]))
@settings(max_examples=60)
def test_mirroring_keeps_the_phase_and_stays_inside(length: int, margin: int, period: int) -> None:
    index = mirrored(-margin, length + margin, length=length, period=period)
    assert index.min() >= 0
    assert index.max() < length
    np.testing.assert_array_equal(index % period, np.arange(-margin, length + margin) % period)
    np.testing.assert_array_equal(index[margin : margin + length], np.arange(length))


def test_whole_periods_are_mirrored() -> None:
    assert mirrored(-8, 0, length=12, period=4).tolist() == [4, 5, 6, 7, 0, 1, 2, 3]
    assert mirrored(6, 10, length=6, period=2).tolist() == [4, 5, 2, 3]


@given(length=st.integers(1, 9), margin=st.integers(0, 9))
def test_period_one_is_symmetric_reflection(length: int, margin: int) -> None:
    margin = min(margin, length)
    expected = np.pad(np.arange(length), margin, mode="symmetric")
    np.testing.assert_array_equal(mirrored(-margin, length + margin, length=length, period=1), expected)


def test_less_than_a_period_is_refused() -> None:
    with pytest.raises(ValueError, match="3 samples are less than a period of 4"):
        mirrored(0, 3, length=3, period=4)
