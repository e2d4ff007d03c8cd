"""Dead and hot pixels, told from stars and glints, and repaired.

A defective sample stands out from all samples of its colour around it, in rows of either class. So does a star. But a
lens (and the low-pass filter) spreads even a star over the photosites beside it, which see it through filters of other
colours; a defect has no such halo. Only samples that stand out so far that a halo would have to be seen are judged at
all: a warm pixel near the noise is left to denoising, and healthy pixels are left alone.

It cannot tell a defect from a point of light without a lens blur, nor from one of so pure a colour that the filters
beside it stop nearly all of it; and it leaves defects in fine texture and in clusters alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hdrcli.images import FloatArray, MaskArray, NoiseModel
from hdrcli.kernels import kernel, run_in_bands

_SIGMAS = 12.0  # by which a defect stands out at least
# The least halo of a point of light as a share of its height, the noise added to what is seen of it, and the most that
# may cast doubt on that. Measured on photographed scenes with defects put in: under two samples in a million are
# repaired in vain, and 95 % of the defects are found that stand out of noise by 25 sigma and of texture by twice its
# contrast.
_HALO, _HALO_SIGMAS, _DOUBT = 0.04, 1.0, 0.21
_UNEVEN = 0.15


class RowClassFrame(Protocol):
    """A mosaic of one or two row classes on one scale of light, such as `hdrcli.dualiso.rows.DualIsoFrame`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def data(self) -> FloatArray:
        """Samples (H, W), black 0."""

    @property
    def high(self) -> MaskArray:
        """Class of each row, bool (H,)."""

    @property
    def clip_low(self) -> float:
        """Level at which low rows clip."""

    @property
    def clip_high(self) -> float:
        """Level at which high rows clip."""

    @property
    def noise_low(self) -> NoiseModel:
        """Noise of low rows."""

    @property
    def noise_high(self) -> NoiseModel:
        """Noise of high rows."""


Frame = TypeVar("Frame", bound=RowClassFrame)


def repair_defects(frame: Frame) -> tuple[Frame, int]:
    """Replace defective samples by what their neighbours of the same colour and class say.

    Parameters
    ----------
    frame : RowClassFrame
        Never changed. Frames under 12 x 8 are returned as they are.

    Returns
    -------
    frame : RowClassFrame
        A new one where anything was repaired.
    number : int
        Samples repaired.
    """
    height, width = frame.data.shape
    if height < 12 or width < 8:
        return frame, 0
    data, repaired = frame.data, np.zeros(height, dtype=np.int64)
    out = np.empty_like(data)
    clip = np.array([frame.clip_low, frame.clip_high], dtype=np.float32)
    shot = np.array([frame.noise_low.shot, frame.noise_high.shot], dtype=np.float32)
    read = np.array([frame.noise_low.read, frame.noise_high.read], dtype=np.float32)
    high = frame.high
    run_in_bands(lambda first, last: _repair(data, high, first, last, clip, shot, read, out, repaired), height)
    number = int(repaired.sum())
    return (replace(frame, data=out), number) if number else (frame, 0)


@kernel
def _repair(
    data: FloatArray,
    high: MaskArray,
    first: int,
    last: int,
    clip: FloatArray,
    shot: FloatArray,
    read: FloatArray,
    out: FloatArray,
    repaired: NDArray[np.int64],
) -> None:
    height, width = data.shape
    for y in range(first, last):
        kind = 1 if high[y] else 0
        for x in range(width):
            value = data[y, x]
            out[y, x] = value
            # Mirrored at the borders in whole periods of colour and class.
            left = data[y, x - 2] if x >= 2 else data[y, x + 2]
            right = data[y, x + 2] if x + 2 < width else data[y, x - 2]
            top = max(left, right)
            bottom = min(left, right)
            over = value - top
            under = bottom - value
            # The quick test that nearly all samples fail.
            excess = max(over, under)
            if excess <= 0:
                continue
            level = max(top, np.float32(0))
            variance = shot[kind] * level + read[kind]
            if excess * excess < _SIGMAS * _SIGMAS * variance or (over > 0 and top >= clip[kind]):
                continue
            if _is_defect(data, high, y, x, value, over > 0, clip, shot, read):
                up = data[y - 4, x] if y >= 4 else data[y + 4, x]
                down = data[y + 4, x] if y + 4 < height else data[y - 4, x]
                largest, smallest = max(top, up, down), min(bottom, up, down)
                out[y, x] = np.float32(0.5) * (left + right + up + down - largest - smallest)
                repaired[y] += 1


