"""How far a picture is from the truth: the metrics of the tables, each defined once.

All take float32 arrays on the scale of the low exposure (1.0 = its clip) and return decibels or stops.
"""

from __future__ import annotations

import numpy as np

from hdrcli.images import FloatArray, MaskArray, SceneImage
from hdrcli.isp.tonemap import reinhard_global

MU = 5000.0
PU21 = (0.353487901, 0.3734658629, 8.277049286e-05, 0.9062562627, 0.09150303166, 0.9099517204, 596.3148142)
"""Parameters of PU21, variant banding_glare (Mantiuk and Azimi 2021)."""


def mu_law(x: FloatArray) -> FloatArray:
    """Return log(1 + mu x) / log(1 + mu) with mu = 5000, after clamping `x` at 0 (Kalantari and Ramamoorthi 2017)."""
    return np.asarray(np.log1p(MU * np.maximum(x, 0)) / np.log1p(MU), dtype=np.float32)


def psnr(error: FloatArray) -> float:
    """Return the peak signal-to-noise ratio of differences on a scale with peak 1, in dB."""
    return float(-10 * np.log10(np.mean(np.square(error, dtype=np.float64)) + 1e-30))


def mosaic_psnr(merged: FloatArray, truth: FloatArray, *, where: MaskArray | None = None) -> float:
    """Return the mu-law PSNR of a merged mosaic (H, W) over samples that the low exposure does not clip.

    Of those of a mask (H, W) alone, where one is given.
    """
    unclipped = truth < 0.98
    chosen = unclipped if where is None else unclipped & where
    return psnr((mu_law(np.minimum(merged, 1)) - mu_law(truth))[chosen])


def picture_psnr(picture: FloatArray, truth: FloatArray) -> float:
    """Return the mu-law PSNR of a developed linear picture (H, W, 3), peak 1, after fitting one global scale.

    The scale is the geometric mean ratio over values between 1 % and 90 % of the peak, so that converters with another
    idea of exposure are not punished for it.
    """
    truth = np.clip(truth, 0, 1)
    fitting = (truth > 0.01) & (truth < 0.9) & (picture > 1e-6)
    scale = np.exp(np.mean(np.log(truth[fitting] / picture[fitting]))) if np.count_nonzero(fitting) > 100 else 1.0
    return psnr(mu_law(np.clip(picture * scale, 0, 1)) - mu_law(truth))


def tonemapped_psnr(picture: FloatArray, truth: FloatArray, *, key: float = 0.15) -> float:
    """Return the PSNR of two linear sRGB pictures (H, W, 3) after Reinhard's global operator.

    Each is scaled by its own log-average luminance to `key` and gets its own white point (its 99.9th percentile, as
    `isp.tonemap.expose` says), so a global scale does not count. Display-linear values are cut to 0..1 and compared
    without the sRGB curve; the peak is 255 of an 8-bit scale, to which nothing is rounded.
    """
    shown, true = (reinhard_global(SceneImage(np.ascontiguousarray(x)), key=key) for x in (picture, truth))
    return psnr(shown - true)


def dark_error_stops(picture: FloatArray, truth: FloatArray) -> float:
    """Return the RMS error in stops of luminance (H, W, 3 in) between the 1st and the 30th percentile of the truth.

    Both are floored at a fiftieth of the median first, so that pure black does not decide alone.
    """
    luma = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
    seen, true = np.maximum(picture @ luma, 0), np.maximum(truth @ luma, 0)
    low, high = np.percentile(true, [1, 30])
    dark = (true >= low) & (true <= high)
    floor = max(float(np.median(true)) / 50, 1e-5)
    return float(np.sqrt(np.mean(np.log2((seen[dark] + floor) / (true[dark] + floor)) ** 2)))


def period_four_excess(merged: FloatArray, truth: FloatArray, *, where: MaskArray | None = None) -> float:
    """Return by how many dB the error's power at a row period of four exceeds that of the neighbouring frequencies.

    Of the mu-law error of a mosaic (H, W) with H >= 64; power spectra of all columns are averaged. 0 dB: no stripes.
    """
    error = mu_law(np.minimum(merged, 1)) - mu_law(np.minimum(truth, 1))
    if where is not None:
        error = np.where(where, error, 0)
    rows = error.shape[0] // 4 * 4
    power = (np.abs(np.fft.rfft(error[:rows], axis=0)) ** 2).mean(axis=1)
    k = rows // 4
    around = np.concatenate([power[k - 12 : k - 2], power[k + 3 : k + 13]]).mean()
    return float(10 * np.log10(power[k - 1 : k + 2].mean() / around))


def pu21(luminance: FloatArray) -> FloatArray:
    """Return PU21 values of luminance in cd/m2, variant banding_glare (Mantiuk and Azimi 2021)."""
    p = PU21
    y = np.clip(luminance, 0.005, 10000) ** p[3]
    return np.asarray(np.maximum(p[6] * (((p[0] + p[1] * y) / (1 + p[2] * y)) ** p[4] - p[5]), 0), dtype=np.float32)


def pu21_psnr(picture: FloatArray, truth: FloatArray, *, peak_cd_m2: float = 1000.0) -> float:
    """Return the PSNR of PU21 values, peak 256, with the clip of the low exposure shown at `peak_cd_m2`."""
    difference = pu21(np.clip(picture, 0, 1) * peak_cd_m2) - pu21(np.clip(truth, 0, 1) * peak_cd_m2)
    return psnr(difference / np.float32(256))
