"""What the decoders of display pictures hand on, and the refusals that they share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hdrcli.errors import UnreadableFileError
from hdrcli.io.code_points import CodePoints, Samples
from hdrcli.io.gainmap import GainMap

LARGEST_PIXELS = 178_956_970
"""More are refused before anything is decoded: what Pillow, too, calls a decompression bomb (a third of a gigapixel
of 3 x 16 bits would fill 2 GB)."""


@dataclass(frozen=True)
class Decoded:
    """A picture as a decoder gives it.

    Attributes
    ----------
    samples : ndarray (H, W, C), uint8 or uint16
        Full range of the type; C is 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
    icc : bytes
        Embedded profile, empty where there is none.
    code_points : CodePoints or None
        Where the container states them.
    orientation : int or None
        EXIF orientation still to be applied; None where the EXIF entry decides.
    gain_map : GainMap or None
        That of the file, as far as it could be read.
    has_gain_map : bool
        Whether the file has one, readable or not.
    notes : tuple of str
        Sentences for the report: what was left out or assumed.
    """

    samples: Samples
    icc: bytes = b""
    code_points: CodePoints | None = None
    orientation: int | None = None
    gain_map: GainMap | None = None
    has_gain_map: bool = False
    notes: tuple[str, ...] = ()


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse dimensions that no memory should be spent on, before anything is decoded.

    Raises
    ------
    UnreadableFileError
        For more than `LARGEST_PIXELS`, or none at all.
    """
    if width < 1 or height < 1:
        raise UnreadableFileError(f"{path} is damaged: it claims {width} x {height} pixels.")
    if width * height > LARGEST_PIXELS:
        raise UnreadableFileError(
            f"{path} claims {width} x {height} pixels; more than {LARGEST_PIXELS:,} are not read. Scale it down first."
        )


def damaged(path: Path, kind: str, error: Exception) -> UnreadableFileError:
    """Return the error for a file that its decoder gave up on."""
    words = " ".join(str(error).split()) or type(error).__name__
    return UnreadableFileError(f"{path} cannot be decoded as {kind}; it may be truncated or damaged ({words}).")


def full_range(samples: Samples, bits: int) -> Samples:
    """Return samples of fewer bits than their type holds stretched to all of it, rounded.

    >>> full_range(np.array([0, 1, 1023], np.uint16), 10)
    array([    0,    64, 65535], dtype=uint16)
    """
    top = np.iinfo(samples.dtype).max
    if 2**bits - 1 == top:
        return samples
    table = np.rint(np.arange(2**bits) * (top / (2**bits - 1))).astype(samples.dtype)
    return np.asarray(table[np.minimum(samples, 2**bits - 1)])
