"""The files of a folder."""

from __future__ import annotations

import os
from pathlib import Path

from hdrcli.errors import UnreadableFileError
from hdrcli.io.output import in_order_of_names


def files_in(folder: Path, *, except_in: Path | None = None) -> list[Path]:
    """Return all files below a folder, numbers in their names in order.

    Parameters
    ----------
    folder : Path
    except_in : Path or None
        A folder below it whose files are not wanted, as results are not.

    Returns
    -------
    list of Path
        Regular files. Hidden ones, among them what systems leave beside pictures (`._IMG_1.CR2`), and those in hidden
        folders or behind links to folders do not count.

    Raises
    ------
    UnreadableFileError
        When a folder cannot be read.
    """

    def refuse(error: OSError) -> None:
        raise UnreadableFileError(f"{error.filename} cannot be read: {error.strerror}.") from error

    unwanted = None if except_in is None else os.path.realpath(except_in)
    found: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [
            name for name in folders if not name.startswith(".") and os.path.realpath(Path(parent, name)) != unwanted
        ]
        found += [Path(parent, name) for name in names if not name.startswith(".")]
    return in_order_of_names(path for path in found if path.is_file())
