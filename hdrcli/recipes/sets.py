"""Brackets among files: which of them are exposures of one scene, as far as their metadata tells.

Files go together while camera, size, lens and focal length stay the same, the pauses are short, and every exposure is a
new one: a bracket that starts again is the next set, also where no pause lies between. Of files of one shot (raw and
JPEG) the raw file counts. Nothing here opens a file; `hdrcli.recipes.survey` reads what a `Shot` holds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from itertools import pairwise

from hdrcli.io.output import in_order_of_names
from hdrcli.recipes.bracket_set import RAW, BracketSet, Grouping, Shot, Single

GAP_S = 3.0
"""Longest pause inside a bracket in seconds, from the end of one exposure to the beginning of the next."""

# Cameras round 1/64 s to 1/60 and set stops by thirds.
_EQUAL_EV = 1 / 6
# Zoom lenses state a length that trembles.
_EQUAL_FOCAL_LENGTH = 0.02
# What a light meter alone changes between two frames of a scene; brackets span more, or their files say what they are.
_METERED_EV = 1.5
_AUTOMATIC = 0  # EXIF ExposureMode


def group(shots: Sequence[Shot], *, gap: float = GAP_S) -> Grouping:
    """Find the sets among files.

    Parameters
    ----------
    shots : sequence of Shot
        Each file once, in any order: times decide, and where there are none the numbers in the names.
    gap : float
        Longest pause inside a set in seconds, beyond the exposure.

    Returns
    -------
    Grouping
        Every file is in one set or is one single.
    """
    sets: list[BracketSet] = []
    singles, shots_left = _set_aside(shots)
    streams: dict[Hashable, list[Shot]] = {}
    for shot in shots_left:
        untimed_in = shot.path.parent if shot.captured is None else None
        streams.setdefault((shot.camera, shot.serial, shot.kind, untimed_in), []).append(shot)
    for stream in streams.values():
        for run, ended_by in _runs(_chronological(stream), gap):
            of_run, of_none = _parts(run, ended_by)
            sets += of_run
            singles += of_none
    places = {shot.path: place for place, shot in enumerate(shots)}
    return Grouping(
        tuple(sorted(sets, key=lambda found: places[found.files[0]])),
        tuple(sorted(singles, key=lambda single: places[single.file])),
    )


def one_set(shots: Sequence[Shot], reason: str) -> BracketSet:
    """Return shots as a set, whatever holds them together; where an exposure is not stated, all are 0.

    Parameters
    ----------
    shots : sequence of Shot
        At least one, in the order in which they were taken.
    reason : str
    """
    known = all(shot.exposure_time_s for shot in shots)
    by_brightness = sorted(shots, key=lambda shot: _ev_step(shots[0], shot)) if known else list(shots)
    middle = by_brightness[(len(shots) - 1) // 2]
    return BracketSet(
        files=tuple(shot.path for shot in shots),
        exposures=tuple(_ev_step(middle, shot) if known else 0.0 for shot in shots),
        kind=shots[0].kind,
        camera=shots[0].camera,
        first=shots[0].captured,
        last=shots[-1].captured,
        reason=reason,
    )


def _set_aside(shots: Iterable[Shot]) -> tuple[list[Single], list[Shot]]:
    """Part the files that no set can be made of from those that one may be made of."""
    aside: list[Single] = []
    usable: list[Shot] = []
    for shot in shots:
        if not shot.kind:
            aside.append(Single(shot.path, "no picture", "no picture that is known here"))
        elif shot.made_here:
            aside.append(Single(shot.path, "result", "made by hdrcli"))
        else:
            usable.append(shot)
    for key in (_name_of_shot, _moment_of_shot):
        usable, doubles = _one_file_a_shot(usable, key)
        aside += doubles
    silent = [shot for shot in usable if shot.exposure_time_s is None]
    aside += [Single(shot.path, "no exposure", "states no exposure time") for shot in silent]
    return aside, [shot for shot in usable if shot.exposure_time_s is not None]


def _name_of_shot(shot: Shot) -> Hashable:
    return shot.path.parent, shot.path.stem.casefold()


def _moment_of_shot(shot: Shot) -> Hashable:
    """Return what files of one shot share that are in different folders."""
    return shot.path if shot.captured is None else (shot.path.stem.casefold(), shot.camera, shot.captured)


def _one_file_a_shot(shots: Sequence[Shot], key: Callable[[Shot], Hashable]) -> tuple[list[Shot], list[Single]]:
    """Keep one file of each shot: the raw one, and of several the camera's own rather than a DNG made of it."""
    files: dict[Hashable, list[Shot]] = {}
    for shot in shots:
        files.setdefault(key(shot), []).append(shot)
    kept: list[Shot] = []
    doubles: list[Single] = []
    for of_shot in files.values():
        best = min(of_shot, key=lambda shot: (shot.kind != RAW, shot.path.suffix.lower() == ".dng", str(shot.path)))
        kept.append(best)
        reason = f"the same shot as {best.path.name}"
        doubles += [Single(shot.path, "same shot", reason) for shot in of_shot if shot is not best]
    return kept, doubles


