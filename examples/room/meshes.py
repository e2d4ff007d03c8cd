"""Triangle meshes with texture coordinates, from primitives. Lengths in metres, z up."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Mesh:
    """Triangles.

    Attributes
    ----------
    points : ndarray (N, 3), float64
    uv : ndarray (N, 2), float64
    faces : ndarray (M, 3), int
        Counter-clockwise seen from outside; points are shared only where the shading is smooth.
    """

    points: Points
    uv: Points
    faces: NDArray[np.int64]

    def moved(self, x: float = 0, y: float = 0, z: float = 0) -> Mesh:
        """Return the mesh shifted."""
        return Mesh(self.points + np.array([x, y, z]), self.uv, self.faces)

    def turned(self, degrees: float, axis: str = "z") -> Mesh:
        """Return the mesh rotated about an axis through the origin."""
        first, second = {"x": (1, 2), "y": (2, 0), "z": (0, 1)}[axis]
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        points = self.points.copy()
        points[:, first] = c * self.points[:, first] - s * self.points[:, second]
        points[:, second] = s * self.points[:, first] + c * self.points[:, second]
        return Mesh(points, self.uv, self.faces)

    def mapped(self, scale: ArrayLike, offset: ArrayLike = (0, 0)) -> Mesh:
        """Return the mesh with texture coordinates scaled and shifted."""
        return Mesh(self.points, self.uv * scale + offset, self.faces)

    def flipped(self) -> Mesh:
        """Return the mesh seen from its other side."""
        return Mesh(self.points, self.uv, self.faces[:, ::-1])

    def write(self, path: Path) -> Path:
        """Write a binary PLY file and return its path."""
        vertices = np.empty(len(self.points), dtype=[(name, "<f4") for name in "xyzuv"])
        for name, column in zip("xyzuv", [*self.points.T, *self.uv.T], strict=True):
            vertices[name] = column
        faces = np.empty(len(self.faces), dtype=[("count", "u1"), ("index", "<i4", 3)])
        faces["count"], faces["index"] = 3, self.faces
        header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
        header += [f"property float {name}" for name in "xyzuv"]
        header += [f"element face {len(faces)}", "property list uchar int vertex_indices", "end_header", ""]
        path.write_bytes("\n".join(header).encode() + vertices.tobytes() + faces.tobytes())
        return path


def merged(*meshes: Mesh) -> Mesh:
    """Return several meshes as one."""
    starts = np.cumsum([0, *(len(mesh.points) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.points for mesh in meshes]),
        np.concatenate([mesh.uv for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]),
    )


def grid(points: ArrayLike, uv: ArrayLike | None = None, *, closed: bool = False) -> Mesh:
    """Return a smooth sheet through a grid of points (rows, columns, 3); `closed` joins the last column to the first.

    Texture coordinates run over the unit square where none are given (rows, columns, 2).
    """
    points = np.asarray(points, dtype=np.float64)
    if closed:
        points = np.concatenate([points, points[:, :1]], axis=1)
    rows, columns = points.shape[:2]
    if uv is None:
        uv = np.stack(np.meshgrid(np.linspace(0, 1, columns), np.linspace(0, 1, rows)), axis=-1)
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return Mesh(points.reshape(-1, 3), np.asarray(uv, dtype=np.float64).reshape(-1, 2), faces)


def quad(corners: ArrayLike, uv: ArrayLike = ((0, 0), (1, 0), (1, 1), (0, 1))) -> Mesh:
    """Return one flat face with four corners (4, 3), counter-clockwise."""
    return Mesh(np.array(corners, dtype=np.float64), np.array(uv, dtype=np.float64), np.array([[0, 1, 2], [0, 2, 3]]))


def box(low: ArrayLike, high: ArrayLike, *, bevel: float = 0.0, grain: int | None = None) -> Mesh:
    """Return a box between two corners, its edges cut at 45 degrees by `bevel`.

    Texture coordinates are metres; u runs along axis `grain` (the longest one when None) wherever a face contains it.
    Each box reads the texture at a place of its own, so that no two boards show the same grain.
    """
    low, high = np.minimum(low, high), np.maximum(low, high)
    bevel = min(bevel, 0.49 * float((high - low).min()))
    grain = int(np.argmax(high - low)) if grain is None else grain
    shift = np.random.default_rng(abs(int(1e4 * np.dot(low, [1, 7, 31])))).random(2)
    faces = []
    for axis, side in itertools.product(range(3), (-1, 1)):
        corners = _face(axis, side, low, high, bevel)
        first, second = [other for other in range(3) if other != axis]
        u, v = (first, second) if grain != second else (second, first)
        faces.append(quad(corners, np.stack([corners[:, u], corners[:, v]], axis=1) + shift))
    if bevel > 0:
        faces += _bevels(low, high, bevel, shift)
    return merged(*faces)


def _face(axis: int, side: int, low: Points, high: Points, bevel: float) -> Points:
    first, second = (axis + 1) % 3, (axis + 2) % 3
    corners = np.empty((4, 3))
    corners[:, axis] = high[axis] if side > 0 else low[axis]
    corners[:, first] = np.array([low[first] + bevel, high[first] - bevel])[[0, 1, 1, 0]]
    corners[:, second] = np.array([low[second] + bevel, high[second] - bevel])[[0, 0, 1, 1]]
    return corners if side > 0 else corners[::-1]


def _bevels(low: Points, high: Points, bevel: float, shift: Points) -> list[Mesh]:
    centre, half = (low + high) / 2, (high - low) / 2
    strips = []
    for axis in range(3):  # the strips along the four edges parallel to `axis`
        first, second = (axis + 1) % 3, (axis + 2) % 3
        for a, b in itertools.product((-1, 1), repeat=2):
            corners = np.empty((4, 3))
            corners[:, axis] = np.array([-1, 1, 1, -1]) * (half[axis] - bevel)
            corners[:, first] = a * (half[first] - np.array([0, 0, bevel, bevel]))
            corners[:, second] = b * (half[second] - np.array([bevel, bevel, 0, 0]))
            strip = quad(corners + centre, corners[:, [axis, first]] + shift)
            strips.append(strip.flipped() if a * b > 0 else strip)
    for signs in itertools.product((-1, 1), repeat=3):
        corners = np.array([[half[i] - (bevel if i != axis else 0) for i in range(3)] for axis in range(3)]) * signs
        corner = Mesh(corners + centre, corners[:, :2] + shift, np.array([[0, 1, 2]]))
        strips.append(corner if np.prod(signs) > 0 else corner.flipped())
    return strips


def lathe(profile: ArrayLike, *, segments: int = 64) -> Mesh:
    """Return a body of revolution about z from a profile (N, 2) of radius and height, upwards on the outside.

    Corners of the profile sharper than 35 degrees stay sharp in the shading.
    """
    radius, height = np.asarray(profile, dtype=np.float64).T
    radius = np.maximum(radius, 1e-4)  # a triangle without area has no normal
    heading = np.unwrap(np.arctan2(np.diff(height), np.diff(radius)))
    corners = 1 + np.flatnonzero(np.abs(np.diff(heading)) > np.radians(35))
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    pieces = []
    for first, last in itertools.pairwise([0, *corners, len(radius) - 1]):
        r, z = radius[first : last + 1, None], height[first : last + 1, None]
        uv = np.stack(
            np.meshgrid(np.linspace(0, 1, segments + 1), np.linspace(0, 1, len(radius))[first : last + 1]), -1
        )
        points = np.stack(np.broadcast_arrays(r * np.cos(angle), r * np.sin(angle), z), axis=-1)
        pieces.append(grid(points, uv, closed=True))
    return merged(*pieces)


def smooth_profile(knots: ArrayLike, *, steps: int = 12) -> Points:
    """Return a Catmull-Rom curve (N, D) through knots (K, D)."""
    knots = np.asarray(knots, dtype=np.float64)
    padded = np.concatenate([[2 * knots[0] - knots[1]], knots, [2 * knots[-1] - knots[-2]]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for p0, p1, p2, p3 in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        cubic = 2 * p0 - 5 * p1 + 4 * p2 - p3, -p0 + 3 * p1 - 3 * p2 + p3
        pieces.append(0.5 * (2 * p1 + (p2 - p0) * t + cubic[0] * t**2 + cubic[1] * t**3))
    return np.concatenate([*pieces, knots[-1:]])


def tube(path: ArrayLike, radius: ArrayLike, *, segments: int = 12) -> Mesh:
    """Return a closed tube along a path (N, 3) with one radius or one for each point."""
    path = np.asarray(path, dtype=np.float64)
    radius = np.broadcast_to(np.asarray(radius, dtype=np.float64), len(path))
    tangent = np.gradient(path, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    side = np.cross(tangent[0], [0.31, 0.53, 0.79])
    rings = []
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    for point, along, r in zip(path, tangent, radius, strict=True):
        side = side - along * (side @ along)  # carry the frame along, so that the tube does not twist
        side /= np.linalg.norm(side)
        other = np.cross(along, side)
        rings.append(point + r * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other))
    ends = [path[i] + 1e-2 * (rings[i] - path[i]) for i in (0, -1)]
    points = np.stack([ends[0], *rings, ends[1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
    length = np.concatenate([[0], length, length[-1:]])
    uv = np.stack(np.broadcast_arrays(length[:, None], np.linspace(0, 0.1, segments + 1)[None]), axis=-1)
    return grid(points, uv, closed=True)


def sphere(radius: float, *, segments: int = 48) -> Mesh:
    """Return a sphere about the origin."""
    polar = np.linspace(-np.pi / 2, np.pi / 2, segments)
    return lathe(radius * np.stack([np.cos(polar), np.sin(polar)], axis=1), segments=2 * segments)


def cushion(size: ArrayLike, *, roundness: float = 0.35, segments: int = 40) -> Mesh:
    """Return a rounded box (superellipsoid) of a size (3,) about the origin; 0 is a box, 1 an ellipsoid."""
    polar = np.linspace(-np.pi / 2, np.pi / 2, segments)[:, None]
    angle = np.linspace(0, 2 * np.pi, 2 * segments, endpoint=False)[None]

    def power(x: Points) -> Points:
        return np.sign(x) * np.abs(x) ** roundness

    points = np.stack(
        np.broadcast_arrays(power(np.cos(polar)) * power(np.cos(angle)), power(np.cos(polar)) * power(np.sin(angle)),
                            power(np.sin(polar))), axis=-1
    )  # fmt: skip
    return grid(points * np.asarray(size) / 2, closed=True)


def leaf(length: float, width: float, *, bend: float = 0.3, fold: float = 0.25, waves: float = 0.0) -> Mesh:
    """Return a leaf from the origin along +y, its face up, tip drooping by `bend`, halves folded up by `fold`."""
    along = np.linspace(0, 1, 15)[:, None]
    across = np.linspace(-1, 1, 7)[None]
    half = width / 2 * np.sin(np.pi * along**0.8) ** 0.9 * (1 - 0.25 * along)
    x = half * across
    rise = fold * np.abs(x) + waves * width * np.abs(across) * np.sin(9 * along)
    angle = bend * along
    y = length * np.where(bend == 0, along, np.sin(angle) / max(bend, 1e-9)) + 0 * across
    z = rise - length * np.where(bend == 0, 0, (1 - np.cos(angle)) / max(bend, 1e-9))
    uv = np.stack(np.broadcast_arrays(across / 2 + 0.5, along), axis=-1)
    return grid(np.stack([x, y, z], axis=-1), uv)
