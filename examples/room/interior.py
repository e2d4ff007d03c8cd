"""The room itself: walls, window, blind, curtains, floor. The window is in the plane y = 0, the room at y < 0."""

from __future__ import annotations

import numpy as np

from .meshes import Mesh, Points, box, grid, merged, quad, tube

LEFT, RIGHT, FRONT, HEIGHT = -2.7, 2.45, -5.2, 2.75
WINDOW = (-1.5, 0.25, 0.9, 2.28)  # left, right, sill, lintel
WALL = 0.26  # its thickness


def shell() -> dict[str, Mesh]:
    """Return floor, walls, ceiling, skirting and the rug."""
    left, right, sill, lintel = WINDOW
    walls = [box([LEFT, 0, 0], [left, WALL, HEIGHT]), box([right, 0, 0], [RIGHT, WALL, HEIGHT]),
             box([left, 0, 0], [right, WALL, sill]), box([left, 0, lintel], [right, WALL, HEIGHT]),
             box([RIGHT, FRONT, 0], [RIGHT + 0.1, WALL, HEIGHT]), box([LEFT - 0.1, FRONT, 0], [LEFT, WALL, HEIGHT]),
             box([LEFT, FRONT - 0.1, 0], [RIGHT, FRONT, HEIGHT])]  # fmt: skip
    # u runs along y: the boards lead from the camera to the window
    floor = quad([[LEFT, FRONT, 0], [RIGHT, FRONT, 0], [RIGHT, 0, 0], [LEFT, 0, 0]],
                 [[FRONT, LEFT], [FRONT, RIGHT], [0, RIGHT], [0, LEFT]])  # fmt: skip
    ceiling = box([LEFT, FRONT, HEIGHT], [RIGHT, WALL, HEIGHT + 0.1])
    skirting = [box([LEFT, -0.018, 0], [RIGHT, 0, 0.13], bevel=0.004), box([LEFT, -0.026, 0.13], [RIGHT, 0, 0.15]),
                box([RIGHT - 0.018, FRONT, 0], [RIGHT, 0, 0.15], bevel=0.004)]  # fmt: skip
    return {
        "wallpaper": merged(*(_aligned(wall) for wall in walls)),
        "floor": floor,
        "plaster": ceiling,
        "trim": merged(*skirting),
        "rug": _rug(),
    }


def _aligned(piece: Mesh) -> Mesh:
    """Give the faces of a wall texture coordinates that go on from box to box: u = x + y, v = z."""
    return Mesh(piece.points, np.stack([piece.points[:, 0] + piece.points[:, 1], piece.points[:, 2]], 1), piece.faces)


def _rug() -> Mesh:
    v, u = np.meshgrid(np.linspace(0, 1, 60), np.linspace(0, 1, 90), indexing="ij")
    x, y = 2.1 * (u - 0.5), 1.5 * (v - 0.5)
    z = 0.008 + 0.006 * np.maximum(0, np.sin(9 * u + 3 * v)) ** 6
    cloth = grid(np.stack([x, y, z], -1), np.stack([u * 1.4, v], -1))
    return cloth.turned(-9).moved(0.6, -1.35, 0)


def window() -> dict[str, Mesh]:
    """Return the window's frame with its casing and sill, and the blind with its cords."""
    left, right, sill, lintel = WINDOW
    middle = (left + right) / 2
    frame = [box([x0, 0.12, sill], [x1, 0.17, lintel], bevel=0.006) for x0, x1 in
             ((left, left + 0.055), (right - 0.055, right), (middle - 0.045, middle + 0.045))]  # fmt: skip
    frame += [box([left, 0.12, z0], [right, 0.17, z1], bevel=0.006) for z0, z1 in
              ((sill, sill + 0.06), (lintel - 0.055, lintel), (1.475, 1.505))]  # fmt: skip
    wide = 0.1
    casing = [box([left - wide, -0.022, sill - 0.03], [left, 0, lintel], bevel=0.005),
              box([right, -0.022, sill - 0.03], [right + wide, 0, lintel], bevel=0.005),
              box([left - wide - 0.02, -0.03, lintel], [right + wide + 0.02, 0, lintel + wide], bevel=0.005),
              box([left - wide - 0.04, -0.085, sill - 0.03], [right + wide + 0.04, 0.12, sill], bevel=0.006),
              ]  # fmt: skip
    handle = [box([middle - 0.012, 0.1, 1.3], [middle + 0.012, 0.122, 1.42], bevel=0.004),
              tube([[middle, 0.085, 1.385], [middle, 0.085, 1.28]], 0.009),
              tube([[middle, 0.12, 1.385], [middle, 0.08, 1.385]], 0.01)]  # fmt: skip
    return {"trim": merged(*frame, *casing), "brass": merged(*handle), **_blind()}


