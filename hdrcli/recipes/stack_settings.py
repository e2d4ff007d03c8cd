"""Everything that may be chosen when brackets are merged."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hdrcli.isp.develop import DevelopSettings
from hdrcli.recipes.outputs import OutputSettings

METHODS = ("hdr", "fusion")
RESPONSES = ("debevec", "robertson", "srgb")
DEGHOSTING = ("off", "low", "medium", "high")


@dataclass(frozen=True)
class StackSettings(OutputSettings):
    """How a bracket is merged, with what outputs know; the defaults suit nearly every bracket.

    Attributes
    ----------
    evs : tuple of float, or None
        Exposure of each source in stops, larger is brighter, in the order of the sources; only differences count.
        Taken as they are, neither compared with the files nor measured.
    times : tuple of float, or None
        Exposure times in seconds instead, where ISO and aperture are the same.
    reference : int or None
        Index of the source that gives the geometry, the moving objects and the scale; None for the rule.
    align : bool
        Undo the motion of the camera between frames.
    deghost : str
        "off", "low", "medium" or "high": how readily what moved is taken from the reference alone.
    method : str
        "hdr", or "fusion" for a display picture without HDR (Mertens et al. 2007).
    response : str
        How the response of display pictures is found: "debevec", "robertson", or "srgb" for none.
    response_file : Path or None
        A saved response instead.
    black_level, white_level : float or None
        Of raw frames, in counts, instead of the measured or stated levels.
    develop : DevelopSettings
        Of raw brackets; of display brackets the colour space and the exposure.
    """

    evs: tuple[float, ...] | None = None
    times: tuple[float, ...] | None = None
    reference: int | None = None
    align: bool = True
    deghost: str = "medium"
    method: str = "hdr"
    response: str = "debevec"
    response_file: Path | None = None
    black_level: float | None = None
    white_level: float | None = None
    develop: DevelopSettings = field(default_factory=DevelopSettings)
