"""ICC profiles for the colour spaces of this program, and their published primaries.

The profiles are matrix/curve display profiles of version 4.2 (ISO 15076-1), built here byte by byte so that they are
small, free of anyone's rights, and the same on every machine. Colour management works relative to the D50 white of the
profile connection space; the primaries are adapted to it by the linear Bradford transform that ISO 15076-1
(Annex E) recommends. The sRGB curve is the parametric form of IEC 61966-2-1.
"""

from __future__ import annotations

import struct
from functools import cache

import numpy as np
from numpy.typing import NDArray

from hdrcli import colourspaces
from hdrcli.errors import UsageError

# CIE 1931 x, y of red, green, blue and white in one row, as EXR and ICC want them.
PRIMARIES: dict[str, tuple[float, ...]] = {
    name: (*space.red, *space.green, *space.blue, *space.white) for name, space in colourspaces.PRIMARIES.items()
}
_NAMES = {
    "srgb-linear": "sRGB",
    "display-p3": "Display P3",
    "rec2020": "Rec. 2020",
    "acescg": "ACEScg",
    "aces2065-1": "ACES2065-1",
}
_D50 = np.array([0.9642, 1.0, 0.8249])  # the profile connection space, as every ICC header states it


@cache
def icc_profile(colour_space: str, *, linear: bool) -> bytes:
    """Return an ICC profile for pictures in a colour space.

    Parameters
    ----------
    colour_space : str
        "srgb-linear" (its primaries are meant, whatever `linear` says), "display-p3", "rec2020", "acescg" or
        "aces2065-1".
    linear : bool
        True for values proportional to light, False for values encoded with the sRGB curve.

    Raises
    ------
    UsageError
        For "camera", which has no colorimetric primaries, and for unknown names.
    """
    if colour_space not in PRIMARIES:
        raise UsageError(f"There is no ICC profile for {colour_space!r}; one of {', '.join(PRIMARIES)} has one.")
    name = f"{_NAMES[colour_space]} {'linear' if linear else 'with sRGB curve'} (hdrcli)"
    if (colour_space, linear) == ("srgb-linear", False):
        name = "sRGB (hdrcli)"
    return matrix_profile(colourspaces.PRIMARIES[colour_space], gamma=1.0 if linear else None, name=name)


@cache
def matrix_profile(primaries: colourspaces.Primaries, *, gamma: float | None, name: str) -> bytes:
    """Return an ICC profile of three primaries and one curve.

    Parameters
    ----------
    primaries : Primaries
    gamma : float or None
        Exponent from the encoded value to light; None for the sRGB curve.
    name : str
        The description that programs show.
    """
    adaptation = _adaptation_to_d50(_xyz_of(primaries.white))
    colorants = adaptation @ _primaries_to_xyz(primaries)
    srgb = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    curve = _parametric(*srgb) if gamma is None else _parametric(gamma)
    tags = {
        b"desc": _text(name),
        b"cprt": _text("No rights reserved"),
        b"wtpt": _xyz(_D50),
        b"chad": _fixed(b"sf32", adaptation.ravel()),
        **{b"%cXYZ" % letter: _xyz(colorants[:, column]) for column, letter in enumerate(b"rgb")},
        **{b"%cTRC" % letter: curve for letter in b"rgb"},
    }
    return _assemble(tags)


def rgb_to_xyz(colour_space: str) -> NDArray[np.float64]:
    """Return the matrix (3, 3) from linear RGB to CIE XYZ in which white has Y = 1, not adapted."""
    return _primaries_to_xyz(colourspaces.PRIMARIES[colour_space])


def rgb_to_pcs(colour_space: str) -> NDArray[np.float64]:
    """Return the matrix (3, 3) from linear RGB to CIE XYZ adapted to D50, the space in which profiles meet."""
    white = _xyz_of(colourspaces.PRIMARIES[colour_space].white)
    return np.asarray(_adaptation_to_d50(white) @ rgb_to_xyz(colour_space))


def _primaries_to_xyz(primaries: colourspaces.Primaries) -> NDArray[np.float64]:
    columns = np.stack([_xyz_of(corner) for corner in primaries[:3]], axis=1)
    return np.asarray(columns * np.linalg.solve(columns, _xyz_of(primaries.white)))


def _xyz_of(chromaticity: tuple[float, float]) -> NDArray[np.float64]:
    x, y = chromaticity
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _adaptation_to_d50(white: NDArray[np.float64]) -> NDArray[np.float64]:
    scale = np.diag((colourspaces.BRADFORD @ _D50) / (colourspaces.BRADFORD @ white))
    return np.asarray(np.linalg.inv(colourspaces.BRADFORD) @ scale @ colourspaces.BRADFORD)


def _fixed(kind: bytes, values: NDArray[np.float64]) -> bytes:
    numbers = [round(float(value) * 65536) for value in values]
    return kind + bytes(4) + struct.pack(f">{len(numbers)}i", *numbers)


def _xyz(values: NDArray[np.float64]) -> bytes:
    return _fixed(b"XYZ ", values)


def _parametric(gamma: float, *linear_part: float) -> bytes:
    """Return y = x^gamma, or with a, b, c, d: (a x + b)^gamma from d on and c x below."""
    function = 3 if linear_part else 0
    numbers = [round(value * 65536) for value in (gamma, *linear_part)]
    return b"para" + bytes(4) + struct.pack(f">HH{len(numbers)}i", function, 0, *numbers)


def _text(text: str) -> bytes:
    encoded = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(encoded), 28) + encoded


def _assemble(tags: dict[bytes, bytes]) -> bytes:
    directory, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    placed: dict[bytes, int] = {}
    for signature, data in tags.items():
        if data not in placed:  # the three curves are one
            placed[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        directory += struct.pack(">4sII", signature, placed[data], len(data))
    header = struct.pack(
        ">I4sI4s4s4s6H4s4sI4s4sQI3i4s44x",
        start + len(body),
        b"\0\0\0\0",
        0x04200000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        *(2026, 1, 1, 0, 0, 0),  # fixed: equal pictures make equal files
        b"acsp",
        b"\0\0\0\0",
        0,
        b"\0\0\0\0",
        b"\0\0\0\0",
        0,
        0,  # perceptual
        *(round(value * 65536) for value in _D50),
        b"\0\0\0\0",
    )
    return header + struct.pack(">I", len(tags)) + directory + body
