"""What was found in one picture and what was made of it, in terms that JSON knows and in lines for people."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hdrcli.expand.clipping import Clipping
from hdrcli.images import Metadata
from hdrcli.isp.hdr_rendering import HdrRendering
from hdrcli.recipes.report import (
    camera_name,
    line,
    metadata_facts,
    rendering_facts,
    rendering_lines,
    rounded_seconds,
    seconds_line,
)

EXPANDED = "expanded"


@dataclass(frozen=True)
class SingleReport:
    """What was found and done.

    Attributes
    ----------
    source, output : Path
    kind : str
        Of the file: "JPEG", ..., "camera raw".
    bits : int or None
        Of the codes; None for pictures that are HDR throughout.
    size : tuple of 2 int
        Width and height, upright.
    profile : str
        Name of the colour profile of the picture.
    metadata : Metadata
    hdr : str
        HDR that the file carries, used or not: "gain map", "PQ", "HLG" or empty.
    light : str
        Where the light above the clip comes from: "expanded", or one of `hdr`.
    clipping : Clipping or None
        Of the ordinary picture, where there is one.
    brightest_stops : float or None
        How far the result goes above the clip (above white, in HDR of the file), before `exposure_ev`; None where
        nothing does.
    model : str
        Name and version of the network, or "none".
    blend : bool
        Whether the well exposed part is the picture linearised.
    notes : tuple of str
        What the reader left out or assumed.
    warnings : tuple of str
        What worked otherwise than asked, a line each.
    seconds : dict of str to float
        Wall time by stage, in order.
    rendering : HdrRendering or None
        How the scene is shown, where the output is for HDR displays.
    """

    source: Path
    output: Path
    kind: str
    bits: int | None
    size: tuple[int, int]
    profile: str
    metadata: Metadata
    hdr: str
    light: str
    clipping: Clipping | None
    brightest_stops: float | None
    model: str
    blend: bool
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    rendering: HdrRendering | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the report in terms that JSON knows; what does not apply is None."""
        expanded = self.light == EXPANDED
        return {
            "source": str(self.source),
            "output": str(self.output),
            "kind": self.kind,
            "bits": self.bits,
            "width": self.size[0],
            "height": self.size[1],
            "profile": self.profile,
            "camera": camera_name(self.metadata),
            **metadata_facts(self.metadata),
            "hdr": self.hdr or None,
            "light": self.light,
            **clipping_facts(self.clipping),
            "brightest_ev": None if self.brightest_stops is None else round(self.brightest_stops, 3),
            "model": self.model if expanded else None,
            "blend": self.blend if expanded else None,
            **rendering_facts(self.rendering),
            "notes": list(self.notes),
            "warnings": list(self.warnings),
            "seconds": rounded_seconds(self.seconds),
        }

    def lines(self) -> list[str]:
        """Return the report for people, one fact a line, with the time of each stage at the end."""
        expanded = self.light == EXPANDED
        depth = "" if self.bits is None else f", {self.bits} bits"
        above = "" if self.brightest_stops is None else f", up to {self.brightest_stops:+.2f} EV above white"
        facts = [
            f"{self.source.name}: {self.kind}{depth}, {self.size[0]} x {self.size[1]}, {camera_name(self.metadata)}",
            line("Colour profile", self.profile),
        ]
        if self.clipping is not None:
            facts.append(line("Clipped", clipping_text(self.clipping)))
        facts.append(line("Highlights", f"{'expanded' if expanded else f'{self.light} of the file'}{above}"))
        if expanded:
            facts.append(line("Model", self.model))
            facts.append(line("Well exposed part", "as the profile says" if self.blend else "of the network, too"))
        facts += rendering_lines(self.rendering)
        return [*facts, *(line("Note", note) for note in self.notes), seconds_line(self.seconds)]


def clipping_facts(clipping: Clipping | None) -> dict[str, object]:
    """Return the shares in percent, in terms that JSON knows."""
    return {
        "clipped_any_percent": None if clipping is None else round(100 * clipping.any, 4),
        "clipped_all_percent": None if clipping is None else round(100 * clipping.all, 4),
    }


def clipping_text(clipping: Clipping) -> str:
    """Return the shares for people."""
    return f"{100 * clipping.any:.2f} % in some channel, {100 * clipping.all:.2f} % in all"
