"""Desk, chairs, bookcase and lamp, and what lies and stands on them."""

from __future__ import annotations

import itertools

import numpy as np

from .meshes import Mesh, box, cushion, grid, lathe, leaf, merged, quad, smooth_profile, sphere, tube

BOOKS = [
    ("Opticks", "NEWTON", "#5a1f1c", "#d9b765"), ("Micrographia", "HOOKE", "#2b3a2c", "#d8c48a"),
    ("The Pencil of Nature", "TALBOT", "#1f2d4a", "#cfd3d6"), ("Theory of Colours", "GOETHE", "#d2c4a0", "#6a2a20"),
    ("Treatise on Light", "HUYGENS", "#4a3524", "#e0c27a"), ("Row by Row", "A. LINE", "#7a3b22", "#f0e2c4"),
    ("Dioptrice", "KEPLER", "#30464e", "#e6d9b0"), ("Book of Optics", "ALHAZEN", "#1f4a43", "#d9b765"),
    ("Thirteen Stops", "F. EIGHT", "#22242a", "#d0574a"), ("Deep Shadows", "E. V. MINUS", "#141619", "#9fb0b8"),
    ("Half Light", "D. USK", "#6b5a75", "#efe3cf"), ("Silver and Grain", "H. ALIDE", "#8d8a80", "#22201c"),
    ("Dark Rooms", "O. BSCURA", "#3a2433", "#e3c9a0"), ("The Lantern", "W. ICK", "#b5832f", "#2a1c10"),
    ("Clouds", "HOWARD", "#c9d4d8", "#2d4c66"), ("Two Gains", "N. OISE", "#a03a2a", "#f3e6cc"),
    ("On Windows", "P. ANE", "#e3dcc8", "#3c4a3a"), ("Gardens", "LOUDON", "#3f5a2c", "#e9dfb8"),
    ("Photons", "M. ANY", "#21364f", "#f0c75c"), ("The Quiet Sensor", "C. MOS", "#4c5456", "#e8e4da"),
    ("Optical Lectures", "BARROW", "#71301f", "#e8cf95"), ("Atlas of Stars", "BAYER", "#12203a", "#c8b26a"),
    ("Noon", "S. UN", "#d9a441", "#4a2a14"), ("Letters at Dusk", "E. VEN", "#59453a", "#e9d7b4"),
]  # fmt: skip
CASE = (1.03, 2.17, 2.12, 0.31)  # left, right, height, depth of the bookcase
SHELVES = (0.08, 0.5, 0.9, 1.28, 1.66)


def _joined(*groups: dict[str, Mesh]) -> dict[str, Mesh]:
    """Return several groups of meshes as one."""
    names = dict.fromkeys(name for group in groups for name in group)
    return {name: merged(*(group[name] for group in groups if name in group)) for name in names}


def _put(group: dict[str, Mesh], x: float, y: float, z: float, *, turn: float = 0) -> dict[str, Mesh]:
    return {name: mesh.turned(turn).moved(x, y, z) for name, mesh in group.items()}


def furniture() -> dict[str, Mesh]:
    """Return everything in the room by material; the surfaces that glow are `lamp`'s."""
    top = 0.77
    return _joined(
        desk(),
        bookcase(),
        _put(chair(), -0.72, -1.18, 0, turn=158),
        _put(armchair(), 1.52, -1.02, 0, turn=-24),
        _put(plant(), -1.12, -0.42, top, turn=20),
        _put(pile(), -0.66, -0.5, top),
        _put(camera(), -0.3, -0.42, top, turn=-17),
        _put(open_book(), -0.13, -0.68, top, turn=9),
        _put(carafe(), 0.1, -0.34, top),
        _put(mug(), 0.27, -0.64, top, turn=-30),
        _put(pencils(), 0.37, -0.3, top),
        _put(lamp_base(), 0.66, -0.42, top),
        picture_frame(),
    )


