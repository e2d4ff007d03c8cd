"""What a display picture is, for `info`: its codes, its colours, what clips, the HDR that it carries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hdrcli.expand.clipping import Clipping, measure_clipping
from hdrcli.images import Metadata
from hdrcli.io.display import display_kind, read_display
from hdrcli.io.profile import profile_name
from hdrcli.recipes.report import camera_name, exposure_text, line, metadata_facts
from hdrcli.recipes.single_report import clipping_facts, clipping_text


@dataclass(frozen=True)
class PictureInfo:
    """What is known about a display picture that can be used.

    Attributes
    ----------
    source : Path
    kind : str
        "JPEG", "PNG", "TIFF", "WebP", "HEIC" or "AVIF".
    width, height : int
        In pixels, upright.
    bits : int or None
        Of the codes of the ordinary picture; None where there is none.
    profile : str
        Name of the colour profile.
    hdr : str
        HDR that the file carries: "gain map", "PQ", "HLG" or empty.
    hdr_readable : bool
        Whether it can be decoded.
    clipping : Clipping or None
        Of the ordinary picture.
    metadata : Metadata
    notes : tuple of str
        What the reader left out or assumed.
    """

    source: Path
    kind: str
    width: int
    height: int
    bits: int | None
    profile: str
    hdr: str
    hdr_readable: bool
    clipping: Clipping | None
    metadata: Metadata
    notes: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """What it is in a word or two, as of every file that `info` knows."""
        return "display picture"

    @property
    def command(self) -> str:
        """The subcommand that suits the file."""
        return "single"

    @property
    def advice(self) -> str:
        """What to do with the file, in one line."""
        return f"hdrcli single {self.source}"

    def as_dict(self) -> dict[str, object]:
        """Return everything in terms that JSON knows."""
        return {
            "source": str(self.source),
            "verdict": self.verdict,
            "command": self.command,
            "advice": self.advice,
            "kind": self.kind,
            "camera": camera_name(self.metadata),
            **metadata_facts(self.metadata),
            "width": self.width,
            "height": self.height,
            "bits": self.bits,
            "profile": self.profile,
            "hdr": self.hdr or None,
            "hdr_readable": self.hdr_readable if self.hdr else None,
            **clipping_facts(self.clipping),
            "notes": list(self.notes),
        }

    def lines(self) -> list[str]:
        """Return everything for people, one fact a line."""
        carried = "none" if not self.hdr else self.hdr if self.hdr_readable else f"{self.hdr}, which cannot be decoded"
        depth = "" if self.bits is None else f", {self.bits} bits"
        return [
            str(self.source),
            line("Verdict", f"{self.verdict} ({self.kind})"),
            line("Camera", ", ".join(part for part in (camera_name(self.metadata), self.metadata.lens) if part)),
            line("Captured", self.metadata.captured or "not stated"),
            line("Size", f"{self.width} x {self.height}{depth}"),
            line("Exposure", exposure_text(self.metadata)),
            line("Colour profile", self.profile),
            line("Carries HDR", carried),
            *([] if self.clipping is None else [line("Clipped", clipping_text(self.clipping))]),
            *(line("Note", note) for note in self.notes),
            line("Next", self.advice),
        ]


def picture_info(path: Path) -> PictureInfo:
    """Return what a display picture is.

    Raises
    ------
    UnreadableFileError, UnsupportedFileError
        When the file cannot be used, with the reason.
    """
    file = read_display(path)
    held = file.scene if file.image is None else file.image
    assert held is not None  # one of them is there
    height, width = held.data.shape[:2]
    return PictureInfo(
        source=path,
        kind=display_kind(path),
        width=width,
        height=height,
        bits=None if file.image is None else 8 * file.image.data.itemsize,
        profile=file.hdr if file.image is None else profile_name(file.image.icc),
        hdr=file.hdr,
        hdr_readable=file.scene is not None,
        clipping=None if file.image is None else measure_clipping(file.image),
        metadata=file.metadata,
        notes=file.notes,
    )
