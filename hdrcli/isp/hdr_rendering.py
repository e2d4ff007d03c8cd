"""Scene light for a display that shows more than white: where diffuse white lies, and what becomes of light above it.

Mid-tones are as bright as in the tone-mapped picture: light at the log-average of the scene comes out where the
photographic operator of `hdrcli.isp.tonemap` puts it, by the same key and white point. From there on light is shown in
proportion up to diffuse white, 1.0 here (203 cd/m2 by ITU-R BT.2408), so that contrast is that of the scene. Only what
is brighter rolls off towards the peak of the display, by the form of equation 4 of Reinhard et al. 2002 laid at the
knee: it starts with the slope 1, never falls, and puts the brightest light of the scene on the peak. A scene that needs
no more than the peak is not bent at all.

The curve is that of the largest of R, G and B in Rec. 2020, and the other channels follow in proportion, so no channel
is ever cut. Where it takes away much, colours are mixed with white: the sun goes white and stays warm at the rim.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray, SceneImage
from hdrcli.isp.colour import space_to_space
from hdrcli.isp.tonemap import expose
from hdrcli.kernels import run_in_bands

SPACE = "rec2020"

_HIGHEST_KNEE = 0.5  # of the peak: with less room above it the roll-off would look like a cut


@dataclass(frozen=True)
class HdrRendering:
    """How scene light becomes light of a display.

    Attributes
    ----------
    scale : float
        Light of the display, 1.0 = diffuse white, over light of the scene.
    peak : float
        Of the display, over diffuse white.
    brightest : float
        Largest channel of the scene in Rec. 2020 before the roll-off, over diffuse white.
    """

    scale: float
    peak: float
    brightest: float

    @property
    def knee(self) -> float:
        """Where the roll-off begins: at diffuse white, but not above half the peak."""
        return min(1.0, _HIGHEST_KNEE * self.peak)

    def roll_off(self, light: FloatArray) -> FloatArray:
        """Return light of the display, 0 to `peak`, for exposed light: never falling, continuous in its slope.

        Parameters
        ----------
        light : ndarray, float32
            0 to `brightest`, 1.0 = diffuse white.
        """
        if self.brightest <= self.peak:
            return light
        room = self.peak - self.knee
        white = (self.brightest - self.knee) / room
        excess = np.maximum(light - np.float32(self.knee), 0) * np.float32(1 / room)
        bent = excess * (1 + excess * np.float32(white**-2)) / (1 + excess)
        return np.asarray(np.minimum(light, np.float32(self.knee)) + np.float32(room) * bent, dtype=np.float32)


def hdr_rendering(
    scene: SceneImage,
    *,
    peak: float,
    key: float | None = None,
    white: float | None = None,
    automatic: bool = True,
) -> HdrRendering:
    """Return how a scene is shown on a display.

    Parameters
    ----------
    scene : SceneImage
        That of "camera" is taken for linear sRGB.
    peak : float
        Of the display over diffuse white, 1 or more.
    key, white : float or None
        As for `hdrcli.isp.tonemap.expose`.
    automatic : bool
        Find the exposure; otherwise a scene value of 1.0 is diffuse white, whatever the key.

    Returns
    -------
    HdrRendering

    Raises
    ------
    UsageError
        When key or white is not positive, or the peak is below diffuse white.
    """
    if not 1 <= peak < math.inf:
        raise UsageError(f"A peak of {peak:g} times diffuse white is none; it is 1 or more.")
    scale = 1.0
    if automatic:
        exposure = expose(scene, key=key, white=white)
        shown = exposure.key * (1 + exposure.key / exposure.white**2) / (1 + exposure.key)
        scale = exposure.scale * min(shown, 1.0) / exposure.key
    matrix = _to_display(scene)
    brightest = np.zeros(scene.data.shape[0], np.float32)

    def band(first: int, last: int) -> None:
        light = scene.data[first:last] @ matrix
        brightest[first:last] = np.where(np.isfinite(light), light, 0).max(axis=(1, 2), initial=0)

    run_in_bands(band, scene.data.shape[0])
    return HdrRendering(scale, peak, scale * float(brightest.max(initial=0)))


def render_hdr(scene: SceneImage, rendering: HdrRendering) -> SceneImage:
    """Return a scene as a display shows it.

    Parameters
    ----------
    scene : SceneImage
    rendering : HdrRendering
        That of `hdr_rendering` for this scene.

    Returns
    -------
    SceneImage
        Linear Rec. 2020, 1.0 = diffuse white, every channel from 0 to `rendering.peak`. Colours outside of Rec. 2020
        lose their negative components; NaN is black, infinity as bright as the brightest light.
    """
    matrix = _to_display(scene) * np.float32(rendering.scale)
    shown = np.empty_like(scene.data)
    brightest = np.float32(rendering.brightest)

    def band(first: int, last: int) -> None:
        light = np.clip(scene.data[first:last] @ matrix, 0, brightest)
        light[np.isnan(light)] = 0
        largest = light.max(axis=2, keepdims=True)
        bent = rendering.roll_off(largest)
        kept = bent / np.maximum(largest, np.finfo(np.float32).tiny)
        whitened = 1 - np.sqrt(kept)
        shown[first:last] = np.minimum(kept * (light + whitened * (largest - light)), np.float32(rendering.peak))

    run_in_bands(band, scene.data.shape[0])
    return SceneImage(shown, SPACE)


def _to_display(scene: SceneImage) -> FloatArray:
    """Return the matrix (3, 3), float32, that rows of scene RGB are multiplied with."""
    source = "srgb-linear" if scene.colour_space == "camera" else scene.colour_space
    return np.ascontiguousarray(space_to_space(source, SPACE).T, dtype=np.float32)
