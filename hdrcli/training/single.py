"""The task of the network for one picture: batches of photographed views, the loss, the validation figures.

A view is a picture as a camera would have taken it, whole: what is clipped can only be told from what surrounds it.
Views come in chunks, each of which gives several batches, because photographing costs as much as a step. Every chunk
and every batch follows from the seed and its number alone, so training can be resumed at any step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from hdrcli.errors import UsageError
from hdrcli.expand.features import from_stops, srgb_light, to_stops
from hdrcli.images import FloatArray
from hdrcli.training.networks.single_unet import SingleUNet, light_stops
from hdrcli.training.prepare import Ahead, draw_pictures, split_places
from hdrcli.training.shards import Picture
from hdrcli.training.single_losses import Weights, picture_loss
from hdrcli.training.single_metrics import COLUMNS, figures
from hdrcli.training.views import Views, photograph_views

_KIND_SHARES = {"scene": 0.55, "rendered": 0.2, "photo": 0.2, "synthetic": 0.05}
_EVERY = {"curve": 4, "all": 2}
"""Pixel in both directions that counts in the loss: light in between is much alike."""
PARTS = ("curve", "all")

_VALIDATION_ROUNDS = 10
"""Pictures made of each held-out scene."""


@dataclass(frozen=True)
class SingleOptions:
    """What may be varied.

    Attributes
    ----------
    batch : int
        Views of a step.
    height, width : int
        Of a view, multiples of 8.
    views : int
        Views of a chunk.
    steps_per_chunk : int
        Batches made of a chunk.
    part : str
        What is trained: the "curve" alone, by the level statistics and on few pixels, which is quick, or "all".
    """

    batch: int = 8
    height: int = 256
    width: int = 384
    views: int = 32
    steps_per_chunk: int = 24
    part: str = "all"

    least_batch: ClassVar[int] = 2
    """How level statistics vary is measured over a batch."""

    def check(self, multiple: tuple[int, int]) -> None:
        """Refuse what makes no sense for a network whose inputs have sides of these multiples.

        Raises
        ------
        UsageError
        """
        for name, least in (("batch", self.least_batch), ("views", 1), ("steps_per_chunk", 1)):
            if getattr(self, name) < least:
                raise UsageError(f"{name} is at least {least}, not {getattr(self, name)}.")
        if self.part not in PARTS:
            raise UsageError(f"There is no part {self.part!r}; choose from {', '.join(PARTS)}.")
        for name, step in zip(("height", "width"), multiple, strict=True):
            if getattr(self, name) < 16 or getattr(self, name) % step:
                raise UsageError(f"{name} is a multiple of {step} from 16, not {getattr(self, name)}.")


class SingleTask:
    """Batches, loss and validation for `SingleUNet`.

    Parameters
    ----------
    pictures : sequence of Picture
        Training pictures, of which some places are kept for validation (`prepare.split_places`).
    options : SingleOptions
    seed : int
    device : torch.device
    workers : int
        Chunks that are prepared at the same time, ahead of the training.

    Raises
    ------
    UnsuitableInputError
        When there is nothing left to train on.
    """

    def __init__(
        self, pictures: Sequence[Picture], *, options: SingleOptions, seed: int, device: torch.device, workers: int = 1
    ) -> None:
        self.training, self.validation = split_places(pictures)
        self.options = options
        self.seed = seed
        self.device = device
        self._chunks = Ahead(self._chunk, workers=workers)
        self._fixed: Views | None = None

    def batch(self, step: int) -> dict[str, Tensor]:
        """Return the batch of a step: the parts of `Views` of these names, on the device."""
        views = self._chunks[step // self.options.steps_per_chunk]
        rng = np.random.default_rng([self.seed, 1, step])
        which = rng.choice(self.options.views, self.options.batch, replace=self.options.batch > self.options.views)
        return {name: part.to(self.device, non_blocking=True) for name, part in views.taken(which.tolist()).items()}

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Return the loss of the network, or of its curve alone."""
        thin = slice(None, None, _EVERY[self.options.part])
        codes, raised, truth = (batch[name][:, :, thin, thin] for name in ("codes", "expansion", "truth"))
        light = self._answer(network, batch, codes, raised)
        return picture_loss(light, truth, percentile=batch["percentile"], lit=batch["lit"], weights=Weights())

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Return the mean figures of `single_metrics` on views of held-out scenes."""
        views = self._validation_views()
        answers = {}
        before = network.training
        network.eval()
        with torch.no_grad():
            for i in range(len(views.codes)):
                one = {name: part.to(self.device) for name, part in views.taken([i]).items()}
                answers[i] = self._answer(network, one, one["codes"], one["expansion"])[0].float().cpu().numpy()
        network.train(before)
        return view_figures(views, answers)

    def baseline(self) -> dict[str, float]:
        """Return the figures of the classical expansion on the same views."""
        return self._classical(range(len(self._validation_views().codes)))

    def close(self) -> None:
        """Stop preparing batches."""
        self._chunks.close()

    def _answer(self, network: nn.Module, batch: dict[str, Tensor], codes: Tensor, raised: Tensor) -> Tensor:
        assert isinstance(network, SingleUNet)  # the only network of this task
        if self.options.part == "curve":
            return light_stops(codes, raised, network.curve_of_levels(batch["levels"]))
        return light_stops(codes, raised, *network(batch["planes"], batch["levels"]))

    def _classical(self, which: Iterable[int]) -> dict[str, float]:
        views = self._validation_views()
        some = {i: views.taken([i]) for i in which}
        answers = {
            i: to_stops(srgb_light(one["codes"][0].numpy())) + one["expansion"][0].numpy() for i, one in some.items()
        }
        return view_figures(views, answers)

    def _validation_views(self) -> Views:
        if self._fixed is None:
            rng = np.random.default_rng([self.seed, 3])
            self._fixed = self._photograph(self.validation * _VALIDATION_ROUNDS, rng, augment=False)
        return self._fixed

    def _chunk(self, number: int) -> Views:
        rng = np.random.default_rng([self.seed, 2, number])
        pictures = draw_pictures(self.training, self.options.views, rng, shares=_KIND_SHARES)
        return self._photograph(pictures, rng, augment=True)

    def _photograph(self, pictures: Sequence[Picture], rng: np.random.Generator, *, augment: bool) -> Views:
        return photograph_views(pictures, rng, size=(self.options.height, self.options.width), augment=augment)


def view_figures(views: Views, answers: Mapping[int, FloatArray]) -> dict[str, float]:
    """Return the mean figures of `single_metrics` of answers (3, H, W) in stops over the floor, by number of view."""
    rows = []
    for i, answer in answers.items():
        truth = views.truth[i].float().numpy()
        light, true = (np.ascontiguousarray(from_stops(stops).transpose(1, 2, 0)) for stops in (answer, truth))
        rows.append(figures(light, true))
    return {column: float(np.nanmean([row[column] for row in rows])) for column in COLUMNS}
