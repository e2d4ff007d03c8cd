"""The logs of trainings as a picture: loss and validation over seconds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import OutputError, UnreadableFileError, UnsuitableInputError

Picture = NDArray[np.uint8]
Points = NDArray[np.float64]

_COUNTS = {"seconds", "step", "samples", "loss", "rate"}
_SIZE = 1000, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 80, 20, 40, 50
_COLOURS = ((180, 90, 20), (30, 60, 200), (50, 140, 30), (150, 40, 150), (40, 130, 210), (90, 90, 90))
_BLACK, _GREY, _LIGHT = (30, 30, 30), (110, 110, 110), (225, 225, 225)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True)
class Log:
    """What a training wrote down.

    Attributes
    ----------
    name : str
    loss : ndarray (n, 2), float64
        Seconds and loss.
    figures : dict of str to ndarray (m, 2), float64
        Seconds and validation figure, by the figure's name.
    """

    name: str
    loss: Points
    figures: dict[str, Points]


def read_log(path: Path) -> Log:
    """Return the log of a training; of several in one file, the last.

    Raises
    ------
    UnreadableFileError
        When it cannot be read or is no log.
    UnsuitableInputError
        When there is nothing in it to draw.
    """
    try:
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        restarts = [i for i in range(1, len(entries)) if entries[i]["step"] < entries[i - 1]["step"]]
        entries = entries[restarts[-1] if restarts else 0 :]
        loss = [(entry["seconds"], entry["loss"]) for entry in entries if "loss" in entry]
        names = sorted({key for entry in entries for key in entry} - _COUNTS)
        figures = {
            name: np.array([(entry["seconds"], entry[name]) for entry in entries if name in entry], dtype=np.float64)
            for name in names
        }
        points = np.array(loss, dtype=np.float64).reshape(-1, 2)
    except OSError as error:
        raise UnreadableFileError(f"The log {str(path)!r} cannot be read: {error.strerror}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableFileError(f"{str(path)!r} is no log of a training: lines of JSON with seconds.") from error
    if not len(points) and not figures:
        raise UnsuitableInputError(f"There is nothing in the log {str(path)!r} yet.")
    return Log(path.stem, points, figures)


def plot(logs: Sequence[Log]) -> Picture:
    """Return a picture (H, W, 3), BGR: the loss above, one panel below for each validation figure."""
    names = sorted({name for log in logs for name in log.figures})
    panels = [_panel("loss", [(log.name, _smoothed(log.loss)) for log in logs], logarithmic=True)]
    empty = np.empty((0, 2))
    panels += [_panel(f"{name} [dB]", [(log.name, log.figures.get(name, empty)) for log in logs]) for name in names]
    return np.vstack(panels)


def save_plot(logs: Sequence[Log], path: Path) -> None:
    """Write `plot` to a file.

    Raises
    ------
    OutputError
        When it cannot be written.
    """
    if path.suffix.lower() != ".png":
        raise OutputError(f"The plot {str(path)!r} has to be a .png file.")
    _, data = cv2.imencode(".png", plot(logs))
    try:
        path.write_bytes(data.tobytes())
    except OSError as error:
        raise OutputError(f"{str(path)!r} cannot be written: {error.strerror}.") from error


def _panel(title: str, curves: Sequence[tuple[str, Points]], *, logarithmic: bool = False) -> Picture:
    """Return one diagram over seconds."""
    width, height = _SIZE
    picture = np.full((height, width, 3), 255, dtype=np.uint8)
    _write(picture, title, (_LEFT, 24), _BLACK, size=0.6)
    points = np.concatenate([curve for _, curve in curves])
    if not len(points):
        return picture
    scale: Callable[[Points], Points] = np.log10 if logarithmic else np.asarray
    values = scale(points[:, 1])
    # The first figures of a training are far from the others and would press those together.
    low, high = np.percentile(values, [0 if logarithmic else 3, 97 if logarithmic else 100])
    margin = max(0.05 * (high - low), 1e-3)
    bottom, top, last = low - margin, high + margin, max(float(points[:, 0].max()), 1.0)

    def place(curve: Points) -> NDArray[np.int32]:
        x = _LEFT + curve[:, 0] / last * (width - _LEFT - _RIGHT)
        y = _TOP + (top - scale(curve[:, 1])) / (top - bottom) * (height - _TOP - _BOTTOM)
        return np.asarray(np.rint(np.stack([x, np.clip(y, _TOP, height - _BOTTOM)], axis=1)), dtype=np.int32)

    for tick in _ticks(10**bottom, 10**top) if logarithmic else _ticks(bottom, top):
        y = int(place(np.array([[0.0, tick]]))[0, 1])
        cv2.line(picture, (_LEFT, y), (width - _RIGHT, y), _LIGHT, 1)
        _write(picture, f"{tick:.4g}", (8, y + 5), _GREY)
    for tick in _ticks(0, last):
        x = _LEFT + round(tick / last * (width - _LEFT - _RIGHT))
        cv2.line(picture, (x, _TOP), (x, height - _BOTTOM), _LIGHT, 1)
        _write(picture, f"{tick:g} s", (x - 12, height - _BOTTOM + 20), _GREY)
    for number, (name, curve) in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        cv2.polylines(picture, [place(curve)], False, colour, 2, cv2.LINE_AA)
        _write(picture, name, (_LEFT + 150 * number, height - 10), colour)
    return picture


def _smoothed(curve: Points, *, windows: int = 200) -> Points:
    """Return a curve with at most about `windows` points, each the mean of those around it."""
    reach = max(1, len(curve) // windows)
    whole = len(curve) // reach * reach
    return np.asarray(curve[:whole].reshape(-1, reach, 2).mean(axis=1))


def _ticks(low: float, high: float) -> NDArray[np.float64]:
    """Return round numbers between two others, four to ten of them."""
    step = 10 ** np.floor(np.log10((high - low) / 2))
    step *= next(factor for factor in (0.2, 0.5, 1, 2, 5) if (high - low) / (step * factor) <= 10)
    return np.asarray(np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step)


def _write(
    picture: Picture, text: str, place: tuple[int, int], colour: tuple[int, int, int], *, size: float = 0.45
) -> None:
    cv2.putText(picture, text, place, _FONT, size, colour, 1, cv2.LINE_AA)
