"""Quality of dual-ISO reconstruction on simulated frames: methods side by side, the table, and what it says of each.

Every method sees the same seeded frames (`hdrcli.training.cases`) and answers with a picture, developed like the truth,
and with the merged mosaic where it has one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from hdrcli.dualiso.detect import DualIsoAnalysis, analyse, normalise
from hdrcli.dualiso.interpolate import reconstruct
from hdrcli.dualiso.learned import reconstruct_learned
from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.errors import OutputError
from hdrcli.images import BayerImage, CameraProfile, FloatArray
from hdrcli.inference.registry import MANIFEST, Model, find_model
from hdrcli.inference.session import Session
from hdrcli.isp.colour import camera_to_space
from hdrcli.isp.defects import repair_defects
from hdrcli.isp.develop import DevelopSettings, develop
from hdrcli.training.cases import Case
from hdrcli.training.metrics import (
    dark_error_stops,
    mosaic_psnr,
    period_four_excess,
    picture_psnr,
    pu21_psnr,
    tonemapped_psnr,
)
from hdrcli.training.plain_methods import equation_19, merge_linearly

LINEAR = "linear"
CLASSICAL = "none"
COLUMNS = ("picture", "worst", "tm", "pu21", "dark", "mosaic", "over linear", "period 4")
"""Of the table: mu-law PSNR of the developed picture, mean and worst; tone-mapped PSNR; PU21-PSNR; error in the dark in
stops; mu-law PSNR of the mosaic, and by how much it is above linear interpolation; excess of stripes in dB."""

_WIDTH = 12


@dataclass(frozen=True)
class Frame:
    """One case as the methods see it, and the truth.

    Attributes
    ----------
    case : Case
    analysis : DualIsoAnalysis
    frame : DualIsoFrame
        Defects repaired.
    truth : ndarray (H, W, 3), float32
        The true colours, clipped as the low exposure clips, in linear sRGB.
    """

    case: Case
    analysis: DualIsoAnalysis
    frame: DualIsoFrame
    truth: FloatArray

    @classmethod
    def of(cls, case: Case) -> Frame:
        """Return the frame of a case, analysed and repaired as the command does.

        Where too little of it is well exposed in both rows to measure the ratio, it is given, as --iso gives it.
        """
        analysis = analyse(case.capture.raw)
        if not analysis.is_dual_iso:
            analysis = analyse(case.capture.raw, gain=case.capture.gain, row_pattern=case.capture.row_pattern)
        frame, _ = repair_defects(normalise(case.capture.raw, analysis))
        return cls(case, analysis, frame, true_colours(case.capture.truth, case.capture.raw.camera))

    def developed(self, mosaic: FloatArray, *, rgb: FloatArray | None = None) -> FloatArray:
        """Develop a mosaic with hdrcli's defaults, highlights cut like the truth."""
        raw = self.case.capture.raw
        image = BayerImage(np.minimum(mosaic, 1), raw.cfa)
        return develop(image, raw.camera, 1, DevelopSettings(highlights="off"), rgb=rgb).data


@dataclass(frozen=True)
class Answer:
    """What a method makes of a frame.

    Attributes
    ----------
    picture : ndarray (H, W, 3), float32
        Linear sRGB.
    mosaic : ndarray (H, W), float32, or None
        1.0 = clip of the low exposure.
    """

    picture: FloatArray
    mosaic: FloatArray | None = None


@dataclass(frozen=True)
class Row:
    """The figures of one frame: by method, then by name."""

    case: Case
    phase_found: bool
    figures: Mapping[str, Mapping[str, float]]


Method = Callable[[Frame], Answer]


def true_colours(camera_rgb: FloatArray, camera: CameraProfile) -> FloatArray:
    """Develop camera RGB (H, W, 3): cut at the clip of the low exposure, white balance, matrix to linear sRGB."""
    assert camera.as_shot_neutral is not None  # simulated cameras know it
    neutral = np.array(camera.as_shot_neutral, dtype=np.float32)
    matrix = camera_to_space(camera, neutral=camera.as_shot_neutral, colour_space="srgb-linear")
    return np.asarray((np.minimum(camera_rgb, 1) / neutral) @ matrix.T.astype(np.float32), dtype=np.float32)


