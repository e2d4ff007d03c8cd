"""What `hdrcli.sensor` does to a scene, on batches and on any device.

The same camera, the same settings and the same steps as `sensor.capture`, in torch: colours of the camera, exposure,
mosaic at the canonical phase, photon and read noise of both row classes, row offsets, quantisation, clipping. A test
holds the mean, the variance and the clipping of the two against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hdrcli.images import NoiseModel
from hdrcli.sensor.cameras import Camera, cameras
from hdrcli.sensor.capture import scene_to_camera_matrix

# Photon counts above this are drawn from the normal limit, as in `sensor.noise`.
_MANY_ELECTRONS = 1000.0
_RATIOS = (2, 4, 8, 16, 32, 64)
_RATIO_SHARES = (0.05, 0.2, 0.25, 0.35, 0.1, 0.05)


@dataclass(frozen=True)
class RowClass:
    """The rows of one ISO.

    Attributes
    ----------
    factor : float
        From units of the low clip to units of this class's clip.
    noise : NoiseModel
        In units of its own clip.
    span, black : float
        Counts from black to clip, and of black itself: nothing is counted below 0.
    row_sigma : float
        Standard deviation of the offset that a row shares, in counts.
    black_error : float
        Counts by which the black level that is subtracted later is too low.
    """

    factor: float
    noise: NoiseModel
    span: float
    black: float
    row_sigma: float = 0.0
    black_error: float = 0.0


@dataclass(frozen=True)
class Photograph:
    """How one item of a batch is photographed.

    Attributes
    ----------
    matrix : ndarray (3, 3), float64
        Linear sRGB to camera RGB times the exposure.
    low, high : RowClass
    """

    matrix: NDArray[np.float64]
    low: RowClass
    high: RowClass


def photograph(
    camera: Camera,
    iso: tuple[float, float],
    *,
    neutral: Sequence[float],
    exposure: float,
    row_noise: float = 1.0,
    black_errors: tuple[float, float] = (0.0, 0.0),
) -> Photograph:
    """Return the photograph that `sensor.capture` would take with these settings."""
    low_span, high_span = (camera.white(value) - camera.black for value in iso)
    factor = iso[1] / iso[0] * low_span / high_span
    shot = camera.noise(iso[0]).shot
    row_sigma = [row_noise * camera.row_sigma(value) for value in iso]
    return Photograph(
        scene_to_camera_matrix(camera, neutral) * exposure,
        RowClass(1.0, camera.noise(iso[0]), low_span, camera.black, row_sigma[0], black_errors[0]),
        RowClass(
            factor,
            NoiseModel(shot * factor, camera.noise(iso[1]).read),
            high_span,
            camera.black,
            row_sigma[1],
            black_errors[1],
        ),
    )


def random_photograph(brightness: float, rng: np.random.Generator, *, one_ratio: bool = False) -> Photograph:
    """Return a photograph with a random camera, ISO pair, light and exposure.

    Parameters
    ----------
    brightness : float
        Level of the scene that the exposure is chosen by: it comes out between three stops under the clip and a
        little over it.
    rng : numpy.random.Generator
    one_ratio : bool
        Always 16 instead of 2 to 64.
    """
    known = list(cameras().values())
    one, other = (known[i] for i in rng.integers(0, len(known), 2))
    low_iso = float(rng.choice([100, 200, 400], p=[0.7, 0.2, 0.1]))
    ratio = float(rng.choice(_RATIOS, p=_RATIO_SHARES))
    iso = low_iso, low_iso * (16.0 if one_ratio else ratio)
    share = float(rng.uniform()) if rng.random() < 0.5 else 0.0
    # Daylight neutrals of cameras lie near (0.5, 1, 0.65); lamplight and shade move red and blue apart.
    warmth = rng.normal(0, 0.35)
    neutral = np.array([0.5 * 2 ** (warmth + rng.normal(0, 0.1)), 1.0, 0.65 * 2 ** (-warmth + rng.normal(0, 0.1))])
    neutral /= neutral.max()
    stops_under = rng.uniform(-0.2, 0.4) if rng.random() < 0.7 else rng.uniform(0, 3.5)
    settings = {
        "neutral": neutral,
        "exposure": float(2**-stops_under / brightness),
        "row_noise": float(rng.choice([0.0, 0.3])),
        "black_errors": tuple(rng.normal(0, 0.3, 2).tolist()),
    }
    first, second = (photograph(camera, iso, **settings) for camera in (one, other))  # type: ignore[arg-type]
    return Photograph(
        first.matrix * (1 - share) + second.matrix * share,
        _between(first.low, second.low, share),
        _between(first.high, second.high, share),
    )


def capture_batch(
    scenes: Tensor, photographs: Sequence[Photograph], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Photograph a batch at the canonical phase.

    Parameters
    ----------
    scenes : Tensor (N, 3, H, W), float32
        Linear sRGB, at least 0; H a multiple of 4, W of 2.
    photographs : sequence of N Photograph
    generator : torch.Generator
        On the device of the scenes; the only source of randomness.

    Returns
    -------
    samples : Tensor (N, H, W), float32
        As the normalised data of a `DualIsoFrame`: both classes in units of the low clip.
    truth : Tensor (N, 3, H, W), float32
        Noise-free, unclipped camera RGB in the same units.
    """
    device = scenes.device
    matrices = torch.tensor(np.stack([p.matrix for p in photographs]), dtype=torch.float32, device=device)
    truth = torch.einsum("nij,njhw->nihw", matrices, scenes).clamp_(min=0)
    samples = own_samples(truth)[:, 0]
    for first, name in ((0, "high"), (2, "low")):
        classes: list[RowClass] = [getattr(p, name) for p in photographs]
        for row in (first, first + 1):
            samples[:, row::4] = _exposed(samples[:, row::4], classes, generator)
    return samples, truth