def _chronological(stream: Sequence[Shot]) -> list[Shot]:
    """Return the shots of a camera as they were taken; files of the same time, and of none, by their names."""
    by_path = {shot.path: shot for shot in stream}
    seconds = dict(zip((shot.path for shot in stream), _seconds(stream), strict=True))
    return sorted((by_path[path] for path in in_order_of_names(by_path)), key=lambda shot: seconds[shot.path])


def _seconds(shots: Sequence[Shot]) -> list[float]:
    """Return when each was taken, counted from the first of them: in UTC where all state their offset to it."""
    times = [shot.captured for shot in shots if shot.captured is not None]
    if len(times) < len(shots):
        return [0.0] * len(shots)
    if any(time.tzinfo is None for time in times):
        times = [time.replace(tzinfo=None) for time in times]
    return [(time - times[0]).total_seconds() for time in times]


def _runs(shots: Sequence[Shot], gap: float) -> Iterator[tuple[list[Shot], str]]:
    """Yield what was taken in one go with one setting, and what ended it."""
    run = [shots[0]]
    for before, shot in pairwise(shots):
        ended_by = _what_parts(before, shot, gap)
        if ended_by:
            yield run, ended_by
            run = []
        run.append(shot)
    yield run, "no further frame"


def _what_parts(before: Shot, shot: Shot, gap: float) -> str:
    """Return why two shots cannot be of one set; empty where they can."""
    if shot.size != before.size:
        return "another size"
    if shot.lens != before.lens:
        return "another lens"
    lengths = shot.focal_length_mm or 0.0, before.focal_length_mm or 0.0
    if abs(lengths[0] - lengths[1]) > _EQUAL_FOCAL_LENGTH * max(lengths):
        return "another focal length"
    if shot.captured is None:
        return ""
    # EXIF leaves open whether its time is that of the beginning or of the end of an exposure; here it is the beginning.
    pause = _seconds((before, shot))[1] - (before.exposure_time_s or 0.0)
    return f"a pause of {pause:.0f} s" if pause > gap else ""


def _parts(run: Sequence[Shot], ended_by: str) -> tuple[list[BracketSet], list[Single]]:
    """Cut a run where its exposures start again; return the sets, and what is none."""
    sets: list[BracketSet] = []
    left: list[list[Shot]] = []
    parts = list(_cut_at_repetitions(run))
    for number, part in enumerate(parts, start=1):
        if _is_bracket(part):
            then = ended_by if number == len(parts) else "the exposures start again"
            sets.append(one_set(part, f"{_taken(part)}, then {then}"))
            left.append([])  # what comes after is no burst with what came before
            continue
        for shot in part:
            if left and left[-1] and _equal(left[-1][-1], shot):
                left[-1].append(shot)
            else:
                left.append([shot])
    return sets, [single for shots in left for single in _singles(shots)]


def _cut_at_repetitions(run: Sequence[Shot]) -> Iterator[list[Shot]]:
    """Yield stretches without a repeated exposure, unless each is taken as often, one after the other."""
    stretches = [[run[0]]]
    for shot in run[1:]:
        if _equal(stretches[-1][0], shot):
            stretches[-1].append(shot)
        else:
            stretches.append([shot])
    if len({len(stretch) for stretch in stretches}) > 1:
        stretches = [[shot] for shot in run]
    heads: list[Shot] = []
    part: list[Shot] = []
    for stretch in stretches:
        if _starts_again(heads, stretch[0]):
            yield part
            heads, part = [], []
        heads.append(stretch[0])
        part += stretch
    yield part


def _starts_again(heads: Sequence[Shot], shot: Shot) -> bool:
    """Tell whether a shot repeats an exposure, or its place in an automatic bracket while the light has changed."""
    if any(_equal(head, shot) for head in heads):
        return True
    biases = [head.bias_ev for head in heads]
    return len(heads) > 1 and shot.bias_ev is not None and shot.bias_ev in biases and len(set(biases)) == len(biases)


def _is_bracket(part: Sequence[Shot]) -> bool:
    """Tell a bracket from frames that the light meter exposed differently."""
    steps = [_ev_step(part[0], shot) for shot in part]
    spread = max(steps) - min(steps)
    metered = all(shot.mode == _AUTOMATIC for shot in part) and len({shot.bias_ev for shot in part}) == 1
    return spread >= (_METERED_EV if metered else _EQUAL_EV)


def _singles(shots: Sequence[Shot]) -> list[Single]:
    if len(shots) < 2:
        return [Single(shot.path, "single", "no other exposure of it beside") for shot in shots]
    return [Single(shot.path, "burst", f"one of {len(shots)} frames of equal exposure") for shot in shots]


def _taken(part: Sequence[Shot]) -> str:
    if part[0].captured is None:
        return f"{len(part)} frames one after the other by name (no times stated)"
    return f"{len(part)} frames within {_seconds((part[0], part[-1]))[1]:.1f} s"


def _equal(one: Shot, other: Shot) -> bool:
    return abs(_ev_step(one, other)) < _EQUAL_EV


def _ev_step(one: Shot, other: Shot) -> float:
    """Return by how many stops another shot is brighter; what either does not state counts as the same.

    Lenses without contacts state no f-number: it is that of a ring that nobody touched.
    """
    facts = (
        (one.exposure_time_s, other.exposure_time_s, 1),
        (one.iso, other.iso, 1),
        (one.f_number, other.f_number, -2),
    )
    return sum(weight * math.log2(after / before) for before, after, weight in facts if before and after)
