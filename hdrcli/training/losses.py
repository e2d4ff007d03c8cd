"""Published measures of the likeness of two pictures, in torch, so that networks can be trained for them.

Multi-scale structural similarity: Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality
assessment", Asilomar 2003. CIEDE2000: Sharma, Wu, Dalal, "The CIEDE2000 color-difference formula: implementation notes,
supplementary test data, and mathematical observations", Color Research and Application 30(1), 2005.

Gradients are finite everywhere. Both compute in float32 at least, whatever the precision of their surroundings.
"""

from __future__ import annotations

from math import pi, radians

import torch
import torch.nn.functional as F  # noqa: N812 (the customary name)
from torch import Tensor

from hdrcli.colourspaces import D65
from hdrcli.isp.colour import rgb_to_xyz, xy_to_xyz

_WINDOW, _SIGMA = 11, 1.5
_MEANS, _CONTRASTS = 0.01**2, 0.03**2
_LEVEL_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_LEAST_LIKENESS = 1e-6

# From linear sRGB to CIE XYZ over that of white, so that greys have three equal values.
_RELATIVE_XYZ = rgb_to_xyz("srgb-linear") / xy_to_xyz(D65)[:, None]
_LAB_KNEE = 6 / 29
_SMALL = 1e-8
_SMALL_DIFFERENCE = 1e-6
_LEAST_CHROMA = 0.5
_STRONG_CHROMA = 25.0
# Hues that are opposite but for the rounding of float32 count as opposite: their mean is not turned round.
_HALF_TURN = pi + 2e-6


def ms_ssim(answer: Tensor, truth: Tensor) -> Tensor:
    """Return the multi-scale structural similarity of pictures, the mean over them; 1 where they are equal.

    Five levels, each of half the size of the one before. Pictures of less than 176 pixels have fewer, as many as still
    hold the window of 11, whose weights are then scaled to a sum of 1. Of every level but the last, the comparison of
    contrast and structure alone counts. Means over a level that are below 1e-6 count as that and have no gradient.

    Parameters
    ----------
    answer, truth : Tensor (N, 3, H, W)
        Values in 0..1, encoded for display; any floating dtype.

    Returns
    -------
    Tensor ()
        float32, or float64 of float64 pictures; at most 1.

    Raises
    ------
    ValueError
        If the shapes differ or are not those of pictures, or a side is shorter than 11 pixels.
    """
    first, second = _alike(answer, truth)
    if first.ndim != 4 or min(first.shape[2:]) < _WINDOW:
        raise ValueError(f"pictures are (N, 3, H, W) of at least {_WINDOW} pixels a side, not {tuple(first.shape)}")
    levels = sum(min(first.shape[2:]) >> level >= _WINDOW for level in range(len(_LEVEL_WEIGHTS)))
    weights = _LEVEL_WEIGHTS[:levels]
    scale = 1.0 if levels == len(_LEVEL_WEIGHTS) else 1 / sum(weights)
    product = first.new_ones(len(first))
    with torch.autocast(first.device.type, enabled=False):
        for level, weight in enumerate(weights, start=1):
            likeness = _likeness(first, second, means=level == levels)
            product = product * likeness.clamp_min(_LEAST_LIKENESS) ** (weight * scale)
            if level < levels:
                first, second = F.avg_pool2d(first, 2), F.avg_pool2d(second, 2)
    return product.mean()


def ciede2000(answer: Tensor, truth: Tensor) -> Tensor:
    """Return the map of the CIEDE2000 differences of pictures; differentiable as `ciede2000_lab` is.

    Parameters
    ----------
    answer, truth : Tensor (N, 3, H, W)
        Linear sRGB, 1.0 = the white (D65) to which the observer is adapted; any floating dtype. Values are clipped to
        0..1, as the measure knows nothing brighter than white; what is outside has no gradient.

    Returns
    -------
    Tensor (N, H, W)
        float32, or float64 of float64 pictures; 0.001 where the colours are equal, 1 about where an eye sees it.

    Raises
    ------
    ValueError
        If the shapes differ or are not those of pictures.
    """
    first, second = _alike(answer, truth)
    return ciede2000_lab(_lab(first), _lab(second))


def ciede2000_lab(answer: Tensor, truth: Tensor) -> Tensor:
    """Return the CIEDE2000 differences of CIE Lab colours, with all three parametric factors 1.

    The weights of the differences (SL, SC, SH) and the rotation (RT) count as constants in the gradient. So does all
    that comes of the hues where either colour is nearly grey (C' < 0.5), as the hue of a grey is noise and its
    derivative unbounded.

    Parameters
    ----------
    answer, truth : Tensor (N, 3, ...)
        L in 0..100, a, b; any floating dtype.

    Returns
    -------
    Tensor (N, ...)
        float32, or float64 of float64 colours. 1e-6 is added to the square, so that equal colours have a gradient: 0.

    Raises
    ------
    ValueError
        If the shapes differ or the second axis has not the length 3.
    """
    # The first axis of all that follows: answer, truth.
    lightness, a, b = torch.stack(_alike(answer, truth)).unbind(2)
    stretched = a * (1.5 - 0.5 * _strength(_chroma(a, b).mean(0)))
    chroma = _chroma(stretched, b)
    coloured = chroma.amin(0) >= _LEAST_CHROMA
    grey = stretched.detach().square() + b.detach().square() <= _SMALL
    hue = _hue(stretched, b, coloured=coloured, grey=grey)

    turn = hue[1] - hue[0]
    far = turn.detach().abs() > _HALF_TURN
    # The hue of a grey is that of the other colour.
    short = torch.where(grey.any(0), 0.0, torch.where(far, turn - 2 * pi * turn.detach().sign(), turn))
    product = chroma.prod(0)
    by_lightness, by_chroma = lightness[1] - lightness[0], chroma[1] - chroma[0]
    by_hue = 2 * (torch.where(coloured, product, product.detach()) + _SMALL).sqrt() * torch.sin(short / 2)
    with torch.no_grad():
        middle = (hue.mean(0) + pi * far).remainder(2 * pi)
        middle = torch.where(grey.any(0), hue.sum(0), middle)
        weights = _weights(lightness.mean(0), chroma.mean(0), middle)
        rotation = _rotation(chroma.mean(0), middle)
    dl, dc, dh = (part / weight for part, weight in zip((by_lightness, by_chroma, by_hue), weights, strict=True))
    square = dl.square() + dc.square() + dh.square() + rotation * dc * dh
    return (square + _SMALL_DIFFERENCE).sqrt()


