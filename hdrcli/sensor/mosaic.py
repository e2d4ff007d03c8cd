"""From three colours per pixel to one: the colour filter array, and the row classes of dual-ISO."""

from __future__ import annotations

import numpy as np

from hdrcli.errors import UsageError
from hdrcli.images import BAYER_PATTERNS, FloatArray, MaskArray

ROW_PATTERNS = ("HHLL", "LHHL", "LLHH", "HLLH")


def mosaic(rgb: FloatArray, cfa: str) -> FloatArray:
    """Sample one colour per pixel.

    Parameters
    ----------
    rgb : ndarray (H, W, 3), float32
    cfa : str
        "RGGB", "BGGR", "GRBG" or "GBRG": the 2x2 cell at the first pixel, row by row.

    Returns
    -------
    ndarray (H, W), float32
    """
    if cfa not in BAYER_PATTERNS:
        raise UsageError(f"{cfa!r} is no Bayer pattern; one of {', '.join(BAYER_PATTERNS)} is.")
    out = np.empty(rgb.shape[:2], dtype=np.float32)
    for position, colour in enumerate(cfa):
        y, x = divmod(position, 2)
        out[y::2, x::2] = rgb[y::2, x::2, "RGB".index(colour)]
    return out


def high_rows(height: int, pattern: str) -> MaskArray:
    """Return which rows a dual-ISO sensor exposes at the high ISO, as a bool array (H,).

    Parameters
    ----------
    height : int
    pattern : str
        Row classes of the first four rows: "HHLL", "LHHL", "LLHH" or "HLLH".
    """
    if pattern not in ROW_PATTERNS:
        raise UsageError(f"{pattern!r} is no dual-ISO row pattern; one of {', '.join(ROW_PATTERNS)} is.")
    return np.resize(np.array([row == "H" for row in pattern]), height)
