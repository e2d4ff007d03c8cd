"""Responses go through text files unchanged; what is none is refused by name."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from hdrcli.errors import OutputError, UnreadableFileError
from hdrcli.response.files import read_response, write_response
from hdrcli.response.response import Response, srgb_response


def uneven_response() -> Response:
    codes = np.arange(256)[:, None] / 255
    return Response((0.001 + codes ** np.array([2.2, 1.8, 2.6])) / 1.001)


def test_a_response_is_read_as_it_was_written(tmp_path: Path) -> None:
    for response in (uneven_response(), srgb_response()):
        write_response(tmp_path / "ä curve.txt", response)
        np.testing.assert_array_equal(read_response(tmp_path / "ä curve.txt").curve, response.curve)


def test_other_programs_read_the_table(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    write_response(path, uneven_response())
    with path.open(newline="") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    assert [int(row["code"]) for row in rows] == list(range(256))
    read = np.array([[float(row[name]) for name in ("red", "green", "blue")] for row in rows])
    np.testing.assert_array_equal(read, uneven_response().curve)


def test_what_editors_and_spreadsheets_change_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "curve.csv"
    write_response(path, uneven_response())
    text = path.read_text().replace("code,red", "# by hand\n\nCode, Red").replace(",", " ,").replace("\n", "\r\n")
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    np.testing.assert_array_equal(read_response(path).curve, uneven_response().curve)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: "", "no line says 'code,red,green,blue'"),
        (lambda text: "hello\n" * 300, "no line says 'code,red,green,blue'"),
        (lambda text: text[: text.index("\n200,")], "200 codes instead of 256"),
        (lambda text: text + "256,1,1,1\n", "257 codes instead of 256"),
        (lambda text: text.replace("\n7,", "\n8,"), "in line 10, where code 7 and three numbers belong"),
        (lambda text: text.replace("\n7,", "\n7,0.1,"), "in line 10, where code 7 and three numbers belong"),
        (lambda text: text.replace("\n7,", "\n7,x"), "in line 10, where code 7 and three numbers belong"),
        (lambda text: text.replace("\n255,1.0", "\n255,0.0"), "increases with every code"),
        (lambda text: text.replace("\n255,1.0", "\n255,2.0"), "1 at code 255"),
        (lambda text: text.replace("\n255,1.0", "\n255,nan"), "finite"),
        (lambda text: text.replace("\n0,0", "\n0,-0"), "at least 0"),
        (lambda text: text * 200, "larger than such a table"),
    ],
)
def test_what_is_no_response_is_refused(tmp_path: Path, change: object, message: str) -> None:
    path = tmp_path / "curve.csv"
    write_response(path, uneven_response())
    assert callable(change)
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))
    with pytest.raises(UnreadableFileError, match=message) as raised:
        read_response(path)
    assert "curve.csv" in str(raised.value)


def test_files_that_are_no_text_or_not_there_are_refused(tmp_path: Path) -> None:
    (tmp_path / "picture.jpg").write_bytes(b"\xff\xd8\xff\xe0 and so on")
    with pytest.raises(UnreadableFileError, match="it is no text"):
        read_response(tmp_path / "picture.jpg")
    with pytest.raises(UnreadableFileError, match="No such file"):
        read_response(tmp_path / "missing.csv")
    with pytest.raises(UnreadableFileError, match="cannot be read"):
        read_response(tmp_path)
    with pytest.raises(UnreadableFileError, match="null"):
        read_response(Path("a\0b"))


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="No such file"):
        write_response(tmp_path / "missing" / "curve.csv", srgb_response())
