"""The report of a merged bracket, for programs and for people."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from hdrcli.images import Metadata
from hdrcli.recipes.stack_report import FrameReport, StackReport

FRAMES = (
    FrameReport(
        "IMG_1.CR2",
        ev_stated=-2.0,
        ev_measured=-1.934,
        ev_used=-1.934,
        shift=(3.25, -0.5),
        rotation_deg=0.21,
        aligned=True,
        residual_px=0.14,
        inliers=0.923,
        ghosts=0.0123,
        share=0.25,
        clipped=0.001,
    ),
    FrameReport("IMG_2.CR2", ev_stated=0.0, ev_measured=0.0, ev_used=0.0, share=0.75, clipped=0.08),
    FrameReport("IMG_3_long.CR2", ev_stated=None, ev_measured=None, ev_used=2.0),
)
REPORT = StackReport(
    sources=(Path("IMG_1.CR2"), Path("IMG_2.CR2"), Path("IMG_3_long.CR2"), Path("IMG_4.CR2")),
    output=Path("out/IMG_1-4.exr"),
    kind="raw",
    reference="IMG_2.CR2",
    size=(6000, 4000),
    camera="Canon EOS 550D",
    metadata=Metadata(exposure_time_s=1 / 60, f_number=8.0, iso=100.0),
    frames=FRAMES,
    clipped_everywhere=0.0042,
    response="none",
    seconds={"read": 1.25, "merge": 2.0},
    left_out=(("IMG_4.CR2", "it is truncated."),),
    notes=("The aperture is not stated and taken as constant.",),
    warnings=("IMG_1.CR2: 0.07 EV off.",),
)


def test_json_has_everything_with_shares_in_percent() -> None:
    facts = json.loads(json.dumps(REPORT.as_dict()))
    assert facts["sources"] == [str(path) for path in REPORT.sources]
    assert (facts["output"], facts["kind"], facts["reference"]) == ("out/IMG_1-4.exr", "raw", "IMG_2.CR2")
    assert (facts["width"], facts["height"], facts["clipped_everywhere_percent"]) == (6000, 4000, 0.42)
    assert facts["left_out"] == [{"name": "IMG_4.CR2", "reason": "it is truncated."}]
    assert (facts["response"], facts["model"], facts["method"]) == (None, "none", "hdr")
    assert facts["seconds"] == {"read": 1.25, "merge": 2.0}
    first, reference, last = facts["frames"]
    assert first == {
        "name": "IMG_1.CR2",
        "ev_stated": -2.0,
        "ev_measured": -1.934,
        "ev_used": -1.934,
        "shift_px": [3.25, -0.5],
        "rotation_deg": 0.21,
        "aligned": True,
        "residual_px": 0.14,
        "inliers_percent": 92.3,
        "ghosts_percent": 1.23,
        "share_percent": 25.0,
        "clipped_percent": 0.1,
    }
    assert reference["ev_used"] == 0.0
    assert last["ev_stated"] is last["ev_measured"] is last["residual_px"] is None
    assert last["aligned"] is False


def test_people_get_a_table_of_the_frames() -> None:
    lines = REPORT.lines()
    assert lines[0] == "IMG_1-4.exr: 3 raw frames, 6000 x 4000, Canon EOS 550D"
    assert lines[1] == "Reference         IMG_2.CR2 (1/60 s, f/8, ISO 100)"
    heading, *rows = lines[2:6]
    assert heading.split("  ")[0] == "Frame"
    assert [row.split()[0] for row in rows] == [frame.name for frame in FRAMES]
    assert len({len(row) for row in (heading, *rows)}) == 1  # in columns
    for words in ("-2.00", "-1.93", "+3.25, -0.50", "+0.210 deg", "0.14 px", "92 %", "1.23 %", "0.10 %", "25.0 %"):
        assert words in rows[0]
    assert "  reference  " in rows[1]
    assert "  not aligned  " in rows[2]
    assert lines[6:] == [
        "Clipped           0.42 % in every frame",
        "Model             none",
        "Note              The aperture is not stated and taken as constant.",
        "Seconds           read 1.25, merge 2.00; total 3.25",
    ]


@pytest.mark.parametrize(("method", "words"), [("hdr", "Canon EOS 550D"), ("fusion", "(exposure fusion)")])
def test_display_brackets_name_their_response(method: str, words: str) -> None:
    report = replace(REPORT, kind="display", response="Debevec and Malik", method=method)
    assert report.lines()[0].endswith(words)
    assert "Response          Debevec and Malik" in report.lines()
    assert report.as_dict()["response"] == "Debevec and Malik"