def _blind() -> dict[str, Mesh]:
    """Hang slats that fan out: somebody pulled the right-hand cord further than the left one."""
    left, right, _, lintel = WINDOW
    x0, x1, y, top, pitch, number = left + 0.02, right - 0.02, 0.055, lintel - 0.07, 0.036, 17
    across = np.linspace(-0.019, 0.019, 5)
    tilt = np.radians(14)  # the outer edge higher: the sun falls through in stripes
    slats, cords = [], []

    def edge(x: float, row: float) -> float:
        return top - pitch * row * (1 - 0.16 * (x - x0) / (x1 - x0))

    for row in range(1, number + 1):
        points = np.empty((2, 5, 3))
        for i, x in enumerate((x0, x1)):
            crown = 0.003 * (1 - (across / 0.019) ** 2)
            points[i] = np.stack([np.full(5, x), y + across * np.cos(tilt) - crown * np.sin(tilt),
                                  edge(x, row) + across * np.sin(tilt) + crown * np.cos(tilt)], axis=-1)  # fmt: skip
        slats.append(grid(points))
    rail = [[x, y, edge(x, number + 0.8)] for x in (x0, x1)]
    slats.append(tube(rail, 0.014, segments=8))
    slats.append(box([x0, y - 0.025, top - 0.01], [x1, y + 0.025, lintel], bevel=0.003))
    for x in np.linspace(x0 + 0.18, x1 - 0.18, 3):
        cords += [tube([[x, y + side, top], [x, y + side, edge(x, number + 0.8)]], 0.0011, segments=5)
                  for side in (-0.021, 0.021)]  # fmt: skip
    pull = [[x1 - 0.07, y - 0.03, top], [x1 - 0.072, y - 0.034, 1.6], [x1 - 0.06, y - 0.033, 1.12]]
    cords += [tube(pull, 0.0016, segments=5), tube([[x1 - 0.06, y - 0.033, 1.12], [x1 - 0.06, y - 0.033, 1.08]], 0.008)]
    return {"slats": merged(*slats), "cord": merged(*cords)}


def curtains() -> dict[str, Mesh]:
    """Return two curtains, gathered at the sides of the window."""
    left, right, _, _ = WINDOW
    return {"curtain": merged(_curtain(left - 0.52, left - 0.02, seed=1), _curtain(right + 0.03, right + 0.4, seed=2)),
            "brass": tube([[left - 0.6, -0.1, 2.46], [right + 0.5, -0.1, 2.46]], 0.014)}  # fmt: skip


def _curtain(x0: float, x1: float, *, seed: int) -> Mesh:
    rng = np.random.default_rng(seed)
    u, v = np.linspace(0, 1, 160)[None], np.linspace(0, 1, 60)[:, None]
    folds = 6.5 * u + 0.25 * np.sin(5 * u + seed) + 0.08 * np.sin(3 * v + 7 * u)
    depth = (0.028 + 0.02 * v) * (1 + 0.3 * np.sin(11 * u + rng.random()))
    waist = 1 - 0.1 * np.exp(-(((v - 0.55) / 0.2) ** 2))
    centre = (x0 + x1) / 2
    x = centre + (x0 - centre + (x1 - x0) * u) * waist + 0.012 * np.sin(2 * np.pi * folds * 2)
    y = -0.1 + depth * np.sin(2 * np.pi * folds)
    z = 2.45 - 2.4 * v + 0 * u
    return _cloth(np.stack(np.broadcast_arrays(x, y, z), axis=-1), width=1.5 * (x1 - x0) * 1.7)


def _cloth(points: Points, *, width: float) -> Mesh:
    rows, columns = points.shape[:2]
    u, v = np.meshgrid(np.linspace(0, width, columns), np.linspace(0, 2.4, rows))
    return grid(points, np.stack([u, v], axis=-1))
