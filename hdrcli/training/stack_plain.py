"""The plain ways to merge a bracket, which `hdrcli stack` is measured against: they align nothing and see no ghosts.

Told the true exposures (and the true curve) of a bracket in which nothing moves, they say what can be reached.
Results are on the scale of the reference, 1.0 = its clip.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray, RawFrame
from hdrcli.response.response import CODES
from hdrcli.sensor.bracket import DisplayBracket, RawBracket
from hdrcli.sensor.curves import CameraCurve

# Noise brings no sample that clips below this.
_CLEAR_OF_CLIP = 0.95
# JPEG and chroma subsampling spread a clipped channel over the codes below 255; chosen on scenes of training.
_TRUSTED_CODES = (235.0, 250.0)
_NEXT_TO_NOTHING = 1e-6


def linear_samples(frame: RawFrame) -> FloatArray:
    """Return the samples (H, W) above black, 1.0 = clip, by the stated levels, which are true of simulated frames."""
    black = np.float32(frame.black[0])
    return np.asarray((frame.counts - black) / (np.float32(frame.white) - black), dtype=np.float32)


def middle_frame(bracket: RawBracket) -> FloatArray:
    """Return the mosaic of the reference alone."""
    return linear_samples(bracket.frames[bracket.reference])


def known_exposures(bracket: RawBracket) -> FloatArray:
    """Return the mosaic merged with the true exposures and noise by inverse variances (Hasinoff et al. 2010).

    Every sample is judged on its own, which keeps the most light.
    """
    shortest = int(np.argmin(bracket.gains))
    light, trust = [], []
    for number, (frame, gain) in enumerate(zip(bracket.frames, bracket.gains, strict=True)):
        samples = linear_samples(frame)
        light.append(samples / np.float32(gain))
        untrusted = np.float32(_NEXT_TO_NOTHING if number == shortest else 0)
        trust.append(np.where(samples < _CLEAR_OF_CLIP, np.float32(1), untrusted))
    # Counts of photons add up: the level that the variances are taken at.
    gathered = np.stack(trust) * np.array(bracket.gains, np.float32)[:, None, None]
    level = (gathered * np.stack(light)).sum(axis=0) / gathered.sum(axis=0)
    total, weights = np.zeros_like(level), np.zeros_like(level)
    for shot, gain, own, clear in zip(bracket.captures, bracket.gains, light, trust, strict=True):
        weight = clear * np.float32(gain**2) / shot.noise_low.variance(level * np.float32(gain))
        total += weight * own
        weights += weight
    return np.asarray(total / weights, dtype=np.float32)


def weighted_mean(bracket: RawBracket) -> FloatArray:
    """Return the mosaic merged with the nominal exposures by a hat over the level of each sample."""
    stated = [frame.metadata.exposure_time_s or 1.0 for frame in bracket.frames]
    total, weights = (np.zeros(bracket.truth.shape[:2], np.float32) for _ in range(2))
    for frame, time in zip(bracket.frames, stated, strict=True):
        samples = linear_samples(frame)
        hat = np.maximum(1 - np.abs(2 * samples - 1), 0) + np.float32(1e-3 if time == min(stated) else 1e-6)
        total += hat * samples * np.float32(stated[bracket.reference] / time)
        weights += hat
    return np.asarray(total / weights, dtype=np.float32)


def curve_of(bracket: DisplayBracket) -> NDArray[np.float64]:
    """Return the true light (256, 3) of the codes of a display bracket, by code and channel."""
    return np.repeat(light_of_codes(bracket.captures[0].settings.curve)[:, None], 3, axis=1).astype(np.float64)


def light_of_codes(curve: CameraCurve) -> FloatArray:
    """Return the light (256,) that the codes of a curve stand for, 0 to 1."""
    return curve.decode(np.linspace(0, 1, CODES, dtype=np.float32))


def middle_picture(bracket: DisplayBracket) -> FloatArray:
    """Return the light (H, W, 3) of the reference alone, by the true curve."""
    return light_of_codes(bracket.captures[0].settings.curve)[bracket.pictures[bracket.reference]]


def known_curve(bracket: DisplayBracket) -> FloatArray:
    """Return the light (H, W, 3) merged with the true curve and exposures.

    In linear light, weights as the light that was gathered, faded out where the brightest channel nears the clip: of
    the plain weights that were tried the best, hats in the log domain being 2.7 dB worse.
    """
    table, shortest = light_of_codes(bracket.captures[0].settings.curve), int(np.argmin(bracket.gains))
    low, high = _TRUSTED_CODES
    total, weights = np.zeros(bracket.truth.shape, np.float32), np.zeros((*bracket.truth.shape[:2], 1), np.float32)
    for number, (codes, gain) in enumerate(zip(bracket.pictures, bracket.gains, strict=True)):
        brightest = cv2.dilate(codes.max(axis=2), np.ones((3, 3), np.uint8))[..., None].astype(np.float32)
        trust = np.clip((high - brightest) / np.float32(high - low), 0, 1)
        trust += np.float32(_NEXT_TO_NOTHING if number == shortest else 0)
        total += trust * table[codes]  # the gain of the weight, and over the gain to the scale of the reference
        weights += trust * np.float32(gain)
    return np.asarray(total / weights, dtype=np.float32)


def known_curve_debevec(bracket: DisplayBracket) -> FloatArray:
    """Return the light (H, W, 3) by the true curve and exposures, merged as Debevec and Malik (1997) do."""
    table = np.log(np.maximum(light_of_codes(bracket.captures[0].settings.curve), np.float32(1e-7)))
    codes = np.arange(CODES)
    hat = (np.minimum(codes, CODES - 1 - codes) + _NEXT_TO_NOTHING).astype(np.float32)
    total, weights = (np.zeros(bracket.truth.shape, np.float32) for _ in range(2))
    for picture, gain in zip(bracket.pictures, bracket.gains, strict=True):
        total += hat[picture] * (table[picture] - np.float32(np.log(gain)))
        weights += hat[picture]
    return np.asarray(np.exp(total / weights), dtype=np.float32)
