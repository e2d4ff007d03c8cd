"""Warps: matrices that map pixels of a reference to those of another frame, and frames brought onto the reference.

A warp is a 3x3 float64 matrix on pixel coordinates (x, y, 1), pixel centres at whole numbers; its last element is 1.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray

Warp = NDArray[np.float64]

_TO_FINER = np.array([[2.0, 0.0, 0.5], [0.0, 2.0, 0.5], [0.0, 0.0, 1.0]])


def identity() -> Warp:
    """Return the warp that moves nothing."""
    return np.eye(3)


def to_finer(warp: Warp) -> Warp:
    """Return the warp between pictures of twice the size, whose 2x2 blocks the pixels of these are."""
    finer: Warp = _TO_FINER @ warp @ np.linalg.inv(_TO_FINER)
    return np.asarray(finer / finer[2, 2])


def to_coarser(warp: Warp) -> Warp:
    """Return the warp between pictures of half the size, whose pixels are the 2x2 blocks of these."""
    coarser: Warp = np.linalg.inv(_TO_FINER) @ warp @ _TO_FINER
    return np.asarray(coarser / coarser[2, 2])


def corner_motion(warp: Warp, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return by how much (4, 2) in x and y the corners of a picture (height, width) move."""
    height, width = shape
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]], dtype=np.float64)
    moved = corners @ warp.T
    return np.asarray(moved[:, :2] / moved[:, 2:] - corners[:, :2])


def centre_motion(warp: Warp, shape: tuple[int, int]) -> tuple[float, float, float]:
    """Return shift in x and y at the centre of a picture (height, width), and rotation there in degrees."""
    height, width = shape
    centre = np.array([(width - 1) / 2, (height - 1) / 2])
    around = centre + np.array([[0, 0], [1, 0], [-1, 0]])
    moved = np.c_[around, np.ones(3)] @ warp.T
    moved = moved[:, :2] / moved[:, 2:]
    shift, across = moved[0] - centre, moved[1] - moved[2]
    return float(shift[0]), float(shift[1]), math.degrees(math.atan2(across[1], across[0]))


def warp_onto(picture: FloatArray, warp: Warp, *, interpolation: int = cv2.INTER_LINEAR) -> FloatArray:
    """Bring a frame onto the reference.

    Parameters
    ----------
    picture : ndarray (H, W) or (H, W, 3), float32
    warp : ndarray (3, 3)
        From the reference to the frame.
    interpolation : int
        Of OpenCV.

    Returns
    -------
    ndarray, float32
        Of the same shape; beyond its borders the frame is mirrored (`coverage` says where that is).
    """
    height, width = picture.shape[:2]
    flags = interpolation | cv2.WARP_INVERSE_MAP
    moved = cv2.warpPerspective(picture, warp, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, dtype=np.float32)


def coverage(warp: Warp, shape: tuple[int, int], *, margin: float = 2.0) -> FloatArray:
    """Return how far (H, W) the frame reaches: 1 inside, falling to 0 over `margin` pixels before its border."""
    height, width = shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    m = warp.astype(np.float32)
    below = m[2, 0] * x + m[2, 1] * y + m[2, 2]
    u = (m[0, 0] * x + m[0, 1] * y + m[0, 2]) / below
    v = (m[1, 0] * x + m[1, 1] * y + m[1, 2]) / below
    inside = np.minimum(np.minimum(u, width - 1 - u), np.minimum(v, height - 1 - v))
    return np.asarray(np.clip(inside / np.float32(margin), 0, 1), dtype=np.float32)
