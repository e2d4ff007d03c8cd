"""Both exposures on every photosite by classical means: what the learned reconstruction has to beat.

Where neither clipping nor noise spoils them, the two row classes together sample the whole mosaic, and nothing needs
to be interpolated. Only shadows (where the low rows are lost in noise) and highlights (where the high rows clip) have
to be predicted from the rows of the other class. So every sample is predicted from the other class, with the variance
to expect of that prediction, and `merge.bayer` weighs it against what was measured there:

1. samples are compressed, asinh(x / knee), so that one bright neighbour does not outweigh all the dark ones;
2. each row is demosaicked by itself (Hamilton and Adams 1997, horizontally), so that luma is known at full width on
   the pairs of rows above and below the gap;
3. luma is carried across the two missing rows along a few slopes, weighted by how well both sides continue each other;
   the colour difference follows the same slopes (edge-directed interpolation as in deinterlacing of video);
4. disagreement among the slopes, and misfit along the best one, become the variance of the prediction.

It cannot recover detail finer than the gap where only one class sees (a horizontal line that falls between the rows),
and assumes that colour varies more slowly than luma.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hdrcli.dualiso.directional import MARGIN, compress_rows, demosaic_rows, predict_pairs
from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.errors import UnsuitableInputError
from hdrcli.images import BayerImage, Exposure, FloatArray, MaskArray, NoiseModel
from hdrcli.isp.denoise import denoise_mosaic
from hdrcli.kernels import run_in_bands
from hdrcli.merge.bayer import merge_predicted
from hdrcli.mirror import mirrored

# Where the asinh turns from linear to logarithmic, in units of the low clip; the result hardly depends on it
# (3e-4 and 3e-3 lose less than 0.1 dB).
_KNEE = 1e-3
_SMALLEST = 8
# Slopes up to 2 columns over the gap of 3 rows, to either side; more of them are more often wrong than right.
_SLOPES = 2
_WINDOW = 3


@dataclass(frozen=True)
class Reconstruction:
    """The scene on every photosite.

    Attributes
    ----------
    merged : BayerImage
        Best estimate, 1.0 = clip of the low exposure; its noise is that of the high rows or lower.
    frame : DualIsoFrame
        What it was reconstructed from.
    rgb : ndarray (H, W, 3), float32, or None
        Camera RGB of every photosite where the method finds all three colours: linear, not white-balanced, on the scale
        and in the orientation of `merged`, which holds the same values at its own colours except near the clip of the
        low exposure. None for classical methods.
    denoised : bool
        Whether noise reduction is part of the method: both exposures are then taken from `merged`, so that measured and
        reconstructed rows do not differ by their noise.
    """

    merged: BayerImage
    frame: DualIsoFrame
    rgb: FloatArray | None = None
    denoised: bool = False

    @property
    def low(self) -> Exposure:
        """The full low exposure, cut at its clip of 1.0; its own rows as measured unless `denoised`."""
        return self._exposure(high=False, gain=1.0)

    @property
    def high(self) -> Exposure:
        """The full high exposure, cut at its clip of 1.0; its own rows as measured unless `denoised`."""
        # Not the ratio of counts: where the classes clip at different counts, that would cut the high rows too early
        # or not at all. Both clips have the same margin.
        return self._exposure(high=True, gain=self.frame.clip_low / self.frame.clip_high)

    def _exposure(self, *, high: bool, gain: float) -> Exposure:
        frame = self.frame
        data = self.merged.data.copy()
        if not self.denoised:
            rows = frame.high == high
            data[rows] = frame.data[rows]
        data *= np.float32(gain)
        np.minimum(data, np.float32(1), out=data)
        noise = frame.noise_high if high else frame.noise_low
        return Exposure(
            BayerImage(data, frame.cfa, NoiseModel(noise.shot * gain, noise.read * gain**2)),
            gain,
        )


def reconstruct(frame: DualIsoFrame, *, denoise: float = 1.0, balance: FloatArray | None = None) -> Reconstruction:
    """Reconstruct the full mosaic of a dual-ISO frame.

    Parameters
    ----------
    frame : DualIsoFrame
    denoise : float
        Strength of the noise reduction: 1.0 removes what the noise model explains, 0.0 leaves all.
    balance : ndarray (2, 2), float32, or None
        `colour_balance` of the frame, where it is known already.

    Returns
    -------
    Reconstruction

    Raises
    ------
    UnsuitableInputError
        When the frame is smaller than 8 x 8 samples.
    """
    height, width = frame.data.shape
    if min(height, width) < _SMALLEST:
        raise UnsuitableInputError(
            f"A frame of {width} x {height} samples is too small to deinterlace; at least {_SMALLEST} x {_SMALLEST}."
        )
    if balance is None:
        balance = colour_balance(frame)
    merged = np.empty_like(frame.data)
    run_in_bands(lambda y0, y1: _reconstruct_band(frame, balance, y0, y1, merged), height, multiple=4)
    image = BayerImage(merged, frame.cfa, frame.noise_high)
    if denoise > 0:
        image = denoise_mosaic(image, strength=denoise)
    return Reconstruction(image, frame)


def colour_balance(frame: DualIsoFrame) -> FloatArray:
    """Return factors (2, 2) by position in the CFA cell that bring red and blue to the level of green.

    Colour differences in a compressed domain are smooth only when the channels are about balanced. The mean logarithm
    over cells that are well exposed in either class decides; a frame without any is taken as balanced.
    """
    height, width = (n // 2 * 2 for n in frame.data.shape)
    stride = max(1, int((height * width / 4e6) ** 0.5))
    clip = np.where(frame.high, frame.clip_high, frame.clip_low)
    floor = 5 * np.sqrt(np.where(frame.high, frame.noise_high.read, frame.noise_low.read))
    planes = []
    usable: MaskArray | np.bool_ = np.True_
    for position in range(4):
        y, x = divmod(position, 2)
        plane = frame.data[y:height:2, x:width:2][::stride, ::stride]
        rows = slice(y, height, 2)
        planes.append(plane)
        usable = usable & (plane < clip[rows][::stride, None]) & (plane > floor[rows][::stride, None])
    if np.count_nonzero(usable) < 100:
        return np.ones((2, 2), dtype=np.float32)
    logs = [float(np.log(plane[usable]).mean()) for plane in planes]
    green = np.mean([level for level, colour in zip(logs, frame.cfa, strict=True) if colour == "G"])
    factors = [1.0 if colour == "G" else np.exp(green - level) for level, colour in zip(logs, frame.cfa, strict=True)]
    return np.array(factors, dtype=np.float32).reshape(2, 2)


def _reconstruct_band(frame: DualIsoFrame, balance: FloatArray, y0: int, y1: int, merged: FloatArray) -> None:
    """Fill rows `y0` (a multiple of 4) to `y1` of `merged`."""
    height, width = frame.data.shape
    rows = mirrored(y0 - MARGIN, y1 + MARGIN, length=height, period=4)
    columns = mirrored(-MARGIN, width + MARGIN, length=width, period=2)
    shape = rows.size, columns.size
    value, variance, luma, chroma, spread = (np.zeros(shape, np.float32) for _ in range(5))
    low, high = frame.noise_low, frame.noise_high
    green = np.array([colour == "G" for colour in frame.cfa]).reshape(2, 2)
    compress_rows(
        frame.data,
        rows,
        columns,
        frame.high,
        balance,
        np.float32(_KNEE),
        np.array([frame.clip_low, frame.clip_high], np.float32),
        np.array([low.shot, high.shot], np.float32),
        np.array([low.read, high.read], np.float32),
        value,
        variance,
    )
    demosaic_rows(value, variance, green, luma, chroma, spread)
    # `value` and `variance` have served; the predictions take their place.
    for missing in "LH":
        predict_pairs(
            luma, chroma, spread, green, _first_gap(frame.row_pattern, missing), _SLOPES, _WINDOW, 0.15, value, variance
        )
    merge_predicted(
        frame.data[y0:y1],
        frame.high[y0:y1],
        balance,
        np.float32(_KNEE),
        np.float32(frame.clip_low),
        np.float32(frame.clip_high),
        np.array([low.shot, low.read, high.shot, high.read], np.float32),
        value[MARGIN:-MARGIN, MARGIN:-MARGIN],
        variance[MARGIN:-MARGIN, MARGIN:-MARGIN],
        merged[y0:y1],
    )


def _first_gap(row_pattern: str, missing: str) -> int:
    """First scratch row, with four rows above it, that begins a pair of the class `missing`."""
    return next(4 + k for k in range(4) if row_pattern[k] == missing and row_pattern[k - 1] != missing)
