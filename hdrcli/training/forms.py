"""What the manifest of a network says that is known before it is trained, and how it is taken apart into graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from hdrcli.dualiso.planes import CHANNELS
from hdrcli.errors import UsageError
from hdrcli.training.degrade import own_samples
from hdrcli.training.networks import dualiso_unet
from hdrcli.training.networks.dualisonet import one_exposure

Facts = Mapping[str, Any]

_COGALAN = (
    "U. Cogalan and A. O. Akyuz, Deep joint deinterlacing and denoising for single shot dual-ISO HDR reconstruction, "
    "IEEE Transactions on Image Processing 29 (2020)"
)
_NORMALISATION = (
    "Black is subtracted; both row classes are in units of the low exposure's clip, negative noise is kept. Red and "
    "blue are multiplied by what brings their mean logarithm in the frame to that of green, and the result is "
    "compressed: asinh(x / 4e-4) / asinh(1 / 4e-4). Phase of the first sample: rows high, high, low, low; RGGB. "
    "Beyond the picture whole periods are mirrored."
)
_ASINH = {"dtype": "float32", "range": [None, None], "encoding": "asinh", "unit": "clip of the low exposure"}
_CFA = {**_ASINH, "shape": ["n", 1, "h", "w"], "domain": "bayer rggb"}


@dataclass(frozen=True)
class Form:
    """What kind of model a network becomes.

    Attributes
    ----------
    task, description, paper, variant, normalisation : str
        As in the manifest.
    inputs, outputs : sequence of mapping
        As in the manifest.
    period, multiple, tile : tuple of 2 int
        As in the manifest.
    graphs : callable
        Returns the networks that are exported, by role ("" where there is one only). Parameters keep the names that
        they have in the whole.
    feed : callable
        Makes the inputs of the planes (N, 6, H, W) of `dualiso.planes`.
    """

    task: str
    description: str
    paper: str
    variant: str
    normalisation: str
    inputs: Sequence[Facts]
    outputs: Sequence[Facts]
    period: tuple[int, int]
    multiple: tuple[int, int]
    tile: tuple[int, int]
    graphs: Callable[[nn.Module], dict[str, nn.Module]]
    feed: Callable[[Tensor], tuple[Tensor, ...]]


class OneExposure(nn.Module):
    """One network of a pair, as the correction of the classical estimate.

    Parameters
    ----------
    pair : Module
    role : str
        "low" or "high".
    """

    def __init__(self, pair: nn.Module, role: str) -> None:
        super().__init__()
        self.role = role
        self.add_module(role, getattr(pair, role))

    def forward(self, mosaic: Tensor, estimate: Tensor) -> Tensor:
        """Return the exposure, (N, 1, H, W) like both inputs."""
        return one_exposure(getattr(self, self.role), mosaic, estimate)


def form_of(network: str) -> Form:
    """Return the form of a network by its name.

    Raises
    ------
    UsageError
        When there is none.
    """
    if network not in _FORMS:
        raise UsageError(f"There is no network {network!r}; choose from {', '.join(_FORMS)}.")
    return _FORMS[network]


_FORMS = {
    "dualiso-unet": Form(
        task="deinterlace",
        description="Deinterlaces, denoises and demosaicks in one: a U-Net on the planes of the 4 x 2 cell.",
        paper="",
        variant="own design",
        normalisation=_NORMALISATION,
        inputs=[
            {
                **_ASINH,
                "name": "planes",
                "shape": ["n", len(CHANNELS), "h", "w"],
                "channels": list(CHANNELS),
                "domain": "bayer rggb, and camera rgb of the classical estimate",
            }
        ],
        outputs=[
            {
                **_ASINH,
                "name": "rgb",
                "shape": ["n", 3, "h", "w"],
                "channels": ["red", "green", "blue"],
                "domain": "camera rgb",
            }
        ],
        period=(4, 2),
        multiple=dualiso_unet.MULTIPLE,
        tile=(512, 512),
        graphs=lambda network: {"": network},
        feed=lambda planes: (planes,),
    ),
    "dualisonet-dsc": Form(
        task="deinterlace",
        description="DualISONet-DSC: both exposures on every photosite, deinterlaced and denoised.",
        paper=_COGALAN,
        variant="layers as published; corrects a classical estimate, on compressed values",
        normalisation=_NORMALISATION,
        inputs=[
            {**_CFA, "name": "mosaic", "channels": ["sample as measured"]},
            {**_CFA, "name": "estimate", "channels": ["classical reconstruction"]},
        ],
        outputs=[{**_CFA, "name": "exposure", "channels": ["the exposure, meant up to its own clip"]}],
        period=(4, 2),
        multiple=(4, 2),
        tile=(136, 136),
        graphs=lambda network: {role: OneExposure(network, role) for role in ("low", "high")},
        feed=lambda planes: (planes[:, :1], own_samples(planes[:, 1:4])),
    ),
}
