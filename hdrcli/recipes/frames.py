"""The frames of a bracket as they are read: which can be, and whether they belong together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hdrcli.errors import UnreadableFileError, UnsuitableInputError
from hdrcli.images import Metadata
from hdrcli.recipes.report import camera_name
from hdrcli.recipes.stack_settings import StackSettings

Frame = TypeVar("Frame")

_SAME_FOCAL_LENGTH = 0.02


@dataclass(frozen=True)
class FrameFacts:
    """What frames must have in common.

    Attributes
    ----------
    name : str
    size : tuple of 2 int
        Width and height.
    metadata : Metadata
    """

    name: str
    size: tuple[int, int]
    metadata: Metadata


def read_each(
    frames: Sequence[Callable[[], Frame]], visit: Callable[[int, Frame], None]
) -> tuple[list[int], list[tuple[int, str]]]:
    """Read every frame once and hand it to `visit` with its index.

    Returns
    -------
    kept : list of int
        Indices of the frames that were read.
    left_out : list of (int, str)
        Index of each of the others, and why.

    Raises
    ------
    UnreadableFileError
        When fewer than two can be read: the first failure.
    """
    kept: list[int] = []
    left_out: list[tuple[int, str]] = []
    failure: UnreadableFileError | None = None
    for index, read in enumerate(frames):
        try:
            frame = read()
        except UnreadableFileError as error:
            failure = failure or error
            left_out.append((index, str(error)))
            continue
        visit(index, frame)
        kept.append(index)
    if failure is not None and len(kept) < 2:
        raise failure
    return kept, left_out


def check_together(first: FrameFacts, other: FrameFacts) -> str:
    """Return a warning, or nothing, about two frames of one bracket.

    Raises
    ------
    UnsuitableInputError
        When they cannot be of one bracket: other sizes or cameras.
    """
    if other.size != first.size:
        raise UnsuitableInputError(
            f"{other.name} has {other.size[0]} x {other.size[1]} pixels, {first.name} {first.size[0]} x "
            f"{first.size[1]}. A bracket is of one camera and one size."
        )
    cameras = camera_name(first.metadata), camera_name(other.metadata)
    if cameras[0] != cameras[1]:
        raise UnsuitableInputError(
            f"{other.name} is of {cameras[1]}, {first.name} of {cameras[0]}. A bracket is of one camera."
        )
    lengths = first.metadata.focal_length_mm, other.metadata.focal_length_mm
    if lengths[0] and lengths[1] and abs(math.log(lengths[1] / lengths[0])) > _SAME_FOCAL_LENGTH:
        return f"{other.name} was taken at {lengths[1]:g} mm, {first.name} at {lengths[0]:g} mm; aligned all the same."
    return ""


def stated_evs(settings: StackSettings, number: int) -> list[float | None]:
    """Return the exposures that the settings give, in stops; None for each of `number` frames where they give none."""
    if settings.evs is not None:
        return list(settings.evs)
    if settings.times is not None:
        return [math.log2(time) for time in settings.times]
    return [None] * number


def metadata_ev(metadata: Metadata) -> float | None:
    """Return the exposure that a file states, in stops; None without a time.

    ISO or aperture that a file does not state (manual lenses) is taken to be the same in all of a bracket.
    """
    if metadata.exposure_time_s is None:
        return None
    ev = math.log2(metadata.exposure_time_s)
    if metadata.iso:
        ev += math.log2(metadata.iso / 100)
    if metadata.f_number:
        ev -= 2 * math.log2(metadata.f_number)
    return ev
