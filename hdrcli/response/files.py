"""Responses as text files: a table of comma-separated values that spreadsheets and plotting programs read too.

Lines that begin with `#` are remarks. The first other line names the columns, `code,red,green,blue`; then each of the
codes 0 to 255 has a line, in this order, with the light that it stands for in each channel, 1 at code 255.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from hdrcli.errors import OutputError, UnreadableFileError, UsageError
from hdrcli.response.response import CODES, Response

COLUMNS = ("code", "red", "green", "blue")

_REMARK = "# Response of a camera: light by code and channel, 1 at code 255."
_LARGEST_BYTES = 1 << 20  # many times what such a table has; nothing larger is read to find that it is none


def write_response(path: Path, response: Response) -> None:
    """Write a response so that `read_response` returns it exactly.

    Parameters
    ----------
    path : Path
        With any suffix; a file that is there is replaced.
    response : Response

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    # float's own text is the shortest that reads back as the same number.
    rows = [",".join([str(code), *map(str, light)]) for code, light in enumerate(response.curve.tolist())]
    try:
        path.write_text("\n".join([_REMARK, ",".join(COLUMNS), *rows, ""]), encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"{str(path)!r} cannot be written: {error.strerror}.") from error


def read_response(path: Path) -> Response:
    """Return the response in a file that `write_response` or a person wrote.

    Raises
    ------
    UnreadableFileError
        When it cannot be read, is no such table, or its light is none: not finite, below 0, not increasing with the
        code, or not 1 at code 255.
    """
    lines = [
        (number, [word.strip() for word in line.split(",")])
        for number, line in enumerate(_text(path).splitlines(), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not lines or tuple(word.lower() for word in lines[0][1]) != COLUMNS:
        raise UnreadableFileError(f"{str(path)!r} is no response: no line says {','.join(COLUMNS)!r}.")
    if len(lines) != CODES + 1:
        raise UnreadableFileError(f"The response {str(path)!r} has {len(lines) - 1} codes instead of {CODES}.")
    light = np.empty((CODES, 3))
    for code, (number, row) in enumerate(lines[1:]):
        try:
            if len(row) != len(COLUMNS) or int(row[0]) != code:
                raise ValueError
            light[code] = [float(word) for word in row[1:]]
        except ValueError:
            raise UnreadableFileError(
                f"The response {str(path)!r} has {','.join(row)[:60]!r} in line {number}, "
                f"where code {code} and three numbers belong."
            ) from None
    try:
        return Response(light)
    except UsageError as error:
        raise UnreadableFileError(f"The response {str(path)!r} is none: {error}") from error


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
        if len(data) > _LARGEST_BYTES:
            raise UnreadableFileError(f"{str(path)!r} is no response: it is larger than such a table can be.")
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableFileError(f"{str(path)!r} is no response: it is no text.") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        if isinstance(error, UnreadableFileError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise UnreadableFileError(f"The response {str(path)!r} cannot be read: {reason}.") from error
