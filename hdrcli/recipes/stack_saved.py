"""What a bracket leaves besides its result: its frames on the grid of the reference, and where all of them are in it.

Frames are written as they go by, none is kept: memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli import __version__
from hdrcli.images import DisplayImage, FloatArray, Metadata
from hdrcli.io.output import atomic_output, check_output, make_folder
from hdrcli.io.preview import write_grey
from hdrcli.io.tiff import write_tiff
from hdrcli.isp.orient import orient
from hdrcli.kernels import run_in_bands
from hdrcli.recipes.bracket_set import aligned_paths
from hdrcli.recipes.outputs import OutputSettings, write_mosaic
from hdrcli.recipes.stack_display import AlignedPicture
from hdrcli.recipes.stack_raw import AlignedRaw


class SavedFrames:
    """Takes from every frame of a bracket what is asked for, as it is merged.

    As a context: the frames that were written take their names when the block ends well, and vanish otherwise.

    Parameters
    ----------
    sources : sequence of Path
    folder : Path or None
        Where the aligned frames go, as .dng or .tif under the stems of the sources; made on entering where it is
        missing. None for nowhere.
    kind : str
        Of the frames, "raw" or "display".
    mask : bool
        Whether `write_mask` will be asked for.
    overwrite : bool
        Replace files that exist.

    Attributes
    ----------
    paths : list of Path
        Of the aligned frames, in the order of the sources; empty without a folder.

    Raises
    ------
    UsageError
        When two sources have one stem.
    OutputError
        On entering, when the folder cannot be made, or a file in it exists already, is a source, or cannot be written.
    """

    def __init__(
        self, sources: Sequence[Path], folder: Path | None, *, kind: str, mask: bool = False, overwrite: bool = False
    ) -> None:
        self.paths = [] if folder is None else aligned_paths(sources, folder, kind=kind)
        self._sources = tuple(sources)
        self._folder = folder
        self._masks = mask
        self._overwrite = overwrite
        self._opened = ExitStack()
        self._reference = ""
        self._shape: tuple[int, ...] = (0, 0)
        self._shown: FloatArray | None = None

    @property
    def wanted(self) -> bool:
        """Whether anything is asked for."""
        return self._masks or bool(self.paths)

    def __enter__(self) -> SavedFrames:
        if self._folder is not None:
            make_folder(self._folder)
        for path in self.paths:
            check_output(path, overwrite=self._overwrite, inputs=self._sources)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._opened.__exit__(kind, error, traceback)

    def take(self, frame: AlignedRaw | AlignedPicture, shown: FloatArray | None) -> None:
        """Take a frame, the reference first.

        Parameters
        ----------
        frame : AlignedRaw or AlignedPicture
        shown : ndarray (h, w), float32, or None
            Of its cells, 1 where it shows what the others show, falling to 0 where not; None for 1 throughout.
        """
        self._reference = self._reference or self._sources[frame.source].name
        self._shape = (frame.mosaic.data if isinstance(frame, AlignedRaw) else frame.codes).shape[:2]
        if self._masks and shown is not None:
            self._shown = shown if self._shown is None else np.minimum(self._shown, shown)
        if self.paths:
            target = atomic_output(self.paths[frame.source], overwrite=self._overwrite, inputs=self._sources)
            # Open until all is done: of a bracket that fails no frame is left.
            _write(self._opened.enter_context(target), frame, self._with_provenance(frame.metadata))

    def write_mask(self, path: Path, metadata: Metadata, *, orientation: int = 1) -> None:
        """Write where all frames that were taken are merged: white, falling to black where any shows something else.

        Parameters
        ----------
        path : Path
            A .png, written in place; 8 bits, grey.
        metadata : Metadata
        orientation : int
            EXIF orientation of the frames; the mask is upright.
        """
        rows, columns = self._shape
        mask = np.full((rows, columns), 255, np.uint8)
        if self._shown is not None:
            levels = np.rint(np.clip(self._shown, 0, 1) * np.float32(255)).astype(np.uint8)
            whole = cv2.resize(levels, (columns // 2 * 2, rows // 2 * 2), interpolation=cv2.INTER_LINEAR)
            # The last row or column of an odd size is in no cell.
            mask = np.pad(whole, ((0, rows % 2), (0, columns % 2)), mode="edge")
        write_grey(path, orient(mask, orientation), metadata=metadata)

    def _with_provenance(self, metadata: Metadata) -> Metadata:
        # Also what tells these files from frames that a camera wrote, when brackets are looked for.
        done = {"program": f"hdrcli {__version__}", "command": "stack", "alignedTo": self._reference}
        return replace(metadata, provenance={**metadata.provenance, **done})


def _write(path: Path, frame: AlignedRaw | AlignedPicture, metadata: Metadata) -> None:
    """Write a raw frame as 16-bit DNG that is white at its own clip, a picture as 16-bit TIFF in its own profile."""
    if isinstance(frame, AlignedRaw):
        write_mosaic(path, frame.mosaic, frame.camera, OutputSettings(), metadata=metadata)
    else:
        write_tiff(path, DisplayImage(_sixteen_bit(frame.codes), frame.icc), metadata=metadata)


def _sixteen_bit(codes: FloatArray) -> NDArray[np.uint16]:
    """Return codes of 0 to 255 as those of 0 to 65535."""
    deep = np.empty(codes.shape, np.uint16)

    def work(first: int, last: int) -> None:
        deep[first:last] = np.rint(codes[first:last] * np.float32(65535 / 255))

    run_in_bands(work, len(deep))
    return deep
