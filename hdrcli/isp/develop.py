"""From a merged mosaic to a scene-linear picture: white balance, highlights, demosaicking, colour, orientation.

White balance comes first, because demosaicking takes grey to be equal in the three channels; whatever weighs samples
by exposure (merging, noise) has been done before. All of it is done on one tile after the other while it is in the
cache, and the tile goes straight to its place in the oriented picture: beside what comes in, only the result is in
memory.

A network may have found the three colours of every pixel already. Then nothing is demosaicked, except near samples that
clip: there the picture fades to the colours of the mosaic, whose highlights can be rebuilt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from hdrcli.errors import UsageError
from hdrcli.images import BayerImage, CameraProfile, FloatArray, SceneImage
from hdrcli.isp import highlights
from hdrcli.isp.colour import camera_to_space
from hdrcli.isp.demosaic import METHODS, TileDemosaicker, for_each_tile
from hdrcli.isp.orient import oriented_shape, sensor_view
from hdrcli.isp.whitebalance import multipliers

DEMOSAIC_METHODS = ("auto", *METHODS)

TileColours = Callable[[slice, slice], FloatArray]
"""Returns camera RGB (h, w, 3) of some rows and columns, linear and balanced: a new array."""


@dataclass(frozen=True)
class DevelopSettings:
    """How a mosaic becomes a picture.

    Attributes
    ----------
    white_balance : str
        "camera", "auto", "R,G,B" or a temperature in kelvin, as `isp.whitebalance` says.
    demosaic : str
        "directional", "malvar2004" or "bilinear"; "auto": the colours that come with the mosaic, where there are any,
        else "directional".
    highlights : str
        "rebuild", "neutral" or "off", as `isp.highlights` says.
    colour_space : str
        "srgb-linear", "display-p3", "rec2020", "acescg", "aces2065-1" or "camera" (balanced camera RGB).
    exposure_ev : float
        The result is multiplied by 2 to this power.
    """

    white_balance: str = "camera"
    demosaic: str = "auto"
    highlights: str = "rebuild"
    colour_space: str = "srgb-linear"
    exposure_ev: float = 0.0


def develop(
    bayer: BayerImage,
    camera: CameraProfile,
    orientation: int,
    settings: DevelopSettings,
    *,
    rgb: FloatArray | None = None,
) -> SceneImage:
    """Return the picture of a mosaic.

    Parameters
    ----------
    bayer : BayerImage
        (H, W), linear, 1.0 = clip of the reference exposure.
    camera : CameraProfile
        White balance as shot and colour matrices, where known.
    orientation : int
        EXIF orientation of the mosaic, 1 to 8.
    settings : DevelopSettings
    rgb : ndarray (H, W, 3), float32, optional
        Colours of every pixel where they are known already: camera RGB, not balanced, on the scale of the mosaic and
        not oriented either. Used by the demosaicking method "auto", except near clipped samples, and by no other.

    Returns
    -------
    SceneImage
        (H, W, 3), or (W, H, 3) for orientations 5 to 8. 1.0 is still the clip of the channel that white balance
        leaves as it is (green, as a rule); rebuilt highlights go above, colours outside the space below 0.

    Raises
    ------
    UsageError
        When a setting or the orientation is unknown, or `rgb` has another size than the mosaic.
    """
    _check(bayer, settings, rgb)
    gains = multipliers(settings.white_balance, camera=camera, bayer=bayer)
    red, green, blue = (1 / gain for gain in gains)
    matrix = camera_to_space(camera, neutral=(red, green, blue), colour_space=settings.colour_space)
    scaled = (matrix * 2.0**settings.exposure_ev).astype(np.float32)
    colours: TileColours = TileDemosaicker(
        bayer,
        method="directional" if settings.demosaic == "auto" else settings.demosaic,
        gains=gains,
        part=partial(highlights.rebuild_part, gains=gains) if settings.highlights == "rebuild" else None,
    )
    if rgb is not None and settings.demosaic == "auto":
        colours = partial(_known_or_rebuilt, rgb, bayer, gains, colours)
    height, width = bayer.data.shape
    picture = np.empty((*oriented_shape(height, width, orientation), 3), dtype=np.float32)
    place = sensor_view(picture, orientation)

    def work(rows: slice, columns: slice) -> None:
        tile = colours(rows, columns)
        highlights.neutralise_in_place(tile, gains=gains, method=settings.highlights)
        cv2.transform(tile, scaled, dst=tile)
        place[rows, columns] = tile

    for_each_tile(work, height, width)
    return SceneImage(picture, settings.colour_space)


def _check(bayer: BayerImage, settings: DevelopSettings, rgb: FloatArray | None) -> None:
    highlights.check_method(settings.highlights)
    if settings.demosaic not in DEMOSAIC_METHODS:
        known = ", ".join(DEMOSAIC_METHODS)
        raise UsageError(f"There is no demosaicing method {settings.demosaic!r}; choose from {known}.")
    if not np.isfinite(settings.exposure_ev):
        raise UsageError(f"An exposure of {settings.exposure_ev} EV is no number of stops.")
    if rgb is not None and rgb.shape != (*bayer.data.shape, 3):
        raise UsageError(f"Colours of shape {rgb.shape} do not belong to a mosaic of shape {bayer.data.shape}.")


def _known_or_rebuilt(
    rgb: FloatArray,
    bayer: BayerImage,
    gains: highlights.Gains,
    demosaicked: TileColours,
    rows: slice,
    columns: slice,
) -> FloatArray:
    """Return the colours of a tile from `rgb`, faded to demosaicked ones near clipped samples."""
    tile = np.array(rgb[rows, columns], dtype=np.float32, order="C")
    cv2.transform(tile, np.diag(gains).astype(np.float32), dst=tile)
    near = highlights.near_clip(bayer, rows, columns)
    if near is not None:
        share = cv2.merge([near] * 3)
        rebuilt = demosaicked(rows, columns)
        rebuilt *= share
        tile *= np.subtract(1, share, out=share)
        tile += rebuilt
    return tile
