"""Quality of merged brackets on simulated ones: methods side by side, the tables, and what they say of hdrcli.

Every method sees the same seeded brackets (`hdrcli.training.stack_cases`) in three variants and answers with a mosaic
(raw) or with linear light (display pictures). A method told the truth is given the bracket in which nothing moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import HdrcliError
from hdrcli.images import BayerImage, FloatArray, MaskArray
from hdrcli.isp.develop import DevelopSettings, develop
from hdrcli.sensor.bracket import DisplayBracket, RawBracket
from hdrcli.training.evaluate import true_colours
from hdrcli.training.single_metrics import fitted, ntire_mu_psnr
from hdrcli.training.stack_cases import StackCase
from hdrcli.training.stack_metrics import (
    area_stops,
    merged_mosaic_psnr,
    merged_picture_psnr,
    response_error,
    used_codes,
)
from hdrcli.training.stack_plain import (
    curve_of,
    known_curve,
    known_curve_debevec,
    known_exposures,
    light_of_codes,
    linear_samples,
    middle_frame,
    middle_picture,
    weighted_mean,
)

HDRCLI = "hdrcli"
KNOWN_RAW = "known exposures"
KNOWN_DISPLAY = "known curve"
LIMIT_STOPS = 0.25
"""Error inside the area of the moving object that is wanted; a tenth over the best single frame will do as well."""

_WIDTH = 12
_RAW_COLUMNS = (
    ("static", "mosaic"), ("hand-held", "mosaic"), ("moving", "mosaic"), ("moving", "outside"), ("moving", "stops"),
    ("static", "picture"), ("hand-held", "picture"), ("moving", "picture"),
)  # fmt: skip
_DISPLAY_COLUMNS = (
    ("static", "mu"), ("hand-held", "mu"), ("moving", "mu"), ("moving", "outside"), ("moving", "stops"),
    ("static", "response"), ("hand-held", "response"), ("moving", "response"),
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What a method makes of a bracket.

    Attributes
    ----------
    light : ndarray (h, w) or (h, w, 3), float32
        Mosaic, 1.0 = clip of the reference; or linear light on any scale.
    frame : int or None
        The frame on which it lies, where that is not the reference.
    inside : tuple of 2 slice
        Rows and columns of that frame that it shows, from even ones on.
    response : ndarray (256, 3), float64, or None
        Light of the codes, where it was recovered.
    """

    light: FloatArray
    frame: int | None = None
    inside: tuple[slice, slice] = (slice(None), slice(None))
    response: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Row:
    """The figures of one case: by method, then by name; and the error of the best single frame in the area."""

    case: StackCase
    figures: Mapping[str, Mapping[str, float]]
    failures: Mapping[str, str] = field(default_factory=dict)
    best_frame: float = float("nan")


Method = Callable[[StackCase, StackCase], Answer]
"""Takes a case, and the same case in which nothing moves, for methods that are told the truth."""


def raw_methods() -> dict[str, Method]:
    """Return the plain methods for raw brackets, the one told the truth first."""
    return {
        KNOWN_RAW: lambda case, still: Answer(known_exposures(raw(still))),
        "middle frame alone": lambda case, still: Answer(middle_frame(raw(case))),
        "plain weighted mean": lambda case, still: Answer(weighted_mean(raw(case))),
    }


def display_methods() -> dict[str, Method]:
    """Return the plain methods for display brackets, those told the truth first."""
    return {
        KNOWN_DISPLAY: lambda case, still: Answer(known_curve(display(still))),
        "known curve, Debevec": lambda case, still: Answer(known_curve_debevec(display(still))),
        "middle frame alone": lambda case, still: Answer(middle_picture(display(case))),
    }


def raw(case: StackCase) -> RawBracket:
    """Return the bracket of a raw case."""
    assert isinstance(case.bracket, RawBracket)
    return case.bracket


def display(case: StackCase) -> DisplayBracket:
    """Return the bracket of a display case."""
    assert isinstance(case.bracket, DisplayBracket)
    return case.bracket


def evaluate(
    cases: Iterable[tuple[StackCase, StackCase]],
    methods: Mapping[str, Method],
    *,
    each: Callable[[Row, Mapping[str, Answer]], object] = lambda row, answers: None,
) -> list[Row]:
    """Return the figures of all methods on all cases.

    Parameters
    ----------
    cases : iterable of (StackCase, StackCase)
        Each with the same in which nothing moves.
    methods : mapping of str to callable
        One that raises an `HdrcliError` has no figures for the case.
    each : callable
        Told of every case when it is done: its row and the answers.
    """
    rows = []
    for case, still in cases:
        answers, failures = {}, {}
        for name, method in methods.items():
            try:
                answers[name] = method(case, still)
            except HdrcliError as error:
                failures[name] = str(error)
        found = {name: figures(case, answer) for name, answer in answers.items()}
        rows.append(Row(case, found, failures, _best_frame(case)))
        each(rows[-1], answers)
    return rows


def figures(case: StackCase, answer: Answer) -> dict[str, float]:
    """Return the figures of an answer by the names of the columns."""
    area = None if case.bracket.moving is None else case.bracket.moving[answer.inside]
    if isinstance(case.bracket, RawBracket):
        return _raw_figures(case.bracket, answer, area)
    return _display_figures(case.bracket, answer, area)


