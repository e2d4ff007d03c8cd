"""Segments of JPEG files are found, made and put where readers look for them."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest

from hdrcli.images import Metadata
from hdrcli.io.jpeg_segments import APP1, APP2, EXIF_NAME, head_end, head_segments, insert_segments, segment
from hdrcli.io.metadata import encode_metadata

JPEG = bytes(imagecodecs.jpeg8_encode(np.full((8, 8, 3), 100, np.uint8)))


def test_segments_go_behind_those_that_are_there_and_leave_the_picture_alone() -> None:
    first = insert_segments(JPEG, segment(APP2, b"one"))
    both = insert_segments(first, segment(APP1, b"two"), segment(APP1, b""))
    found = [(marker, body) for marker, body, _ in head_segments(both)]
    at = found.index((APP2, b"one"))
    assert found[at : at + 3] == [(APP2, b"one"), (APP1, b"two"), (APP1, b"")]
    assert all(0xE0 <= marker <= 0xEF for marker, _ in found[:at])
    assert head_end(both) == head_end(JPEG) + 4 + 3 + 4 + 3 + 4
    assert both[head_end(both) :] == JPEG[head_end(JPEG) :]
    np.testing.assert_array_equal(imagecodecs.jpeg8_decode(both), imagecodecs.jpeg8_decode(JPEG))


def test_a_segment_holds_so_much_and_no_more() -> None:
    assert len(segment(APP1, bytes(65533))) == 65537
    with pytest.raises(ValueError, match="do not fit"):
        segment(APP1, bytes(65534))


@pytest.mark.parametrize("length", range(0, len(JPEG) // 2, 7))
def test_a_truncated_head_ends_quietly(length: int) -> None:
    assert len(list(head_segments(JPEG[:length]))) <= len(list(head_segments(JPEG)))


def test_exif_is_a_tiff_structure_and_xmp_there_only_with_provenance() -> None:
    exif, xmp = encode_metadata(Metadata(make="Canon"))
    assert exif[:4] in (b"II*\0", b"MM\0*")
    assert not exif.startswith(EXIF_NAME)
    assert b"Canon" in exif
    assert xmp == b""
    assert b'hdrcli:model="none"' in encode_metadata(Metadata(provenance={"model": "none"}))[1]
