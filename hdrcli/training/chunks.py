"""Photographed regions of training pictures, with what a deinterlacing network sees of them and what it should answer.

Everything here follows from the random generator that comes in, so a chunk can be made again at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from hdrcli.dualiso.interpolate import colour_balance, reconstruct
from hdrcli.dualiso.planes import compress, frame_constants, input_planes, own_colours
from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.images import FloatArray, NoiseModel
from hdrcli.isp.demosaic import demosaic
from hdrcli.training.degrade import Photograph, RowClass, capture_batch, random_photograph
from hdrcli.training.regions import random_region
from hdrcli.training.shards import Picture

# A sample this close to the clip of its class counts as clipped, as `dualiso.detect.normalise` takes it.
_CLIP_MARGIN = 0.002
# How far `dualiso.detect.analyse` is off on simulated frames: standard deviations of the logarithms of variances.
_SHOT_ERROR_STOPS = 0.45
_READ_ERROR_STOPS = 0.75
# Beyond the clip of the low exposure there is no truth to learn, only that it is bright.
_CLIPPED_WEIGHT = 0.1


@dataclass(frozen=True)
class Chunk:
    """Photographed regions.

    Attributes
    ----------
    planes : Tensor (N, 6, R, R)
        Inputs as `dualiso.planes.input_planes`.
    truth : Tensor (N, 3, R, R)
        Noise-free colours up to the low clip, balanced and compressed.
    weight : Tensor (N, 4, R, R)
        Of each colour in the loss; the last says where the high rows do not clip.
    frames : tuple of DualIsoFrame
    light : ndarray (N, 3, R, R), float32
        Noise-free, unclipped camera RGB.
    balances : ndarray (N, 3), float32
    """

    planes: Tensor
    truth: Tensor
    weight: Tensor
    frames: tuple[DualIsoFrame, ...] = field(repr=False)
    light: FloatArray = field(repr=False)
    balances: FloatArray = field(repr=False)


def photograph_regions(
    pictures: Sequence[Picture],
    rng: np.random.Generator,
    *,
    side: int,
    augment: bool,
    one_ratio: bool = False,
    denoise: float = 1.0,
) -> Chunk:
    """Return a chunk with one region of each picture.

    Parameters
    ----------
    pictures : sequence of Picture
    rng : numpy.random.Generator
    side : int
        Of a region in samples, a multiple of 4.
    augment : bool
        As for `random_region`.
    one_ratio : bool
        As for `random_photograph`.
    denoise : float
        Strength of noise reduction in the classical estimate.
    """
    regions, photographs = [], []
    for picture in pictures:
        region, brightness = random_region(picture, side, rng, augment=augment)
        regions.append(region)
        photographs.append(random_photograph(brightness, rng, one_ratio=one_ratio))
    scenes = torch.from_numpy(np.stack(regions)).permute(0, 3, 1, 2).contiguous()
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    samples, truth = capture_batch(scenes, photographs, generator)
    planes, targets, weights, frames, balances = [], [], [], [], []
    for sample, light, taken in zip(samples.numpy(), truth.numpy(), photographs, strict=True):
        frame = _frame(sample, taken, rng)
        factors, planes_of_one = classical_planes(frame, denoise=denoise)
        planes.append(planes_of_one)
        targets.append(compress(np.minimum(light, 1) * factors[:, None, None]))
        below_high = own_colours(light) < frame.clip_high
        weights.append(
            np.concatenate([np.where(light >= 1, np.float32(_CLIPPED_WEIGHT), np.float32(1)), below_high[None]])
        )
        frames.append(frame)
        balances.append(factors)
    return Chunk(
        torch.from_numpy(np.stack(planes)),
        torch.from_numpy(np.stack(targets)),
        torch.from_numpy(np.stack(weights)),
        tuple(frames),
        truth.numpy(),
        np.stack(balances),
    )


def classical_planes(frame: DualIsoFrame, *, denoise: float) -> tuple[FloatArray, FloatArray]:
    """Return the balance (3,) and the input planes (6, H, W) of a frame at the canonical phase."""
    balance = colour_balance(frame)
    constants = frame_constants(frame, balance)
    merged = reconstruct(frame, denoise=denoise, balance=balance).merged
    red, green, blue = constants.balance.tolist()
    base = demosaic(merged, gains=(red, green, blue))
    return constants.balance, input_planes(frame.data, base, constants)


def _frame(samples: FloatArray, taken: Photograph, rng: np.random.Generator) -> DualIsoFrame:
    """Return the frame with what detection would have measured: the noise and the ratio with their usual errors."""
    # Data and clip are divided by the same measured ratio, as in `dualiso.detect.normalise`.
    error = 1 + rng.normal(0, 0.002)
    shot_error = float(2 ** rng.normal(0.15, _SHOT_ERROR_STOPS))  # one line through both classes gives it
    data = samples.copy()
    data.reshape(-1, 4, samples.shape[1])[:, :2] *= np.float32(error)
    return DualIsoFrame(
        data=data,
        cfa="RGGB",
        row_pattern="HHLL",
        gain=taken.high.factor * taken.high.span / taken.low.span / error,
        clip_low=1 - _CLIP_MARGIN,
        clip_high=(1 - _CLIP_MARGIN) / taken.high.factor * error,
        noise_low=_noise(taken.low, shot_error, rng),
        noise_high=_noise(taken.high, shot_error, rng),
    )


def _noise(rows: RowClass, shot_error: float, rng: np.random.Generator) -> NoiseModel:
    """Return the noise of a class in units of the low clip, as wrong as it is measured in practice."""
    read_error = float(2 ** rng.normal(-0.1, _READ_ERROR_STOPS))
    return NoiseModel(rows.noise.shot / rows.factor * shot_error, rows.noise.read / rows.factor**2 * read_error)
