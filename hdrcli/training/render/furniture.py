"""Things that stand in rooms and streets: tables, seats, shelves, pictures, lamps, cars, trees."""

from __future__ import annotations

import numpy as np

from hdrcli.images import FloatArray
from hdrcli.training.render import textures
from hdrcli.training.render.parts import (
    Plugin,
    body,
    box,
    cloth,
    facing,
    glass,
    glossy,
    glow,
    lathe,
    leaves,
    matt,
    metal,
    pane,
    panel,
    picture,
    placed,
    random_metal,
    rounded,
    sphere,
    tube,
)

Place = tuple[float, float]


def surface(rng: np.random.Generator) -> Plugin:
    """Return a random material of furniture: painted, varnished, textured or metal."""
    kind = rng.random()
    if kind < 0.12:
        return random_metal(rng)
    value = picture(textures.random_texture(rng), repeat=1.0) if kind < 0.4 else textures.paint(rng)
    return matt(value) if rng.random() < 0.5 else glossy(value, roughness=float(rng.choice([0.0, 0.03, 0.1, 0.3])))


def wood(rng: np.random.Generator, *, repeat: float = 1.0) -> Plugin:
    """Return boards, matt or varnished."""
    base = np.array([0.55, 0.34, 0.18], dtype=np.float32) * rng.uniform(0.25, 1.3)
    grain = picture(textures.boards(rng, base), repeat=repeat)
    return matt(grain) if rng.random() < 0.5 else glossy(grain, roughness=float(rng.uniform(0.05, 0.3)))


def table(rng: np.random.Generator, at: Place) -> list[Plugin]:
    """Return a table with things on it."""
    width, depth, height = rng.uniform(0.8, 1.8), rng.uniform(0.6, 1.0), rng.uniform(0.45, 0.78)
    x, y = at
    top = wood(rng) if rng.random() < 0.6 else surface(rng)
    parts = [box((x - width / 2, y - depth / 2, height - 0.04), (x + width / 2, y + depth / 2, height), top)]
    for sx in (-0.44, 0.44):
        for sy in (-0.42, 0.42):
            foot = np.array([x + sx * width, y + sy * depth, 0.0])
            parts.append(box(foot - (0.03, 0.03, 0), np.add(foot, (0.03, 0.03, height - 0.04)), top))
    for _ in range(rng.integers(1, 6)):
        spot = (x + rng.uniform(-0.4, 0.4) * width, y + rng.uniform(-0.4, 0.4) * depth)
        parts.append(thing(rng, spot, height, float(rng.uniform(0.05, 0.14))))
    return parts


def thing(rng: np.random.Generator, at: Place, floor: float, size: float, *, clear: float = 0.2) -> Plugin:
    """Return a vase, ball, bowl or box that stands on a floor, `size` its half width; a share `clear` is of glass."""
    material = glass() if rng.random() < clear else surface(rng)
    kind = rng.integers(4)
    if kind == 0:
        return sphere((*at, floor + size), size, material)
    if kind == 1:
        height = size * rng.uniform(1.2, 3.5)
        profile = [(0, 0), *((rng.uniform(0.35, 1), z) for z in (0.02, 0.25, 0.5, 0.75, 1.0)), (0, 1)]
        return body(lathe(profile), placed((*at, floor), size=(size, size, height)), material)
    tall = size * rng.uniform(0.5, 1.6)
    shape = rounded(upright=rng.uniform(0.15, 1.2), around=rng.uniform(0.15, 1.2))
    return body(shape, placed((*at, floor + tall), size=(size, size, tall), turn=rng.uniform(0, 90)), material)


def seat(rng: np.random.Generator, at: Place) -> list[Plugin]:
    """Return a sofa or an armchair, its back towards +y."""
    x, y = at
    width, material = rng.uniform(0.4, 1.1), matt(textures.paint(rng))
    soft = rounded(upright=0.35, around=0.3)
    shapes = [((x, y, 0.25), (width, 0.45, 0.22)), ((x, y + 0.42, 0.5), (width, 0.14, 0.45))]
    shapes += [((x + side * width, y, 0.36), (0.11, 0.45, 0.32)) for side in (-1, 1)]
    return [body(soft, placed(centre, size=size), material) for centre, size in shapes]


def shelf(rng: np.random.Generator, at: Place) -> list[Plugin]:
    """Return shelves with books, open towards -y."""
    x, y = at
    width, rows, material = rng.uniform(0.7, 1.4), int(rng.integers(2, 6)), wood(rng)
    step = 0.36
    parts = [box((x, y - 0.28, k * step), (x + width, y, k * step + 0.03), material) for k in range(rows + 1)]
    parts += [box((x + s, y - 0.28, 0), (x + s + 0.03, y, rows * step + 0.03), material) for s in (-0.03, width)]
    for k in range(rows):
        place = x
        while (place := place + rng.uniform(0.02, 0.07)) < x + width - 0.05:
            if rng.random() < 0.2:
                place += rng.uniform(0.05, 0.2)
                continue
            reach = min(place + rng.uniform(0.03, 0.06), x + width - 0.01)
            low, high = (place, y - 0.22, k * step + 0.03), (reach, y - 0.02, k * step + rng.uniform(0.2, 0.33))
            parts.append(box(low, high, matt(textures.paint(rng))))
            place = reach - 0.02
    return parts


