"""A response as a picture: light in stops over codes, the curve of sRGB behind, and what the samples say.

A sample is one place in all frames. Its light and the exposures of the frames are those that fit the curves best, so
that the distance of its dots from the curve is what the curve leaves unexplained.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import OutputError, UsageError
from hdrcli.response.response import CODES, Response, srgb_response

Points = NDArray[np.float64]
Colour = tuple[int, int, int]

_WIDTH, _HEIGHT = 720, 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 20, 44, 52
_PNG_SCALE = 2
_CHANNELS: tuple[tuple[str, Colour], ...] = (("red", (196, 40, 40)), ("green", (20, 130, 50)), ("blue", (40, 80, 210)))
_BLACK, _GREY, _LIGHT = (30, 30, 30), (110, 110, 110), (225, 225, 225)
_TEXT_SIZE = 13
_DARKEST_STOPS = -20
_DOTS = 1500


@dataclass(frozen=True)
class _Line:
    """A run of straight lines through points (n, 2)."""

    points: Points
    colour: Colour
    width: float


@dataclass(frozen=True)
class _Dots:
    """Small dots at points (n, 2)."""

    points: Points
    colour: Colour


@dataclass(frozen=True)
class _Text:
    """Words whose baseline begins, has its middle or ends at a place."""

    place: tuple[float, float]
    words: str
    colour: Colour
    anchor: str = "start"


_Shape = _Line | _Dots | _Text


def plot_response(
    path: Path, response: Response, samples: NDArray[np.uint8] | NDArray[np.float64] | None = None
) -> None:
    """Draw a response to a file.

    Parameters
    ----------
    path : Path
        A .svg or .png; a file that is there is replaced.
    response : Response
    samples : ndarray (N, P, 3), or None
        Codes, 0 to 255, of N places in P frames that it was found from. Of many some are drawn; those at an end of the
        codes, and those usable in one frame only, say nothing and are not.

    Raises
    ------
    UsageError
        When the suffix is another, or the samples are none.
    OutputError
        When the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".svg", ".png"):
        raise UsageError(f"The plot {str(path)!r} must be a .svg or .png.")
    if samples is not None and (samples.ndim != 3 or samples.shape[2] != 3):
        raise UsageError("Samples are codes (N, P, 3).")
    shapes = _shapes(response, samples)
    data = _svg(shapes) if suffix == ".svg" else _png(shapes)
    try:
        path.write_bytes(data)
    except OSError as error:
        raise OutputError(f"{str(path)!r} cannot be written: {error.strerror}.") from error


