"""Exposures of one scene that make one picture, and the files that are in no such set."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hdrcli.io.output import named_together, output_paths

RAW, DISPLAY = "raw", "display"


def aligned_paths(files: Sequence[Path], folder: Path, *, kind: str) -> list[Path]:
    """Return where the frames of brackets go once they are aligned: DNG of raw files, TIFF of pictures.

    Raises
    ------
    UsageError
        When two files would be written to one.
    """
    return output_paths(files, f"{folder}/", default_suffix=".dng" if kind == RAW else ".tif")


@dataclass(frozen=True)
class Shot:
    """What a file states of its exposure; None or empty where it does not.

    Attributes
    ----------
    path : Path
    kind : str
        "raw", "display", or empty for what is no picture.
    camera, serial, lens : str
    size : tuple of 2 int
        Width and height in pixels, as stored.
    captured : datetime or None
        With fractions of seconds and the offset to UTC as far as they are stated.
    exposure_time_s, f_number, iso, focal_length_mm : float or None
        Above zero.
    bias_ev : float or None
        Exposure compensation, which in an automatic bracket is another one for each frame.
    mode : int or None
        EXIF ExposureMode: 0 automatic, 1 manual, 2 automatic bracket.
    made_here : bool
        Whether it is a result of this program; frames that it simulates are not.
    """

    path: Path
    kind: str = ""
    camera: str = ""
    serial: str = ""
    lens: str = ""
    size: tuple[int, int] = (0, 0)
    captured: datetime | None = None
    exposure_time_s: float | None = None
    f_number: float | None = None
    iso: float | None = None
    focal_length_mm: float | None = None
    bias_ev: float | None = None
    mode: int | None = None
    made_here: bool = False


@dataclass(frozen=True)
class BracketSet:
    """Files that make one picture.

    Attributes
    ----------
    files : tuple of Path
        In the order in which they were taken.
    exposures : tuple of float
        Of each, in EV relative to the middle one (the darker of two middle ones); larger is brighter.
    kind : str
        "raw" or "display".
    camera : str
    first, last : datetime or None
        When the first and the last exposure began.
    reason : str
        What holds them together, and what ends the set.
    """

    files: tuple[Path, ...]
    exposures: tuple[float, ...]
    kind: str
    camera: str
    first: datetime | None
    last: datetime | None
    reason: str

    @property
    def name(self) -> Path:
        """The first file under the name of the set, such as IMG_1234-1238.CR2."""
        return named_together(self.files)

    @property
    def advice(self) -> str:
        """The command that merges the set."""
        words = [str(path) for path in self.files]
        return shlex.join(["hdrcli", "stack", *(["--"] if words[0].startswith("-") else []), *words])

    @property
    def steps(self) -> str:
        """The exposures for people: "EV 0 -2 +2"."""
        return f"EV {' '.join(_ev_text(ev) for ev in self.exposures)}"

    def as_dict(self) -> dict[str, object]:
        """Return the set in terms that JSON knows."""
        return {
            "name": self.name.stem,
            "sources": [str(path) for path in self.files],
            "ev": [round(ev, 3) for ev in self.exposures],
            "kind": self.kind,
            "camera": self.camera,
            "first": None if self.first is None else self.first.isoformat(),
            "last": None if self.last is None else self.last.isoformat(),
            "reason": self.reason,
            "command": "stack",
            "advice": self.advice,
        }


@dataclass(frozen=True)
class Single:
    """A file that belongs to no set.

    Attributes
    ----------
    file : Path
    kind : str
        "single", "burst" (several frames of one exposure), "same shot" (as a file that counts), "no exposure" (is
        stated), "result" (of this program) or "no picture".
    reason : str
        A phrase.
    """

    file: Path
    kind: str
    reason: str

    def as_dict(self) -> dict[str, object]:
        """Return the file in terms that JSON knows."""
        return {"source": str(self.file), "kind": self.kind, "reason": self.reason}


@dataclass(frozen=True)
class Grouping:
    """Sets, and the files that are in none, each in the order in which the files were given."""

    sets: tuple[BracketSet, ...]
    singles: tuple[Single, ...]

    def as_dict(self) -> dict[str, object]:
        """Return everything in terms that JSON knows."""
        return {
            "sets": [found.as_dict() for found in self.sets],
            "singles": [single.as_dict() for single in self.singles],
        }

    def lines_of_sets(self) -> list[str]:
        """Return the sets for people, a line each: name, exposures, and the command that merges it."""
        cells = [(found.name.stem, found.steps, found.advice) for found in self.sets]
        name, steps = (max((len(row[column]) for row in cells), default=0) for column in (0, 1))
        return [f"{row[0]:<{name}}  {row[1]:<{steps}}  {row[2]}" for row in cells]

    def lines_of_singles(self) -> list[str]:
        """Return the files that are in no set for people, a line for each kind."""
        names: dict[str, list[str]] = {}
        for single in self.singles:
            names.setdefault(single.kind, []).append(single.file.name)
        return [f"{f'Left: {kind}':<18}{', '.join(files)}" for kind, files in names.items()]


def _ev_text(ev: float) -> str:
    return f"{ev:+.1f}".removesuffix(".0") if abs(ev) >= 0.05 else "0"