def desk() -> dict[str, Mesh]:
    """Return the desk below the window: top, apron with drawers, legs."""
    x0, x1, y0, y1 = -1.38, 0.92, -0.86, -0.14
    pieces = [box([x0, y0, 0.735], [x1, y1, 0.77], bevel=0.006), box([x0 + 0.05, y0 + 0.05, 0.6],
              [x1 - 0.05, y1 - 0.05, 0.735])]  # fmt: skip
    edges = np.linspace(x0 + 0.12, x1 - 0.12, 4)
    knobs = []
    for a, b in itertools.pairwise(edges):
        pieces.append(box([a + 0.008, y0 + 0.032, 0.615], [b - 0.008, y0 + 0.05, 0.722], bevel=0.004))
        knobs.append(sphere(0.014, segments=16).moved((a + b) / 2, y0 + 0.018, 0.668))
    leg = lathe([[0, 0], [0.019, 0], [0.034, 0.6], [0, 0.6]], segments=4).turned(45)
    pieces += [leg.moved(x, y, 0) for x in (x0 + 0.08, x1 - 0.08) for y in (y0 + 0.08, y1 - 0.08)]
    return {"walnut": merged(*pieces), "brass": merged(*knobs)}


def bookcase() -> dict[str, Mesh]:
    """Return the bookcase with its books and the things between them."""
    left, right, height, depth = CASE
    boards = [box([x, -depth, 0], [x + 0.028, -0.005, height], bevel=0.003) for x in (left, right - 0.028)]
    boards += [box([left, -depth, z - 0.026], [right, -0.01, z], bevel=0.003) for z in (*SHELVES[1:], 2.0)]
    boards += [box([left - 0.03, -depth - 0.03, height - 0.035], [right + 0.03, 0, height], bevel=0.008),
               box([left, -depth + 0.01, 0], [right, -0.01, SHELVES[0]]),
               box([left, -0.012, 0], [right, -0.002, height])]  # fmt: skip
    rng = np.random.default_rng(11)
    groups: list[dict[str, Mesh]] = [{"oak": merged(*boards)}]
    plan = ((0.0, 1.0), (0.0, 0.66), (0.02, 0.74), (0.3, 1.0), (0.0, 0.62))
    for shelf, (start, stop) in zip(SHELVES, plan, strict=True):
        x0, x1 = left + 0.03, right - 0.03
        groups.append(_shelf(x0 + start * (x1 - x0), x0 + stop * (x1 - x0), shelf, rng))
    groups += [
        _put(globe(), right - 0.25, -0.17, SHELVES[4]),
        _put(clock(), left + 0.2, -0.2, SHELVES[3]),
        _put(vase(), right - 0.2, -0.17, SHELVES[1]),
        _put(jars(), right - 0.19, -0.17, SHELVES[2]),
        _put(trailing_plant(), left + 0.24, -0.2, height),
        _put(stack(6, rng), right - 0.36, -0.17, height, turn=6),
    ]
    return _joined(*groups)


def book(cell: int, thickness: float, height: float, depth: float) -> dict[str, Mesh]:
    """Return a book standing at the origin, its spine towards -y, its texture the `cell`th of the atlas of spines."""
    cells = len(BOOKS)
    bulge = 0.12 * thickness * np.sin(np.linspace(0, np.pi, 7))
    x = np.linspace(0, thickness, 7)
    rows = [np.stack([x, -bulge, np.full(7, z)], axis=1) for z in (0, height)]
    u = (cell + np.linspace(0.02, 0.98, 7)) / cells
    spine = grid(rows, np.stack([np.stack([u, np.full(7, v)], axis=1) for v in (0.0, 1.0)]))
    boards = [box([a, 0, 0], [a + 0.0028, depth, height]) for a in (0, thickness - 0.0028)]
    plain = [Mesh(board.points, np.tile([(cell + 0.03) / cells, 0.16], (len(board.points), 1)), board.faces)
             for board in boards]  # fmt: skip
    block = box([0.0028, 0, 0.004], [thickness - 0.0028, depth - 0.005, height - 0.004], grain=2)
    return {"books": merged(spine, *plain), "paper": block}


def _shelf(x0: float, x1: float, z: float, rng: np.random.Generator) -> dict[str, Mesh]:
    """Fill a shelf with upright books; the last ones lean."""
    groups = []
    x = x0
    cells = rng.permutation(len(BOOKS)).tolist() * 2
    while True:
        thickness, height, depth = rng.uniform(0.022, 0.048), rng.uniform(0.21, 0.305), rng.uniform(0.16, 0.21)
        lean = 9.0 if x > x1 - 0.12 else 0.0
        if x + thickness + (0.05 if lean else 0) > x1:
            return _joined(*groups)
        one = {name: mesh.turned(-lean, "y") for name, mesh in book(cells.pop(), thickness, height, depth).items()}
        if lean:  # turned about its foot towards the books at its left
            one = _put(one, 0.052, 0, 0)
        groups.append(_put(one, x, -0.285 + rng.uniform(0, 0.03), z))
        x += thickness + 0.0015