def framed(rng: np.random.Generator, centre: tuple[float, float, float], ahead: tuple[float, float, float]) -> Plugin:
    """Return a poster, or a mirror, on a wall that faces `ahead`."""
    size = (rng.uniform(0.25, 0.7), rng.uniform(0.25, 0.6), 1)
    value = picture(textures.random_texture(rng))
    material = (
        metal("Ag") if rng.random() < 0.2 else glossy(value, roughness=0.05) if rng.random() < 0.4 else matt(value)
    )
    return panel(facing(centre, np.asarray(centre) + ahead, size=size), material)


def shaded_lamp(rng: np.random.Generator, at: Place, floor: float, warm: FloatArray, level: float) -> list[Plugin]:
    """Return a lamp whose shade glows at `level`, open above and below, its bulb much brighter inside."""
    size, height = rng.uniform(0.12, 0.24), rng.uniform(0.18, 0.35)
    foot = rng.uniform(0.2, 0.5) if floor > 0.3 else rng.uniform(0.9, 1.4)
    x, y = at
    upper = rng.uniform(0.5, 1)
    fade = np.exp(-(((np.linspace(0, 1, 64) - 0.45) / rng.uniform(0.3, 0.6)) ** 2))[:, None, None]
    weave = (level * fade * warm * rng.uniform(0.85, 1, (64, 64, 1))).astype(np.float32)
    shade = lathe([(size, 0), (size * upper, height)])
    base = floor + foot
    return [
        body(shade, placed((x, y, base)), matt(0.6 * warm / warm.max()), **glow(picture(weave))),
        sphere((x, y, base + 0.45 * height), 0.03, matt(warm * 0), **glow(level * rng.uniform(8, 25) * warm)),
        tube((x, y, floor), (x, y, base + 0.4 * height), 0.012, random_metal(rng)),
        body(
            rounded(upright=0.4, around=1.0), placed((x, y, floor + 0.015), size=(0.1, 0.1, 0.015)), random_metal(rng)
        ),
    ]


def screen(rng: np.random.Generator, at: Place, floor: float, level: float, *, turn: float) -> list[Plugin]:
    """Return a television or monitor whose picture has the radiance `level` at its brightest; it faces -y at 0."""
    width = rng.uniform(0.25, 0.7)
    height = width * 0.58
    angle = np.radians(turn)
    ahead = np.array([np.sin(angle), -np.cos(angle), 0])
    centre = np.array([*at, floor + height + 0.08])
    shown = picture(level * textures.display(rng))
    black = glossy(np.full(3, 0.02, np.float32), roughness=0.05)
    reach = np.array([width + 0.02, 0.02, height + 0.02])
    front = centre + 0.025 * ahead
    return [
        box(centre - reach, centre + reach, black, turn=turn),
        panel(facing(front, front + ahead, size=(width, height, 1)), black, **glow(shown)),
    ]


def car(rng: np.random.Generator, at: Place, turn: float) -> list[Plugin]:
    """Return a car-like body of rounded lacquer, glass and chrome."""
    lacquer = random_metal(rng) if rng.random() < 0.3 else glossy(textures.paint(rng), roughness=0.03)
    x, y = at
    angle = np.radians(turn)
    along, across = np.array([np.cos(angle), np.sin(angle), 0]), np.array([-np.sin(angle), np.cos(angle), 0])
    parts = [
        body(
            rounded(upright=0.45, around=0.35),
            placed((x, y, 0.62), size=(2.1, 0.88, 0.38), turn=turn),
            lacquer,
        ),
        body(rounded(upright=0.7, around=0.5), placed((x, y, 1.02), size=(1.2, 0.76, 0.45), turn=turn), pane()),
        body(rounded(upright=0.5, around=0.5), placed((x, y, 1.4), size=(0.75, 0.66, 0.08), turn=turn), lacquer),
    ]
    for front in (-1.3, 1.3):
        for side in (-0.8, 0.8):
            hub = np.array([x, y, 0.33]) + front * along + side * across
            tyre, rim = matt(np.full(3, 0.03, np.float32)), metal("Cr", roughness=0.08)
            matrix = facing(hub, hub + across * np.sign(side), size=(0.33, 0.33, 0.12))
            parts.append(body(rounded(upright=0.4, around=1.0, steps=20), matrix, tyre))
            matrix = facing(
                hub + 0.06 * across * np.sign(side), hub + 2 * across * np.sign(side), size=(0.2, 0.2, 0.08)
            )
            parts.append(body(rounded(upright=0.8, around=1.0, steps=20), matrix, rim))
    return parts


def tree(rng: np.random.Generator, at: Place) -> list[Plugin]:
    """Return a trunk with a crown of translucent leaves."""
    height, size = rng.uniform(2, 5), rng.uniform(0.9, 2.4)
    green = np.array([rng.uniform(0.1, 0.4), rng.uniform(0.3, 0.5), rng.uniform(0.04, 0.1)], dtype=np.float32)
    crown = leaves(rng, int(rng.integers(4000, 9000)), side=float(rng.uniform(0.02, 0.04)))
    return [
        tube((*at, 0), (*at, height), 0.1 * size, matt(np.array([0.12, 0.08, 0.05], np.float32))),
        body(crown, placed((*at, height), size=(size, size, size * rng.uniform(0.8, 1.3))), cloth(green)),
    ]


def street_lamp(rng: np.random.Generator, at: Place, radiance: FloatArray) -> list[Plugin]:
    """Return a post with a glowing globe."""
    height = float(rng.uniform(2.6, 5))
    return [
        tube((*at, 0), (*at, height), 0.05, matt(np.full(3, 0.05, np.float32))),
        sphere((*at, height + 0.12), float(rng.uniform(0.1, 0.2)), matt(np.zeros(3, np.float32)), **glow(radiance)),
    ]
