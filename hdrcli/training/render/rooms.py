"""Rooms by day, lit through windows, and rooms by night, lit by lamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hdrcli.images import FloatArray
from hdrcli.training.render import furniture, textures
from hdrcli.training.render.parts import (
    Camera,
    Plugin,
    Scene,
    body,
    box,
    cloth,
    facing,
    glossy,
    glow,
    matt,
    metal,
    panel,
    picture,
    placed,
    rounded,
    sphere,
    tube,
)
from hdrcli.training.render.skies import daylight, weather

_THICK = 0.22  # of walls, in metres


@dataclass(frozen=True)
class Room:
    """Inner sizes of a room: x from -width/2 to width/2, y from 0 (behind the camera) to depth."""

    width: float
    depth: float
    height: float


def day_room(rng: np.random.Generator) -> Scene:
    """Return a room with windows in the far wall onto a bright sky, the sun shining in at times."""
    room = _random_room(rng)
    openings, sill, lintel = _windows(rng, room)
    parts = _shell(rng, room, back=False)
    wall = _wall(rng)
    parts += _wall_with_openings(room, openings, sill, lintel, wall)
    parts += [part for opening in openings for part in _window_fittings(rng, room, opening, sill, lintel)]
    parts += _furnish(rng, room)
    low = rng.random() < 0.25
    azimuth, elevation = (
        (rng.uniform(-20, 20), rng.uniform(3, 15)) if low else (rng.uniform(-65, 65), rng.uniform(8, 55))
    )
    parts += daylight(rng, weather(rng, azimuth, elevation, dull=0.25), only=np.array([0.0, 1.0, 0.0]))
    parts += _outside(rng, room)
    return Scene(_camera(rng, room, towards=sum(openings[0]) / 2), parts)


def night_room(rng: np.random.Generator) -> Scene:
    """Return a room without windows, lit by one to three kinds of lamps."""
    room = _random_room(rng)
    parts = _shell(rng, room, back=True) + _furnish(rng, room)
    lamps = (_ceiling_panels, _globes, _tubes, _shades, _screens, _spots)
    chosen = rng.choice(len(lamps), int(rng.integers(1, 4)), replace=False)
    # A screen or neon alone leaves most rooms black; every second one has a quiet lamp behind the camera.
    for index in chosen:
        parts += lamps[index](rng, room)
    if rng.random() < 0.5 or set(chosen) <= {2, 4}:
        place = facing((0, 0.3, room.height - 0.3), (0, room.depth, 0), size=0.5)
        parts.append(panel(place, matt(np.zeros(3, np.float32)), **glow(_lamp_colour(rng) * rng.uniform(0.3, 2))))
    return Scene(_camera(rng, room, towards=rng.uniform(-0.3, 0.3) * room.width), parts)


def _random_room(rng: np.random.Generator) -> Room:
    return Room(float(rng.uniform(3, 6.5)), float(rng.uniform(3.5, 7.5)), float(rng.uniform(2.3, 3.4)))


def _camera(rng: np.random.Generator, room: Room, *, towards: float) -> Camera:
    origin = (rng.uniform(-0.42, 0.42) * room.width, rng.uniform(0.15, 0.9), rng.uniform(0.9, 1.8))
    target = (towards + rng.uniform(-0.2, 0.2) * room.width, room.depth, rng.uniform(0.8, 1.8))
    return Camera(origin, target, float(rng.uniform(45, 85)))


def _wall(rng: np.random.Generator) -> Plugin:
    base = textures.colour(rng, saturation=(0.0, 0.3), value=(0.35, 0.85))
    kind = rng.random()
    if kind < 0.5:
        return matt(picture(textures.plaster(rng, base, strength=0.12), repeat=2))
    if kind < 0.7:
        return matt(picture(textures.stripes(rng, base, textures.paint(rng)), repeat=3))
    if kind < 0.85:
        return matt(picture(textures.bricks(rng, base), repeat=2))
    return glossy(base, roughness=0.2)


def _floor(rng: np.random.Generator) -> Plugin:
    kind = rng.random()
    if kind < 0.45:
        return furniture.wood(rng, repeat=2)
    if kind < 0.7:
        tiles = picture(textures.checks(rng, textures.paint(rng), textures.paint(rng)), repeat=2)
        return glossy(tiles, roughness=float(rng.uniform(0.02, 0.2)))
    return matt(picture(textures.plaster(rng, textures.paint(rng), strength=0.5), repeat=3))


def _shell(rng: np.random.Generator, room: Room, *, back: bool) -> list[Plugin]:
    """Return floor, ceiling and walls; the far wall only where `back` says so."""
    half, t = room.width / 2, _THICK
    ceiling = matt(textures.colour(rng, saturation=(0, 0.1), value=(0.6, 0.88)))
    parts = [
        box((-half - t, -t, -t), (half + t, room.depth + t, 0), _floor(rng)),
        box((-half - t, -t, room.height), (half + t, room.depth + t, room.height + t), ceiling),
        box((-half - t, -t, 0), (half + t, 0, room.height), _wall(rng)),
    ]
    side = _wall(rng)
    parts += [box((-half - t, 0, 0), (-half, room.depth, room.height), side)]
    parts += [box((half, 0, 0), (half + t, room.depth, room.height), side)]
    if back:
        parts.append(box((-half - t, room.depth, 0), (half + t, room.depth + t, room.height), _wall(rng)))
    return parts


def _windows(rng: np.random.Generator, room: Room) -> tuple[list[tuple[float, float]], float, float]:
    """Return the openings along x, and the heights where all begin and end."""
    number = int(rng.integers(1, 4))
    bay = room.width / number
    widths = rng.uniform(0.4, 0.8, number) * bay
    middles = -room.width / 2 + bay * (np.arange(number) + 0.5)
    openings = [(float(m - w / 2), float(m + w / 2)) for m, w in zip(middles, widths, strict=True)]
    sill = 0.0 if rng.random() < 0.25 else float(rng.uniform(0.5, 1.0))
    return openings, sill, float(rng.uniform(1.9, room.height - 0.1))


def _wall_with_openings(
    room: Room, openings: list[tuple[float, float]], sill: float, lintel: float, wall: Plugin
) -> list[Plugin]:
    near, far, half = room.depth, room.depth + _THICK, room.width / 2 + _THICK
    ends = [-half, *(x for opening in openings for x in opening), half]
    parts = [box((-half, near, lintel), (half, far, room.height), wall)]
    if sill > 0:
        parts.append(box((-half, near, 0), (half, far, sill), wall))
    piers = zip(ends[::2], ends[1::2], strict=True)
    return parts + [box((low, near, sill), (high, far, lintel), wall) for low, high in piers]


def _window_fittings(
    rng: np.random.Generator, room: Room, opening: tuple[float, float], sill: float, lintel: float
) -> list[Plugin]:
    """Return frame and bars, and sometimes a blind or curtains."""
    low, high = opening
    y, wide = room.depth + 0.12, 0.05
    frame = glossy(textures.colour(rng, saturation=(0, 0.3), value=(0.1, 0.85)), roughness=0.1)
    across = np.linspace(low, high, int(rng.integers(2, 5)))
    up = np.linspace(sill, lintel, int(rng.integers(2, 5)))
    parts = [box((x - wide / 2, y, sill), (x + wide / 2, y + 0.05, lintel), frame) for x in across]
    parts += [box((low, y, z - wide / 2), (high, y + 0.05, z + wide / 2), frame) for z in up]
    kind = rng.random()
    if kind < 0.2:
        slats = np.arange(lintel, lintel - rng.uniform(0.3, 1) * (lintel - sill), -0.07)
        parts += [
            box((low, y - 0.08, z), (high, y - 0.04, z + 0.012), matt(np.full(3, 0.7, np.float32))) for z in slats
        ]
    elif kind < 0.5:
        fabric = cloth(textures.colour(rng, saturation=(0, 0.5), value=(0.4, 0.9)))
        reach = rng.uniform(0.15, 0.45) * (high - low)
        for start, end in ((low - 0.15, low + reach), (high - reach, high + 0.15)):
            place = facing(((start + end) / 2, room.depth - 0.06, (lintel + sill) / 2), ((start + end) / 2, 0, 1.2))
            place[:3, :2] *= [(end - start) / 2, (lintel - sill) / 2 + 0.1]
            parts.append(panel(place, fabric))
    return parts


def _outside(rng: np.random.Generator, room: Room) -> list[Plugin]:
    """Return ground, trees and houses before the windows."""
    level = float(rng.choice([-0.2, -4, -9]))
    ground = matt(textures.colour(rng, saturation=(0.2, 0.7), value=(0.1, 0.4)))
    parts = [box((-200, room.depth + 0.5, level - 1), (200, 400, level), ground)]
    for _ in range(rng.integers(0, 7)):
        x, y, reach = rng.uniform(-25, 25), room.depth + rng.uniform(10, 50), rng.uniform(2, 7)
        wall = matt(picture(textures.bricks(rng, textures.paint(rng)), repeat=2))
        parts.append(
            box((x - reach, y, level), (x + reach, y + 8, level + rng.uniform(3, 14)), wall, turn=rng.uniform(-30, 30))
        )
    if level > -1:
        for _ in range(rng.integers(0, 4)):
            parts += furniture.tree(rng, (rng.uniform(-6, 6), room.depth + rng.uniform(3, 12)))
    return parts


def _furnish(rng: np.random.Generator, room: Room) -> list[Plugin]:
    half = room.width / 2
    parts: list[Plugin] = []
    if rng.random() < 0.8:
        parts += furniture.table(rng, (rng.uniform(-0.25, 0.25) * room.width, rng.uniform(0.45, 0.8) * room.depth))
    if rng.random() < 0.5:
        parts += furniture.seat(rng, (rng.uniform(-0.3, 0.3) * room.width, rng.uniform(0.55, 0.85) * room.depth))
    if rng.random() < 0.35:
        parts += furniture.shelf(rng, (-half + 0.02 if rng.random() < 0.5 else half - 1.45, room.depth - 0.02))
    for side in (-1, 1):
        for _ in range(rng.integers(0, 3)):
            at = (side * (half - 0.01), rng.uniform(0.3, 0.95) * room.depth, rng.uniform(1.3, 1.8))
            parts.append(furniture.framed(rng, at, (-side, 0, 0)))
    for _ in range(rng.integers(0, 5)):
        spot = (rng.uniform(-0.45, 0.45) * room.width, rng.uniform(0.4, 0.9) * room.depth)
        parts.append(furniture.thing(rng, spot, 0.0, float(rng.uniform(0.1, 0.35)), clear=0.05))
    return parts


def _lamp_colour(rng: np.random.Generator) -> FloatArray:
    """Return the colour of a white lamp, from candlelight to a cold tube, green 1."""
    warmth = rng.uniform(0, 1)
    return np.array([1.05 + 0.75 * warmth, 1.0, 1.05 - 0.8 * warmth**0.8], dtype=np.float32)


def _neon(rng: np.random.Generator) -> FloatArray:
    return textures.colour(rng, saturation=(0.75, 0.97), value=(1.0, 1.0))


def _ceiling_panels(rng: np.random.Generator, room: Room) -> list[Plugin]:
    radiance, body_ = _lamp_colour(rng) * rng.uniform(6, 20), matt(np.zeros(3, np.float32))
    across, along = rng.integers(1, 4), rng.integers(1, 5)
    size = (rng.uniform(0.1, 0.35), rng.uniform(0.1, 0.6), 1)
    parts = []
    for i in range(across):
        for j in range(along):
            at = ((i + 0.5) / across - 0.5) * room.width, (j + 0.5) / along * room.depth, room.height - 0.01
            down = np.diag([size[0], -size[1], -1.0, 1.0])
            down[:3, 3] = at
            parts.append(panel(down, body_, **glow(radiance)))
    return parts


def _globes(rng: np.random.Generator, room: Room) -> list[Plugin]:
    warm, radius = _lamp_colour(rng), float(rng.uniform(0.04, 0.16))
    level = rng.uniform(6, 14) / radius
    parts = []
    for _ in range(rng.integers(1, 7)):
        x, y = rng.uniform(-0.4, 0.4) * room.width, rng.uniform(0.35, 0.9) * room.depth
        z = room.height - rng.uniform(0.3, 1.1)
        parts.append(sphere((x, y, z), radius, matt(np.zeros(3, np.float32)), **glow(warm * level)))
        parts.append(tube((x, y, z + radius), (x, y, room.height), 0.008, matt(np.full(3, 0.03, np.float32))))
    return parts


def _tubes(rng: np.random.Generator, room: Room) -> list[Plugin]:
    """Return neon in colours on the far wall or one of the sides."""
    parts = []
    dark = matt(np.zeros(3, np.float32))
    for _ in range(rng.integers(2, 9)):
        middle = np.array([rng.uniform(-0.4, 0.4) * room.width, room.depth - 0.05, rng.uniform(1.2, room.height - 0.3)])
        angle, reach = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)]), rng.uniform(0.15, 0.7)
        offset = reach * np.array([np.cos(angle), 0, 0.5 * np.sin(angle)])
        radiance = _neon(rng) * rng.uniform(8, 60)
        parts.append(tube(tuple(middle - offset), tuple(middle + offset), 0.012, dark, **glow(radiance)))
    return parts


def _shades(rng: np.random.Generator, room: Room) -> list[Plugin]:
    parts = []
    for _ in range(rng.integers(1, 4)):
        at = (rng.uniform(-0.4, 0.4) * room.width, rng.uniform(0.5, 0.92) * room.depth)
        parts += furniture.shaded_lamp(rng, at, 0.0, _lamp_colour(rng), float(rng.uniform(3, 12)))
    return parts


def _screens(rng: np.random.Generator, room: Room) -> list[Plugin]:
    parts = []
    for _ in range(rng.integers(1, 3)):
        at = (rng.uniform(-0.3, 0.3) * room.width, rng.uniform(0.6, 0.95) * room.depth)
        parts += furniture.screen(rng, at, rng.uniform(0.5, 1.1), float(rng.uniform(3, 10)), turn=rng.uniform(-40, 40))
    return parts


def _spots(rng: np.random.Generator, room: Room) -> list[Plugin]:
    """Return bright small discs in the ceiling, each in a polished ring."""
    parts = []
    radiance = _lamp_colour(rng) * rng.uniform(100, 400)
    for _ in range(rng.integers(3, 9)):
        x, y = rng.uniform(-0.42, 0.42) * room.width, rng.uniform(0.3, 0.95) * room.depth
        down = np.diag([0.045, -0.045, -1.0, 1.0])
        down[:3, 3] = (x, y, room.height - 0.02)
        parts.append({"type": "disk", "to_world": down, "bsdf": matt(np.zeros(3, np.float32)), **glow(radiance)})
        ring = placed((x, y, room.height), size=(0.07, 0.07, 0.018))
        parts.append(body(rounded(upright=1.0, around=1.0, steps=16), ring, metal("Cr", roughness=0.05)))
    return parts