def own_samples(colours: Tensor) -> Tensor:
    """Return the samples (N, 1, H, W) that an RGGB mosaic keeps of channels (N, 3, H, W)."""
    mosaic = colours[:, 1:2].clone()
    mosaic[..., 0::2, 0::2] = colours[:, 0:1, 0::2, 0::2]
    mosaic[..., 1::2, 1::2] = colours[:, 2:3, 1::2, 1::2]
    return mosaic


def _exposed(light: Tensor, classes: Sequence[RowClass], generator: torch.Generator) -> Tensor:
    """Return rows (N, h, W) as one class measures them, back in units of the low clip."""
    device = light.device

    def each(values: list[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]

    factor, span = each([c.factor for c in classes]), each([c.span for c in classes])
    shot, read = each([c.noise.shot for c in classes]), each([c.noise.read for c in classes])
    row_sigma, error = each([c.row_sigma for c in classes]), each([c.black_error for c in classes])
    black = each([c.black for c in classes])

    def normal(shape: Sequence[int]) -> Tensor:
        return torch.randn(shape, generator=generator, device=device)

    # Above twice the clip the noise cannot bring a sample back.
    electrons = (light * factor).clamp(max=2.0) / shot
    counted = electrons + electrons.sqrt() * normal(light.shape)
    few = electrons < _MANY_ELECTRONS
    counted[few] = torch.poisson(electrons[few], generator=generator)
    x = counted * shot + read.sqrt() * normal(light.shape)
    counts = x * span + row_sigma * normal((*light.shape[:2], 1)) + error
    return torch.maximum(torch.minimum(counts.round(), span), -black) / (span * factor)


def _between(one: RowClass, other: RowClass, share: float) -> RowClass:
    def blend(a: float, b: float) -> float:
        return a * (1 - share) + b * share

    def blend_log(a: float, b: float) -> float:
        return float(np.exp(blend(np.log(a), np.log(b))))

    return RowClass(
        blend(one.factor, other.factor),
        NoiseModel(blend_log(one.noise.shot, other.noise.shot), blend_log(one.noise.read, other.noise.read)),
        blend(one.span, other.span),
        blend(one.black, other.black),
        blend(one.row_sigma, other.row_sigma),
        blend(one.black_error, other.black_error),
    )