def stack(count: int, rng: np.random.Generator) -> dict[str, Mesh]:
    """Return books lying on each other, spines towards -y."""
    groups, z = [], 0.0
    for cell in rng.permutation(len(BOOKS))[:count]:
        thickness, height, depth = rng.uniform(0.024, 0.042), rng.uniform(0.22, 0.3), rng.uniform(0.15, 0.2)
        lying = {name: mesh.turned(-90, "y").moved(height / 2, -depth / 2, 0)
                 for name, mesh in book(int(cell), thickness, height, depth).items()}  # fmt: skip
        groups.append(_put(lying, 0, 0, z, turn=rng.uniform(-9, 9)))
        z += thickness + 0.001
    return _joined(*groups)


def pile() -> dict[str, Mesh]:
    """Return four books on the desk with a steel ball in a ring on top."""
    rng = np.random.default_rng(5)
    books = stack(4, rng)
    height = max(float(mesh.points[:, 2].max()) for mesh in books.values())
    angle = np.linspace(0, 2 * np.pi, 40)
    ring = tube(np.stack([0.034 * np.cos(angle), 0.034 * np.sin(angle), 0 * angle], 1), 0.007, segments=8)
    return _joined(books, {"steel": sphere(0.058, segments=64).moved(0.02, 0, height + 0.06),
                           "oak": ring.moved(0.02, 0, height + 0.007)})  # fmt: skip


def open_book() -> dict[str, Mesh]:
    """Return an open book with two printed pages."""
    t = np.linspace(0, 1, 14)
    groups: list[Mesh] = []
    for side in (-1, 1):
        x = side * 0.135 * t
        z = 0.008 + 0.022 * np.sqrt(np.clip(t * 1.6, 0, 1)) * (1 - 0.55 * t) * np.clip(6 * t + 0.2, 0, 1)
        rows = [np.stack([x, np.full(14, y), z], axis=1) for y in (-0.1, 0.1)]
        u = t if side > 0 else 1 - t
        groups.append(grid(rows, np.stack([np.stack([u, np.full(14, v)], 1) for v in (0.0, 1.0)])))
    cover = box([-0.142, -0.105, 0], [0.142, 0.105, 0.004])
    block = [box([a, -0.1, 0.004], [b, 0.1, 0.0078], grain=0) for a, b in ((-0.135, -0.003), (0.003, 0.135))]
    return {"page": merged(*groups), "leather": cover, "paper": merged(*block)}


def camera() -> dict[str, Mesh]:
    """Return an old rangefinder camera, its lens towards -y."""
    body = [box([-0.07, -0.017, 0.012], [0.07, 0.017, 0.06], bevel=0.006)]
    plates = [box([-0.07, -0.0175, 0], [0.07, 0.0175, 0.012], bevel=0.004),
              box([-0.07, -0.0175, 0.06], [0.07, 0.0175, 0.078], bevel=0.005),
              box([-0.02, -0.014, 0.078], [0.03, 0.014, 0.087], bevel=0.004)]  # fmt: skip
    plates += [lathe([[0, 0.078], [r, 0.078], [r, 0.078 + h], [0, 0.078 + h]], segments=32).moved(x, 0, 0)
               for x, r, h in ((-0.052, 0.012, 0.008), (0.05, 0.011, 0.006), (-0.03, 0.005, 0.01))]  # fmt: skip
    barrel = [[0, 0], [0.027, 0], [0.027, 0.012], [0.024, 0.013], [0.024, 0.03], [0.021, 0.031], [0.021, 0.035],
              [0.016, 0.031], [0, 0.0305]]  # fmt: skip
    lens = lathe(barrel, segments=48).turned(90, "x").moved(0, -0.017, 0.037)
    glass = lathe([[0.0155, 0.031], [0.01, 0.0335], [0, 0.0345]], segments=32).turned(90, "x").moved(0, -0.017, 0.037)
    eyes = [box([x - 0.007, -0.0185, 0.064], [x + 0.007, -0.017, 0.073]) for x in (-0.04, 0.005, 0.045)]
    return {"leather": merged(*body), "nickel": merged(*plates, lens), "black": merged(glass, *eyes)}


def carafe() -> dict[str, Mesh]:
    """Return a glass carafe, half full of water."""
    outer = smooth_profile([[0.052, 0], [0.06, 0.03], [0.056, 0.09], [0.03, 0.16], [0.024, 0.2], [0.034, 0.245]])
    inner = outer[::-1] - [0.0028, 0]
    inner = inner[inner[:, 1] > 0.006]
    wall = np.concatenate([[[0, 0]], outer, inner, [[0, 0.006]]])
    return {"glass": lathe(wall, segments=96)}


