"""Things on a table under lamps: highlights on metal, glass and glaze, and strong colours in strong light."""

from __future__ import annotations

import numpy as np

from hdrcli.training.render import furniture, textures
from hdrcli.training.render.parts import (
    Camera,
    Plugin,
    Scene,
    body,
    box,
    facing,
    glossy,
    glow,
    matt,
    panel,
    picture,
    placed,
    random_metal,
    rounded,
    sphere,
    tube,
)


def still_life(rng: np.random.Generator) -> Scene:
    """Return metal, glass, glaze and flowers on a table, lamps from the sides and behind."""
    parts = [*_table(rng), *_lamps(rng)]
    taken: list[tuple[float, float, float]] = []
    for _ in range(rng.integers(8, 25)):
        size = float(rng.uniform(0.03, 0.11))
        at = float(rng.uniform(-0.45, 0.45)), float(rng.uniform(-0.25, 0.5))
        if any(np.hypot(at[0] - x, at[1] - y) < 1.1 * (size + other) for x, y, other in taken):
            continue
        taken.append((*at, size))
        parts += _flower(rng, at) if rng.random() < 0.25 else [_shiny(rng, at, size)]
    origin = (rng.uniform(-0.3, 0.3), rng.uniform(-1.1, -0.65), rng.uniform(0.15, 0.7))
    target = (rng.uniform(-0.12, 0.12), 0.05, rng.uniform(0.03, 0.13))
    aperture = 0.0 if rng.random() < 0.6 else rng.uniform(0.003, 0.01)
    return Scene(Camera(origin, target, float(rng.uniform(30, 55)), aperture), parts)


def _table(rng: np.random.Generator) -> list[Plugin]:
    top = furniture.wood(rng) if rng.random() < 0.4 else furniture.surface(rng)
    curtain = matt(picture(textures.random_texture(rng)) if rng.random() < 0.6 else textures.paint(rng))
    wall = facing((0, 1.6, 0.6), (0, 0, 0.6), size=(3, 1.6, 1))
    return [box((-1.2, -0.8, -0.05), (1.2, 0.9, 0), top), panel(wall, curtain)]


def _lamps(rng: np.random.Generator) -> list[Plugin]:
    """Return one to three lamps of very different sizes, a weak light all round, and at times bulbs in the picture."""
    parts: list[Plugin] = []
    dark = matt(np.zeros(3, np.float32))
    for _ in range(rng.integers(1, 4)):
        # One lamp in three is far, so that its beam is parallel. It is larger than the sun: the sun's mirror image in a
        # small ball is far below a pixel, and of such glints path tracing makes noise only.
        angle, far, size = rng.uniform(-np.pi, np.pi), rng.uniform(0.9, 2), 2 ** rng.uniform(-5.5, -2, 2)
        if rng.random() < 0.35:
            far, size = 12.0, rng.uniform(0.25, 0.8, 2)
        at = far * np.array([np.sin(angle), np.cos(angle), rng.uniform(0.4, 1.2)])
        colour = textures.colour(rng, saturation=(0, 0.8 if rng.random() < 0.25 else 0.3), value=(1, 1))
        radiance = colour * rng.uniform(0.5, 2) * far**2 / (4 * size[0] * size[1])
        parts.append(panel(facing(at, (0, 0, 0.05), size=(*size, 1)), dark, **glow(radiance)))
    faint = textures.colour(rng, saturation=(0, 0.5), value=(0.02, 0.25))
    parts.append({"type": "constant", "radiance": {"type": "rgb", "value": faint.tolist()}})
    if rng.random() < 0.35:
        warm = np.array([1.5, 1.0, 0.5], dtype=np.float32) * rng.uniform(40, 200)
        row = np.linspace(-0.7, 0.7, int(rng.integers(2, 9)))
        parts += [sphere((x, 1.2, rng.uniform(0.1, 0.5)), 0.015, dark, **glow(warm)) for x in row]
    return parts


def _shiny(rng: np.random.Generator, at: furniture.Place, size: float) -> Plugin:
    if rng.random() < 0.35:
        strong = textures.colour(rng, saturation=(0.8, 0.98), value=(0.5, 0.9))
        material = glossy(strong, roughness=float(rng.choice([0.0, 0.0, 0.03, 0.08])))
        return sphere((*at, size), size, material)
    if rng.random() < 0.3:
        return sphere((*at, size), size, random_metal(rng))
    return furniture.thing(rng, at, 0.0, size, clear=0.4)


def _flower(rng: np.random.Generator, at: furniture.Place) -> list[Plugin]:
    """Return a stem with two rings of petals in a saturated colour."""
    x, y = at
    height, size = float(rng.uniform(0.06, 0.25)), float(rng.uniform(0.02, 0.05))
    petal = matt(textures.colour(rng, saturation=(0.85, 0.99), value=(0.7, 0.95)))
    heart = matt(np.array([0.8, 0.55, 0.02], np.float32))
    number = int(rng.integers(5, 12))
    shape = rounded(upright=1.0, around=1.0, steps=12)
    parts = [tube((x, y, 0), (x, y, height), 0.004, matt(np.array([0.05, 0.25, 0.03], np.float32)))]
    parts.append(sphere((x, y, height), 0.35 * size, heart))
    for ring, lift in ((1.0, 0.0), (0.7, 0.3)):
        for turn in np.arange(number) * 360 / number + rng.uniform(0, 360):
            angle = np.radians(turn)
            centre = (x + ring * size * np.cos(angle), y + ring * size * np.sin(angle), height + lift * size)
            parts.append(body(shape, placed(centre, size=(0.6 * size, 0.3 * size, 0.12 * size), turn=turn), petal))
    return parts