def _alike(answer: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in the wider of their dtypes, float32 at least; refuse what has not three channels or differs."""
    if answer.shape != truth.shape or answer.ndim < 2 or answer.shape[1] != 3:
        raise ValueError(f"both have one shape, three long on its second axis: {(*answer.shape,)}, {(*truth.shape,)}")
    dtype = torch.promote_types(torch.promote_types(answer.dtype, truth.dtype), torch.float32)
    return answer.to(dtype), truth.to(dtype)


def _likeness(first: Tensor, second: Tensor, *, means: bool) -> Tensor:
    """Return the mean (N,) of the comparison of contrast and structure, and of local means as well if told."""
    maps = torch.cat((first, second, first.square(), second.square(), first * second), dim=1)
    mean1, mean2, square1, square2, product = _window_means(maps).chunk(5, dim=1)
    covariance = product - mean1 * mean2
    variances = square1 - mean1.square() + square2 - mean2.square()
    result = (2 * covariance + _CONTRASTS) / (variances + _CONTRASTS)
    if means:
        result = result * (2 * mean1 * mean2 + _MEANS) / (mean1.square() + mean2.square() + _MEANS)
    return result.mean(dim=(1, 2, 3))


def _window_means(x: Tensor) -> Tensor:
    """Return the Gaussian mean of every whole window of (N, C, H, W), as (N, C, H - 10, W - 10)."""
    offsets = torch.arange(_WINDOW, dtype=x.dtype, device=x.device) - _WINDOW // 2
    window = torch.exp(-0.5 * (offsets / _SIGMA).square())
    window = window / window.sum()
    # Products with band matrices: devices round convolutions to ten bits by default, in which variances drown, and on
    # processors this is the faster one for pictures of the size of a crop.
    rows, columns = (
        torch.stack([F.pad(window, (start, length - _WINDOW - start)) for start in range(length - _WINDOW + 1)])
        for length in x.shape[2:]
    )
    return rows @ x @ columns.T


def _lab(light: Tensor) -> Tensor:
    """Return the CIE Lab values of linear sRGB (N, 3, ...), clipped to 0..1."""
    matrix = torch.as_tensor(_RELATIVE_XYZ, dtype=light.dtype, device=light.device)
    with torch.autocast(light.device.type, enabled=False):
        relative = torch.einsum("ij,nj...->ni...", matrix, light.clamp(0, 1))
    # The root of the larger one alone, as its derivative at 0 has no bound.
    roots = relative.clamp_min(_LAB_KNEE**3) ** (1 / 3)
    x, y, z = torch.where(relative > _LAB_KNEE**3, roots, relative / (3 * _LAB_KNEE**2) + 4 / 29).unbind(1)
    return torch.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), dim=1)


def _chroma(a: Tensor, b: Tensor) -> Tensor:
    return (a.square() + b.square() + _SMALL).sqrt()


def _hue(a: Tensor, b: Tensor, *, coloured: Tensor, grey: Tensor) -> Tensor:
    """Return hues in 0..2 pi, without gradient where not `coloured`, and 0 where `grey`."""
    held_a = torch.where(coloured, a, torch.where(grey, 1.0, a.detach()))
    held_b = torch.where(coloured, b, torch.where(grey, 0.0, b.detach()))
    return torch.atan2(held_b, held_a).remainder(2 * pi)


def _strength(chroma: Tensor) -> Tensor:
    """Return sqrt(C^7 / (C^7 + 25^7)), without the root of a number close to 0."""
    return chroma**3.5 / (chroma**7 + _STRONG_CHROMA**7).sqrt()


def _weights(lightness: Tensor, chroma: Tensor, hue: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return SL, SC and SH of mean L, C' and hue."""
    dark = (lightness - 50).square()
    by_hue = (
        1
        - 0.17 * torch.cos(hue - radians(30))
        + 0.24 * torch.cos(2 * hue)
        + 0.32 * torch.cos(3 * hue + radians(6))
        - 0.20 * torch.cos(4 * hue - radians(63))
    )
    return 1 + 0.015 * dark / (20 + dark).sqrt(), 1 + 0.045 * chroma, 1 + 0.015 * chroma * by_hue


def _rotation(chroma: Tensor, hue: Tensor) -> Tensor:
    """Return RT, which ties chroma to hue in the blues, of mean C' and hue."""
    blue = torch.exp(-((hue - radians(275)) / radians(25)).square())
    return -2 * _strength(chroma) * torch.sin(radians(60) * blue)
