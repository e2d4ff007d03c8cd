"""What stands outside the window: a brick cottage, trees, a fence and a lawn. y runs away from the room."""

from __future__ import annotations

import numpy as np

from .meshes import Mesh, box, cushion, grid, merged, quad, sphere, tube

GROUND = -0.35


def garden() -> dict[str, Mesh]:
    """Return the meshes of the garden by the name of their material."""
    parts: dict[str, list[Mesh]] = {}
    for pieces in (_ground(), _cottage(), _fence(), _hedge()):
        for name, mesh in pieces.items():
            parts.setdefault(name, []).append(mesh)
    for seed, (place, height, spread, count, kind) in enumerate(
        [
            ((-5.9, 9.8, GROUND), 4.4, 1.5, 30000, "maple"),
            ((-12.5, 27.0, GROUND), 6.0, 2.6, 22000, "leaves"),
            ((-6.8, 31.0, GROUND), 7.0, 2.4, 22000, "leaves"),
            ((2.5, 14.0, GROUND), 4.6, 1.9, 16000, "leaves"),
            ((-2.2, 34.0, GROUND), 8.0, 3.2, 26000, "leaves"),
        ]
    ):
        bark, crown = _tree(np.array(place), height, spread, count, seed)
        parts.setdefault("bark", []).append(bark)
        parts.setdefault(kind, []).append(crown)
    return {name: merged(*meshes) for name, meshes in parts.items()}


def _ground() -> dict[str, Mesh]:
    lawn = quad([[-60, 0.6, GROUND], [60, 0.6, GROUND], [60, 90, GROUND], [-60, 90, GROUND]],
                [[0, 0], [40, 0], [40, 30], [0, 30]])  # fmt: skip
    rng = np.random.default_rng(2)
    stones = [
        cushion([0.62, 0.5, 0.1], roundness=0.5, segments=12).turned(rng.uniform(-40, 40))
        .moved(-1.7 - 0.16 * i + 0.25 * np.sin(i), 4.5 + 0.72 * i, GROUND + 0.01) for i in range(19)
    ]  # fmt: skip
    x = np.linspace(-70, 60, 160)
    crest = 1.6 + 1.1 * np.sin(0.11 * x + 1) + 0.35 * np.sin(0.9 * x) + 0.3 * rng.random(160)
    hill = grid(
        [np.stack([x, np.full(160, 70.0), np.full(160, GROUND)], 1), np.stack([x, np.full(160, 80.0), crest], 1)]
    )
    return {"lawn": lawn, "stone": merged(*stones), "hill": hill}


def _cottage() -> dict[str, Mesh]:
    """Build with the corner nearest to us at the origin: a gable along +y, the long front along +x; then turn it."""
    front, depth, eaves, ridge = 9.0, 6.6, 2.75, 5.0
    middle = depth / 2
    gable = Mesh(
        np.array([[0, 0, 0], [0, 0, eaves], [0, middle, ridge], [0, depth, eaves], [0, depth, 0]], dtype=float),
        np.array([[0, 0], [0, eaves], [middle, ridge], [depth, eaves], [depth, 0]]),
        np.array([[0, 1, 2], [0, 2, 4], [2, 3, 4]]),
    )
    wall = quad([[0, 0, 0], [front, 0, 0], [front, 0, eaves], [0, 0, eaves]],
                np.array([[0, 0], [front, 0], [front, eaves], [0, eaves]]))  # fmt: skip
    over, slope = 0.35, (ridge - eaves) / middle
    low = eaves - over * slope
    roof = [
        quad([[-over, y, low], [front, y, low], [front, middle, ridge + 0.06], [-over, middle, ridge + 0.06]],
             [[0, 0], [6, 0], [6, 2.4], [0, 2.4]])
        for y in (-over, depth + over)
    ]  # fmt: skip
    chimney = box([2.4, middle - 0.35, ridge - 0.7], [3.2, middle + 0.35, ridge + 1.0], grain=0)
    white, dark = [], []
    for along, sill, width, height in ((1.0, 0.95, 1.1, 1.25), (6.0, 0.95, 1.5, 1.25)):
        trim, pane = _sash(width, height)
        white.append(trim.moved(along, 0, sill))
        dark.append(pane.moved(along, 0, sill))
    for along, sill, width, height in ((1.2, 0.95, 1.3, 1.25), (4.1, 0.95, 1.3, 1.25), (2.75, 3.05, 1.0, 1.0)):
        trim, pane = _sash(width, height)
        white.append(trim.turned(-90).moved(0, along + width, sill))
        dark.append(pane.turned(-90).moved(0, along + width, sill))
    door = box([3.5, -0.05, 0.1], [4.5, 0.02, 2.15])
    porch = [box([3.35, -0.09, 0], [3.5, 0.02, 2.3]), box([4.5, -0.09, 0], [4.65, 0.02, 2.3]),
             box([3.3, -0.12, 2.15], [4.7, 0.02, 2.35])]  # fmt: skip
    boards = [
        tube([[-over, -over, low], [-over, middle, ridge + 0.06], [-over, depth + over, low]], 0.09),
        box([-over, -over - 0.08, low - 0.1], [front, -over, low + 0.02]),
    ]

    def placed(*meshes: Mesh) -> Mesh:
        return merged(*meshes).turned(35).moved(-4.3, 17.0, GROUND)

    return {
        "brick": placed(gable, wall, chimney),
        "roof": placed(*roof),
        "white": placed(*white, *porch, *boards),
        "pane": placed(*dark),
        "door": placed(door),
    }