def _shapes(response: Response, samples: NDArray[np.uint8] | NDArray[np.float64] | None) -> list[_Shape]:
    """Return what is drawn, from back to front."""
    stops, srgb = _stops(response.curve), _stops(srgb_response().curve)
    bottom = max(float(np.floor(min(stops[1].min(), srgb[1].min()))), float(_DARKEST_STOPS))
    shapes = _grid(bottom)
    if samples is not None and samples.size:
        dots = _sample_dots(stops, samples.astype(np.float64))
        for (_, colour), places in zip(_CHANNELS, dots, strict=True):
            inside = places[(places[:, 1] >= bottom) & (places[:, 1] <= 0)]
            red, green, blue = (128 + part // 2 for part in colour)
            shapes.append(_Dots(_placed(inside, bottom), (red, green, blue)))
    codes = np.arange(CODES, dtype=np.float64)
    shapes.append(_Line(_placed(np.c_[codes, srgb[:, 0]], bottom), _GREY, 1))
    # One curve for channels that agree: of three in one place the last would hide the others.
    agree = bool((response.curve == response.curve[:, :1]).all())
    drawn = (("all channels", _BLACK),) if agree else _CHANNELS
    for channel, (_, colour) in enumerate(drawn):
        shapes.append(_Line(_placed(np.c_[codes, stops[:, channel]], bottom), colour, 2))
    return shapes + _legend((*drawn, ("sRGB", _GREY)))


def _stops(curve: Points) -> Points:
    """Return light in stops below that of code 255; no light at all is far below any picture."""
    return np.asarray(np.log2(np.maximum(curve, 2.0 ** (2 * _DARKEST_STOPS))))


def _placed(values: Points, bottom: float) -> Points:
    """Return places in the picture (n, 2) of codes and stops (n, 2); what is below the bottom is on it."""
    x = _LEFT + values[:, 0] / (CODES - 1) * (_WIDTH - _LEFT - _RIGHT)
    y = _TOP + np.maximum(values[:, 1], bottom) / bottom * (_HEIGHT - _TOP - _BOTTOM)
    return np.stack([x, y], axis=1)


def _grid(bottom: float) -> list[_Shape]:
    shapes: list[_Shape] = [_Text((_LEFT, 22), "light, in stops below that of code 255", _BLACK)]
    for stop in range(0, int(bottom) - 1, -1 if bottom > -10 else -2):
        ends = _placed(np.array([[0.0, stop], [CODES - 1.0, stop]]), bottom)
        shapes.append(_Line(ends, _LIGHT, 1))
        shapes.append(_Text((_LEFT - 8, ends[0, 1] + 4), str(stop), _GREY, "end"))
    for code in (*range(0, CODES, 32), CODES - 1):
        ends = _placed(np.array([[code, 0.0], [code, bottom]]), bottom)
        shapes.append(_Line(ends, _LIGHT, 1))
        shapes.append(_Text((ends[1, 0], ends[1, 1] + 18), str(code), _GREY, "middle"))
    shapes.append(_Text(((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 10), "code", _BLACK, "middle"))
    return shapes


def _legend(curves: Sequence[tuple[str, Colour]]) -> list[_Shape]:
    shapes: list[_Shape] = []
    right = float(_WIDTH - _RIGHT)
    for name, colour in reversed(curves):
        right -= 7.5 * len(name)
        line = np.array([[right - 26, 18.0], [right - 6, 18.0]])
        shapes.append(_Line(line, colour, 1 if name == "sRGB" else 2))
        shapes.append(_Text((right, 22), name, colour))
        right -= 44
    return shapes


def _sample_dots(stops: Points, samples: Points) -> list[Points]:
    """Return for each channel codes and stops (n, 2) of samples, by the light and the exposures that fit best."""
    samples = samples[:: max(1, samples.shape[0] * samples.shape[1] // _DOTS)]
    codes = np.arange(CODES)
    known = np.stack([np.interp(samples[..., c], codes, stops[:, c]) for c in range(3)], axis=2)
    weights = np.minimum(samples, CODES - 1 - samples) / (CODES / 2)
    weights *= (weights > 0).sum(axis=1, keepdims=True) >= 2
    # One light for each place and channel, (places, 1, 3), is eliminated; what remains are the exposures.
    total = np.maximum(weights.sum(axis=1, keepdims=True), 1e-9)
    deviation = known - (weights * known).sum(axis=1, keepdims=True) / total
    matrix = np.diag(weights.sum(axis=(0, 2))) - np.einsum("npc,nqc->pq", weights, weights / total)
    right = (weights * deviation).sum(axis=(0, 2))
    exposures = np.linalg.lstsq(matrix, right, rcond=1e-9)[0][:, None]
    light = (weights * (known - exposures)).sum(axis=1, keepdims=True) / total
    fitted = light + exposures
    return [np.c_[samples[..., c][weights[..., c] > 0], fitted[..., c][weights[..., c] > 0]] for c in range(3)]


def _svg(shapes: Sequence[_Shape]) -> bytes:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" font-size="{_TEXT_SIZE}">',
        "<title>Response of a camera</title>",
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for shape in shapes:
        colour = "#" + bytes(shape.colour).hex()
        if isinstance(shape, _Line):
            points = " ".join(f"{x:.2f},{y:.2f}" for x, y in shape.points)
            lines.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="{shape.width}"/>')
        elif isinstance(shape, _Dots):
            dots = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in shape.points)
            lines.append(f'<path d="{dots}" stroke="{colour}" stroke-width="2.4" stroke-linecap="round"/>')
        else:
            x, y = shape.place
            where = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{shape.anchor}"'
            lines.append(f'<text {where} fill="{colour}">{escape(shape.words)}</text>')
    return "\n".join([*lines, "</svg>", ""]).encode()


def _png(shapes: Sequence[_Shape]) -> bytes:
    picture = np.full((_HEIGHT * _PNG_SCALE, _WIDTH * _PNG_SCALE, 3), 255, np.uint8)
    shift = 4  # OpenCV takes places in sixteenths of a pixel

    def fixed(points: Points) -> NDArray[np.int32]:
        return np.asarray(np.rint(points * _PNG_SCALE * 2**shift), dtype=np.int32)

    for shape in shapes:
        colour = shape.colour[::-1]
        if isinstance(shape, _Line):
            width = round(shape.width * _PNG_SCALE)
            cv2.polylines(picture, [fixed(shape.points)], False, colour, width, cv2.LINE_AA, shift)
        elif isinstance(shape, _Dots):
            for x, y in fixed(shape.points).tolist():
                cv2.circle(picture, (x, y), round(1.2 * _PNG_SCALE * 2**shift), colour, -1, cv2.LINE_AA, shift)
        else:
            _write(picture, shape)
    _, data = cv2.imencode(".png", picture)
    return bytes(data.tobytes())


def _write(picture: NDArray[np.uint8], text: _Text) -> None:
    font, size = cv2.FONT_HERSHEY_SIMPLEX, 0.033 * _TEXT_SIZE * _PNG_SCALE
    (width, _), _ = cv2.getTextSize(text.words, font, size, 1)
    before = {"start": 0.0, "middle": width / 2, "end": float(width)}[text.anchor]
    place = round(text.place[0] * _PNG_SCALE - before), round(text.place[1] * _PNG_SCALE)
    cv2.putText(picture, text.words, place, font, size, text.colour[::-1], 1, cv2.LINE_AA)
