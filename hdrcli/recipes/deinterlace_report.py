"""What was measured of a frame, in terms that JSON knows and in lines for people.

The names are those that users of cr2hdr know: ISO difference, black delta, semi-overexposed, deep shadows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hdrcli.dualiso.detect import DualIsoAnalysis
from hdrcli.images import Metadata
from hdrcli.isp.hdr_rendering import HdrRendering
from hdrcli.recipes.report import line, rendering_facts, rendering_lines, rounded_seconds, seconds_line


@dataclass(frozen=True)
class DeinterlaceReport:
    """What was measured and done.

    Attributes
    ----------
    source, output : Path
    camera : str
        Make and model.
    size : tuple of 2 int
        Width and height as the sensor wrote it.
    metadata : Metadata
    analysis : DualIsoAnalysis
    repaired : int
        Hot and dead samples replaced.
    model : str
        Name and version of the network, or "none".
    warnings : tuple of str
        What worked otherwise than asked, a line each.
    seconds : dict of str to float
        Wall time by stage, in order.
    rendering : HdrRendering or None
        How the scene is shown, where the output is for HDR displays.
    """

    source: Path
    output: Path
    camera: str
    size: tuple[int, int]
    metadata: Metadata
    analysis: DualIsoAnalysis
    repaired: int
    model: str
    warnings: tuple[str, ...]
    seconds: dict[str, float]
    rendering: HdrRendering | None = None

    def as_dict(self) -> dict[str, object]:
        """Return the report in terms that JSON knows."""
        return {
            "source": str(self.source),
            "output": str(self.output),
            "camera": self.camera,
            "width": self.size[0],
            "height": self.size[1],
            "iso_metadata": self.metadata.iso,
            **analysis_as_dict(self.analysis),
            "defective_pixels_repaired": self.repaired,
            "model": self.model,
            **rendering_facts(self.rendering),
            "warnings": list(self.warnings),
            "seconds": rounded_seconds(self.seconds),
        }

    def lines(self) -> list[str]:
        """Return the report for people, one fact a line, with the time of each stage at the end."""
        iso = f"ISO {self.metadata.iso:g} in the metadata" if self.metadata.iso else "no ISO in the metadata"
        return [
            f"{self.source.name}: {self.camera}, {self.size[0]} x {self.size[1]}, {iso}",
            *analysis_lines(self.analysis),
            line("Repaired pixels", str(self.repaired)),
            line("Model", self.model),
            *rendering_lines(self.rendering),
            seconds_line(self.seconds),
        ]


def analysis_as_dict(analysis: DualIsoAnalysis) -> dict[str, object]:
    """Return the facts of `analysis` by name; shares in percent, levels in counts, noise in units of the low clip."""
    a = analysis
    return {
        "dual_iso": a.is_dual_iso,
        "confidence": round(a.confidence, 4),
        "evidence": a.reason,
        "row_pattern": a.row_pattern,
        "iso_ratio": round(a.gain, 4),
        "iso_difference_ev": round(a.gain_ev, 4),
        "black_low": [round(level, 2) for level in a.black.low],
        "black_high": [round(level, 2) for level in a.black.high],
        "black_delta": round(a.black_delta, 3),
        "black_source": a.black.source,
        "white_low": round(a.white_low, 1),
        "white_high": round(a.white_high, 1),
        "white_source": a.white_source,
        "noise_low": {"shot": a.noise_low.shot, "read": a.noise_low.read},
        "noise_high": {"shot": a.noise_high.shot, "read": a.noise_high.read},
        "clipped_low_percent": round(100 * a.clipped_low, 4),
        "semi_overexposed_percent": round(100 * a.clipped_high, 4),
        "deep_shadows_percent": round(100 * a.deep_shadows, 4),
        "dynamic_range_gained_ev": round(a.dynamic_range_gained_ev, 3),
    }


def analysis_lines(analysis: DualIsoAnalysis) -> list[str]:
    """Return the facts of `analysis` for people, one a line."""
    a = analysis
    noise_low, noise_high = np.sqrt(a.noise_low.read), np.sqrt(a.noise_high.read)
    return [
        line("ISO pattern", f"{a.row_pattern} (confidence {a.confidence:.2f}; {a.reason})"),
        line("ISO difference", f"{a.gain_ev:.3f} EV (ratio {a.gain:.2f})"),
        line(
            "Black level",
            f"{np.mean(a.black.low):.1f} low, {np.mean(a.black.high):.1f} high ({a.black.source}); "
            f"black delta {a.black_delta:+.2f}",
        ),
        line("White level", f"{a.white_low:.0f} low, {a.white_high:.0f} high ({a.white_source})"),
        line("Read noise", f"{noise_low:.2e} low, {noise_high:.2e} high (of the low clip)"),
        line("Dynamic range", f"{a.dynamic_range_gained_ev:+.2f} EV gained"),
        line(
            "Semi-overexposed",
            f"{100 * a.clipped_high:.2f} % (high rows clipped), clipped {100 * a.clipped_low:.2f} %",
        ),
        line("Deep shadows", f"{100 * a.deep_shadows:.2f} % (low rows lost in noise)"),
    ]
