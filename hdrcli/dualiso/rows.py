"""The dual-ISO frame on one scale of light: which rows are high, and what each sample is worth."""

from __future__ import annotations

from dataclasses import dataclass

from hdrcli.images import FloatArray, MaskArray, NoiseModel
from hdrcli.sensor.mosaic import high_rows


@dataclass(frozen=True)
class DualIsoFrame:
    """A dual-ISO mosaic, linear, both row classes in units of the low exposure.

    Attributes
    ----------
    data : ndarray (H, W), float32
        Every sample as measured: black 0, 1.0 = clip of the low rows; high rows are divided by the gain and so end at
        `clip_high`. Noise below black is kept.
    cfa : str
        Bayer pattern at row 0, column 0.
    row_pattern : str
        Row classes of the first four rows: "HHLL", "LHHL", "LLHH" or "HLLH".
    gain : float
        High counts over low counts for the same light.
    clip_low, clip_high : float
        Level in `data` at and above which samples of the class may be saturated (a little under 1.0 and
        under 1 / gain, by the margin of the measured saturation plateau).
    noise_low, noise_high : NoiseModel
        Variance of a sample of the class in units of `data`.
    """

    data: FloatArray
    cfa: str
    row_pattern: str
    gain: float
    clip_low: float
    clip_high: float
    noise_low: NoiseModel
    noise_high: NoiseModel

    @property
    def high(self) -> MaskArray:
        """Which rows are high, bool (H,)."""
        return high_rows(self.data.shape[0], self.row_pattern)
