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
_STEP = 4
# In units of sigma. The garrote (Breiman 1995) passes large coefficients unchanged and fades small ones out; it was
# better than a hard threshold of 2.7 by 0.15 dB on training scenes, and leaves no lone wavelets in skies.
_THRESHOLD = 1.9


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
        _denoise_band(image.data, shot, offset, basis, _cosines(), threshold, y0, y1, height // 2, width // 2, result)

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


@kernel
def _denoise_band(
    data: FloatArray,
    shot: Real,
    offset: Real,
    basis: FloatArray,
    cosines: FloatArray,
    threshold: Real,
    y0: int,
    y1: int,
    height: int,
    width: int,
    result: FloatArray,
) -> None:
    """Write rows of cells `y0` to `y1`; blocks that reach in from outside are computed by both neighbours."""
    top = y0 - 4  # blocks begin at multiples of the step and reach 8 cells
    rows = y1 - top + 4
    columns = width + 16
    stable = np.empty((4, rows, columns), np.float32)
    total = np.zeros((4, rows, columns), np.float32)
    weight = np.full((rows, columns), np.float32(1e-12))
    root = np.float32(2) / shot
    for i in range(rows):
        y = top + i
        y = -1 - y if y < 0 else y
        y = 2 * height - 1 - y if y >= height else y
        for j in range(columns):
            x = j - 8
            x = -1 - x if x < 0 else x
            x = 2 * width - 1 - x if x >= width else x
            a = root * np.sqrt(max(shot * data[2 * y, 2 * x] + offset, np.float32(0)))
            b = root * np.sqrt(max(shot * data[2 * y, 2 * x + 1] + offset, np.float32(0)))
            c = root * np.sqrt(max(shot * data[2 * y + 1, 2 * x] + offset, np.float32(0)))
            d = root * np.sqrt(max(shot * data[2 * y + 1, 2 * x + 1] + offset, np.float32(0)))
            for k in range(4):
                stable[k, i, j] = basis[k, 0] * a + basis[k, 1] * b + basis[k, 2] * c + basis[k, 3] * d
    half = np.empty((8, 8), np.float32)
    block = np.empty((4, 8, 8), np.float32)
    i = 0
    while i + 8 <= rows:
        j = 0
        while j + 8 <= columns:
            kept = np.float32(0)
            for k in range(4):
                kept += _shrink(stable[k], i, j, cosines, threshold, half, block[k])
            share = np.float32(1) / kept
            for k in range(4):
                for u in range(8):
                    for v in range(8):
                        total[k, i + u, j + v] += share * block[k, u, v]
            for u in range(8):
                for v in range(8):
                    weight[i + u, j + v] += share
            j += 4
        i += 4
    unroot = shot * np.float32(0.5)
    for y in range(y0, y1):
        for x in range(width):
            norm = np.float32(1) / weight[y - top, x + 8]
            for p in range(4):
                z = np.float32(0)
                for k in range(4):
                    z += basis[k, p] * total[k, y - top, x + 8]
                z *= norm * unroot
                result[2 * y + p // 2, 2 * x + p % 2] = (z * z - offset) / shot


@kernel
def _shrink(
    plane: FloatArray, i: int, j: int, cosines: FloatArray, threshold: Real, half: FloatArray, block: FloatArray
) -> Real:
    """Transform the block at (i, j), shrink it, transform back into `block`; return the noise power that stayed."""
    for f in range(8):
        for v in range(8):
            half[f, v] = np.float32(0)
        for u in range(8):
            c = cosines[f, u]
            for v in range(8):
                half[f, v] += c * plane[i + u, j + v]
    kept = np.float32(1)
    for f in range(8):
        for g in range(8):
            s = np.float32(0)
            for v in range(8):
                s += half[f, v] * cosines[g, v]
            if f + g > 0:
                share = max(s * s - threshold * threshold, np.float32(0)) / max(s * s, np.float32(1e-6))
                kept += share * share
                s *= share
            block[f, g] = s
    for f in range(8):
        for v in range(8):
            half[f, v] = np.float32(0)
        for g in range(8):
            s = block[f, g]
            if s != 0:
                for v in range(8):
                    half[f, v] += s * cosines[g, v]
    for u in range(8):
        for v in range(8):
            block[u, v] = np.float32(0)
        for f in range(8):
            c = cosines[f, u]
            for v in range(8):
                block[u, v] += c * half[f, v]
    return kept
