"""What `info` says of display pictures, and of the HDR that they carry."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from display_files import hdr_avif, photograph, saved, ultra_hdr

import hdrcli
from hdrcli.errors import UnsupportedFileError
from hdrcli.io.icc import icc_profile
from hdrcli.recipes.info import info
from hdrcli.recipes.picture_info import PictureInfo


def found(path: Path) -> PictureInfo:
    answer = info(path)
    assert isinstance(answer, PictureInfo)
    assert json.loads(json.dumps(answer.as_dict()))["verdict"] == answer.verdict == "display picture"
    assert answer.command == "single"
    assert answer.advice == f"hdrcli single {path}"
    first, *rest = answer.lines()
    assert first == str(path)
    assert all(text[17] == " " and text[18] != " " for text in rest)
    return answer


@pytest.mark.parametrize(("name", "kind"), [("a.jpg", "JPEG"), ("a.png", "PNG"), ("a.tif", "TIFF"), ("a.webp", "WebP")])
def test_a_picture_is_named_and_sent_to_single(name: str, kind: str, tmp_path: Path) -> None:
    facts = found(saved(tmp_path / name, photograph(), orientation=6)).as_dict()
    assert (facts["kind"], facts["width"], facts["height"], facts["bits"]) == (kind, 64, 96, 8)
    assert (facts["camera"], facts["exposure_time_s"]) == ("Maker Model 1", 1 / 250)
    assert (facts["hdr"], facts["hdr_readable"]) == (None, None)
    assert facts["profile"] == "sRGB"


def test_profile_and_clipping_are_reported(tmp_path: Path) -> None:
    codes = photograph()
    profile = icc_profile("display-p3", linear=False)
    answer = found(saved(tmp_path / "a.png", codes, icc_profile=profile))
    facts = answer.as_dict()
    assert facts["profile"] == "Display P3 with sRGB curve (hdrcli)"
    assert facts["clipped_any_percent"] == pytest.approx(100 * (codes == 255).any(axis=2).mean(), abs=1e-3)
    assert facts["clipped_all_percent"] == pytest.approx(100 * (codes == 255).all(axis=2).mean(), abs=1e-3)
    assert "Carries HDR       none" in answer.lines()


def test_hdr_in_a_file_is_reported(tmp_path: Path) -> None:
    data, _ = ultra_hdr()
    (tmp_path / "a.jpg").write_bytes(data)
    answer = found(tmp_path / "a.jpg")
    assert (answer.as_dict()["hdr"], answer.as_dict()["hdr_readable"]) == ("gain map", True)
    assert "Carries HDR       gain map" in answer.lines()
    (tmp_path / "b.jpg").write_bytes(data[:-600])
    answer = found(tmp_path / "b.jpg")
    assert (answer.as_dict()["hdr"], answer.as_dict()["hdr_readable"]) == ("gain map", False)
    assert "Carries HDR       gain map, which cannot be decoded" in answer.lines()
    (tmp_path / "c.avif").write_bytes(hdr_avif(np.full((16, 24, 3), 500, np.uint16)))
    facts = found(tmp_path / "c.avif").as_dict()
    assert (facts["hdr"], facts["bits"], facts["clipped_any_percent"]) == ("PQ", None, None)
    assert (facts["width"], facts["height"]) == (24, 16)


def test_the_content_decides_and_not_the_name(tmp_path: Path) -> None:
    saved(tmp_path / "a.png", photograph()).rename(tmp_path / "a.CR2")
    assert found(tmp_path / "a.CR2").kind == "PNG"


def test_what_is_no_picture_is_refused_with_the_reason(tmp_path: Path) -> None:
    rgba = np.dstack([photograph(), np.full((64, 96), 100, np.uint8)])
    with pytest.raises(UnsupportedFileError, match="transparent"):
        info(saved(tmp_path / "a.png", rgba))


def test_the_package_offers_the_type() -> None:
    assert hdrcli.PictureInfo is PictureInfo
