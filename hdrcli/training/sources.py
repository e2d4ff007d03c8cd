"""Where training pictures come from: HDR scenes, display photographs, and what the computer draws.

Drawn pictures hold what the scenes lack: text, thin lines, hard edges of every direction, and lamps. They follow the
dead-leaves model (Lee, Mumford and Huang 2001): discs and polygons of many sizes that cover each other have the
edges and the spectrum of natural pictures, with exact truth down to the last pixel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import cv2
import numpy as np

from hdrcli.errors import UnreadableFileError, UnsuitableInputError, UsageError
from hdrcli.images import FloatArray
from hdrcli.io.exr import read_exr
from hdrcli.training.shards import Picture

_SYNTHETIC_SIZE = 512
# Half floats end at 65504; nothing in the data is that bright once the median is 0.18, except the sun.
_BRIGHTEST = 60000.0
_PHOTOS = {".jpg", ".jpeg", ".png", ".webp"}


def training_pictures(
    scenes: Sequence[Path] = (),
    photos: Sequence[Path] = (),
    rendered: Sequence[Path] = (),
    *,
    synthetic: int = 0,
    seed: int = 1,
) -> Iterator[Picture]:
    """Return an iterator over everything to be packed: scenes, drawn pictures, photographs, rendered pictures.

    Parameters
    ----------
    scenes, photos, rendered : sequence of Path
        Folders with EXR files, with 8-bit photographs, and with EXR files of `python -m hdrcli.training render`.
    synthetic : int
        Number of drawn pictures.
    seed : int
        Of the drawn pictures.

    Raises
    ------
    UsageError
        When there is nothing to pack, or a folder is the one of the validation scenes.
    UnreadableFileError
        When a folder is missing.
    UnsuitableInputError
        When a folder holds no such files.
    """
    if not (scenes or photos or rendered or synthetic > 0):
        raise UsageError("There is nothing to pack; give --scenes, --photos, --rendered or --synthetic.")
    for folder in (*scenes, *photos, *rendered):
        if folder.resolve().name.lower() == "val":
            raise UsageError(
                f"{str(folder)!r} holds the scenes that networks are measured on; they are not trained on."
            )
        if not folder.is_dir():
            raise UnreadableFileError(f"There is no folder {str(folder)!r}.")
    for folder, suffixes in [(f, {".exr"}) for f in (*scenes, *rendered)] + [(f, _PHOTOS) for f in photos]:
        if not any(path.suffix.lower() in suffixes for path in folder.iterdir()):
            raise UnsuitableInputError(f"{str(folder)!r} holds no files of the kind {' '.join(sorted(suffixes))}.")
    return chain(
        chain.from_iterable(map(scene_pictures, scenes)),
        synthetic_pictures(synthetic, seed=seed),
        chain.from_iterable(map(photo_pictures, photos)),
        chain.from_iterable(scene_pictures(folder, kind="rendered") for folder in rendered),
    )


def scene_pictures(folder: Path, *, kind: str = "scene") -> Iterator[Picture]:
    """Yield the EXR scenes of a folder in order of name."""
    for path in sorted(folder.glob("*.exr")):
        data = np.clip(read_exr(path).data[:, :, :3], 0, _BRIGHTEST)
        yield Picture(path.stem, kind, data.astype(np.float16))


def photo_pictures(folder: Path) -> Iterator[Picture]:
    """Yield the 8-bit photographs of a folder in order of name."""
    for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in _PHOTOS):
        data = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if data is not None:
            yield Picture(path.stem, "photo", np.ascontiguousarray(data[:, :, ::-1], dtype=np.uint8))


def synthetic_pictures(number: int, *, seed: int = 1) -> Iterator[Picture]:
    """Yield drawn pictures: dead leaves with texture, text, lines and lamps under uneven light."""
    for i in range(number):
        rng = np.random.default_rng([seed, i])
        picture = _leaves(rng)
        _texture(picture, rng)
        if i % 2:
            _text_and_lines(picture, rng)
        picture *= _uneven_light(rng)[:, :, None]
        if i % 3 == 0:
            _lamps(picture, rng)
        # Drawn at twice the size and averaged, so that edges have the partial coverage that a sensor sees.
        half = cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        yield Picture(f"drawn{i:03d}_a", "synthetic", np.clip(half, 0, _BRIGHTEST).astype(np.float16))


def _leaves(rng: np.random.Generator) -> FloatArray:
    side = 2 * _SYNTHETIC_SIZE
    picture = np.full((side, side, 3), 0.1, dtype=np.float32)
    for _ in range(900):
        colour = _colour(rng)
        # Radii fall with the third power, as distances of objects make them do.
        radius = float(np.clip(4 / np.sqrt(rng.uniform(1e-4, 1.0)), 4, 300))
        centre = rng.uniform(0, side, 2)
        if rng.random() < 0.4:
            cv2.circle(picture, tuple(int(c) for c in centre), int(radius), colour, -1)
        else:
            angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 7)))
            corners = centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
            cv2.fillPoly(picture, [corners.astype(np.int32)], colour)
    return picture


def _colour(rng: np.random.Generator) -> tuple[float, float, float]:
    level = 0.18 * 2 ** rng.normal(0, 1.8)
    tint = 2 ** (rng.normal(0, 0.35, 3) * (3 if rng.random() < 0.15 else 1))
    red, green, blue = (level * tint).tolist()
    return red, green, blue


def _texture(picture: FloatArray, rng: np.random.Generator) -> None:
    """Multiply by fractal noise (power law of the spectrum) of a strength that differs from place to place."""
    side = picture.shape[0]
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) / frequency ** rng.uniform(0.6, 1.4)
    noise = np.fft.irfft2(spectrum, s=(side, side))
    strength = cv2.resize(rng.uniform(0, 0.6, (6, 6)), (side, side), interpolation=cv2.INTER_LINEAR)
    picture *= np.exp2(strength * noise / noise.std()).astype(np.float32)[:, :, None]


def _text_and_lines(picture: FloatArray, rng: np.random.Generator) -> None:
    side = picture.shape[0]
    fonts = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX)
    letters = np.array(list("ABCDEFGHIKLMNOPRSTUVWXYZabcdefghiklmnoprstuvwxyz0123456789&?!.,-"))
    for _ in range(30):
        text = "".join(rng.choice(letters, rng.integers(4, 24)))
        place = int(rng.integers(0, side)), int(rng.integers(0, side))
        # OpenCV writes on bytes only: the letters' coverage, through which the colour is then laid.
        coverage = np.zeros((side, side), dtype=np.uint8)
        font, size, pen = fonts[rng.integers(len(fonts))], float(rng.uniform(0.6, 3)), int(rng.integers(1, 6))
        cv2.putText(coverage, text, place, font, size, 255, pen, cv2.LINE_AA)
        share = (coverage / np.float32(255))[:, :, None]
        picture += share * (np.array(_colour(rng), dtype=np.float32) - picture)
    for _ in range(40):
        ends = rng.integers(0, side, 4).tolist()
        cv2.line(picture, tuple(ends[:2]), tuple(ends[2:]), _colour(rng), int(rng.integers(1, 6)), cv2.LINE_AA)


def _uneven_light(rng: np.random.Generator) -> FloatArray:
    """Return a smooth factor over four stops, with the hard edge of a shadow in it."""
    side = 2 * _SYNTHETIC_SIZE
    stops = cv2.resize(rng.uniform(-2, 2, (4, 4)), (side, side), interpolation=cv2.INTER_CUBIC)
    shadow = np.zeros((side, side), dtype=np.float32)
    cv2.fillPoly(shadow, [rng.integers(0, side, (5, 2)).astype(np.int32)], 1.0)
    return np.exp2(stops - rng.uniform(0, 4) * cv2.GaussianBlur(shadow, (0, 0), rng.uniform(1, 12))).astype(np.float32)


def _lamps(picture: FloatArray, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(2, 12)):
        centre = tuple(int(c) for c in rng.integers(0, picture.shape[0], 2))
        level = 2 ** rng.uniform(2, 9)
        warm = (1.0, rng.uniform(0.5, 1.0), rng.uniform(0.2, 1.0))
        cv2.circle(picture, centre, int(rng.integers(2, 30)), tuple(level * w for w in warm), -1, cv2.LINE_AA)