def linear(frame: Frame) -> Answer:
    """Rows interpolated linearly, merged on the mosaic."""
    return on_the_mosaic(frame, merge_linearly(frame.frame))


def plain_equation_19(frame: Frame) -> Answer:
    """Rows interpolated linearly, each exposure demosaicked, merged by equation 19 of the paper in RGB."""
    return Answer(true_colours(equation_19(frame.frame), frame.case.capture.raw.camera))


def classical(frame: Frame) -> Answer:
    """`hdrcli deinterlace --model none` with its defaults."""
    return on_the_mosaic(frame, reconstruct(frame.frame).merged.data)


def full(frame: Frame) -> Answer:
    """Develop the noise-free full mosaic: the ceiling of any method that ends on the mosaic."""
    return Answer(frame.developed(frame.case.capture.truth_mosaic))


def on_the_mosaic(frame: Frame, mosaic: FloatArray) -> Answer:
    """Return the answer of a method that ends on the mosaic."""
    return Answer(frame.developed(mosaic), mosaic)


def learned(name: str, *, tile: int | None = None, border: int | None = None) -> Method:
    """Return the method of a model.

    Parameters
    ----------
    name : str
        As for `hdrcli.inference.registry.find_model`.
    tile, border : int, optional
        Those of the manifest by default.

    Raises
    ------
    ModelError
        When there is no such model for deinterlacing, or it cannot run here.
    """
    session = Session(find_model(name, task="deinterlace"), device="cpu")

    def method(frame: Frame) -> Answer:
        result = reconstruct_learned(frame.frame, session, tile=tile, border=border)
        mosaic = result.merged.data
        return Answer(frame.developed(mosaic, rgb=result.rgb), mosaic)

    return method


def standard_methods(models: Iterable[str]) -> dict[str, Method]:
    """Return what every table shows: linear interpolation, equation 19, the classical chain, models, the ceiling."""
    return {
        LINEAR: linear,
        "eq. 19": plain_equation_19,
        CLASSICAL: classical,
        **{name: learned(name) for name in models},
        "full": full,
    }


def evaluate(
    cases: Iterable[Case],
    methods: Mapping[str, Method],
    *,
    each: Callable[[Row, Frame, Mapping[str, Answer]], object] = lambda row, frame, answers: None,
) -> list[Row]:
    """Return the figures of all methods on all cases.

    Parameters
    ----------
    cases : iterable of Case
    methods : mapping of str to callable
    each : callable
        Told of every case when it is done: its row, the frame, the answers.
    """
    rows = []
    for case in cases:
        frame = Frame.of(case)
        answers = {name: method(frame) for name, method in methods.items()}
        figures = {name: _figures(frame, answer) for name, answer in answers.items()}
        if LINEAR in figures:
            for values in figures.values():
                if "mosaic" in values:
                    values["over linear"] = values["mosaic"] - figures[LINEAR]["mosaic"]
        rows.append(Row(case, frame.analysis.row_pattern == case.capture.row_pattern, figures))
        each(rows[-1], frame, answers)
    return rows