def _raw_figures(bracket: RawBracket, answer: Answer, area: MaskArray | None) -> dict[str, float]:
    frame = bracket.reference if answer.frame is None else answer.frame
    shot, gains = bracket.captures[frame], bracket.gains
    colours = shot.truth[answer.inside] / np.float32(gains[frame])
    mosaic = shot.truth_mosaic[answer.inside] / np.float32(gains[frame])
    scale = np.float32(min(gains))
    image = BayerImage(np.minimum(answer.light * scale, 1), shot.raw.cfa)
    picture = develop(image, shot.raw.camera, 1, DevelopSettings(highlights="off")).data
    result = {
        "mosaic": merged_mosaic_psnr(answer.light, mosaic, gains),
        "picture": merged_picture_psnr(picture / scale, true_colours(colours * scale, shot.raw.camera) / scale, gains),
    }
    if area is not None:
        result["outside"] = merged_mosaic_psnr(answer.light, mosaic, gains, where=~area)
        result["stops"] = area_stops(answer.light, mosaic, area, gains=gains)
    return result


def _display_figures(bracket: DisplayBracket, answer: Answer, area: MaskArray | None) -> dict[str, float]:
    frame = bracket.reference if answer.frame is None else answer.frame
    truth = bracket.captures[frame].truth[answer.inside] / np.float32(bracket.gains[frame])
    shown = fitted(answer.light, truth)
    result = {"mu": ntire_mu_psnr(shown, truth)}
    if area is not None:
        result["outside"] = ntire_mu_psnr(shown, truth, where=~area)
        result["stops"] = area_stops(shown, truth, area, gains=bracket.gains)
    if answer.response is not None:
        result["response"] = response_error(answer.response, curve_of(bracket), used_codes(bracket.pictures))
    return result


def _best_frame(case: StackCase) -> float:
    """Return the error in the area of the moving object of the single frame that has the least."""
    bracket = case.bracket
    if bracket.moving is None:
        return float("nan")
    if isinstance(bracket, RawBracket):
        truth, frames = bracket.truth_mosaic, [linear_samples(frame) for frame in bracket.frames]
    else:
        table = light_of_codes(bracket.captures[0].settings.curve)
        truth, frames = bracket.truth, [table[codes] for codes in bracket.pictures]
    return min(
        area_stops(frame / np.float32(gain), truth, bracket.moving, gains=bracket.gains)
        for frame, gain in zip(frames, bracket.gains, strict=True)
    )


def line(row: Row) -> str:
    """Return one case as a line: its name, and the decibels of every method, with stops where an object moves."""
    parts = []
    for name, values in row.figures.items():
        stops = f"/{values['stops']:.2f}" if "stops" in values else ""
        parts.append(f"{name} {values.get('mosaic', values.get('mu', np.nan)):.2f}{stops}")
    parts += [f"{name} failed" for name in row.failures]
    return f"{row.case.name:28s} {row.case.variant:9s}  " + "  ".join(parts)


def mean(rows: Sequence[Row], variant: str, method: str, figure: str) -> float:
    """Return the mean of a figure over the cases of a variant that have it; NaN where none has."""
    values = [
        row.figures[method][figure]
        for row in rows
        if row.case.variant == variant and figure in row.figures.get(method, {})
    ]
    return float(np.mean(values)) if values else float("nan")


def table(rows: Sequence[Row], methods: Sequence[str]) -> list[str]:
    """Return the lines of the table of one kind of bracket: a method a line, means over the cases."""
    columns = _RAW_COLUMNS if rows[0].case.kind == "raw" else _DISPLAY_COLUMNS
    label = max(len(name) for name in methods) + 2
    counts = {variant: sum(row.case.variant == variant for row in rows) for variant, _ in columns}
    lines = [f"{rows[0].case.kind} brackets: " + ", ".join(f"{count} {name}" for name, count in counts.items())]
    heads = ("".join(f"{word:>{_WIDTH}s}" for word in words) for words in zip(*columns, strict=True))
    lines += [" " * label + head for head in heads]
    for name in methods:
        values = (mean(rows, variant, name, figure) for variant, figure in columns)
        cells = "".join(f"{'-' if np.isnan(value) else format(value, '.2f'):>{_WIDTH}s}" for value in values)
        failed = sum(name in row.failures for row in rows)
        lines.append(f"{name:{label}s}{cells}" + (f"  failed on {failed}" if failed else ""))
    return lines


def verdicts(rows: Sequence[Row]) -> list[str]:
    """Return what the aims of `hdrcli stack` say, a line each; no lines without hdrcli."""
    if not any(HDRCLI in row.figures for row in rows):
        return []
    kind = rows[0].case.kind
    known, figure = (KNOWN_RAW, "mosaic") if kind == "raw" else (KNOWN_DISPLAY, "mu")
    lines = []
    for variant in ("static", "hand-held", "moving"):
        below = [
            (row.figures[known][figure] - row.figures[HDRCLI][figure], row.case.name)
            for row in rows
            if row.case.variant == variant and HDRCLI in row.figures
        ]
        if below:
            worst = max(below)
            lines.append(
                f"{kind}, {variant}: hdrcli {np.mean([value for value, _ in below]):+.2f} dB below {known}; "
                f"worst {worst[0]:+.2f} ({worst[1]})"
            )
    over = [
        f"{row.case.name} {row.figures[HDRCLI]['stops']:.2f} ({row.best_frame:.2f})"
        for row in rows
        if "stops" in row.figures.get(HDRCLI, {})
        and row.figures[HDRCLI]["stops"] > max(LIMIT_STOPS, 1.1 * row.best_frame)
    ]
    if any(row.case.variant == "moving" for row in rows):
        lines.append(
            f"{kind}, moving: over {LIMIT_STOPS} stops and over the best single frame plus a tenth: {len(over)}"
            + (f" ({', '.join(over)})" if over else "")
        )
    return lines
