"""What changes between the frames of a bracket: the hand that holds the camera, and an object that moves.

`seen_scenes` turns one scene into what each frame sees, all equally sharp. The scene is made continuous first (four
times as fine, then the blur of the lens), so that a warped view loses nothing that the unwarped one keeps and nothing
rings beside lamps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray, MaskArray

DIAMETERS_PX = (60.0, 110.0)
STEPS_PX = (12.0, 45.0)
BRIGHTNESS = (0.3, 3.0)

_FINER = 4
# Interpolated on linear light, the ringing beside a lamp would be brighter than the room.
_COMPRESSION_KNEE = 1e-3
_MARGIN_PX = 4
_SPREAD_PX = 3  # how far the blur carries the edge of an object


@dataclass(frozen=True)
class MovingObject:
    """A flat thing in front of the scene that stands elsewhere in every frame.

    Attributes
    ----------
    radiance : ndarray (h, w, 3), float32
        On the scale of the scene.
    cover : ndarray (h, w), float32
        Share of each pixel that it hides, 0 to 1.
    places : tuple of (int, int)
        Row and column in the scene of its first pixel, by frame.
    """

    radiance: FloatArray
    cover: FloatArray
    places: tuple[tuple[int, int], ...]

    def in_front_of(self, scene: FloatArray, frame: int) -> FloatArray:
        """Return the scene (H, W, 3) with the object where it stands in a frame."""
        (row, column), (height, width) = self.places[frame], self.cover.shape
        composed = scene.copy()
        behind = composed[row : row + height, column : column + width]
        behind += self.cover[..., None] * (self.radiance - behind)
        return composed

    def area(self, shape: tuple[int, ...]) -> MaskArray:
        """Return where (H, W) the object stands in any of the frames, to the end of its blurred edge."""
        covered = np.zeros(shape[:2], np.uint8)
        height, width = self.cover.shape
        for row, column in self.places:
            covered[row : row + height, column : column + width] |= self.cover > 0
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _SPREAD_PX + 1,) * 2)
        return np.asarray(cv2.dilate(covered, kernel) > 0)


def hand_held_warp(
    rng: np.random.Generator, shape: tuple[int, ...], *, shift_px: float, rotation_degrees: float
) -> NDArray[np.float64]:
    """Return a random warp (3, 3) from the pixels of the reference to those of another frame.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        Rows and columns first.
    shift_px : float
        Largest shift along each axis, either way.
    rotation_degrees : float
        Largest rotation about the centre, either way.
    """
    right, down = rng.uniform(-shift_px, shift_px, 2)
    angle = np.deg2rad(rng.uniform(-rotation_degrees, rotation_degrees))
    x, y = (shape[1] - 1) / 2, (shape[0] - 1) / 2
    turned = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    to_centre = np.array([[1, 0, -x], [0, 1, -y], [0, 0, 1]])
    back = np.array([[1, 0, x + right], [0, 1, y + down], [0, 0, 1]])
    return np.asarray(back @ turned @ to_centre)


def seen_scenes(
    scene: FloatArray,
    warps: Sequence[NDArray[np.float64]],
    *,
    blur_px: float = 0.5,
    moving: MovingObject | None = None,
) -> list[FloatArray]:
    """Return what each frame sees of a scene, the blur of the lens included.

    Parameters
    ----------
    scene : ndarray (H, W, 3), float32
        Radiance, at least 0.
    warps : sequence of ndarray (3, 3)
        From pixels of the scene to those of each frame.
    blur_px : float
        Standard deviation of the blur in pixels; below 0.3 warped views alias.
    moving : MovingObject, optional

    Returns
    -------
    list of ndarray (H, W, 3), float32
        The scene goes on beyond its edges as its mirror image.
    """
    height, width = scene.shape[:2]
    centres = np.array([[_FINER, 0, (_FINER - 1) / 2], [0, _FINER, (_FINER - 1) / 2], [0, 0, 1]])
    knee = np.float32(max(_COMPRESSION_KNEE * float(np.percentile(scene, 98)), 1e-12))
    seen: list[FloatArray] = []
    fine: FloatArray | None = None
    for frame, warp in enumerate(warps):
        if fine is None or moving is not None:
            fine = _continuous(scene if moving is None else moving.in_front_of(scene, frame), blur_px, knee)
        view = cv2.warpPerspective(
            fine,
            centres @ np.linalg.inv(warp),
            (width, height),
            flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REFLECT,
        )
        seen.append(np.asarray(np.sinh(np.maximum(view, 0)) * knee, dtype=np.float32))
    return seen


def random_object(
    rng: np.random.Generator, scene: FloatArray, other: FloatArray, *, frames: int, reference: int
) -> MovingObject:
    """Cut a textured object out of another scene and let it move through this one.

    Parameters
    ----------
    rng : numpy.random.Generator
    scene : ndarray (H, W, 3), float32
        At least 256 pixels a side.
    other : ndarray (H', W', 3), float32
        At least 128 pixels a side.
    frames : int
    reference : int
        Frame whose surroundings set the brightness: the median of what the object hides there, times 0.3 to 3.

    Returns
    -------
    MovingObject
        A blob of 60 to 110 pixels with an edge of one pixel, moved by 12 to 45 pixels from frame to frame.

    Raises
    ------
    UsageError
        When a scene is too small.
    """
    if min(scene.shape[:2]) < 256 or min(other.shape[:2]) < 128:
        raise UsageError("A moving object needs a scene of 256 pixels a side, and one of 128 to be cut from.")
    cover = _blob(rng)
    radiance = _textured_cut(rng, other, cover)
    places = _places(rng, scene.shape, cover.shape, frames)
    row, column = places[reference]
    behind = scene[row : row + cover.shape[0], column : column + cover.shape[1]]
    inside = cover > 0.5
    level = np.median(behind[inside].mean(axis=1)) / max(float(np.median(radiance[inside].mean(axis=1))), 1e-12)
    factor = np.exp(rng.uniform(*np.log(BRIGHTNESS)))
    return MovingObject(np.asarray(radiance * np.float32(level * factor), dtype=np.float32), cover, places)


def _continuous(scene: FloatArray, blur_px: float, knee: np.float32) -> FloatArray:
    """Return the blurred scene with four samples a pixel along each axis, compressed as arcsinh(light / knee)."""
    size = (_FINER * scene.shape[1], _FINER * scene.shape[0])
    fine = cv2.resize(np.arcsinh(np.maximum(scene, 0) / knee), size, interpolation=cv2.INTER_CUBIC)
    if blur_px > 0:
        light = np.sinh(np.maximum(fine, 0))
        blurred = cv2.GaussianBlur(light, (0, 0), _FINER * blur_px, borderType=cv2.BORDER_REFLECT)
        fine = np.arcsinh(blurred)
    return np.asarray(fine, dtype=np.float32)


def _blob(rng: np.random.Generator) -> FloatArray:
    """Return the cover of an ellipse, every other time with a wavy outline, its larger diameter in the range."""
    diameter = rng.uniform(*DIAMETERS_PX)
    side = int(np.ceil(diameter)) + _MARGIN_PX
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    tilt, aspect = rng.uniform(0, np.pi), rng.uniform(0.6, 1.0)
    along, across = x * np.cos(tilt) + y * np.sin(tilt), (y * np.cos(tilt) - x * np.sin(tilt)) / aspect
    angle = np.arctan2(across, along)
    waves = rng.uniform(0, 0.12, 3) * (rng.random() < 0.5)
    phases = rng.uniform(0, 2 * np.pi, 3)
    outline = 1 + sum(w * np.sin((k + 2) * angle + p) for k, (w, p) in enumerate(zip(waves, phases, strict=True)))
    inside = diameter / 2 * outline / (1 + waves.sum()) - np.hypot(along, across)
    return np.asarray(np.clip(inside + 0.5, 0, 1), dtype=np.float32)


def _textured_cut(rng: np.random.Generator, other: FloatArray, cover: FloatArray) -> FloatArray:
    """Return of eight random cuts the one whose brightness varies by most nearly one stop: no sky, no lamp."""
    height, width = cover.shape
    cuts = []
    for _ in range(8):
        row = int(rng.integers(other.shape[0] - height + 1))
        column = int(rng.integers(other.shape[1] - width + 1))
        cuts.append(other[row : row + height, column : column + width])
    spreads = [np.std(np.log2(cut[cover > 0.5].mean(axis=1) + 1e-9)) for cut in cuts]
    return np.ascontiguousarray(cuts[int(np.argmin(np.abs(np.log2(np.maximum(spreads, 1e-3)))))])


def _places(
    rng: np.random.Generator, shape: tuple[int, ...], own: tuple[int, ...], frames: int
) -> tuple[tuple[int, int], ...]:
    """Return a random path inside the scene that bends a little."""
    room = np.array(shape[:2]) - np.array(own[:2]) - 2 * _MARGIN_PX
    while True:
        headings = rng.uniform(0, 2 * np.pi) + rng.uniform(-0.5, 0.5, frames - 1)
        # Whole pixels, so a step keeps a pixel from the ends of the range.
        steps = rng.uniform(STEPS_PX[0] + 1, STEPS_PX[1] - 1, frames - 1)
        moves = np.rint(np.stack([np.sin(headings), np.cos(headings)], axis=1) * steps[:, None]).astype(int)
        path = np.concatenate([np.zeros((1, 2), int), np.cumsum(moves, axis=0)])
        path -= path.min(axis=0)
        slack = room - path.max(axis=0)
        if (slack >= 0).all():
            path += _MARGIN_PX + rng.integers(slack + 1)
            return tuple((int(row), int(column)) for row, column in path)