def mug() -> dict[str, Mesh]:
    """Return a glazed mug."""
    wall = [[0, 0], [0.036, 0], [0.041, 0.005], [0.042, 0.092], [0.0405, 0.095], [0.0385, 0.092], [0.037, 0.01],
            [0, 0.008]]  # fmt: skip
    angle = np.linspace(-0.45 * np.pi, 0.45 * np.pi, 20)
    handle = np.stack([0.038 + 0.03 * np.cos(angle), 0 * angle, 0.048 + 0.03 * np.sin(angle)], axis=1)
    return {"glaze": merged(lathe(wall), tube(handle, 0.0055))}


def pencils() -> dict[str, Mesh]:
    """Return a tin of pencils that lean in every direction."""
    tin = lathe([[0, 0], [0.036, 0], [0.036, 0.1], [0.0345, 0.1], [0.0345, 0.004], [0, 0.004]])
    rng = np.random.default_rng(9)
    sticks: dict[str, list[Mesh]] = {}
    for name in ("pencil", "poppy", "black", "pencil", "blue", "pencil", "poppy"):
        foot, head = rng.uniform(-0.02, 0.02, 2), rng.uniform(-0.055, 0.055, 2)
        path = np.array([[*foot, 0.006], [*head, 0.19 + 0.02 * rng.random()]])
        tip = path[1] + 0.09 * (path[1] - path[0])
        sticks.setdefault(name, []).append(tube(path, 0.0038, segments=6))
        sticks.setdefault("beech", []).append(tube([path[1], tip], [0.0037, 0.0006], segments=6))
    return {"nickel": tin, **{name: merged(*meshes) for name, meshes in sticks.items()}}


def plant() -> dict[str, Mesh]:
    """Return a pot of broad leaves on arching stalks."""
    pot = [[0, 0], [0.075, 0], [0.098, 0.13], [0.106, 0.13], [0.106, 0.16], [0.096, 0.16], [0.092, 0.14], [0, 0.138]]
    rng = np.random.default_rng(14)
    stalks, leaves = [], []
    for number in range(24):
        turn, high = 137.5 * number + rng.uniform(-12, 12), 0.2 + 0.017 * number + rng.uniform(0, 0.06)
        out = 0.22 - 0.0055 * number + rng.uniform(-0.02, 0.03)
        t = np.linspace(0, 1, 10)
        path = np.stack([0.02 * (1 - t), out * t**1.6, 0.13 + high * (1.25 * t - 0.25 * t**3)], axis=1)
        size = rng.uniform(0.13, 0.19)
        blade = leaf(size, 0.56 * size, bend=rng.uniform(0.7, 1.3), fold=0.35, waves=0.02)
        stalks.append(tube(path, np.linspace(0.004, 0.002, 10), segments=6).turned(turn))
        leaves.append(blade.turned(rng.uniform(-5, 30), "x").moved(*path[-1]).turned(turn))
    return {"terracotta": lathe(pot), "stalk": merged(*stalks), "leaf": merged(*leaves)}


def trailing_plant() -> dict[str, Mesh]:
    """Return a pot from which shoots hang down over the edge of the bookcase."""
    pot = lathe([[0, 0], [0.06, 0], [0.075, 0.12], [0.068, 0.12], [0.064, 0.1], [0, 0.1]])
    rng = np.random.default_rng(23)
    stalks, leaves = [], []
    for side in (-0.2, -0.14, -0.05, 0.03, 0.1, 0.16):
        drop = rng.uniform(0.3, 0.8)
        knots = [[0, 0, 0.1], [0.5 * side, -0.1, 0.17], [side, -0.17, 0.03], [1.15 * side, -0.16, -0.5 * drop],
                 [1.1 * side + rng.uniform(-0.05, 0.05), -0.15, -drop]]  # fmt: skip
        path = smooth_profile(knots, steps=10)
        stalks.append(tube(path, 0.0022, segments=6))
        for number, point in enumerate(path[6::2]):
            blade = leaf(0.075, 0.055, bend=0.8, fold=0.2).turned(-rng.uniform(20, 60), "x")
            leaves.append(blade.turned(180 + (60 if number % 2 else -60) + rng.uniform(-30, 30)).moved(*point))
    return {"glaze": pot, "stalk": merged(*stalks), "leaf": merged(*leaves)}


