"""What scenes are built of: placements, meshes, materials and lights, as descriptions that need no renderer.

A description is a dictionary as Mitsuba takes it, except that placements and textures are plain arrays and meshes are
`Mesh`; `pictures` turns these into what Mitsuba has for them. Lengths are metres, z is up, light is linear sRGB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hdrcli.images import FloatArray

Plugin = dict[str, Any]
Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Camera:
    """Where the picture is taken from.

    Attributes
    ----------
    origin, target : sequence of 3 float
    field : float
        Of view in degrees, along x.
    aperture : float
        Radius of the lens in metres; what is not as far as the target is blurred. 0 for a pinhole.
    """

    origin: Sequence[float]
    target: Sequence[float]
    field: float
    aperture: float = 0.0


@dataclass(frozen=True)
class Scene:
    """A camera, and the shapes and lights before it."""

    camera: Camera
    parts: list[Plugin]


@dataclass(frozen=True)
class Mesh:
    """Triangles with smooth normals.

    Attributes
    ----------
    vertices, normals : ndarray (N, 3), float32
    uv : ndarray (N, 2), float32
    faces : ndarray (M, 3), int32
    """

    vertices: FloatArray
    normals: FloatArray
    uv: FloatArray
    faces: NDArray[np.int32]


def placed(position: ArrayLike, *, size: ArrayLike = 1.0, turn: float = 0.0) -> Matrix:
    """Return the matrix that scales, turns around z (degrees), then moves."""
    angle = np.radians(turn)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    matrix[:3, :3] *= np.broadcast_to(size, 3)
    matrix[:3, 3] = position
    return matrix


def facing(position: ArrayLike, target: ArrayLike, *, size: ArrayLike = 1.0) -> Matrix:
    """Return the matrix that moves something to a position and turns its z axis towards a target."""
    origin = np.asarray(position, dtype=np.float64)
    ahead = np.asarray(target) - origin
    ahead = ahead / np.linalg.norm(ahead)
    left = np.cross([0.0, 1.0, 0.0] if abs(ahead[2]) > 0.999 else [0.0, 0.0, 1.0], ahead)
    left /= np.linalg.norm(left)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([left, np.cross(ahead, left), ahead], axis=1) * np.broadcast_to(size, 3)
    matrix[:3, 3] = origin
    return matrix


def box(low: ArrayLike, high: ArrayLike, material: Plugin, *, turn: float = 0.0) -> Plugin:
    """Return a box between two corners, turned around its own middle."""
    low, high = np.asarray(low, dtype=np.float64), np.asarray(high, dtype=np.float64)
    return {"type": "cube", "to_world": placed((low + high) / 2, size=(high - low) / 2, turn=turn), "bsdf": material}


def sphere(centre: ArrayLike, radius: float, material: Plugin, **more: Plugin) -> Plugin:
    """Return a sphere."""
    return {"type": "sphere", "to_world": placed(centre, size=radius), "bsdf": material, **more}


def tube(start: Sequence[float], end: Sequence[float], radius: float, material: Plugin, **more: Plugin) -> Plugin:
    """Return a cylinder without ends."""
    ends = {"p0": [float(x) for x in start], "p1": [float(x) for x in end]}
    return {"type": "cylinder", **ends, "radius": radius, "bsdf": material, **more}


def panel(placement: Matrix, material: Plugin, **more: Plugin) -> Plugin:
    """Return a rectangle from -1 to 1 in x and y before placement; its front is where z points."""
    return {"type": "rectangle", "to_world": placement, "bsdf": material, **more}


def body(mesh: Mesh, placement: Matrix, material: Plugin, **more: Plugin) -> Plugin:
    """Return a mesh in its place."""
    return {"type": "ply", "mesh": mesh, "to_world": placement, "bsdf": material, **more}


def rounded(*, upright: float, around: float, steps: int = 40) -> Mesh:
    """Return a superellipsoid from -1 to 1: exponents 1 make a sphere, 0.2 a box with round edges, 2 a diamond."""
    v, u = np.meshgrid(np.linspace(-0.5, 0.5, steps), np.linspace(-1, 1, 2 * steps), indexing="ij")
    v, u = np.pi * v, np.pi * u

    def power(wave: Matrix, exponent: float) -> Matrix:
        return np.sign(wave) * np.abs(wave) ** exponent

    def surface(up: float, turn: float) -> Matrix:
        ring = power(np.cos(v), up)
        return np.stack([ring * power(np.cos(u), turn), ring * power(np.sin(u), turn), power(np.sin(v), up)], axis=2)

    return _grid(surface(upright, around), surface(2 - upright, 2 - around))


def lathe(profile: ArrayLike, *, steps: int = 64, rings: int = 48) -> Mesh:
    """Return a body of revolution around z; `profile` holds radius and height from the lowest point upwards."""
    corners = np.asarray(profile, dtype=np.float64)
    at = np.linspace(0, len(corners) - 1, rings)
    # Corners are rounded by a short running mean: a lathe leaves no edge that is sharp to the pixel.
    curve = np.stack([np.interp(at, np.arange(len(corners)), corners[:, k]) for k in range(2)], axis=1)
    curve[1:-1] = (curve[:-2] + 2 * curve[1:-1] + curve[2:]) / 4
    radius, height = np.maximum(curve[:, 0], 1e-4), curve[:, 1]
    slope_r, slope_z = np.gradient(radius), np.gradient(height)
    angle = np.linspace(-np.pi, np.pi, steps)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points = np.concatenate(
        [radius[:, None, None] * ring, np.broadcast_to(height[:, None, None], (rings, steps, 1))], 2
    )
    flat = np.broadcast_to(-slope_r[:, None, None], (rings, steps, 1))
    return _grid(points, np.concatenate([slope_z[:, None, None] * ring, flat], axis=2))


def leaves(rng: np.random.Generator, number: int, *, side: float) -> Mesh:
    """Return small squares strewn through a ball of radius 1, turned anyhow: the crown of a tree."""
    middle = rng.standard_normal((number, 3))
    middle *= rng.uniform(0.3, 1, (number, 1)) ** 0.5 / np.linalg.norm(middle, axis=1, keepdims=True)
    first, second = (_unit(rng.standard_normal((number, 3))) * side for _ in range(2))
    corners = np.stack([middle - first, middle + second, middle + first, middle - second], axis=1)
    normals = np.repeat(_unit(np.cross(first, second)), 4, axis=0)
    base = 4 * np.arange(number)[:, None, None] + np.array([[0, 1, 2], [0, 2, 3]])
    uv = np.tile(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32), (number, 1))
    vertices = corners.reshape(-1, 3).astype(np.float32)
    return Mesh(vertices, normals.astype(np.float32), uv, base.reshape(-1, 3).astype(np.int32))


def picture(pixels: FloatArray, *, repeat: float = 1.0) -> Plugin:
    """Return a texture with these linear pixels (H, W, 3), so many times over."""
    # The first row of pixels is the upper edge; Mitsuba counts v from there downwards, its rectangles upwards.
    return {"type": "bitmap", "bitmap": pixels[::-1], "raw": True, "to_uv": placed((0, 0, 0), size=(repeat, repeat, 1))}


def tint(value: FloatArray | Plugin) -> Plugin:
    """Return a colour (3,) as a plugin; a texture stays what it is."""
    return value if isinstance(value, dict) else {"type": "rgb", "value": [float(x) for x in value]}


def matt(value: FloatArray | Plugin) -> Plugin:
    """Return a material without gloss, seen from both sides."""
    return {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": tint(value)}}


def glossy(value: FloatArray | Plugin, *, roughness: float) -> Plugin:
    """Return a varnished or plastic surface, which mirrors sharply where `roughness` is 0."""
    coat: Plugin = {"type": "plastic", "diffuse_reflectance": tint(value), "nonlinear": True}
    if roughness > 0:
        coat |= {"type": "roughplastic", "alpha": roughness}
    return {"type": "twosided", "bsdf": coat}


def metal(name: str, *, roughness: float = 0.0) -> Plugin:
    """Return a metal by its symbol ("Al", "Au", "Cu", "Cr", "Ag"); polished where `roughness` is 0."""
    if roughness == 0:
        return {"type": "twosided", "bsdf": {"type": "conductor", "material": name}}
    return {"type": "twosided", "bsdf": {"type": "roughconductor", "material": name, "alpha": roughness}}


def glass(ior: float = 1.5) -> Plugin:
    """Return clear glass for closed bodies."""
    return {"type": "dielectric", "int_ior": ior}


def pane() -> Plugin:
    """Return a window seen from outside by day: it mirrors, and the room behind it is dark."""
    dark = {"type": "rgb", "value": [0.012, 0.014, 0.016]}
    return {"type": "twosided", "bsdf": {"type": "plastic", "diffuse_reflectance": dark, "int_ior": 1.9}}


def cloth(value: FloatArray) -> Plugin:
    """Return a thin material that half of the light goes through, such as curtains and leaves."""
    return {"type": "principledthin", "base_color": tint(value), "roughness": 0.9, "diff_trans": 1.0, "spec_trans": 0.0}


def glow(radiance: FloatArray | Plugin) -> dict[str, Plugin]:
    """Return what makes a shape a lamp: `sphere(..., **glow(radiance))`."""
    return {"emitter": {"type": "area", "radiance": tint(radiance)}}


def random_metal(rng: np.random.Generator) -> Plugin:
    """Return a metal, polished or brushed."""
    roughness = float(rng.choice([0.0, 0.0, 0.03, 0.08, 0.15, 0.3]))
    return metal(str(rng.choice(["Al", "Au", "Cu", "Cr", "Ag"])), roughness=roughness)


def _grid(points: Matrix, normals: Matrix) -> Mesh:
    """Return the mesh over a grid of points (rows from the lowest, columns around)."""
    rows, columns = points.shape[:2]
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)[None]).reshape(-1, 1)
    low = corner + np.array([[0, 1, columns + 1]])
    high = corner + np.array([[0, columns + 1, columns]])
    return Mesh(
        points.reshape(-1, 3).astype(np.float32),
        _unit(normals.reshape(-1, 3)).astype(np.float32),
        np.stack([u, v], axis=2).reshape(-1, 2).astype(np.float32),
        np.concatenate([low, high]).astype(np.int32),
    )


def _unit(vectors: Matrix) -> Matrix:
    length: Matrix = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(length, 1e-9)
