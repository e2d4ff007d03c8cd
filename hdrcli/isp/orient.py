"""Turning a picture the way it was held: the eight EXIF orientations."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UsageError

Scalar = TypeVar("Scalar", bound=np.generic)

# By EXIF orientation: whether rows and columns change places first, and which axes are then reversed.
_STEPS: dict[int, tuple[bool, tuple[int, ...]]] = {
    1: (False, ()),
    2: (False, (1,)),
    3: (False, (0, 1)),
    4: (False, (0,)),
    5: (True, ()),
    6: (True, (1,)),
    7: (True, (0, 1)),
    8: (True, (0,)),
}


def orient(array: NDArray[Scalar], orientation: int) -> NDArray[Scalar]:
    """Return a picture as it is to be viewed.

    Parameters
    ----------
    array : ndarray (H, W) or (H, W, C), any dtype
        As the sensor wrote it.
    orientation : int
        EXIF orientation, 1 to 8 (1 as it is, 3 upside down, 6 turned clockwise, 8 anticlockwise; even and 5, 7
        mirrored).

    Returns
    -------
    ndarray, same dtype, C-contiguous
        (H, W, ...) for 1 to 4, (W, H, ...) for 5 to 8; the array itself where nothing is to be done.

    Raises
    ------
    UsageError
        When there is no such orientation.
    """
    return np.ascontiguousarray(oriented_view(array, orientation))


def oriented_view(array: NDArray[Scalar], orientation: int) -> NDArray[Scalar]:
    """Return what `orient` returns as a view of the same memory."""
    if orientation not in _STEPS:
        raise UsageError(f"There is no EXIF orientation {orientation!r}; 1 to 8 are known.")
    swap, axes = _STEPS[orientation]
    return np.flip(array.swapaxes(0, 1) if swap else array, axes)


def sensor_view(array: NDArray[Scalar], orientation: int) -> NDArray[Scalar]:
    """Return the view of an oriented picture in the order of the sensor: the inverse of `oriented_view`."""
    turned_back = {6: 8, 8: 6}
    return oriented_view(array, turned_back.get(orientation, orientation))


def oriented_shape(height: int, width: int, orientation: int) -> tuple[int, int]:
    """Return height and width after orientation."""
    return (width, height) if orientation in range(5, 9) else (height, width)
