"""From balanced camera RGB to a named colour space.

A camera's matrix maps CIE XYZ to camera RGB under one illuminant (the DNG tags ColorMatrix1 and 2); where there are
two, they are interpolated by the inverse temperature of the scene's light, found from the neutral by iteration (DNG
specification 1.6, chapter 6). The scene's white is adapted to that of the target by the Bradford transform (Lam 1985,
as the DNG specification recommends), so balanced white becomes white exactly.

Primaries and whites are those of the standards named beside them; a test holds them against colour-science.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hdrcli.colourspaces import BRADFORD, D65, PRIMARIES
from hdrcli.errors import UsageError
from hdrcli.images import CameraProfile, ColourMatrix, SceneImage

Matrix = NDArray[np.float64]
Neutral = tuple[float, float, float]

COLOUR_SPACES = (*PRIMARIES, "camera")

# Correlated temperatures of the EXIF LightSource codes, as the DNG specification and its SDK read them.
_TEMPERATURES = {
    1: 5500.0, 2: 3800.0, 3: 2850.0, 4: 5500.0, 9: 5500.0, 10: 6500.0, 11: 7500.0, 12: 6400.0, 13: 5050.0,
    14: 4150.0, 15: 3525.0, 17: 2850.0, 18: 5500.0, 19: 6500.0, 20: 5500.0, 21: 6500.0, 22: 7500.0, 23: 5000.0,
    24: 3200.0,
}  # fmt: skip
_DEFAULT_TEMPERATURE = 6500.0  # codes 0 (unknown) and 255 (other)


def camera_to_space(camera: CameraProfile, *, neutral: Neutral, colour_space: str) -> Matrix:
    """Return the matrix from balanced camera RGB to linear RGB of a space.

    Parameters
    ----------
    camera : CameraProfile
        Without matrices, its RGB is taken for linear sRGB: hues are right, saturation is low. `matrix_source` tells.
    neutral : tuple of 3 float
        Camera RGB of a neutral object, any scale: the inverse of the white-balance gains.
    colour_space : str
        "srgb-linear", "display-p3", "rec2020", "acescg", "aces2065-1", or "camera" for none.

    Returns
    -------
    ndarray (3, 3), float64
        Applied to column vectors; its rows sum to 1, so that balanced white stays (1, 1, 1).

    Raises
    ------
    UsageError
        When the space is unknown or the neutral is not positive.
    """
    if colour_space not in COLOUR_SPACES:
        raise UsageError(f"There is no colour space {colour_space!r}; choose from {', '.join(COLOUR_SPACES)}.")
    white = np.array(neutral, dtype=np.float64)
    if not (np.isfinite(white).all() and (white > 0).all()):
        raise UsageError(f"The neutral {neutral} is not three positive numbers.")
    if colour_space == "camera":
        return np.eye(3)
    if not usable_matrices(camera):
        return space_to_space("srgb-linear", colour_space)
    matrix = xyz_to_camera(camera, neutral_temperature(camera, neutral))
    balanced_to_xyz = np.linalg.inv(matrix) * white
    if (BRADFORD @ balanced_to_xyz.sum(axis=1)).min() <= 0:
        # No physical light looks like this neutral; colours are those under daylight then.
        balanced_to_xyz = np.linalg.inv(matrix) * (matrix @ xy_to_xyz(D65))
    to_target = _adaptation(balanced_to_xyz.sum(axis=1), xy_to_xyz(PRIMARIES[colour_space].white))
    result = np.linalg.inv(rgb_to_xyz(colour_space)) @ to_target @ balanced_to_xyz
    return np.asarray(result / result.sum(axis=1, keepdims=True))


def matrix_source(camera: CameraProfile) -> str:
    """Return in words where the colour of a camera comes from, for reports."""
    known = len(usable_matrices(camera))
    if known == 0:
        return "no colour matrix: camera RGB taken for sRGB"
    return "colour matrix of the file" if known == 1 else "two colour matrices of the file, interpolated"


def space_to_space(source: str, target: str) -> Matrix:
    """Return the matrix (3, 3), float64, from linear RGB of one space to that of another; white stays white."""
    if source == target:
        return np.eye(3)
    whites = [xy_to_xyz(PRIMARIES[space].white) for space in (source, target)]
    matrix = np.linalg.inv(rgb_to_xyz(target)) @ _adaptation(whites[0], whites[1]) @ rgb_to_xyz(source)
    return np.asarray(matrix / matrix.sum(axis=1, keepdims=True))


def convert(scene: SceneImage, colour_space: str) -> SceneImage:
    """Return a scene in another colour space, unclipped: colours outside of it have negative components.

    Raises
    ------
    UsageError
        When the space is unknown, or either one is "camera" and they differ.
    """
    if scene.colour_space == colour_space:
        return scene
    for space in (scene.colour_space, colour_space):
        if space not in PRIMARIES:
            raise UsageError(f"Colours cannot be converted to or from {space!r}.")
    matrix = space_to_space(scene.colour_space, colour_space).astype(np.float32)
    return SceneImage(np.ascontiguousarray(scene.data @ matrix.T), colour_space)


def luminance_weights(colour_space: str) -> Matrix:
    """Return the weights (3,), float64, of linear R, G, B in luminance; those of sRGB for "camera"."""
    return np.asarray(rgb_to_xyz(colour_space if colour_space in PRIMARIES else "srgb-linear")[1])


def rgb_to_xyz(colour_space: str) -> Matrix:
    """Return the matrix (3, 3), float64, from linear RGB of a space to CIE XYZ; RGB white has Y = 1."""
    primaries = PRIMARIES[colour_space]
    columns = np.stack([xy_to_xyz(xy) for xy in primaries[:3]], axis=1)
    return np.asarray(columns * np.linalg.solve(columns, xy_to_xyz(primaries.white)))


def xyz_to_camera(camera: CameraProfile, temperature: float) -> Matrix:
    """Return the camera's matrix for light of a temperature in kelvin, between those of its illuminants.

    Parameters
    ----------
    camera : CameraProfile
        With one usable matrix at least.
    temperature : float
        Beyond the illuminants, the nearer matrix is returned.
    """
    known = sorted((_temperature(m.illuminant), i, m.xyz_to_camera) for i, m in enumerate(usable_matrices(camera)))
    low, high = known[0], known[-1]
    if high[0] == low[0]:
        return low[2]
    share = (1 / temperature - 1 / low[0]) / (1 / high[0] - 1 / low[0])
    share = min(max(share, 0.0), 1.0)
    return np.asarray((1 - share) * low[2] + share * high[2])


def neutral_temperature(camera: CameraProfile, neutral: Neutral) -> float:
    """Return the correlated temperature in kelvin of the light under which the camera sees `neutral` as neutral.

    6500 where the camera has no matrix, or sees no physical light so.
    """
    if not usable_matrices(camera):
        return _DEFAULT_TEMPERATURE
    temperature = 5000.0
    for _ in range(20):
        inverse = np.linalg.inv(xyz_to_camera(camera, temperature))
        xyz = np.asarray(inverse @ np.array(neutral), dtype=np.float64)
        if not (np.isfinite(xyz).all() and xyz.min() > 0):
            return _DEFAULT_TEMPERATURE
        previous, temperature = temperature, _correlated_temperature(xyz)
        if abs(temperature - previous) < 1:
            break
    return temperature


def xy_to_xyz(xy: tuple[float, float]) -> Matrix:
    """Return CIE XYZ (3,), float64, with Y = 1 of a chromaticity."""
    x, y = xy
    return np.array([x / y, 1.0, (1 - x - y) / y])


def usable_matrices(camera: CameraProfile) -> list[ColourMatrix]:
    """Return the matrices of a camera that can be inverted; files of unknown cameras hold zeros."""
    return [m for m in camera.matrices if np.isfinite(m.xyz_to_camera).all() and np.linalg.cond(m.xyz_to_camera) < 1e4]


def _adaptation(source: Matrix, target: Matrix) -> Matrix:
    """Return the Bradford transform (3, 3) between two whites given as XYZ; their luminance does not matter."""
    cone_source, cone_target = BRADFORD @ source / source[1], BRADFORD @ target / target[1]
    return np.asarray(np.linalg.solve(BRADFORD, (cone_target / cone_source)[:, None] * BRADFORD))


def _temperature(illuminant: int) -> float:
    return _TEMPERATURES.get(illuminant, _DEFAULT_TEMPERATURE)


def _correlated_temperature(xyz: Matrix) -> float:
    """Return the temperature by McCamy's cubic (1992), within 2 % from 2850 to 6500 K, limited to 2000 to 20000 K."""
    x, y = xyz[:2] / xyz.sum()
    n = (x - 0.3320) / (0.1858 - y)
    return float(np.clip(449 * n**3 + 3525 * n**2 + 6823.3 * n + 5520.33, 2000, 20000))
