"""Streets and squares in the sun, and streets by night."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hdrcli.images import FloatArray
from hdrcli.training.render import furniture, textures
from hdrcli.training.render.parts import (
    Camera,
    Plugin,
    Scene,
    body,
    box,
    facing,
    glow,
    matt,
    metal,
    pane,
    panel,
    picture,
    placed,
    random_metal,
    rounded,
    sphere,
)
from hdrcli.training.render.skies import daylight, weather


def sunny_place(rng: np.random.Generator) -> Scene:
    """Return houses, cars, trees and polished metal under sun and clouds, about half against the sun."""
    camera = _camera(rng)
    facing_sun = rng.random() < 0.55
    azimuth = rng.uniform(-18, 18) if facing_sun else rng.choice([-1, 1]) * rng.uniform(25, 130)
    elevation = rng.uniform(4, 18) if facing_sun else rng.uniform(12, 65)
    ground, now = _ground(rng), weather(rng, azimuth, elevation, dull=0.06)
    if not facing_sun:
        # Balls mirror the sun far below a pixel, which paths miss; a larger disc of the same light makes glints that
        # cover pixels and hold as much.
        now = replace(now, radius_deg=3 * now.radius_deg)
    parts = [ground, *daylight(rng, now)]
    parts += _houses(rng, lit=0.0)
    parts += _street_things(rng)
    for _ in range(rng.integers(2, 7)):
        parts += _sculpture(rng, _spot(rng))
    if rng.random() < 0.4:
        white = matt(textures.colour(rng, saturation=(0, 0.06), value=(0.8, 0.9)))
        x, y = _spot(rng)
        reach = (rng.uniform(0.5, 3), rng.uniform(0.1, 0.5), rng.uniform(0.6, 2.2))
        parts.append(
            box((x - reach[0], y, 0), (x + reach[0], y + reach[1], reach[2]), white, turn=rng.uniform(-50, 50))
        )
    return Scene(camera, parts)


def night_street(rng: np.random.Generator) -> Scene:
    """Return a street under a nearly black sky: lit windows, street lamps, neon signs, headlights."""
    parts = [_ground(rng), *_houses(rng, lit=float(rng.uniform(0.1, 0.7))), *_street_things(rng)]
    dusk = np.array([[0.4, 0.55, 1.0], [1.0, 0.6, 0.35]])[rng.integers(2)] * 2 ** rng.uniform(-9, -4.5)
    parts.append({"type": "constant", "radiance": {"type": "rgb", "value": dusk.tolist()}})
    sodium = np.array([1.6, 1.0, rng.uniform(0.2, 1.1)], dtype=np.float32) * rng.uniform(60, 250)
    for y in np.arange(rng.uniform(5, 9), 60, rng.uniform(8, 16)):
        parts += furniture.street_lamp(rng, (float(rng.choice([-1, 1]) * rng.uniform(3, 4.5)), float(y)), sodium)
    for _ in range(rng.integers(1, 6)):
        parts.append(_sign(rng))
    if rng.random() < 0.6:
        parts += _headlights(rng)
    return Scene(_camera(rng), parts)


def _camera(rng: np.random.Generator) -> Camera:
    origin = (rng.uniform(-1.5, 1.5), 0.0, rng.uniform(0.8, 2.2))
    target = (origin[0] + rng.uniform(-3, 3), 12.0, origin[2] + rng.uniform(-0.8, 2.2))
    return Camera(origin, target, float(rng.uniform(35, 75)))


def _spot(rng: np.random.Generator) -> furniture.Place:
    return float(rng.uniform(-3.5, 3.5)), float(rng.uniform(3.5, 16))


def _ground(rng: np.random.Generator) -> Plugin:
    first = textures.colour(rng, saturation=(0, 0.35), value=(0.05, 0.5))
    maker = (textures.plaster, textures.bricks)[int(rng.integers(2))]
    return panel(placed((0, 0, 0), size=(150, 150, 1)), matt(picture(maker(rng, first), repeat=70)))


def _houses(rng: np.random.Generator, *, lit: float) -> list[Plugin]:
    """Return rows of houses to both sides and some at the end; a share `lit` of their windows glows."""
    parts = []
    for side in (-1, 1):
        y = rng.uniform(2, 6)
        if rng.random() < 0.2:
            continue
        while y < 45:
            width, height, gap = rng.uniform(5, 12), rng.uniform(3, 16), rng.choice([0, 0, rng.uniform(1, 6)])
            parts += _house(rng, side * rng.uniform(5, 7), y, width, height, lit)
            y += width + gap
    for _ in range(rng.integers(0, 4)):
        x, y, reach, height = rng.uniform(-25, 25), rng.uniform(50, 90), rng.uniform(3, 8), rng.uniform(6, 30)
        parts.append(box((x - reach, y, 0), (x + reach, y + 8, height), _masonry(rng)))
    return parts


def _masonry(rng: np.random.Generator) -> Plugin:
    base = textures.colour(rng, saturation=(0.0, 0.55), value=(0.2, 0.85))
    maker = (textures.plaster, textures.bricks)[int(rng.integers(2))]
    return matt(picture(maker(rng, base), repeat=3))


def _house(rng: np.random.Generator, x: float, y: float, width: float, height: float, lit: float) -> list[Plugin]:
    """Return a house whose front lies in the plane x and looks at the street, with rows of windows."""
    side = np.sign(x)
    low, high = sorted((x, x + side * 8))
    parts = [box((low, y, 0), (high, y + width, height), _masonry(rng))]
    columns, rows = int(rng.integers(2, 5)), min(int(rng.integers(1, 5)), int(height // 2.5))
    size = (rng.uniform(0.25, 0.4) * width / columns, rng.uniform(0.55, 0.85))
    half_lit = np.array([0.65, 0.5, 0.33], dtype=np.float32)
    for i in range(columns):
        for j in range(rows):
            at = np.array([x - side * 0.04, y + (i + 0.5) * width / columns, 1.4 + j * 2.6])
            # No two panes are quite parallel: each mirrors another piece of sky.
            towards = np.add(at, (-side, rng.normal(0, 0.008), rng.normal(0, 0.008)))
            place = facing(at, towards, size=(*size, 1))
            if rng.random() < lit:
                shown = textures.plaster(rng, half_lit, strength=0.9, side=64) * np.float32(rng.uniform(1, 25))
                parts.append(panel(place, pane(), **glow(picture(shown))))
            else:
                parts.append(panel(place, pane()))
            sill, reach = np.add(at, (0, 0, -size[1] - 0.06)), np.array([0.1, size[0] + 0.1, 0.05])
            parts.append(box(sill - reach, sill + reach, parts[0]["bsdf"]))
    return parts


def _street_things(rng: np.random.Generator) -> list[Plugin]:
    parts: list[Plugin] = []
    for _ in range(rng.integers(0, 4)):
        at = float(rng.choice([-1, 1]) * rng.uniform(1.8, 3.6)), float(rng.uniform(5, 25))
        parts += furniture.car(rng, at, float(rng.normal(90, 10)))
    for _ in range(rng.integers(0, 4)):
        parts += furniture.tree(rng, (float(rng.choice([-1, 1]) * rng.uniform(2.5, 4.8)), float(rng.uniform(6, 30))))
    for _ in range(rng.integers(0, 5)):
        parts.append(furniture.thing(rng, _spot(rng), 0.0, float(rng.uniform(0.15, 0.6)), clear=0.0))
    return parts


def _sculpture(rng: np.random.Generator, at: furniture.Place) -> list[Plugin]:
    """Return polished metal on a plinth."""
    size, plinth = float(rng.uniform(0.2, 0.8)), float(rng.uniform(0.1, 0.9))
    x, y = at
    stone = matt(picture(textures.plaster(rng, textures.paint(rng), strength=0.4)))
    parts = [box((x - size / 2, y - size / 2, 0), (x + size / 2, y + size / 2, plinth), stone, turn=rng.uniform(0, 90))]
    material = metal(str(rng.choice(["Cr", "Au", "Cu"]))) if rng.random() < 0.6 else random_metal(rng)
    if rng.random() < 0.5:
        return [*parts, sphere((x, y, plinth + size), size, material)]
    shape = rounded(upright=rng.uniform(0.3, 1.6), around=rng.uniform(0.3, 1.6))
    place = placed((x, y, plinth + size), size=(size, size * rng.uniform(0.3, 1), size), turn=rng.uniform(0, 180))
    return [*parts, body(shape, place, material)]


def _sign(rng: np.random.Generator) -> Plugin:
    """Return letters of light on a house front."""
    side = float(rng.choice([-1, 1]))
    at = np.array([side * rng.uniform(4.2, 4.9), rng.uniform(6, 25), rng.uniform(2.2, 5)])
    ground, ink = (textures.colour(rng, saturation=(0.7, 0.97), value=(level, level)) for level in (0.02, 1.0))
    if rng.random() < 0.3:
        ground, ink = ink, ground
    shown: FloatArray = textures.lettering(rng, ground, ink) * np.float32(rng.uniform(8, 60))
    place = facing(at, np.add(at, (-side, -1.2, 0)), size=(rng.uniform(0.4, 1.2), rng.uniform(0.3, 0.8), 1))
    return panel(place, matt(np.full(3, 0.05, np.float32)), **glow(picture(shown)))


def _headlights(rng: np.random.Generator) -> list[Plugin]:
    x, y = rng.uniform(-2, 2), rng.uniform(10, 30)
    dark, radiance = matt(np.zeros(3, np.float32)), np.array([1.0, 0.97, 0.9], np.float32) * rng.uniform(300, 2000)
    lamps = []
    for offset in (-0.65, 0.65):
        at = np.array([x + offset, y, 0.65])
        shape = {"type": "disk", "to_world": facing(at, np.add(at, (0, -1, 0)), size=0.08), "bsdf": dark}
        lamps.append(shape | glow(radiance))
    return lamps + furniture.car(rng, (x, y + 2.3), 90)