def lamp_base() -> dict[str, Mesh]:
    """Return the foot and the stem of the table lamp; its shade and bulb are `lamp_light`'s."""
    profile = smooth_profile([[0.075, 0.012], [0.05, 0.03], [0.065, 0.09], [0.085, 0.16], [0.05, 0.235],
                              [0.016, 0.262]])  # fmt: skip
    foot = lathe([[0, 0], [0.078, 0], [0.078, 0.012], [0, 0.012]])
    stem = tube([[0, 0, 0.26], [0, 0, 0.35]], 0.008)
    return {"celadon": lathe(np.concatenate([[[0, 0.012]], profile, [[0, 0.262]]])), "brass": merged(foot, stem)}


def lamp_light() -> dict[str, Mesh]:
    """Return what glows of the table lamp, in place: the shade's outside and inside, and the bulb."""
    x, y, z = 0.66, -0.42, 0.77
    outside = lathe([[0.165, 0.3], [0.105, 0.535]], segments=96)
    inside = lathe([[0.163, 0.3], [0.103, 0.535]], segments=96).flipped()
    return {"shade": outside.moved(x, y, z), "lining": inside.moved(x, y, z),
            "bulb": sphere(0.028, segments=24).moved(x, y, z + 0.4)}  # fmt: skip


def chair() -> dict[str, Mesh]:
    """Return a chair with a spindle back, its front towards -y."""
    seat = cushion([0.44, 0.42, 0.045], roundness=0.35).moved(0, 0, 0.45)
    legs = [tube([[0.7 * x, 0.7 * y, 0.44], [x, y, 0]], [0.017, 0.013]) for x in (-0.21, 0.21) for y in (-0.2, 0.2)]
    legs += [tube([[-0.185, y * 0.87, 0.2], [0.185, y * 0.87, 0.2]], 0.01) for y in (-0.2, 0.2)]
    at = np.linspace(-1, 1, 9)
    rail = np.stack([0.225 * at, 0.27 - 0.045 * at**2, 0.92 - 0.012 * at**2], axis=1)
    spindles = [tube([[0.165 * a, 0.175 - 0.02 * a * a, 0.46], [0.205 * a, 0.262 - 0.04 * a * a, 0.91]],
                     0.0075 if abs(a) < 0.99 else 0.013) for a in at]  # fmt: skip
    top = [tube(smooth_profile(rail + np.array([0, 0, dz]), steps=4), 0.016) for dz in (-0.012, 0.008, 0.028)]
    return {"beech": merged(seat, *legs, *spindles, *top)}


def armchair() -> dict[str, Mesh]:
    """Return an armchair, its front towards -y, with a knitted throw over its right-hand arm as we see it."""
    soft = [cushion([0.62, 0.62, 0.2], roundness=0.3).moved(0, -0.05, 0.4),
            cushion([0.8, 0.74, 0.2], roundness=0.18).moved(0, 0, 0.26),
            cushion([0.64, 0.2, 0.6], roundness=0.35).turned(-12, "x").moved(0, 0.27, 0.68)]  # fmt: skip
    soft += [cushion([0.17, 0.76, 0.42], roundness=0.35).moved(x, 0, 0.42) for x in (-0.38, 0.38)]
    legs = [tube([[x, y, 0.18], [1.05 * x, 1.05 * y, 0]], [0.022, 0.014]) for x in (-0.34, 0.34) for y in (-0.3, 0.3)]
    pillow = cushion([0.42, 0.17, 0.4], roundness=0.5).turned(14, "y").turned(-20, "x").moved(0.08, 0.1, 0.66)
    uv = np.stack([pillow.points[:, 0], pillow.points[:, 2]], axis=1) * 2.2
    cover = merged(*soft)
    slant = cover.points[:, [0, 2]] + 0.5 * cover.points[:, 1:2]  # no face of the chair is seen edge-on from there
    return {
        "upholstery": Mesh(cover.points, slant, cover.faces),
        "walnut": merged(*legs),
        "pillow": Mesh(pillow.points, uv, pillow.faces),
        "knit": _throw(),
    }


