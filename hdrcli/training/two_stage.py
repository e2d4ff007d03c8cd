"""The task of the two-stage network: crops of photographed views, and the losses of the paper (NETWORKS.md 2.4).

The first stage is trained towards the view as a perfect camera of eight bits with a curve of gamma 2.24 would have
taken it, the second towards its light above the clip as well, in that encoding; no gradient flows between them. The
adversarial term is left out: it doubles the cost of a step for no published gain. The colour term is differentiated,
which the published programme's is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from hdrcli.errors import UsageError
from hdrcli.expand.features import FLOOR, to_stops
from hdrcli.images import FloatArray
from hdrcli.training.losses import ciede2000, ms_ssim
from hdrcli.training.networks.two_stage import ENCODING
from hdrcli.training.single import SingleOptions, SingleTask, view_figures

LOSSES = ("paper", "l1")

_BRIGHTEST = 32.0
_COLOUR_WEIGHT = 1 / 255
_VALIDATE_EVERY = 10


@dataclass(frozen=True)
class TwoStageOptions(SingleOptions):
    """What may be varied, with what `SingleOptions` has.

    Attributes
    ----------
    crop : int
        Side of a crop in pixels.
    loss : str
        "paper": L1, with 1 - MS-SSIM for the first stage and CIEDE2000 / 255 for the second; "l1": L1 alone.
    """

    crop: int = 96
    loss: str = "paper"

    least_batch: ClassVar[int] = 1

    def check(self, multiple: tuple[int, int]) -> None:
        """Refuse what makes no sense, as `SingleOptions.check` does."""
        super().check(multiple)
        if self.part != "all":
            raise UsageError(f"Both stages are trained together; there is no part {self.part!r} of them.")
        if not 32 <= self.crop <= min(self.height, self.width):
            raise UsageError(f"crop is between 32 and {min(self.height, self.width)}, not {self.crop}.")
        if self.loss not in LOSSES:
            raise UsageError(f"There is no loss {self.loss!r}; choose from {', '.join(LOSSES)}.")


class TwoStageTask(SingleTask):
    """Batches, loss and validation for `TwoStageNet`; parameters as `SingleTask`."""

    options: TwoStageOptions

    def batch(self, step: int) -> dict[str, Tensor]:
        """Return crops of the codes (N, 3, C, C) and of the true stops over the floor, and `lit` of `Views`."""
        whole = super().batch(step)
        rng = np.random.default_rng([self.seed, 4, step])
        side = self.options.crop
        parts: dict[str, list[Tensor]] = {"codes": [], "truth": []}
        for i in range(len(whole["codes"])):
            y, x = (int(rng.integers(0, length - side + 1)) for length in whole["codes"].shape[2:])
            for name, part in parts.items():
                part.append(whole[name][i, :, y : y + side, x : x + side])
        return {name: torch.stack(part) for name, part in parts.items()} | {"lit": whole["lit"]}

    def loss(self, network: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        """Return the sum of the losses of both stages.

        Where a photograph clips its light above the clip is not known: there the second stage is not told anything.
        """
        light = (torch.exp2(batch["truth"]) - float(FLOOR)).clamp(0, _BRIGHTEST)
        truth = light ** (1 / ENCODING)
        eight_bits = (255 * truth.clamp(max=1)).round() / 255
        first, second = (answer.float() for answer in network(batch["codes"]))
        known = torch.maximum((batch["truth"].amax(dim=1) < 0).float(), batch["lit"][:, None, None])
        loss: Tensor = (first - eight_bits).abs().mean() + (known * (second - truth).abs().mean(dim=1)).mean()
        if self.options.loss == "paper":
            loss = loss + 1 - ms_ssim(first.clamp(0, 1), eight_bits)
            # The gradient of a power below 1 has no bound at 0.
            shown = second.clamp_min(1e-3) ** ENCODING
            loss = loss + _COLOUR_WEIGHT * (known * ciede2000(shown, light)).mean()
        return loss

    def validate(self, network: nn.Module) -> dict[str, float]:
        """Return the mean figures of `single_metrics` on some views of held-out scenes, which take long enough."""
        views = self._validation_views()
        which = range(0, len(views.codes), _VALIDATE_EVERY)
        with torch.no_grad():
            encoded = [network(views.taken([i])["codes"].to(self.device))[1][0].float().cpu().numpy() for i in which]
        return view_figures(views, {i: _stops(answer) for i, answer in zip(which, encoded, strict=True)})

    def baseline(self) -> dict[str, float]:
        """Return the figures of the classical expansion on the same views."""
        return self._classical(range(0, len(self._validation_views().codes), _VALIDATE_EVERY))


def _stops(encoded: FloatArray) -> FloatArray:
    return to_stops(np.asarray(encoded ** np.float32(ENCODING), dtype=np.float32))
