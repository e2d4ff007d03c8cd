"""From a merged mosaic to a scene-linear picture: white balance, highlights, demosaicking, colour, orientation.

White balance comes first, because demosaicking takes grey to be equal in the three channels; whatever weighs samples
by exposure (merging, noise) has been done before. The steps after it look at single pixels, so they are done on each
tile while it is in the cache, and the tile goes straight to its place in the oriented picture: beside the mosaic (two
of them where highlights are rebuilt) only the result itself is in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from hdrcli.errors import UsageError
from hdrcli.images import BayerImage, CameraProfile, FloatArray, SceneImage
from hdrcli.isp import highlights
from hdrcli.isp.colour import camera_to_space
from hdrcli.isp.demosaic import demosaic
from hdrcli.isp.orient import oriented_shape, sensor_view
from hdrcli.isp.whitebalance import multipliers


@dataclass(frozen=True)
class DevelopSettings:
    """How a mosaic becomes a picture.

    Attributes
    ----------
    white_balance : str
        "camera", "auto", "R,G,B" or a temperature in kelvin, as `isp.whitebalance` says.
    demosaic : str
        "directional", "malvar2004" or "bilinear".
    highlights : str
        "rebuild", "neutral" or "off", as `isp.highlights` says.
    colour_space : str
        "srgb-linear", "display-p3", "rec2020", "acescg", "aces2065-1" or "camera" (balanced camera RGB).
    exposure_ev : float
        The result is multiplied by 2 to this power.
    """

    white_balance: str = "camera"
    demosaic: str = "directional"
    highlights: str = "rebuild"
    colour_space: str = "srgb-linear"
    exposure_ev: float = 0.0


def develop(bayer: BayerImage, camera: CameraProfile, orientation: int, settings: DevelopSettings) -> SceneImage:
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

    Returns
    -------
    SceneImage
        (H, W, 3), or (W, H, 3) for orientations 5 to 8. 1.0 is still the clip of the channel that white balance
        leaves as it is (green, as a rule); rebuilt highlights go above, colours outside the space below 0.

    Raises
    ------
    UsageError
        When a setting or the orientation is unknown.
    """
    highlights.check_method(settings.highlights)
    if not np.isfinite(settings.exposure_ev):
        raise UsageError(f"An exposure of {settings.exposure_ev} EV is no number of stops.")
    gains = multipliers(settings.white_balance, camera=camera, bayer=bayer)
    red, green, blue = (1 / gain for gain in gains)
    matrix = camera_to_space(camera, neutral=(red, green, blue), colour_space=settings.colour_space)
    scaled = (matrix * 2.0**settings.exposure_ev).astype(np.float32)
    height, width = bayer.data.shape
    picture = np.empty((*oriented_shape(height, width, orientation), 3), dtype=np.float32)

    def finish(tile: FloatArray) -> None:
        highlights.neutralise_in_place(tile, gains=gains, method=settings.highlights)
        cv2.transform(tile, scaled, dst=tile)

    if settings.highlights == "rebuild":
        bayer = highlights.rebuild_mosaic(bayer, gains=gains)
    demosaic(bayer, method=settings.demosaic, gains=gains, finish=finish, out=sensor_view(picture, orientation))
    return SceneImage(picture, settings.colour_space)
