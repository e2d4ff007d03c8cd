"""Noise reduction on the mosaic by shrinkage of overlapping cosine transforms.

The four colour planes of the mosaic are variance-stabilised (generalised Anscombe root), turned into one luma and three
chroma planes, and cut into overlapping blocks of 8 x 8. Cosine coefficients are shrunk by a threshold in units of the
noise, and the blocks put back with weights that favour those with few coefficients (DCT denoising after Yu and Sapiro
2011; weights as in BM3D, Dabov et al. 2007). The noise level is that of the noise model; nothing is estimated from the
picture. It cannot tell faint texture below the noise from noise.
"""

from __future__ import annotations

import numpy as np

from hdrcli.images import BayerImage, FloatArray
from hdrcli.kernels import Real, kernel, run_in_bands

_BLOCK = 8
# Blocks begin at every second cell, which the kernels rely on; every fourth would be 0.25 dB worse.
_STEP = 2
# In units of sigma; 1.7 to 2.1 make equally good pictures, but 2.1 fewer stripes of period four. The garrote (Breiman
# 1995) passes large coefficients unchanged and fades small ones out; it was better than a hard threshold of 2.7 by
# 0.15 dB on training scenes, and leaves no lone wavelets in skies.
_THRESHOLD = 2.1


def denoise_mosaic(image: BayerImage, *, strength: float = 1.0) -> BayerImage:
    """Remove the noise that the image's noise model explains.

    Parameters
    ----------
    image : BayerImage
        With a noise model; without one it is returned unchanged.
    strength : float
        Factor on the noise level, at least 0.

    Returns
    -------
    BayerImage
        Same shape, pattern and noise model.
    """
    if image.noise is None or strength <= 0 or min(image.data.shape) < 2 * _BLOCK:
        return image
    height, width = (n // 2 * 2 for n in image.data.shape)
    # The root is flat below black where read noise rules; a floor on shot keeps it finite for noise-free photons.
    shot = np.float32(max(image.noise.shot, 1e-9))
    offset = np.float32(image.noise.read) + np.float32(0.375) * shot * shot
    result = image.data.copy()
    basis = _colour_basis(image.data[:height, :width], shot, offset)
    threshold = np.float32(_THRESHOLD * strength)

    def work(y0: int, y1: int) -> None:
        _denoise_band(image.data, shot, offset, basis, threshold, y0, y1, result)

    run_in_bands(work, height // 2, multiple=_STEP)
    return BayerImage(result, image.cfa, image.noise)


def _colour_basis(data: FloatArray, shot: np.float32, offset: np.float32) -> FloatArray:
    """Return an orthonormal (4, 4) basis of the four planes; its first row is the direction of the mean colour."""
    stride = max(1, int((data.size / 1e6) ** 0.5))
    planes = [data[y::2, x::2][::stride, ::stride] for y in (0, 1) for x in (0, 1)]
    means = np.array([np.median(np.sqrt(np.maximum(shot * plane + offset, 0))) for plane in planes])
    if not means.any():
        means = np.ones(4)
    columns = np.column_stack([means, [1, 0, 0, -1], [0, 1, -1, 0], [1, -1, -1, 1]])
    return np.ascontiguousarray(np.linalg.qr(columns)[0].T, dtype=np.float32)


def _cosines() -> FloatArray:
    """Return the orthonormal type-II cosine transform of length 8, shape (8, 8), frequencies along the first axis."""
    frequency, sample = np.mgrid[0:_BLOCK, 0:_BLOCK]
    matrix = np.cos(np.pi * (sample + 0.5) * frequency / _BLOCK) * np.sqrt(2 / _BLOCK)
    matrix[0] /= np.sqrt(2)
    return np.asarray(matrix, dtype=np.float32)


def _denoise_band(
    data: FloatArray,
    shot: np.float32,
    offset: np.float32,
    basis: FloatArray,
    threshold: np.float32,
    y0: int,
    y1: int,
    result: FloatArray,
) -> None:
    """Write rows of cells `y0` to `y1`; blocks that reach in from outside are computed by both neighbours.

    Plain Python over kernels of one strip each: kernels that call kernels take several times as long to compile.
    """
    height, width = data.shape[0] // 2, data.shape[1] // 2
    top = y0 - _BLOCK + _STEP
    rows = y1 - top + _BLOCK - _STEP
    columns = (width + 2 * _BLOCK + 1) // 2 * 2
    stable = np.empty((4, rows, columns), np.float32)
    total = np.zeros((4, rows, columns), np.float32)
    weight = np.full((rows, columns), np.float32(1e-12))
    _stabilise(data, shot, offset, basis, top, height, width, stable)
    blocks = (columns - _BLOCK) // _STEP + 1
    half = np.empty((4, _BLOCK, 2, columns // 2), np.float32)
    coefficients = np.empty((4, _BLOCK, _BLOCK, blocks), np.float32)
    kept = np.empty(blocks, np.float32)
    cosines = _cosines()
    for i in range(0, rows - _BLOCK + 1, _STEP):
        _transform_strip(stable, i, cosines, half, coefficients)
        _shrink(coefficients, threshold, kept)
        half.fill(0)
        _restore_strip(coefficients, kept, i, cosines, half, total, weight)
    _return_to_mosaic(total, weight, shot, offset, basis, y0 - top, y0, y1, width, result)


@kernel
def _stabilise(
    data: FloatArray,
    shot: Real,
    offset: Real,
    basis: FloatArray,
    top: int,
    height: int,
    width: int,
    stable: FloatArray,
) -> None:
    """Fill the four stabilised planes from row of cells `top` on, mirrored beyond the picture."""
    root = np.float32(2) / shot
    for i in range(stable.shape[1]):
        y = top + i
        y = -1 - y if y < 0 else y
        y = 2 * height - 1 - y if y >= height else y
        for j in range(stable.shape[2]):
            x = j - _BLOCK
            x = -1 - x if x < 0 else x
            x = 2 * width - 1 - x if x >= width else x
            a = root * np.sqrt(max(shot * data[2 * y, 2 * x] + offset, np.float32(0)))
            b = root * np.sqrt(max(shot * data[2 * y, 2 * x + 1] + offset, np.float32(0)))
            c = root * np.sqrt(max(shot * data[2 * y + 1, 2 * x] + offset, np.float32(0)))
            d = root * np.sqrt(max(shot * data[2 * y + 1, 2 * x + 1] + offset, np.float32(0)))
            for k in range(4):
                stable[k, i, j] = basis[k, 0] * a + basis[k, 1] * b + basis[k, 2] * c + basis[k, 3] * d


@kernel
def _transform_strip(
    stable: FloatArray, i: int, cosines: FloatArray, half: FloatArray, coefficients: FloatArray
) -> None:
    """Cosine transforms of all blocks that begin in row `i`: down the columns once, then along the rows of each block.

    `half` holds even and odd columns apart, so that all blocks are reached by loops over adjacent samples.
    """
    for k in range(4):
        for f in range(_BLOCK):
            for odd in range(2):
                for x in range(half.shape[3]):
                    half[k, f, odd, x] = cosines[f, 0] * stable[k, i, 2 * x + odd]
                for u in range(1, _BLOCK):
                    c = cosines[f, u]
                    for x in range(half.shape[3]):
                        half[k, f, odd, x] += c * stable[k, i + u, 2 * x + odd]
            for g in range(_BLOCK):
                for b in range(coefficients.shape[3]):
                    coefficients[k, f, g, b] = (
                        cosines[g, 0] * half[k, f, 0, b]
                        + cosines[g, 1] * half[k, f, 1, b]
                        + cosines[g, 2] * half[k, f, 0, b + 1]
                        + cosines[g, 3] * half[k, f, 1, b + 1]
                        + cosines[g, 4] * half[k, f, 0, b + 2]
                        + cosines[g, 5] * half[k, f, 1, b + 2]
                        + cosines[g, 6] * half[k, f, 0, b + 3]
                        + cosines[g, 7] * half[k, f, 1, b + 3]
                    )


@kernel
def _shrink(coefficients: FloatArray, threshold: Real, kept: FloatArray) -> None:
    """Shrink all but the means of the blocks; `kept` receives the noise power that stays in each block."""
    square = threshold * threshold
    for b in range(kept.size):
        kept[b] = np.float32(4)
    for k in range(4):
        for f in range(_BLOCK):
            for g in range(_BLOCK):
                if f + g > 0:
                    for b in range(kept.size):
                        value = coefficients[k, f, g, b]
                        power = value * value
                        share = max(power - square, np.float32(0)) / max(power, np.float32(1e-6))
                        kept[b] += share * share
                        coefficients[k, f, g, b] = value * share


@kernel
def _restore_strip(
    coefficients: FloatArray,
    kept: FloatArray,
    i: int,
    cosines: FloatArray,
    half: FloatArray,
    total: FloatArray,
    weight: FloatArray,
) -> None:
    """Add the inverse transforms of all blocks that begin in row `i`, each weighted by one over `kept`.

    `half` must be 0 on entry.
    """
    for b in range(kept.size):
        kept[b] = np.float32(1) / kept[b]
    for u in range(_BLOCK):
        for v in range(_BLOCK):
            for b in range(kept.size):
                weight[i + u, _STEP * b + v] += kept[b]
    for k in range(4):
        for f in range(_BLOCK):
            for v in range(_BLOCK):
                for b in range(kept.size):
                    value = (
                        cosines[0, v] * coefficients[k, f, 0, b]
                        + cosines[1, v] * coefficients[k, f, 1, b]
                        + cosines[2, v] * coefficients[k, f, 2, b]
                        + cosines[3, v] * coefficients[k, f, 3, b]
                        + cosines[4, v] * coefficients[k, f, 4, b]
                        + cosines[5, v] * coefficients[k, f, 5, b]
                        + cosines[6, v] * coefficients[k, f, 6, b]
                        + cosines[7, v] * coefficients[k, f, 7, b]
                    )
                    half[k, f, v % 2, b + v // 2] += kept[b] * value
        for u in range(_BLOCK):
            for f in range(_BLOCK):
                c = cosines[f, u]
                for x in range(half.shape[3]):
                    total[k, i + u, 2 * x] += c * half[k, f, 0, x]
                    total[k, i + u, 2 * x + 1] += c * half[k, f, 1, x]


@kernel
def _return_to_mosaic(
    total: FloatArray,
    weight: FloatArray,
    shot: Real,
    offset: Real,
    basis: FloatArray,
    skip: int,
    y0: int,
    y1: int,
    width: int,
    result: FloatArray,
) -> None:
    """Write rows of cells `y0` to `y1` from the sums of blocks, whose row `skip` is `y0`."""
    unroot = shot * np.float32(0.5)
    for y in range(y0, y1):
        i = y - y0 + skip
        for x in range(width):
            norm = unroot / weight[i, x + _BLOCK]
            for p in range(4):
                z = np.float32(0)
                for k in range(4):
                    z += basis[k, p] * total[k, i, x + _BLOCK]
                z *= norm
                result[2 * y + p // 2, 2 * x + p % 2] = (z * z - offset) / shot