def _sash(width: float, height: float) -> tuple[Mesh, Mesh]:
    bars = [box([x - 0.05, -0.06, -0.05], [x + 0.05, 0.02, height + 0.05]) for x in (0, width)]
    bars += [box([-0.05, -0.06, z - 0.05], [width + 0.05, 0.02, z + 0.05]) for z in (0, height)]
    bars += [box([x - 0.018, -0.045, 0], [x + 0.018, 0.02, height]) for x in np.linspace(0, width, 4)[1:-1]]
    bars += [box([0, -0.045, z - 0.018], [width, 0.02, z + 0.018]) for z in np.linspace(0, height, 4)[1:-1]]
    bars += [box([-0.12, -0.14, -0.11], [width + 0.12, 0.02, -0.05])]
    pane = quad([[0, -0.02, 0], [width, -0.02, 0], [width, -0.02, height], [0, -0.02, height]])
    return merged(*bars), pane


def _fence() -> dict[str, Mesh]:
    pickets = []
    for x in np.arange(-9.5, 1.5, 0.135):
        at, top = np.array([x, 10.4 + 0.09 * x, GROUND]), 0.92
        pickets.append(box([-0.036, -0.012, 0.05], [0.036, 0.012, top]).moved(*at))
        pickets.append(quad([[-0.036, 0, top], [0.036, 0, top], [0, 0, top + 0.09], [0, 0, top + 0.09]]).moved(*at))
    rails = [tube([[-9.5, 10.44 - 0.855, GROUND + z], [1.5, 10.44 + 0.135, GROUND + z]], 0.03) for z in (0.28, 0.72)]
    return {"white": merged(*pickets, *rails)}


def _scatter(centres: np.ndarray, size: float, rng: np.random.Generator, tone: np.ndarray) -> Mesh:
    """Return one small kite-shaped leaf at every centre (N, 3), in any direction; `tone` (N,) picks its colour."""
    along = rng.standard_normal((len(centres), 3))
    along[:, 2] -= 0.4  # leaves hang
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    across = np.cross(along, rng.standard_normal((len(centres), 3)))
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    length = size * rng.uniform(0.6, 1.3, (len(centres), 1))
    corners = [centres, centres + length * (0.45 * along + 0.33 * across), centres + length * along,
               centres + length * (0.45 * along - 0.33 * across)]  # fmt: skip
    points = np.stack(corners, axis=1).reshape(-1, 3)
    uv = np.stack([np.repeat(tone, 4), np.full(4 * len(centres), 0.5)], axis=1)
    first = 4 * np.arange(len(centres))[:, None]
    faces = np.concatenate([first + np.array(corner) for corner in ([0, 1, 2], [0, 2, 3])])
    return Mesh(points, uv, faces)


def _tree(place: np.ndarray, height: float, spread: float, count: int, seed: int) -> tuple[Mesh, Mesh]:
    rng = np.random.default_rng(100 + seed)
    tips, branches = [], []

    def grow(start: np.ndarray, direction: np.ndarray, length: float, radius: float, level: int) -> None:
        path = [start]
        for _ in range(6):
            direction = direction + rng.normal(0, 0.13, 3) + [0, 0, 0.03]
            direction /= np.linalg.norm(direction)
            path.append(path[-1] + direction * length / 6)
        branches.append(tube(path, np.linspace(radius, 0.55 * radius, 7), segments=7))
        if level == 3:
            tips.extend(path[2:])
            return
        for _ in range(4 if level else 6):
            turn = direction * 0.55 + rng.standard_normal(3) * [0.75, 0.75, 0.45]
            foot = path[int(rng.integers(5 if level == 0 else 3, 7))]
            grow(foot, turn / np.linalg.norm(turn), length * rng.uniform(0.5, 0.7), 0.5 * radius, level + 1)

    grow(place, np.array([0.0, 0.0, 1.0]), 0.5 * height, 0.025 * height, 0)
    tips = np.array(tips)
    reach = np.abs(tips[:, :2] - tips[:, :2].mean(0)).max()
    tips[:, :2] = tips[:, :2].mean(0) + (tips[:, :2] - tips[:, :2].mean(0)) * max(1.0, spread / reach)
    tips = tips[tips[:, 2] > place[2] + 0.42 * height]
    centres = tips[rng.integers(len(tips), size=count)] + rng.normal(0, 0.07 * spread, (count, 3))
    tone = np.clip(0.4 + 0.18 * rng.standard_normal(count) + 0.1 * (centres[:, 2] - height * 0.7), 0.02, 0.98)
    return merged(*branches), _scatter(centres, 0.075 * spread**0.6, rng, tone)


def _hedge() -> dict[str, Mesh]:
    rng = np.random.default_rng(77)
    count = 26000
    centres = np.stack([rng.uniform(-11, 3, count), rng.normal(13.0, 0.28, count), rng.uniform(0, 0.85, count)], 1)
    centres[:, 2] += 0.12 * np.sin(1.7 * centres[:, 0]) + GROUND
    leaves = _scatter(centres, 0.09, rng, np.clip(rng.normal(0.35, 0.15, count), 0, 1))
    bed = np.stack([rng.uniform(-10, 2, 2600), rng.normal(9.4, 0.35, 2600), rng.uniform(0, 0.42, 2600) + GROUND], 1)
    stalks = _scatter(bed, 0.12, rng, np.clip(rng.normal(0.5, 0.15, len(bed)), 0, 1))
    blossoms = {}
    for number, name in enumerate(("rose", "poppy", "daisy")):
        heads = bed[number::3][:230] + np.array([0, 0, 0.06])
        blossoms[name] = merged(*(sphere(rng.uniform(0.022, 0.05), segments=6).moved(*head) for head in heads))
    core = grid([[[-11, 13.25, GROUND], [-11, 13.25, 0.4]], [[3, 13.25, GROUND], [3, 13.25, 0.4]]])
    return {"leaves": merged(leaves, stalks), "bark": core, **blossoms}
