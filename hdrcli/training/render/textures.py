"""Textures painted by numbers: noise, checks, stripes, boards, bricks, lettering, screens.

Every function takes a seeded generator and returns reflectance (or relative radiance), float32 (H, W, 3), 0 to 1.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from hdrcli.images import FloatArray

_LETTERS = np.array(list("ABCDEFGHIKLMNOPRSTUVWXYZabcdefghiklmnoprstuvwxyz0123456789&?!"))
_FONTS = (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX)


def colour(rng: np.random.Generator, *, saturation: tuple[float, float], value: tuple[float, float]) -> FloatArray:
    """Return a linear colour (3,) of a random hue, its saturation (0 to 1) and largest channel within bounds."""
    phase = rng.random() * 6 - np.array([0.0, 2.0, 4.0])
    hue = np.clip(2 - np.abs((phase + 3) % 6 - 3), 0, 1)
    share = rng.uniform(*saturation)
    return np.asarray((1 - share * (1 - hue)) * rng.uniform(*value), dtype=np.float32)


def paint(rng: np.random.Generator) -> FloatArray:
    """Return a colour (3,) as surfaces have it: mostly dull, one in four strong."""
    strong = rng.random() < 0.25
    return colour(rng, saturation=(0.6, 0.97) if strong else (0.0, 0.45), value=(0.06, 0.8))


def noise(rng: np.random.Generator, side: int, *, slope: float, stretch: float = 1.0) -> FloatArray:
    """Return tileable fractal noise (side, side), 0 to 1.

    Its amplitude falls with frequency to the power `slope`; `stretch` above 1 makes streaks along x.
    """
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], stretch * np.fft.rfftfreq(side)[None]) * side
    frequency[0, 0] = 1
    spectrum = np.fft.rfft2(rng.standard_normal((side, side))) / frequency**slope
    spectrum[0, 0] = 0
    field = np.fft.irfft2(spectrum, s=(side, side))
    return np.asarray(np.clip(0.5 + field / (5 * field.std()), 0, 1), dtype=np.float32)


def plaster(rng: np.random.Generator, base: FloatArray, *, strength: float = 0.25, side: int = 512) -> FloatArray:
    """Return one colour with spots of many sizes."""
    spots = noise(rng, side, slope=rng.uniform(0.7, 1.4))[:, :, None]
    return np.clip(base * (1 + strength * (2 * spots - 1)), 0, 0.95).astype(np.float32)


def checks(rng: np.random.Generator, first: FloatArray, second: FloatArray, *, side: int = 512) -> FloatArray:
    """Return a board of checks in two colours, a little worn."""
    number = int(rng.integers(2, 9))
    cell = np.arange(side) * number // side
    odd = ((cell[:, None] + cell[None]) % 2)[:, :, None]
    return _worn(rng, np.where(odd == 1, first, second).astype(np.float32))


def stripes(rng: np.random.Generator, first: FloatArray, second: FloatArray, *, side: int = 512) -> FloatArray:
    """Return stripes of several widths, upright or level."""
    edges = np.sort(rng.random(2 * int(rng.integers(3, 14))))
    inside = np.searchsorted(edges, np.linspace(0, 1, side)) % 2
    pattern = np.broadcast_to(inside[None, :, None], (side, side, 1))
    if rng.random() < 0.5:
        pattern = pattern.transpose(1, 0, 2)
    return _worn(rng, np.where(pattern == 1, first, second).astype(np.float32))


def boards(rng: np.random.Generator, base: FloatArray, *, side: int = 512) -> FloatArray:
    """Return wooden boards along x, each of its own shade, with dark joints."""
    number = int(rng.integers(4, 10))
    row = np.arange(side) * number // side
    grain = noise(rng, side, slope=1.0, stretch=12.0)
    shade = rng.uniform(0.65, 1.1, number)[row][:, None] * (0.7 + 0.6 * grain)
    joint = np.arange(side) * number % side < 2 * number
    shade = np.where(joint[:, None], 0.35 * shade, shade)
    return np.clip(base * shade[:, :, None], 0, 0.9).astype(np.float32)


def bricks(rng: np.random.Generator, base: FloatArray, *, side: int = 512) -> FloatArray:
    """Return courses of bricks (or slabs) in mortar."""
    rows = int(rng.integers(8, 17)) & ~1
    y = np.arange(side) * rows / side
    course = y.astype(int)
    x = np.arange(side)[None] * (rows // 2) / side + 0.5 * (course % 2)[:, None]
    shade = rng.uniform(0.6, 1.15, (rows, rows // 2))[course[:, None], x.astype(int) % (rows // 2)]
    mortar = (y % 1 < 0.1)[:, None] | (x % 1 < 0.05)
    picture = np.where(mortar[:, :, None], 0.45, base * shade[:, :, None]).astype(np.float32)
    return _worn(rng, picture)


def lettering(rng: np.random.Generator, ground: FloatArray, ink: FloatArray, *, side: int = 512) -> FloatArray:
    """Return lines of letters of several sizes on a ground, as on posters, signs and pages."""
    coverage = np.zeros((side, side), dtype=np.uint8)
    y = 20
    while y < side:
        size = float(rng.choice([0.5, 0.7, 1.0, 1.8, 3.0]))
        text = "".join(rng.choice(_LETTERS, rng.integers(4, 40)))
        y += int(34 * size)
        cv2.putText(coverage, text, (16, y), _FONTS[rng.integers(len(_FONTS))], size, 255, int(1 + size), cv2.LINE_AA)
    share = coverage[:, :, None] / np.float32(255)
    return np.clip(ground + share * (ink - ground), 0, 1).astype(np.float32)


def display(rng: np.random.Generator, *, side: int = 512) -> FloatArray:
    """Return what a screen may show: coloured fields, a gradient, letters; 0 to 1, some of it at 1."""
    top, bottom = (colour(rng, saturation=(0.1, 0.95), value=(0.05, 1.0)) for _ in range(2))
    ramp = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    picture = np.broadcast_to((1 - ramp) * top + ramp * bottom, (side, side, 3)).copy()
    for _ in range(rng.integers(2, 9)):
        corner, reach = rng.integers(0, side, 2), rng.integers(30, side // 2, 2)
        box = (slice(corner[0], corner[0] + reach[0]), slice(corner[1], corner[1] + reach[1]))
        picture[box] = colour(rng, saturation=(0.0, 0.95), value=(0.02, 1.0))
    letters = lettering(rng, np.zeros(3, np.float32), np.ones(3, np.float32), side=side)
    return np.maximum(picture, letters) if rng.random() < 0.6 else picture


def random_texture(rng: np.random.Generator) -> FloatArray:
    """Return one of the textures above in random colours."""
    first, second = paint(rng), paint(rng)
    makers: tuple[Callable[[], FloatArray], ...] = (
        lambda: plaster(rng, first),
        lambda: checks(rng, first, second),
        lambda: stripes(rng, first, second),
        lambda: boards(rng, first),
        lambda: bricks(rng, first),
        lambda: lettering(rng, first, second),
    )
    return makers[rng.integers(len(makers))]()


def _worn(rng: np.random.Generator, picture: FloatArray) -> FloatArray:
    wear = noise(rng, picture.shape[0], slope=0.9)[:, :, None]
    return np.clip(picture * (0.8 + 0.4 * wear), 0, 0.95).astype(np.float32)
