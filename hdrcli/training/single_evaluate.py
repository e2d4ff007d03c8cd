"""Quality of one-picture HDR on simulated display pictures: methods side by side, and the table.

Every method sees the same seeded pictures (`hdrcli.training.single_cases`) and answers with linear light.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hdrcli.expand.clipping import keep_well_exposed
from hdrcli.expand.highlights import expand_highlights
from hdrcli.expand.learned import expand_learned
from hdrcli.images import DisplayImage, FloatArray
from hdrcli.inference.registry import Model, find_model
from hdrcli.inference.session import Session
from hdrcli.io.profile import linearise
from hdrcli.isp.colour import luminance_weights
from hdrcli.training.evaluate import write_metrics
from hdrcli.training.single_cases import SingleCase
from hdrcli.training.single_metrics import COLUMNS, figures

INVERSE_SRGB = "inverse sRGB"
CLASSICAL = "none"
REINHARD_WHITE = 3.0
"""Scene luminance that `inverse_reinhard` gives white, over the luminance of which it makes half of white."""

BLENDED = " blended"
"""After the name of a model: `hdrcli single --blend`."""

_WIDTH = 17

Method = Callable[[DisplayImage], FloatArray]


@dataclass(frozen=True)
class Row:
    """The figures of one picture: by method, then by name."""

    case: SingleCase
    figures: Mapping[str, Mapping[str, float]]


def inverse_srgb(image: DisplayImage) -> FloatArray:
    """Return the light that the picture's profile says, and no more."""
    return linearise(image).data


def inverse_reinhard(image: DisplayImage) -> FloatArray:
    """Undo the photographic operator, Ld = L (1 + L / w^2) / (1 + L), for the luminance of every pixel."""
    light = inverse_srgb(image)
    shown = np.maximum(light @ luminance_weights("srgb-linear").astype(np.float32), np.float32(1e-6))
    white = np.float32(REINHARD_WHITE)
    scene = white**2 / 2 * (shown - 1 + np.sqrt(np.square(1 - shown) + 4 * shown / white**2))
    return np.asarray(light * (scene / shown)[..., None], dtype=np.float32)


def classical(image: DisplayImage) -> FloatArray:
    """`hdrcli single --model none`: the highlights expanded by what surrounds them."""
    return expand_highlights(linearise(image).data)


def learned(name: str) -> dict[str, Method]:
    """Return the methods of a model: by its name alone, and blended, which leaves well exposed parts to the profile.

    Raises
    ------
    ModelError
        When there is no such model for one picture, or it cannot run here.
    """
    session = Session(find_model(name, task="single"), device="cpu")
    latest: list[tuple[DisplayImage, FloatArray]] = []  # both methods come one after the other

    def pure(image: DisplayImage) -> FloatArray:
        if not latest or latest[0][0] is not image:
            latest[:] = [(image, expand_learned(_codes(image), session))]
        return latest[0][1]

    def blended(image: DisplayImage) -> FloatArray:
        return keep_well_exposed(pure(image), linearise(image).data, _codes(image))

    return {name: pure, f"{name}{BLENDED}": blended}


def standard_methods(models: Iterable[str] = ()) -> dict[str, Method]:
    """Return what every table shows: what the profile says, two classical methods, and models pure and blended."""
    methods: dict[str, Method] = {
        INVERSE_SRGB: inverse_srgb,
        "inverse Reinhard": inverse_reinhard,
        CLASSICAL: classical,
    }
    for name in models:
        methods |= learned(name)
    return methods


def _codes(image: DisplayImage) -> FloatArray:
    return np.asarray(image.data * np.float32(1 / np.iinfo(image.data.dtype).max), dtype=np.float32)


def evaluate(
    cases: Iterable[SingleCase],
    methods: Mapping[str, Method],
    *,
    each: Callable[[Row, Mapping[str, FloatArray]], object] = lambda row, answers: None,
) -> list[Row]:
    """Return the figures of all methods on all cases.

    Parameters
    ----------
    cases : iterable of SingleCase
    methods : mapping of str to callable
    each : callable
        Told of every case when it is done: its row and the answers.
    """
    rows = []
    for case in cases:
        image = DisplayImage(case.capture.picture)
        answers = {name: method(image) for name, method in methods.items()}
        rows.append(Row(case, {name: figures(answer, case.capture.truth) for name, answer in answers.items()}))
        each(rows[-1], answers)
    return rows


