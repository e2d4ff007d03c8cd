"""The noise of both row classes on the scale of light, from the picture and from the masked border."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hdrcli.images import NoiseModel, RawFrame
from hdrcli.isp.linearise import Black, White
from hdrcli.sensor.estimate import CountNoise, NoiseBlocks, fit_noise, noise_points, typical_noise

_LINEAR = 0.95  # share of the range in which noise is looked for: near the clip it is cut off


def class_noise(
    frame: RawFrame, blocks: NoiseBlocks, *, row_pattern: str | None, gain: float, black: Black, white: White
) -> tuple[NoiseModel, NoiseModel]:
    """Return the noise of low and high rows where the range of the low rows is 1.0.

    Parameters
    ----------
    frame : RawFrame
    blocks : NoiseBlocks
        Of this frame.
    row_pattern : str or None
        None for frames of one class; both models are then the same.
    gain : float
        Counts of high rows over counts of low rows.
    black, white
        Levels of both classes.
    """
    iso, low_range = frame.metadata.iso, max(white.low - float(np.mean(black.low)), 1.0)
    if row_pattern is None:
        model = _count_noise(frame, blocks, (0, 1, 2, 3), black.low, white.low, iso).model(range_counts=low_range)
        return model, model
    rows = {name: [row for row in range(4) if row_pattern[row] == name] for name in "LH"}
    low = _count_noise(frame, blocks, rows["L"], black.low, white.low, iso)
    high = _count_noise(frame, blocks, rows["H"], black.high, white.high, None if iso is None else iso * gain)
    # The same light on the same sensor: photon noise is one on the scale of light, and measured twice. Read noise
    # is not, but grows with amplification in counts and shrinks with it in light.
    certainty = [(low.slope / low.slope_error) ** 2 + 1e-6, (high.slope / high.slope_error) ** 2 + 1e-6]
    slope = float(np.exp(np.average(np.log([low.slope, high.slope / gain]), weights=certainty)))
    read_low = float(np.clip(low.read, high.read / gain**2, high.read))
    return (
        NoiseModel(slope / low_range, read_low / low_range**2),
        NoiseModel(slope / low_range, high.read / (low_range * gain) ** 2),
    )


def _count_noise(
    frame: RawFrame,
    blocks: NoiseBlocks,
    rows: Sequence[int],
    black: tuple[float, float, float, float],
    white: float,
    iso: float | None,
) -> CountNoise:
    """Return the noise of a class of rows (modulo 4) in counts."""
    range_counts = max(white - float(np.mean(black)), 1.0)
    prior = typical_noise(iso=iso, range_counts=range_counts)
    masked = _masked_variance(frame, rows)
    if masked is not None:
        prior = replace(prior, read=masked, read_doubt=0.05)
    points = noise_points(blocks, rows, black=black, ceiling=float(np.mean(black)) + _LINEAR * range_counts)
    return fit_noise(points, prior)


def _masked_variance(frame: RawFrame, rows: Sequence[int]) -> float | None:
    """Return the variance of the masked samples beside these rows about their neighbours, in counts squared."""
    if frame.borders is None or frame.borders.left.shape[1] < 8:
        return None
    # The outermost columns may be odd, those beside the picture may see some light.
    left = frame.borders.left[np.isin(np.arange(frame.counts.shape[0]) % 4, rows), 2:-2].astype(np.float64)
    if left.size < 500:
        return None
    steps = left[:, 2:] - left[:, :-2]
    size = np.abs(steps)
    usual = size <= 5 * max(1.4826 * float(np.median(size)), 1.0)
    variance = float(np.mean(steps[usual] ** 2)) / 2
    return variance if variance > 0 else None