def _throw() -> Mesh:
    """Drape a knitted blanket over the left-hand arm: up from the seat, over, and down its outside."""
    profile = smooth_profile([[-0.02, 0.512], [-0.2, 0.512], [-0.275, 0.53], [-0.3, 0.62], [-0.38, 0.648],
                              [-0.46, 0.62], [-0.484, 0.5], [-0.492, 0.35], [-0.505, 0.16]], steps=14)  # fmt: skip
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(profile, axis=0), axis=1))])
    v = np.linspace(0, 1, 90)
    fold = np.sin(11 * v + 0.6) + 0.5 * np.sin(23 * v)
    sway = 0.009 * fold[None] * np.linspace(0.2, 1.8, len(profile))[:, None]
    skew = 0.12 * (length / length[-1] - 0.5)[:, None]
    outwards = np.clip((-0.26 - profile[:, :1]) / 0.05, 0, 1)  # lie on the seat, hang free of the arm
    x = profile[:, :1] - (np.abs(sway) + 0.007) * outwards
    y = -0.395 + 0.56 * v[None] + skew
    z = profile[:, 1:] + 0 * v[None] + 0.3 * np.abs(sway) + 0.008
    u = np.broadcast_to(v[None] * 1.5, x.shape)
    along = np.broadcast_to(length[:, None] / 0.4, x.shape)
    return grid(np.stack(np.broadcast_arrays(x, y, z), axis=-1), np.stack([u, along], axis=-1))


def globe() -> dict[str, Mesh]:
    """Return a globe on a stand."""
    ball = sphere(0.098, segments=64).turned(23, "y").moved(0, 0, 0.165)
    angle = np.linspace(-0.5 * np.pi, 0.5 * np.pi, 30) - 0.4
    arc = np.stack([0.112 * np.cos(angle), 0 * angle, 0.165 + 0.112 * np.sin(angle)], axis=1)
    foot = lathe([[0, 0], [0.06, 0], [0.055, 0.012], [0.012, 0.02], [0.01, 0.055], [0, 0.055]])
    return {"globe": ball, "brass": merged(tube(arc, 0.004), foot)}


def clock() -> dict[str, Mesh]:
    """Return an alarm clock, its dial towards -y."""
    case = lathe([[0, 0], [0.07, 0], [0.074, 0.01], [0.074, 0.05], [0.066, 0.05], [0.064, 0.044]], segments=64)
    face = lathe([[0.065, 0.045], [0, 0.045]], segments=64)
    face = Mesh(face.points, face.points[:, :2] / 0.13 + 0.5, face.faces).turned(90, "x")
    bells = [sphere(0.026, segments=24).moved(x, -0.025, 0.082) for x in (-0.04, 0.04)]
    feet = [tube([[x, -0.025, -0.06], [1.4 * x, -0.025, -0.088]], 0.005) for x in (-0.04, 0.04)]
    return {name: mesh.moved(0, 0, 0.09) for name, mesh in
            {"nickel": merged(case.turned(90, "x"), *bells, *feet), "dial": face}.items()}  # fmt: skip


def vase() -> dict[str, Mesh]:
    """Return a tall vase."""
    profile = smooth_profile([[0.045, 0], [0.075, 0.08], [0.08, 0.16], [0.03, 0.25], [0.026, 0.28], [0.038, 0.31]])
    return {"celadon": lathe(np.concatenate([[[0, 0]], profile, profile[::-1] - [0.004, 0]]))}


def jars() -> dict[str, Mesh]:
    """Return three glazed jars with lids."""
    jar = lathe([[0, 0], [0.035, 0], [0.045, 0.02], [0.045, 0.08], [0.03, 0.1], [0.038, 0.104], [0.036, 0.115],
                 [0.006, 0.12], [0.008, 0.135], [0, 0.138]])  # fmt: skip
    return {"glaze": merged(jar, jar.moved(-0.105, 0.03, 0)), "terracotta": jar.moved(0.09, 0.02, 0)}


def picture_frame() -> dict[str, Mesh]:
    """Return a framed picture on the wall above the lamp."""
    x0, x1, z0, z1, wide = 0.7, 0.965, 1.5, 1.86, 0.022
    sides = ((x0, x0 + wide, z0, z1), (x1 - wide, x1, z0, z1), (x0, x1, z0, z0 + wide), (x0, x1, z1 - wide, z1))
    frame = [box([a, -0.03, c], [b, -0.004, d], bevel=0.004) for a, b, c, d in sides]

    def sheet(inset: float, y: float) -> Mesh:
        a, b, c, d = x0 + inset, x1 - inset, z0 + inset, z1 - inset
        return quad([[a, y, c], [b, y, c], [b, y, d], [a, y, d]])

    return {"black": merged(*frame), "paper": sheet(0.0, -0.012), "picture": sheet(0.055, -0.0125)}