@kernel
def _is_defect(
    data: FloatArray,
    high: MaskArray,
    y: int,
    x: int,
    value: np.float32,
    hot: bool,
    clip: FloatArray,
    shot: FloatArray,
    read: FloatArray,
) -> bool:
    """Hold a sample against all of its colour around it, then look for the halo of a point of light (or of shade)."""
    height, width = data.shape
    sign = np.float32(1) if hot else np.float32(-1)
    kind = 1 if high[y] else 0
    nearest = np.float32(-1e30)  # the neighbour that comes closest to it, times `sign`
    farthest = np.float32(1e30)
    for dy in range(-4, 5, 2):
        yy = y + dy
        if yy < 0 or yy >= height:
            continue
        other = 1 if high[yy] else 0
        for dx in range(-2, 3, 2):
            xx = x + dx
            if xx < 0 or xx >= width or (dx == 0 and dy == 0):
                continue
            light = data[yy, xx]
            spread = np.float32(0)
            if other != kind:
                if hot and clip[other] <= light and clip[other] < value:
                    continue  # says only that there is more light than that
                # Rows of the other class may be noisier; then they say less.
                spread = np.float32(3) * np.sqrt(shot[other] * max(light, np.float32(0)) + read[other])
            nearest = max(nearest, sign * light - spread)
            farthest = min(farthest, sign * light + spread)
    excess = sign * value - nearest
    level = max(sign * nearest, np.float32(0))
    variance = shot[kind] * level + read[kind]
    if excess <= 0 or excess * excess < _SIGMAS * _SIGMAS * variance:
        return False
    contrast = max(nearest - farthest, np.float32(0)) / excess
    if contrast > 1:
        return False
    return _has_no_halo(data, high, y, x, sign, excess, contrast, clip, shot, read)


@kernel
def _has_no_halo(
    data: FloatArray,
    high: MaskArray,
    y: int,
    x: int,
    sign: np.float32,
    excess: np.float32,
    contrast: np.float32,
    clip: FloatArray,
    shot: FloatArray,
    read: FloatArray,
) -> bool:
    """Tell whether light on the photosites beside a sample is excluded: in the row above, its own, the row below.

    Two figures, both in units of the height of the sample. The mean halo over what is beside it on either side, with
    its noise added, must be less than the blur of a lens makes of a point of white light. And the brightest halo over
    the fainter side, with the unevenness of all three, must not cast doubt on that: so it is in texture. A row that
    clips all along says nothing; one that clips at the sample alone says that there is light.
    """
    height, width = data.shape
    brightest = np.float32(-1e30)
    uneven = np.float32(0)
    number = np.float32(0)
    weights = np.float32(0)
    halo = np.float32(0)
    noise = np.float32(0)
    for k in range(3):
        yy = y + k - 1
        if yy < 0:
            yy = y + 1
        elif yy >= height:
            yy = y - 1
        reach = 1 if k == 1 else 0
        one = x - reach if x - reach >= 0 else x + reach
        two = x + reach if x + reach < width else x - reach
        three = one - 2 if one >= 2 else one + 2
        four = two + 2 if two + 2 < width else two - 2
        kind = 1 if high[yy] else 0
        if max(data[yy, one], data[yy, two]) >= clip[kind]:
            if min(data[yy, three], data[yy, four]) >= clip[kind]:
                continue
            return False
        inner = np.float32(0.5) * sign * (data[yy, one] + data[yy, two])
        outer, further = sign * data[yy, three], sign * data[yy, four]
        brightest = max(brightest, (inner - min(outer, further)) / excess)
        mean = np.float32(0.5) * (outer + further)
        bend = max(np.float32(-_UNEVEN), min((inner - mean) / excess, np.float32(_UNEVEN)))
        uneven += abs(bend)
        number += np.float32(1)
        # Of two or four samples; and of the unevenness that any subject has.
        variance = np.float32(1.5 - 0.5 * reach) * (shot[kind] * abs(mean) + read[kind]) / (excess * excess)
        weight = np.float32(1) / (variance + np.float32(1e-4))
        weights += weight
        halo += weight * bend
        noise += weight * weight * variance
    if number < 2:
        return False
    seen = (halo + np.float32(_HALO_SIGMAS) * np.sqrt(noise)) / weights
    doubt = np.float32(0.5) * brightest + uneven / number
    slack = np.float32(0.1) * contrast
    return bool(seen < np.float32(_HALO) + slack and doubt + slack < np.float32(_DOUBT))
