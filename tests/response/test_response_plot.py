"""Responses as pictures: where the curves and the dots of the samples are, in both formats."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hdrcli.errors import OutputError, UsageError
from hdrcli.response.plot import plot_response
from hdrcli.response.response import Response, srgb_response

SVG = "{http://www.w3.org/2000/svg}"
COLOURS = ("#c42828", "#148232", "#2850d2")
PALE = ("#e29494", "#8ac199", "#94a8e9")


def uneven_response() -> Response:
    codes = np.arange(256)[:, None] / 255
    return Response((0.001 + codes ** np.array([2.2, 1.8, 2.6])) / 1.001)


def samples_of(response: Response, *, places: int = 60) -> NDArray[np.float64]:
    """What frames three stops apart, in no order, show of light of all kinds; (places, 4, 3)."""
    light = 2 ** np.random.default_rng(1).uniform(-9, 3, (places, 1, 3))
    exposed = np.clip(light * 2.0 ** np.array([0, -6, 3, -3])[:, None], 0, 1)
    codes = [np.interp(exposed[..., c], response.curve[:, c], np.arange(256)) for c in range(3)]
    return np.stack(codes, axis=2)


def drawn(path: Path) -> ElementTree.Element:
    return ElementTree.fromstring(path.read_text(encoding="utf-8"))


def curve(picture: ElementTree.Element, colour: str) -> NDArray[np.float64]:
    """Return the points of the longest line of a colour."""
    lines = [line.attrib["points"].split() for line in picture.iter(f"{SVG}polyline") if line.get("stroke") == colour]
    return np.array([point.split(",") for point in max(lines, key=len)], dtype=np.float64)


def dots(picture: ElementTree.Element, colour: str) -> NDArray[np.float64]:
    paths = [path.attrib["d"] for path in picture.iter(f"{SVG}path") if path.get("stroke") == colour]
    assert len(paths) == 1
    points = paths[0].replace("h0", " ").replace("M", " ").split()
    return np.array(points, dtype=np.float64).reshape(-1, 2)


def test_the_curves_are_light_in_stops_over_codes(tmp_path: Path) -> None:
    response = uneven_response()
    plot_response(tmp_path / "curve.svg", response)
    picture = drawn(tmp_path / "curve.svg")
    for channel, colour in enumerate(COLOURS):
        points = curve(picture, colour)
        assert len(points) == 256
        np.testing.assert_allclose(np.diff(points[:, 0]), np.diff(points[:, 0]).mean(), atol=0.011)
        # However it is scaled, half the stops are half the height.
        stops = np.log2(response.curve[:, channel])
        np.testing.assert_allclose(
            points[:, 1] - points[-1, 1], stops * (points[1, 1] - points[-1, 1]) / stops[1], atol=0.1
        )
    behind = curve(picture, "#6e6e6e")
    assert behind[128, 1] == pytest.approx(curve(picture, COLOURS[0])[128, 1], abs=15)
    words = [text.text for text in picture.iter(f"{SVG}text")]
    assert {"red", "green", "blue", "sRGB", "code", "255", "-12"} <= set(words)


def test_dots_of_samples_that_the_response_explains_lie_on_its_curve(tmp_path: Path) -> None:
    response = uneven_response()
    plot_response(tmp_path / "curve.svg", response, samples_of(response))
    picture = drawn(tmp_path / "curve.svg")
    for colour, pale in zip(COLOURS, PALE, strict=True):
        line, points = curve(picture, colour), dots(picture, pale)
        assert len(points) > 60
        expected = np.interp(points[:, 0], line[:, 0], line[:, 1])
        inner = points[:, 0] > line[6, 0]  # below, the curve bends within a code
        np.testing.assert_allclose(points[inner, 1], expected[inner], atol=1.5)


def test_channels_that_agree_have_one_curve(tmp_path: Path) -> None:
    plot_response(tmp_path / "curve.svg", srgb_response())
    picture = drawn(tmp_path / "curve.svg")
    np.testing.assert_array_equal(curve(picture, "#1e1e1e"), curve(picture, "#6e6e6e"))
    assert not [line for line in picture.iter(f"{SVG}polyline") if line.get("stroke") in COLOURS]
    words = [text.text for text in picture.iter(f"{SVG}text")]
    assert "all channels" in words
    assert "blue" not in words


def test_dots_of_samples_that_it_does_not_explain_lie_off_the_curve(tmp_path: Path) -> None:
    plot_response(tmp_path / "curve.svg", srgb_response(), samples_of(uneven_response()))
    picture = drawn(tmp_path / "curve.svg")
    line, points = curve(picture, "#1e1e1e"), dots(picture, PALE[2])
    assert np.abs(points[:, 1] - np.interp(points[:, 0], line[:, 0], line[:, 1])).max() > 8


def test_samples_that_say_nothing_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "curve.svg"
    samples = np.zeros((3, 2, 3), np.uint8)
    samples[1] = 255
    samples[2, 0] = 100  # usable in one frame only
    for codes in (samples, samples[:0]):
        plot_response(path, srgb_response(), codes)
        assert not [element for element in drawn(path).iter(f"{SVG}path") if element.get("d")]


def test_many_samples_are_thinned(tmp_path: Path) -> None:
    plot_response(tmp_path / "curve.svg", uneven_response(), samples_of(uneven_response(), places=20_000))
    assert (tmp_path / "curve.svg").stat().st_size < 200_000


def test_a_response_without_light_at_code_0_is_drawn(tmp_path: Path) -> None:
    light = np.repeat(np.linspace(0, 1, 256)[:, None] ** 4, 3, axis=1)
    plot_response(tmp_path / "curve.svg", Response(light))
    points = curve(drawn(tmp_path / "curve.svg"), "#1e1e1e")
    assert np.isfinite(points).all()
    assert points.min() >= 0
    assert points[:, 1].max() < 520


def test_a_png_shows_the_same(tmp_path: Path) -> None:
    plot_response(tmp_path / "ä.PNG", uneven_response(), samples_of(uneven_response()).astype(np.uint8))
    plot_response(tmp_path / "curve.svg", uneven_response())
    data = np.frombuffer((tmp_path / "ä.PNG").read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape == (1040, 1440, 3)
    for colour in COLOURS:
        x, y = np.rint(2 * curve(drawn(tmp_path / "curve.svg"), colour)[100]).astype(int)
        np.testing.assert_allclose(picture[y, x, ::-1], list(bytes.fromhex(colour[1:])), atol=6)


def test_misuse_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must be a \.svg or \.png"):
        plot_response(tmp_path / "curve.jpg", srgb_response())
    with pytest.raises(UsageError, match="Samples are codes"):
        plot_response(tmp_path / "curve.svg", srgb_response(), np.zeros((5, 3), np.uint8))
    with pytest.raises(OutputError, match="No such file"):
        plot_response(tmp_path / "missing" / "curve.svg", srgb_response())
    assert not list(tmp_path.iterdir())
