"""What a deinterlacing network sees of a frame and what it answers, as planes of the picture's resolution.

Networks work on compressed samples, asinh(x / knee): noise is then about as large everywhere, and one lamp does not
outweigh the shadows. Red and blue are brought to the level of green first. Training and inference both come here, so
that a network meets the same numbers in both.

Every frame is brought to one canonical phase (rows high, high, low, low; RGGB at row 0, column 0) by at most one
vertical flip and a shift of the grid, so that a network has one pattern to learn.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.images import FloatArray, NoiseModel

PERIOD = (4, 2)
"""Rows and columns after which row classes and colours repeat."""
CHANNELS = ("sample", "red", "green", "blue", "clipped", "noise")
"""Of `input_planes`, in order."""

# The knee lies where the mu-law of the metrics bends: above it ln(1 + 5000 x) and asinh(x / 4e-4) agree.
KNEE = np.float32(4e-4)
SCALE = np.float32(1 / np.arcsinh(1 / 4e-4))
"""Samples are compressed to SCALE asinh(x / KNEE)."""
# Noise of this standard deviation (compressed units, about a ninth of a stop) becomes 0 in its plane.
_TYPICAL_SIGMA = np.float32(0.01)
# The high exposure of a pair of networks is used up to here, in shares of its clip.
_FADE_HIGH = (0.80, 0.95)


@dataclass(frozen=True)
class Phase:
    """How a mosaic comes to the canonical phase.

    Attributes
    ----------
    flip : bool
        Turn it upside down first.
    rows, columns : int
        Phase of its first sample then: sample (i, j) is at ((i + rows) % 4, (j + columns) % 2) of the canonical cell.
    """

    flip: bool
    rows: int
    columns: int


@dataclass(frozen=True)
class FrameConstants:
    """What holds for all samples of a frame, in units of the low clip.

    Attributes
    ----------
    balance : ndarray (3,), float32
        Factors that bring red, green and blue to one level.
    clip_low, clip_high : float
        Levels from which on samples of a row class may be saturated.
    noise_low, noise_high : NoiseModel
    """

    balance: FloatArray
    clip_low: float
    clip_high: float
    noise_low: NoiseModel
    noise_high: NoiseModel


def canonical_phase(row_pattern: str, cfa: str, height: int) -> Phase:
    """Return how a mosaic of `height` rows comes to the canonical phase.

    A flip reverses the rows of a pair but leaves each its colours, so it mends the one case in two where pairs begin
    on rows of the wrong colours (NETWORKS.md 1.1 enumerates all 16).
    """
    red_row, red_column = divmod(cfa.index("R"), 2)
    first = _first_of_pair(lambda i: row_pattern[i % 4] == "H")
    if (first - red_row) % 2 == 0:
        return Phase(False, -first % 4, red_column)
    first = _first_of_pair(lambda i: row_pattern[(height - 1 - i) % 4] == "H")
    return Phase(True, -first % 4, red_column)


def frame_constants(frame: DualIsoFrame, balance: FloatArray) -> FrameConstants:
    """Return the constants of a frame, given factors (2, 2) by position in the CFA cell (`colour_balance`)."""
    by_colour = dict(zip(frame.cfa, balance.ravel(), strict=True))
    factors = np.array([by_colour[colour] for colour in "RGB"], dtype=np.float32)
    return FrameConstants(factors, frame.clip_low, frame.clip_high, frame.noise_low, frame.noise_high)


def compress(x: FloatArray) -> FloatArray:
    """Return asinh(x / knee), scaled so that 1 stays 1; float32."""
    t = np.abs(x) / KNEE
    # By hand, because NumPy has vector instructions for the logarithm and the root but not for arcsinh.
    return np.copysign(np.log(t + np.sqrt(t * t + np.float32(1))) * SCALE, x)


def expand(y: FloatArray) -> FloatArray:
    """Return what `compress` made `y` of; float32."""
    up = np.exp(y / SCALE)
    return np.asarray((up - np.float32(1) / up) * (np.float32(0.5) * KNEE), dtype=np.float32)


def input_planes(samples: FloatArray, base: FloatArray, constants: FrameConstants) -> FloatArray:
    """Return the planes that a network sees, at the canonical phase.

    Parameters
    ----------
    samples : ndarray (H, W), float32
        Of a `DualIsoFrame`, beginning at the canonical phase; H a multiple of 4, W of 2.
    base : ndarray (H, W, 3), float32
        Classical estimate of all three colours, linear, in units of the low clip, times `constants.balance`.
    constants : FrameConstants

    Returns
    -------
    ndarray (6, H, W), float32
        The sample as measured (balanced and compressed); the classical red, green and blue (compressed); 1 where the
        sample is clipped, else 0; a quarter of the logarithm of the sample's noise in compressed units over 0.01.
    """
    height, width = samples.shape
    planes = np.empty((len(CHANNELS), height, width), dtype=np.float32)
    planes[0] = compress(own_factors(constants.balance, samples.shape) * samples)
    for channel in range(3):
        planes[1 + channel] = compress(base[:, :, channel])
    for high in (True, False):
        rows = slice(0, 2) if high else slice(2, 4)
        clip = constants.clip_high if high else constants.clip_low
        noise = constants.noise_high if high else constants.noise_low
        planes[4].reshape(-1, 4, width)[:, rows] = samples.reshape(-1, 4, width)[:, rows] >= clip
        planes[5].reshape(-1, 4, width)[:, rows] = _noise_plane(base, constants.balance, noise, rows)
    return planes


def own_colours(rgb: FloatArray, *, phase: tuple[int, int] = (0, 0)) -> FloatArray:
    """Return the samples (..., H, W) that an RGGB mosaic keeps of channels (..., 3, H, W).

    `phase` is that of the first row and column in the 2x2 cell.
    """
    mosaic = rgb[..., 1, :, :].copy()
    for row, column, channel in ((0, 0, 0), (1, 1, 2)):
        place = np.s_[..., (row - phase[0]) % 2 :: 2, (column - phase[1]) % 2 :: 2]
        mosaic[place] = rgb[..., channel, :, :][place]
    return mosaic


def own_factors(by_colour: FloatArray, shape: tuple[int, int], *, phase: tuple[int, int] = (0, 0)) -> FloatArray:
    """Return factors (3,) of red, green and blue as (H, W) on an RGGB mosaic that begins at `phase` of its cell."""
    red, green, blue = by_colour
    cell = np.roll(np.array([[red, green], [green, blue]], dtype=np.float32), (-phase[0], -phase[1]), axis=(0, 1))
    return np.tile(cell, (shape[0] // 2 + 1, shape[1] // 2 + 1))[: shape[0], : shape[1]]


def merge_exposures(low: FloatArray, high: FloatArray, classical: FloatArray, *, clip_high: float) -> FloatArray:
    """Return the merged mosaic (H, W) of a learned low and high exposure, all in units of the low clip.

    The high one up to near its clip, as the classical estimate sees it, then the low one.
    """
    trust = 1 - smoothstep(classical / np.float32(clip_high), *_FADE_HIGH)
    return low + trust * (high - low)


def smoothstep(x: FloatArray, low: float, high: float) -> FloatArray:
    """Return 0 up to `low`, 1 from `high` on, and t^2 (3 - 2 t) between; float32."""
    t = np.clip((x - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def _noise_plane(base: FloatArray, balance: FloatArray, noise: NoiseModel, rows: slice) -> FloatArray:
    """Return the noise plane (H / 4, 2, W) of the two rows of each period that one class has."""
    height, width, _ = base.shape
    result = np.empty((height // 4, 2, width), dtype=np.float32)
    for row, column, channel in ((0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 2)):
        light = np.maximum(base[rows.start + row :: 4, column::2, channel], 0)
        t = light / KNEE
        variance = noise.variance(light / balance[channel]) * np.square(balance[channel] * SCALE / KNEE)
        # d compress / dx = scale / knee / sqrt(1 + (x / knee)^2); half of half a logarithm gives the quarter.
        relative = variance / (np.float32(1) + t * t) / np.square(_TYPICAL_SIGMA)
        result[:, row, column::2] = np.float32(0.125) * np.log(np.maximum(relative, np.float32(1e-12)))
    return result


def _first_of_pair(is_high: Callable[[int], bool]) -> int:
    return next(i for i in range(4) if is_high(i) and not is_high(i - 1))
