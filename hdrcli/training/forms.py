"""What the manifest of a network says that is known before it is trained, and how it is taken apart into graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from hdrcli.dualiso.planes import CHANNELS
from hdrcli.errors import UsageError
from hdrcli.expand.features import KNOTS, LEVELS, PLANES, STATISTICS
from hdrcli.training.degrade import own_samples
from hdrcli.training.networks import dualiso_unet, single_unet
from hdrcli.training.networks.dualisonet import one_exposure
from hdrcli.training.samples import sample_codes, sample_planes, seen_of_codes

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
_SHARIF = (
    "S. M. A. Sharif, R. A. Naqvi, M. Biswas and S. Kim, A two-stage deep network for high dynamic range image "
    "reconstruction, CVPR Workshops (NTIRE) 2021"
)
_STOPS_NORMALISATION = (
    "Planes and level statistics as hdrcli.expand.features makes them of the picture reduced to 512 pixels. Light in "
    "stops over a floor, log2(x + 2^-10), is that of the codes by the curve, with what the classical expansion and, "
    "where a channel is white, the maps add, enlarged bilinearly."
)
_PLAIN = {"dtype": "float32", "range": [None, None]}
_STOPS = {**_PLAIN, "encoding": "stops over the floor 2^-10", "unit": "clip of the input"}
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
    sample : callable
        Returns a tensor (2, C, H, W) of two seeded pictures full of texture, of this height and width and from this
        seed.
    feed : callable
        Makes the inputs of a graph of such a tensor.
    tiled : bool
        False where it sees the whole picture at once.
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
    sample: Callable[[int, int, int], Tensor]
    feed: Callable[[Tensor], tuple[Tensor, ...]]
    tiled: bool = True


class BothStages(nn.Module):
    """The two-stage network without the answer of its first stage."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.first, self.second = (network.get_submodule(stage) for stage in ("first", "second"))

    def forward(self, ldr: Tensor) -> Tensor:
        """Return the HDR picture (N, 3, H, W), encoded with gamma 2.24."""
        hdr: Tensor = self.second(self.first(ldr))
        return hdr


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
        sample=sample_planes,
        feed=lambda planes: (planes,),
    ),
    "single-unet": Form(
        task="single",
        description="Finds the camera's curve and what lies above the clip, by the picture as a whole.",
        paper="",
        variant="own design",
        normalisation=_STOPS_NORMALISATION,
        inputs=[
            {**_PLAIN, "name": "planes", "shape": ["n", len(PLANES), "h", "w"], "channels": list(PLANES)},
            {**_PLAIN, "name": "levels", "shape": ["n", len(STATISTICS), LEVELS], "channels": list(STATISTICS)},
        ],
        outputs=[
            {**_STOPS, "name": "curve", "shape": ["n", KNOTS], "range": [-10, 0]},
            {**_STOPS, "name": "maps", "shape": ["n", 3, "h", "w"], "channels": ["R", "G", "B"]},
        ],
        period=(1, 1),
        multiple=single_unet.MULTIPLE,
        tile=(128, 128),
        graphs=lambda network: {"": network},
        sample=sample_codes,
        feed=seen_of_codes,
        tiled=False,
    ),
    "two-stage": Form(
        task="single",
        description="Cleans a display picture, then gives its highlights back: both stages see 35 x 35 pixels only.",
        paper=_SHARIF,
        variant="layers as published",
        normalisation="None: codes as the camera wrote them. Beyond the picture it is mirrored.",
        inputs=[
            {
                "name": "ldr",
                "dtype": "float32",
                "shape": ["n", 3, "h", "w"],
                "channels": ["R", "G", "B"],
                "range": [0, 1],
                "encoding": "codes as the camera wrote them",
                "domain": "rgb of the picture's own primaries",
                "unit": "the highest code",
            }
        ],
        outputs=[
            {
                "name": "hdr",
                "dtype": "float32",
                "shape": ["n", 3, "h", "w"],
                "channels": ["R", "G", "B"],
                "range": [0, None],
                "encoding": "gamma 2.24",
                "domain": "rgb of the picture's own primaries",
                "unit": "clip of the input",
            }
        ],
        period=(1, 1),
        multiple=(1, 1),
        tile=(512, 512),
        graphs=lambda network: {"": BothStages(network)},
        sample=sample_codes,
        feed=lambda codes: (codes,),
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
        sample=sample_planes,
        feed=lambda planes: (planes[:, :1], own_samples(planes[:, 1:4])),
    ),
}
