"""What was found in a bracket and what was made of it, in terms that JSON knows and in lines for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hdrcli.images import Metadata
from hdrcli.isp.hdr_rendering import HdrRendering
from hdrcli.recipes.report import (
    exposure_text,
    line,
    metadata_facts,
    rendering_facts,
    rendering_lines,
    rounded_seconds,
    seconds_line,
)

_HEADINGS = (
    "Frame",
    "EV stated",
    "measured",
    "used",
    "shift (px)",
    "rotation",
    "residual",
    "inliers",
    "ghosts",
    "clipped",
    "share",
)
_UNKNOWN = "-"


@dataclass(frozen=True)
class FrameReport:
    """One frame of a bracket.

    Attributes
    ----------
    name : str
        Of the file.
    ev_stated, ev_measured : float or None
        Exposure relative to the reference in stops, larger is brighter, as the file or the user states it, and as the
        pixels say; None where they do not.
    ev_used : float
        What was merged with; the reference has 0.
    shift : tuple of 2 float
        Columns and rows in pixels by which the centre of the reference lies farther right and down in this frame.
    rotation_deg : float
        From the reference to this frame, clockwise as seen.
    aligned : bool
        Whether motion was looked for and undone, if only none; False for the reference, and where no estimate was
        better than none.
    residual_px : float or None
        What is left of the motion, as the root mean square over the places that were followed.
    inliers : float or None
        Share of these places that agree with the motion found, 0 to 1.
    ghosts : float
        Share of the pixels left to other frames because something moved, 0 to 1.
    share : float
        Of all weight in the result, 0 to 1.
    clipped : float
        Share of the pixels that clip, 0 to 1.
    """

    name: str
    ev_stated: float | None
    ev_measured: float | None
    ev_used: float
    shift: tuple[float, float] = (0.0, 0.0)
    rotation_deg: float = 0.0
    aligned: bool = False
    residual_px: float | None = None
    inliers: float | None = None
    ghosts: float = 0.0
    share: float = 0.0
    clipped: float = 0.0

    def as_dict(self) -> dict[str, object]:
        """Return the frame in terms that JSON knows, shares in percent."""
        return {
            "name": self.name,
            "ev_stated": _rounded(self.ev_stated),
            "ev_measured": _rounded(self.ev_measured),
            "ev_used": _rounded(self.ev_used),
            "shift_px": [round(pixels, 3) for pixels in self.shift],
            "rotation_deg": round(self.rotation_deg, 4),
            "aligned": self.aligned,
            "residual_px": _rounded(self.residual_px),
            "inliers_percent": None if self.inliers is None else round(100 * self.inliers, 2),
            "ghosts_percent": round(100 * self.ghosts, 4),
            "share_percent": round(100 * self.share, 2),
            "clipped_percent": round(100 * self.clipped, 4),
        }

    def cells(self, *, is_reference: bool) -> tuple[str, ...]:
        """Return the frame for people, under the headings of the table."""
        dx, dy = self.shift
        where_it_is = "reference" if is_reference else "not aligned"
        return (
            self.name,
            _ev(self.ev_stated),
            _ev(self.ev_measured),
            _ev(self.ev_used),
            f"{dx:+.2f}, {dy:+.2f}" if self.aligned else where_it_is,
            f"{self.rotation_deg:+.3f} deg" if self.aligned else _UNKNOWN,
            _UNKNOWN if self.residual_px is None else f"{self.residual_px:.2f} px",
            _UNKNOWN if self.inliers is None else f"{100 * self.inliers:.0f} %",
            f"{100 * self.ghosts:.2f} %",
            f"{100 * self.clipped:.2f} %",
            f"{100 * self.share:.1f} %",
        )


@dataclass(frozen=True)
class StackReport:
    """What was found and done.

    Attributes
    ----------
    sources : tuple of Path
        As given, also those left out.
    output : Path
    kind : str
        Of the frames: "raw" or "display".
    reference : str
        Name of the frame that gives the geometry, what moved, and the scale.
    size : tuple of 2 int
        Width and height of the frames: raw as the sensor wrote it, display upright.
    camera : str
        Make and model.
    metadata : Metadata
        Of the reference.
    frames : tuple of FrameReport
        Those that were merged, in the order of the sources.
    clipped_everywhere : float
        Share of the pixels that clip in every frame, 0 to 1.
    response : str
        Of display pictures, how the response of the camera was found; "none" for raw frames and for fusion.
    method : str
        "hdr" or "fusion".
    model : str
        Name and version of a network that took part, or "none".
    left_out : tuple of (str, str)
        Name of each source that was not merged, and why, in a sentence. The command line tells people and makes the
        exit code 1; `warnings` need not repeat them.
    notes : tuple of str
        What was assumed.
    warnings : tuple of str
        What worked otherwise than asked, a line each.
    seconds : dict of str to float
        Wall time by stage, in order.
    rendering : HdrRendering or None
        How the scene is shown, where the output is for HDR displays.
    """

    sources: tuple[Path, ...]
    output: Path
    kind: str
    reference: str
    size: tuple[int, int]
    camera: str
    metadata: Metadata
    frames: tuple[FrameReport, ...]
    clipped_everywhere: float
    response: str
    seconds: dict[str, float]
    method: str = "hdr"
    model: str = "none"
    left_out: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    rendering: HdrRendering | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the report in terms that JSON knows."""
        return {
            "sources": [str(source) for source in self.sources],
            "output": str(self.output),
            "kind": self.kind,
            "method": self.method,
            "reference": self.reference,
            "width": self.size[0],
            "height": self.size[1],
            "camera": self.camera,
            **metadata_facts(self.metadata),
            "frames": [frame.as_dict() for frame in self.frames],
            "left_out": [{"name": name, "reason": reason} for name, reason in self.left_out],
            "clipped_everywhere_percent": round(100 * self.clipped_everywhere, 4),
            "response": None if self.response == "none" else self.response,
            "model": self.model,
            **rendering_facts(self.rendering),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "seconds": rounded_seconds(self.seconds),
        }

    def lines(self) -> list[str]:
        """Return the report for people: the facts, a table of the frames, and the time of each stage at the end."""
        used = f"{len(self.frames)} {self.kind} frames"
        made = f"{used}, {self.size[0]} x {self.size[1]}, {self.camera}"
        facts = [
            f"{self.output.name}: {made}" + (" (exposure fusion)" if self.method == "fusion" else ""),
            line("Reference", f"{self.reference} ({exposure_text(self.metadata)})"),
            *_table([_HEADINGS, *(frame.cells(is_reference=frame.name == self.reference) for frame in self.frames)]),
            line("Clipped", f"{100 * self.clipped_everywhere:.2f} % in every frame"),
        ]
        if self.response != "none":
            facts.append(line("Response", self.response))
        facts.append(line("Model", self.model))
        facts += rendering_lines(self.rendering)
        return [*facts, *(line("Note", note) for note in self.notes), seconds_line(self.seconds)]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows with their columns aligned, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _ev(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:+.2f}"
