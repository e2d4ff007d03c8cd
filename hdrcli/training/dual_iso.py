"""The task of the deinterlacing networks: batches of photographed crops, the loss, the validation figures.

Crops come in chunks: a few larger regions are photographed and reconstructed by the classical method, which costs
less a sample on larger regions and keeps its border out of most crops; then some batches are cut out of them. Every
chunk and every batch follows from the seed and its number alone, so training can be resumed at any step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hdrcli.dualiso.planes import KNEE, PERIOD, SCALE, expand, merge_exposures, own_colours, own_factors
from hdrcli.errors import UsageError
from hdrcli.images import FloatArray
from hdrcli.training.chunks import Chunk, photograph_regions
from hdrcli.training.degrade import own_samples
from hdrcli.training.metrics import mosaic_psnr, mu_law, psnr
from hdrcli.training.prepare import Ahead, draw_pictures, split_places
from hdrcli.training.shards import Picture

LOSSES = ("relative", "l1", "l2", "linear")

_KIND_SHARES = {"scene": 0.45, "photo": 0.4, "synthetic": 0.15, "rendered": 0.1}
# Added to the classical error of a crop, so that smooth bright crops, which have none, do not decide.
_SMALL_ERROR = 1e-3
# Of the squared losses, so that their gradients are about as long as those of L1.
_SQUARE_FACTOR = 20.0
_LINEAR_FACTOR = 1000.0


@dataclass(frozen=True)
class DualIsoOptions:
    """What may be varied.

    Attributes
    ----------
    crop, batch : int
        Side of a crop in samples, crops of a step.
    region, regions : int
        Side and number of the regions of a chunk.
    steps_per_chunk : int
        Batches cut from a chunk.
    denoise : float
        Strength of noise reduction in the classical estimate.
    noise_inputs : bool
        Without, the plane of the noise level is zero.
    random_phase : bool
        Leave frames at a random phase instead of the canonical one.
    one_ratio : bool
        Train with a ratio of 16 alone.
    loss : str
        "relative" (L1 over that of the classical estimate, crop by crop), "l1" or "l2", on compressed values; "linear":
        L2 in linear light, as in the paper.
    """

    crop: int = 128
    batch: int = 8
    region: int = 256
    regions: int = 20
    steps_per_chunk: int = 36
    denoise: float = 1.0
    noise_inputs: bool = True
    random_phase: bool = False
    one_ratio: bool = False
    loss: str = "relative"

    def check(self, multiple: tuple[int, int]) -> None:
        """Refuse what makes no sense for a network whose inputs have sides of these multiples.

        Raises
        ------
        UsageError
        """
        for name in ("crop", "batch", "region", "regions", "steps_per_chunk"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is at least 1, not {getattr(self, name)}.")
        if self.loss not in LOSSES:
            raise UsageError(f"There is no loss {self.loss!r}; choose from {', '.join(LOSSES)}.")
        if any(self.crop % n for n in multiple):
            rows, columns = multiple
            raise UsageError(
                f"The network takes multiples of {rows} rows and {columns} columns; a crop of {self.crop} is none."
            )
        if self.region % PERIOD[0] or self.region < self.crop:
            raise UsageError(
                f"Crops of {self.crop} are cut from regions; a side of {self.region} is too small or no multiple of 4."
            )
        if not 0 <= self.denoise <= 1:
            raise UsageError(f"denoise is between 0 and 1, not {self.denoise:g}.")


class DualIsoTask:
    """Batches, loss and validation for networks that correct the classical estimate.

    Parameters
    ----------
    pictures : sequence of Picture
        Training pictures, of which some places are kept for validation (`prepare.split_places`).
    options : DualIsoOptions
    seed : int
    device : torch.device
    workers : int
        Chunks that are prepared at the same time, ahead of the training; one is enough unless the device is fast.

    Raises
    ------
    UnsuitableInputError
        When there is nothing left to train on.
    """

    def __init__(
        self,
        pictures: Sequence[Picture],
        *,
        options: DualIsoOptions,
        seed: int,
        device: torch.device,
        workers: int = 1,
    ) -> None:
        self.training, self.validation = split_places(pictures)
        self.options = options
        self.seed = seed
        self.device = device
        self._chunks = Ahead(self._chunk, workers=workers)
        self._fixed: Chunk | None = None

    def batch(self, step: int) -> dict[str, Tensor]:
        """Return the batch of a step: the parts of a `Chunk` of these names, on the device."""
        options = self.options
        chunk = self._chunks[step // options.steps_per_chunk]
        rng = np.random.default_rng([self.seed, 1, step])
        # Crops begin at the phase of the network's input: multiples of the cell.
        cell = (1, 1) if options.random_phase else PERIOD
        parts = []
        for _ in range(options.batch):
            i = int(rng.integers(options.regions))
            y, x = (int(rng.integers(0, (options.region - options.crop) // n + 1)) * n for n in cell)
            window = (slice(y, y + options.crop), slice(x, x + options.crop))
            parts.append([t[i][:, window[0], window[1]] for t in (chunk.planes, chunk.truth, chunk.weight)])
        names = ("planes", "truth", "weight")
        return {
            name: torch.stack([part[k] for part in parts]).to(self.device, non_blocking=True)
            for k, name in enumerate(names)
        }

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of a network that answers with all three colours."""
        return self._distance(
            network(batch["planes"]).float(), batch["truth"], batch["weight"][:, :3], batch["planes"][:, 1:4]
        )

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Return the mean mu-law PSNR of the merged mosaic and of all colours on held-out scenes, in dB."""
        chunk = self._validation_chunk()
        with torch.no_grad():
            answer = [network(p[None].to(self.device)).float().cpu().numpy()[0] for p in chunk.planes]
        return _figures(chunk, answer)

    def baseline(self) -> dict[str, float]:
        """Return the figures of the classical estimate on the same scenes."""
        chunk = self._validation_chunk()
        return _figures(chunk, [p[1:4].numpy() for p in chunk.planes])

    def close(self) -> None:
        """Stop preparing batches."""
        self._chunks.close()

    def _distance(self, answer: Tensor, truth: Tensor, weight: Tensor, base: Tensor) -> Tensor:
        if self.options.loss == "relative":
            # In proportion to the error of the classical estimate: every crop then counts by the decibels it gains,
            # and the few that drown in noise do not outweigh all others.
            error, classical = ((weight * (x - truth).abs()).mean((1, 2, 3)) for x in (answer, base))
            return (error / (classical + _SMALL_ERROR)).mean()
        if self.options.loss == "l1":
            return (weight * (answer - truth).abs()).mean()
        if self.options.loss == "l2":
            return (weight * (answer - truth).square()).mean() * _SQUARE_FACTOR
        return (weight * (_expanded(answer) - _expanded(truth)).square()).mean() * _LINEAR_FACTOR

    def _validation_chunk(self) -> Chunk:
        if self._fixed is None:
            self._fixed = self._photograph(self.validation, np.random.default_rng([self.seed, 3]), augment=False)
        return self._fixed

    def _chunk(self, number: int) -> Chunk:
        rng = np.random.default_rng([self.seed, 2, number])
        pictures = draw_pictures(self.training, self.options.regions, rng, shares=_KIND_SHARES)
        return self._photograph(pictures, rng, augment=True)

    def _photograph(self, pictures: Sequence[Picture], rng: np.random.Generator, *, augment: bool) -> Chunk:
        options = self.options
        chunk = photograph_regions(
            pictures, rng, side=options.region, augment=augment, one_ratio=options.one_ratio, denoise=options.denoise
        )
        if not options.noise_inputs:
            chunk.planes[:, 5] = 0
        return chunk


class DualIsoExposuresTask(DualIsoTask):
    """The same crops for a pair of networks that answers with the low and the high exposure of the mosaic."""

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Return the sum of the losses of both exposures; the high one counts up to its own clip."""
        planes, weight = batch["planes"], batch["weight"]
        base = own_samples(planes[:, 1:4])
        low, high = network(planes[:, :1], base)
        truth, own_weight = own_samples(batch["truth"]), own_samples(weight[:, :3])
        below = weight[:, 3:]
        return self._distance(low.float(), truth, own_weight, base) + self._distance(
            high.float(), truth, own_weight * below, base
        )

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Return the mean mu-law PSNR of the merged mosaic on held-out scenes, in dB."""
        chunk = self._validation_chunk()
        figures = []
        for planes, frame, light, balance in zip(chunk.planes, chunk.frames, chunk.light, chunk.balances, strict=True):
            inputs = planes[None].to(self.device)
            with torch.no_grad():
                exposures = network(inputs[:, :1], own_samples(inputs[:, 1:4]))
            factors = own_factors(balance, light.shape[1:])
            low, high = (expand(e.float().cpu().numpy()[0, 0]) / factors for e in exposures)
            classical = expand(own_colours(planes[1:4].numpy())) / factors
            merged = merge_exposures(low, high, classical, clip_high=frame.clip_high)
            figures.append(mosaic_psnr(merged, own_colours(light)))
        return {"mosaic": float(np.mean(figures))}


def _figures(chunk: Chunk, answers: Sequence[FloatArray]) -> dict[str, float]:
    mosaics, colours = [], []
    for answer, light, balance in zip(answers, chunk.light, chunk.balances, strict=True):
        rgb = expand(answer) / balance[:, None, None]
        mosaics.append(mosaic_psnr(own_colours(rgb), own_colours(light)))
        seen = light < 0.98
        colours.append(psnr((mu_law(np.clip(rgb, 0, 1)) - mu_law(np.minimum(light, 1)))[seen]))
    return {"mosaic": float(np.mean(mosaics)), "colours": float(np.mean(colours))}


def _expanded(compressed: Tensor) -> Tensor:
    """Return what `dualiso.planes.expand` does, differentiable."""
    return torch.sinh(compressed / float(SCALE)) * float(KNEE)