def means(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Return the mean of every figure by method; what is not a number in a picture does not count."""
    return {
        name: {column: float(np.nanmean([row.figures[name][column] for row in rows])) for column in COLUMNS}
        for name in rows[0].figures
    }


def worst(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Return the worst of every figure by method: the least decibels, the most stops."""
    pick = {column: np.nanmin if column in ("mu", "pu21") else np.nanmax for column in COLUMNS}
    return {
        name: {column: float(pick[column]([row.figures[name][column] for row in rows])) for column in COLUMNS}
        for name in rows[0].figures
    }


def line(row: Row) -> str:
    """Return one picture as a line: its name, curve and clipped share, and all figures of every method."""
    settings = row.case.capture.settings
    parts = (
        f"{name} {values['mu']:.2f} {values['pu21']:.2f} {values['clipped']:.2f} {values['unclipped']:.2f}"
        for name, values in row.figures.items()
    )
    return f"{row.case.name:28s} {settings.curve.family:9s} {100 * settings.clipped:4.1f} %  " + "  ".join(parts)


def table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the table: the mean and the worst of a method a line."""
    label = max(len(name) for name in rows[0].figures) + 2
    heads = [*COLUMNS, *(f"worst {column}" for column in COLUMNS)]
    lines = [f"{len(rows)} pictures", f"{'':{label}s}" + "".join(f"{head:>{_WIDTH}s}" for head in heads)]
    for name, mean in means(rows).items():
        values = [*mean.values(), *worst(rows)[name].values()]
        lines.append(f"{name:{label}s}" + "".join(f"{value:{_WIDTH}.2f}" for value in values))
    return lines


def pictures_below(rows: Sequence[Row], method: str, other: str, *, by_db: float = 0.5) -> list[str]:
    """Return the names of the pictures where the mu-PSNR of a method is further below that of another than `by_db`."""
    return [row.case.name for row in rows if row.figures[method]["mu"] < row.figures[other]["mu"] - by_db]


def verdicts(rows: Sequence[Row]) -> list[str]:
    """Return a line for each method about what it gains over inverse sRGB, and on which pictures it loses."""
    mean = means(rows)
    base = mean[INVERSE_SRGB]
    lines = []
    for name, values in mean.items():
        if name == INVERSE_SRGB:
            continue
        below = pictures_below(rows, name, INVERSE_SRGB)
        shown = f" ({', '.join(below)})" if below else ""
        lines.append(
            f"{name} over {INVERSE_SRGB}: mu {values['mu'] - base['mu']:+.2f} dB, "
            f"pu21 {values['pu21'] - base['pu21']:+.2f} dB, clipped {values['clipped'] / base['clipped']:.2f} times, "
            f"unclipped {values['unclipped'] / base['unclipped']:.2f} times; "
            f"more than 0.5 dB worse on {len(below)}{shown}"
        )
    return lines


def report(rows: Sequence[Row]) -> dict[str, object]:
    """Return everything as what JSON can hold."""
    pictures = [
        {
            "name": row.case.name,
            "curve": row.case.capture.settings.curve.family,
            "clipped": row.case.capture.settings.clipped,
            "figures": {name: dict(values) for name, values in row.figures.items()},
        }
        for row in rows
    ]
    return {"pictures": pictures, "means": means(rows)}


def record(model: Model, rows: Sequence[Row], *, name: str, data: str) -> None:
    """Write the means of a model, and of what it is compared with, into its manifest (`evaluate.write_metrics`)."""
    mean = means(rows)
    figures = {"model": mean[name], CLASSICAL: mean[CLASSICAL], INVERSE_SRGB: mean[INVERSE_SRGB]}
    write_metrics(model, figures, count={"pictures": len(rows)}, data=data)
