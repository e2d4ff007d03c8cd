"""Exposure fusion, against OpenCV's, and what holds of pictures that are not valid everywhere."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray
from hdrcli.merge.fusion import Fusion

ATOL = 2e-5


def fused(frames: Sequence[FloatArray], valid: Sequence[FloatArray | None] | None = None) -> FloatArray:
    valid = [None] * len(frames) if valid is None else valid
    fusion = Fusion((frames[0].shape[0], frames[0].shape[1]))
    for step in (fusion.weigh, fusion.blend):
        for frame, where in zip(frames, valid, strict=True):
            step(frame, where)
    return fusion.result()


def bracket(height: int, width: int, *, frames: int = 3, seed: int = 1) -> list[FloatArray]:
    """A scene of twelve stops, smooth with some structure, at exposures two stops apart."""
    rng = np.random.default_rng(seed)
    smooth = cv2.resize(rng.random((5, 6, 3), dtype=np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    stops = 12 * smooth - 9 + rng.normal(0, 0.2, (height, width, 3)).astype(np.float32)
    middle = (frames - 1) / 2
    codes = [np.clip(2 ** (stops + 2 * (k - middle)), 0, 1) ** (1 / 2.2) for k in range(frames)]
    return [np.asarray(picture, dtype=np.float32) for picture in codes]


@pytest.mark.parametrize(("height", "width"), [(96, 128), (61, 37), (2, 3), (5, 1), (1, 1)])
def test_it_is_what_opencv_makes_of_pictures_valid_everywhere(height: int, width: int) -> None:
    frames = bracket(height, width)
    # OpenCV divides by 255, floats too, and leaves well-exposedness out unless told.
    expected = cv2.createMergeMertens(1, 1, 1).process([frame * 255 for frame in frames])
    np.testing.assert_allclose(fused(frames), np.clip(expected, 0, 1), atol=5e-4)


def test_the_order_of_pictures_does_not_matter() -> None:
    frames = bracket(40, 57, frames=4)
    np.testing.assert_allclose(fused(frames), fused([frames[k] for k in (2, 0, 3, 1)]), atol=ATOL)


def test_a_picture_fused_with_itself_stays_itself() -> None:
    frame = bracket(33, 46)[1]
    np.testing.assert_allclose(fused([frame, frame]), frame, atol=ATOL)


def test_pictures_of_one_colour_stay_so() -> None:
    colour = np.full((23, 31, 3), (0.2, 0.4, 0.9), np.float32)
    np.testing.assert_allclose(fused([colour, colour, colour]), colour, atol=ATOL)
    grey = fused([np.full((23, 31, 3), value, np.float32) for value in (0.3, 0.5)])
    np.testing.assert_allclose(grey, np.full_like(grey, 0.4), atol=ATOL)


def test_dark_parts_come_from_the_long_exposure_and_bright_ones_from_the_short() -> None:
    short, _, long = bracket(80, 80)
    together = fused([short, long])
    lost = (np.mean(short, axis=2) < 0.1) & (np.ptp(long, axis=2) > 0.1) & (long.max(axis=2) < 0.8)
    clipped = (long.min(axis=2) >= 1) & (short.max(axis=2) < 0.9)
    assert min(lost.sum(), clipped.sum()) > 20
    assert np.median(together[lost]) > 1.4 * np.median(short[lost])
    assert np.median(together[clipped]) < 0.9


def test_what_a_picture_shows_where_it_is_invalid_has_no_influence_anywhere() -> None:
    frames = bracket(64, 48)
    valid = np.ones((64, 48), np.float32)
    valid[10:40, 5:30] = 0
    other = frames[2].copy()
    other[valid == 0] = np.random.default_rng(2).random((int((valid == 0).sum()), 3), dtype=np.float32)
    everywhere = np.ones_like(valid)
    one = fused(frames, [everywhere, everywhere, valid])
    two = fused([*frames[:2], other], [everywhere, everywhere, valid])
    np.testing.assert_array_equal(one, two)


def test_details_come_from_valid_pictures_alone() -> None:
    size = 256
    plain = np.full((size, size, 3), (0.3, 0.4, 0.5), np.float32)
    ghost = plain.copy()
    ghost[96:160, 96:160] = (0.9, 0.5, 0.1)
    ghost[96:160:2, 96:160] = (0.1, 0.8, 0.3)
    valid = np.ones((size, size), np.float32)
    valid[90:166, 90:166] = 0
    np.testing.assert_allclose(fused([plain, ghost], [np.ones_like(valid), valid]), plain, atol=ATOL)
    assert np.abs(fused([plain, ghost]) - plain).max() > 0.2


def test_a_picture_valid_by_half_keeps_its_sharpness() -> None:
    frame = bracket(32, 32)[1]
    half = np.full((32, 32), 0.5, np.float32)
    np.testing.assert_allclose(fused([frame, frame], [None, half]), frame, atol=ATOL)


def test_pixels_valid_nowhere_get_what_is_around_them() -> None:
    frame = np.full((32, 32, 3), (0.2, 0.5, 0.6), np.float32)
    valid = np.ones((32, 32), np.float32)
    valid[8:20, 8:20] = 0
    spoilt = np.where(valid[..., None] > 0, frame, np.float32(1))
    np.testing.assert_allclose(fused([spoilt, spoilt], [valid, valid]), frame, atol=ATOL)
    nothing = fused([frame, frame], [np.zeros_like(valid)] * 2)
    assert np.isfinite(nothing).all()


def test_memory_does_not_grow_with_the_number_of_pictures() -> None:
    frame = bracket(256, 256)[1]
    valid = np.ones((256, 256), np.float32)
    valid[:50] = 0
    peaks = []
    for number in (2, 12):
        fused([frame], [valid])  # compiled before anything is measured
        tracemalloc.start()
        fused([frame] * number, [valid] * number)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.05 * peaks[0]
    assert peaks[1] < 8 * frame.nbytes


def test_inputs_are_left_as_they_are() -> None:
    frame, valid = bracket(16, 16)[1], np.full((16, 16), 0.3, np.float32)
    before = frame.copy(), valid.copy()
    fused([frame, frame], [valid, valid])
    np.testing.assert_array_equal(frame, before[0])
    np.testing.assert_array_equal(valid, before[1])


def test_misuse_is_refused() -> None:
    with pytest.raises(UsageError, match="0 rows and 5 columns"):
        Fusion((0, 5))
    frame, fusion = np.zeros((4, 6, 3), np.float32), Fusion((4, 6))
    with pytest.raises(UsageError, match="Of 0 pictures"):
        fusion.result()
    with pytest.raises(UsageError, match="not weighed"):
        fusion.blend(frame)
    for wrong, valid in ((frame[:3], None), (frame[..., 0], None), (frame, np.ones((6, 4), np.float32))):
        with pytest.raises(UsageError, match="4 rows and 6 columns"):
            fusion.weigh(wrong, valid)
    fusion.weigh(frame)
    with pytest.raises(UsageError, match="Of 1 pictures 0 were blended"):
        fusion.result()