def means(rows: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Return the columns of the table by method; "worst" is the least "picture"."""
    result = {}
    for name in rows[0].figures:
        every = [row.figures[name] for row in rows]
        mean = {key: float(np.mean([values[key] for values in every])) for key in every[0]}
        mean["worst"] = min(values["picture"] for values in every)
        result[name] = {column: mean[column] for column in COLUMNS if column in mean}
    return result


def frames_below(rows: Sequence[Row], method: str, other: str, *, figure: str) -> list[str]:
    """Return the names of the frames where a figure of one method is below that of another."""
    return [row.case.name for row in rows if row.figures[method][figure] < row.figures[other][figure]]


def line(row: Row) -> str:
    """Return one frame as a line: name, ISO, phase, and the picture's figure of every method."""
    pictures = "  ".join(f"{name} {values['picture']:.2f}" for name, values in row.figures.items())
    iso = "/".join(f"{value:g}" for value in row.case.iso)
    return f"{row.case.name:28s} {iso:9s} {row.case.capture.row_pattern} {row.case.capture.raw.cfa}  {pictures}"


def table(rows: Sequence[Row]) -> list[str]:
    """Return the lines of the table: a method a line."""
    methods = means(rows)
    label = max(14, *(len(name) + 2 for name in methods))
    lines = [f"{len(rows)} frames; row phase found in {sum(row.phase_found for row in rows)}"]
    lines.append(f"{'mean of':{label}s}" + "".join(f"{column:>{_WIDTH}s}" for column in COLUMNS))
    for name, mean in methods.items():
        shown = (f"{value:{_WIDTH}.{3 if column == 'dark' else 2}f}" for column, value in mean.items())
        lines.append(f"{name:{label}s}" + "".join(shown))
    return lines


def verdicts(rows: Sequence[Row], models: Sequence[str]) -> list[str]:
    """Return, for each model, a line about the frames on which it is below the classical chain."""
    lines = []
    for name in models:
        parts = []
        for figure in ("picture", "mosaic"):
            names = frames_below(rows, name, CLASSICAL, figure=figure)
            shown = f" ({', '.join(names)})" if names else ""
            parts.append(f"by the {figure} {len(names)}{shown}")
        lines.append(f"frames where {name} is below {CLASSICAL}: {', '.join(parts)}")
    return lines


def report(rows: Sequence[Row]) -> dict[str, object]:
    """Return everything as what JSON can hold."""
    frames = [
        {
            "name": row.case.name,
            "camera": row.case.camera.name,
            "iso": list(row.case.iso),
            "row_pattern": row.case.capture.row_pattern,
            "cfa": row.case.capture.raw.cfa,
            "figures": {name: dict(values) for name, values in row.figures.items()},
        }
        for row in rows
    ]
    return {"frames": frames, "means": means(rows)}


def _figures(frame: Frame, answer: Answer) -> dict[str, float]:
    figures = {
        "picture": picture_psnr(answer.picture, frame.truth),
        "tm": tonemapped_psnr(answer.picture, frame.truth),
        "pu21": pu21_psnr(answer.picture, frame.truth),
        "dark": dark_error_stops(answer.picture, frame.truth),
    }
    if answer.mosaic is not None:
        truth = frame.case.capture.truth_mosaic
        figures["mosaic"] = mosaic_psnr(answer.mosaic, truth)
        figures["period 4"] = period_four_excess(answer.mosaic, truth)
    return figures


def record(model: Model, rows: Sequence[Row], *, name: str, data: str) -> None:
    """Write the means of a model, and of what it is compared with, into its manifest.

    Parameters
    ----------
    model : Model
    rows : sequence of Row
    name : str
        Of its method in the rows.
    data : str
        What the rows were measured on; figures of other data stay.

    Raises
    ------
    OutputError
        When the manifest cannot be written.
    """
    methods = means(rows)
    figures = {label: methods[key] for label, key in (("model", name), (CLASSICAL, CLASSICAL), (LINEAR, LINEAR))}
    write_metrics(model, figures, count={"frames": len(rows)}, data=data)


def write_metrics(
    model: Model, figures: Mapping[str, Mapping[str, float]], *, count: Mapping[str, int], data: str
) -> None:
    """Write figures by method into a model's manifest, as measured on `data`; those of other data stay.

    Raises
    ------
    OutputError
        When the manifest cannot be written.
    """
    path = model.folder / MANIFEST
    rounded = {
        label: {key: round(value, 3) for key, value in values.items() if np.isfinite(value)}
        for label, values in figures.items()
    }
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        content.setdefault("metrics", {})[data] = {**count, **rounded}
        path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{str(path)!r} cannot be written: {error.strerror}.") from error
