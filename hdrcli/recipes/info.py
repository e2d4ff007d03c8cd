"""What a file is: read it, analyse it, say which command fits."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hdrcli.dualiso.detect import DualIsoAnalysis, analyse
from hdrcli.images import Metadata
from hdrcli.io.raw import read_raw
from hdrcli.recipes.deinterlace_report import analysis_as_dict, analysis_lines
from hdrcli.recipes.picture import is_display_picture
from hdrcli.recipes.picture_info import PictureInfo, picture_info
from hdrcli.recipes.report import camera_name, exposure_text, line, metadata_facts

_VERDICTS = {"dual-iso": "dual-ISO", "single": "ordinary raw", "unknown": "undecided"}
_OF_PAIRS = (
    "row_pattern",
    "iso_ratio",
    "iso_difference_ev",
    "black_high",
    "black_delta",
    "white_high",
    "noise_high",
    "semi_overexposed_percent",
    "deep_shadows_percent",
    "dynamic_range_gained_ev",
)


@dataclass(frozen=True)
class FileInfo:
    """What is known about a raw file that can be used.

    Attributes
    ----------
    source : Path
    width, height : int
        Active area in pixels, as the sensor wrote it.
    cfa : str
        Colours of the 2x2 cell at row 0, column 0.
    camera : str
        Make and model; "unknown camera" where the file does not say.
    white_stated : float
        Saturation level that the file states, in counts.
    metadata : Metadata
    analysis : DualIsoAnalysis
        What was measured.
    """

    source: Path
    width: int
    height: int
    cfa: str
    camera: str
    black_stated: tuple[float, float, float, float]
    white_stated: float
    metadata: Metadata
    analysis: DualIsoAnalysis

    @property
    def verdict(self) -> str:
        """One of "dual-ISO", "ordinary raw", or "undecided" (the frame shows too little)."""
        return _VERDICTS[self.analysis.verdict]

    @property
    def command(self) -> str | None:
        """The subcommand that suits the file; None where that cannot be told."""
        return {"dual-iso": "deinterlace", "single": "single"}.get(self.analysis.verdict)

    @property
    def advice(self) -> str:
        """What to do with the file, in one line."""
        if self.analysis.is_dual_iso:
            return f"hdrcli deinterlace {self.source}"
        if self.analysis.verdict == "single":
            return f"hdrcli single {self.source} (or any raw developer: it is not dual-ISO)"
        return "if you know that it is dual-ISO: hdrcli deinterlace --force --pattern HHLL --iso 100/1600"

    def as_dict(self) -> dict[str, object]:
        """Return everything in terms that JSON knows; what only dual-ISO frames have is None for others."""
        measured = analysis_as_dict(self.analysis)
        if not self.analysis.is_dual_iso:
            measured |= dict.fromkeys(_OF_PAIRS)
        return {
            "source": str(self.source),
            "verdict": self.verdict,
            "command": self.command,
            "advice": self.advice,
            "camera": self.camera,
            **metadata_facts(self.metadata),
            "width": self.width,
            "height": self.height,
            "cfa": self.cfa,
            "orientation": self.metadata.orientation,
            "black_stated": list(self.black_stated),
            "white_stated": self.white_stated,
            **measured,
        }

    def lines(self) -> list[str]:
        """Return everything for people, one fact a line."""
        a = self.analysis
        # Of dual-ISO frames the evidence stands beside the pattern.
        evidence = "" if a.is_dual_iso else f" (confidence {a.confidence:.2f}; {a.reason})"
        facts = [
            str(self.source),
            line("Verdict", self.verdict + evidence),
            line("Camera", ", ".join(part for part in (self.camera, self.metadata.lens) if part)),
            line("Captured", self.metadata.captured or "not stated"),
            line("Size", f"{self.width} x {self.height}, {self.cfa}"),
            line("Exposure", exposure_text(self.metadata)),
            line("Stated levels", f"black {_levels(self.black_stated)}, white {self.white_stated:g}"),
        ]
        if a.is_dual_iso:
            facts += analysis_lines(a)
        else:
            facts += [
                line("Black level", f"{np.mean(a.black.low):.1f} ({a.black.source})"),
                line("White level", f"{a.white_low:.0f} ({a.white_source})"),
                line("Clipped", f"{100 * a.clipped_low:.2f} %"),
            ]
        return [*facts, line("Next", self.advice)]


def info(path: Path) -> FileInfo | PictureInfo:
    """Return what a file is and what was measured of it.

    Parameters
    ----------
    path : Path
        Any raw file or display picture; the content decides.

    Returns
    -------
    FileInfo or PictureInfo
        Of a raw file, or of a display picture.

    Raises
    ------
    UnreadableFileError, UnsupportedFileError
        When the file cannot be used, with the reason.
    """
    if is_display_picture(path):
        return picture_info(path)
    raw = read_raw(path)
    height, width = raw.counts.shape
    return FileInfo(
        source=path,
        width=width,
        height=height,
        cfa=raw.cfa,
        camera=camera_name(raw.camera),
        black_stated=raw.black,
        white_stated=raw.white,
        metadata=raw.metadata,
        analysis=analyse(raw),
    )


def _levels(levels: tuple[float, float, float, float]) -> str:
    return f"{levels[0]:g}" if len(set(levels)) == 1 else "/".join(f"{level:g}" for level in levels)
