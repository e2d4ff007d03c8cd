"""Exposures as files or users state them."""

from __future__ import annotations

import math

from hdrcli.images import Metadata
from hdrcli.recipes.stack_settings import StackSettings


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
