"""One picture from any file: a display picture as it is, a camera raw file developed to one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from hdrcli.dualiso.detect import analyse
from hdrcli.errors import UnsuitableInputError, UnsupportedFileError
from hdrcli.images import DisplayImage, Metadata, RawFrame, SceneImage
from hdrcli.io.display import display_kind, is_camera_raw, read_display
from hdrcli.io.icc import icc_profile
from hdrcli.io.raw import read_raw
from hdrcli.io.source import file_size
from hdrcli.isp.develop import DevelopSettings, develop
from hdrcli.isp.linearise import linear
from hdrcli.isp.tonemap import encode_display
from hdrcli.recipes.stopwatch import Stopwatch

RAW = "camera raw"
# Wider than sRGB, so that colours are kept, and what networks see in the pictures of phones.
_RENDITION_SPACE = "display-p3"
_SQUARE = 0.01


@dataclass(frozen=True)
class Picture:
    """A picture and what its file says of it.

    Attributes
    ----------
    kind : str
        "JPEG", "PNG", "TIFF", "WebP", "HEIC", "AVIF" or "camera raw".
    image : DisplayImage or None
        As `hdrcli.io.display.DisplayFile` has it: upright, with a profile of three curves and a matrix; None for PQ and
        HLG pictures.
    scene : SceneImage or None
        The HDR that the file carries, where it could be decoded.
    hdr : str
        "gain map", "PQ" or "HLG"; empty for ordinary pictures.
    metadata : Metadata
        With orientation 1.
    notes : tuple of str
        Sentences for the report.
    """

    kind: str
    image: DisplayImage | None
    scene: SceneImage | None
    hdr: str
    metadata: Metadata
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        held = self.scene if self.image is None else self.image
        assert held is not None  # one of them is there
        height, width = held.data.shape[:2]
        return width, height


def read_picture(path: Path, *, watch: Stopwatch | None = None) -> Picture:
    """Read a picture, whatever kind of file it is in; the content decides.

    Parameters
    ----------
    path : Path
        Whatever `hdrcli.io.display` or `hdrcli.io.raw` reads.
    watch : Stopwatch or None

    Raises
    ------
    UnreadableFileError, UnsupportedFileError
        When neither can read it.
    UnsuitableInputError
        When it is a dual-ISO raw file.
    """
    watch = watch or Stopwatch()
    with watch.stage("read", 0.02):
        if is_display_picture(path):
            file = read_display(path)
            return Picture(display_kind(path), file.image, file.scene, file.hdr, file.metadata, file.notes)
        try:
            raw = read_raw(path)
        except UnsupportedFileError as error:
            raise UnsupportedFileError(
                f"{error} Pictures are read from JPEG, PNG, TIFF, WebP, HEIC, AVIF and raw files of Bayer sensors."
            ) from error
    with watch.stage("develop", 0.1):
        image = rendition(raw)
    notes = ["A raw file: developed as shot to a picture of 16 bits, white where the sensor clips."]
    if abs(raw.pixel_aspect - 1) > _SQUARE:
        notes.append(f"Its pixels are {raw.pixel_aspect:.2f} times as wide as high, and are left so.")
    return Picture(RAW, image, None, "", replace(raw.metadata, orientation=1), tuple(notes))


def is_display_picture(path: Path) -> bool:
    """Tell display pictures from everything else, such as camera raw files.

    Raises
    ------
    UnreadableFileError
        When it is no file, is empty, or cannot be opened.
    """
    file_size(path, wanted="a picture or a camera raw file")
    return bool(display_kind(path)) and not is_camera_raw(path)


def rendition(raw: RawFrame) -> DisplayImage:
    """Develop an ordinary raw frame to a display picture, as a camera without a tone curve of its own would.

    Parameters
    ----------
    raw : RawFrame

    Returns
    -------
    DisplayImage
        uint16, upright, Display P3 with the sRGB curve, white balance as shot. The level at which the first channel of
        the sensor clips is white.

    Raises
    ------
    UnsuitableInputError
        When the frame is dual-ISO: half its rows are of another exposure.
    """
    analysis = analyse(raw)
    if analysis.is_dual_iso:
        name = raw.name or "The frame"
        raise UnsuitableInputError(f"{name} is dual-ISO: {analysis.reason}. Use `hdrcli deinterlace`.")
    bayer = replace(linear(raw, analysis.black, analysis.white_low), noise=analysis.noise_low)
    settings = DevelopSettings(highlights="neutral", colour_space=_RENDITION_SPACE)
    scene = develop(bayer, raw.camera, raw.metadata.orientation, settings)
    return encode_display(scene.data, bits=16, icc=icc_profile(_RENDITION_SPACE, linear=False))
