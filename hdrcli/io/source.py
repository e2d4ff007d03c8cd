"""What must be true of any input before a decoder sees it."""

from __future__ import annotations

import stat
from pathlib import Path

from hdrcli.errors import UnreadableFileError


def file_size(path: Path, *, wanted: str) -> int:
    """Return the size in bytes of a regular, readable file that is not empty.

    Parameters
    ----------
    path : Path
    wanted : str
        What the user should name instead, for the message: "a camera raw file".

    Raises
    ------
    UnreadableFileError
        Missing, not permitted, empty, a folder, a device.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "not a regular file"
            raise UnreadableFileError(f"{path} is {kind}. Name {wanted}.")
        with path.open("rb"):
            pass
    except UnreadableFileError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise UnreadableFileError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if status.st_size == 0:
        raise UnreadableFileError(f"{path} is empty.")
    return status.st_size
