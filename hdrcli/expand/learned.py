"""One display picture to scene light by a network.

Two kinds of networks are known, told apart by what they take. The two-stage network takes codes, in tiles, and answers
with light to the power 1 / 2.24. The other sees the picture as a whole (`hdrcli.expand.features`), once, and answers
with the camera's curve and with maps of what lies above white; the light of every pixel follows from these.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from hdrcli.errors import ModelError
from hdrcli.expand.features import (
    KNOTS,
    LEAST_LEFT,
    SMOOTHED_REACH,
    WHITE,
    clipping,
    context,
    expansion,
    from_stops,
    smoothed,
    srgb_light,
    to_stops,
)
from hdrcli.images import FloatArray
from hdrcli.inference.session import Session
from hdrcli.inference.tiles import Indices, run_tiled
from hdrcli.kernels import run_in_bands

ENCODING = 2.24
"""Light is what the two-stage network answers to this power."""

_MOST_STOPS = 13.0  # beyond all that was trained with; a network gone wild must not make infinities
_GPU_BATCH = 8
_COLOURS = 3
_ROWS = 64  # at once: what is held between steps stays in the cache


def expand_learned(
    codes: FloatArray,
    session: Session,
    *,
    tile: int | None = None,
    border: int | None = None,
    progress: Callable[[float], object] | None = None,
) -> FloatArray:
    """Return the scene light of a display picture.

    Parameters
    ----------
    codes : ndarray (H, W, 3), float32
        R, G, B as the camera wrote them over the highest code, 0 to 1, in the picture's own primaries.
    session : Session
        Of a model for the task "single".
    tile, border : int, optional
        Side of the tiles and the part at their edges that is not used; by default what the manifest says. A network
        that sees the picture as a whole has none.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    ndarray (H, W, 3), float32
        Linear light in the primaries of the picture, 0 to 2^13; 1.0 = the clip of the input.

    Raises
    ------
    ModelError
        When the model is of neither kind, cannot run, or answers what is no number.
    UsageError
        When the tile has no room for its border.
    """
    manifest = session.model.manifest
    inputs = [tensor.name for tensor in manifest.inputs]
    if inputs == ["ldr"] and len(manifest.output_names) == 1:
        return _by_tiles(codes, session, tile=tile, border=border, progress=progress)
    if sorted(inputs) == ["levels", "planes"] and len(manifest.output_names) == 2:
        light = _by_surroundings(codes, session)
        if progress is not None:
            progress(1.0)
        return light
    raise ModelError(
        f"The model {manifest.name!r} takes {', '.join(inputs)} and gives {', '.join(manifest.output_names)}; "
        "there is nothing to make of one picture by it."
    )


def _by_tiles(
    codes: FloatArray,
    session: Session,
    *,
    tile: int | None,
    border: int | None,
    progress: Callable[[float], object] | None,
) -> FloatArray:
    manifest = session.model.manifest
    light = np.empty(codes.shape, np.float32)
    most = np.float32(2 ** (_MOST_STOPS / ENCODING))

    def read(rows: Indices, columns: Indices) -> dict[str, FloatArray]:
        return {"ldr": np.ascontiguousarray(codes[np.ix_(rows, columns)].transpose(2, 0, 1))}

    def write(rows: slice, columns: slice, *answers: FloatArray) -> None:
        (encoded,) = answers
        if encoded.shape[0] != _COLOURS:
            raise ModelError(f"The model {manifest.name!r} answers {encoded.shape[0]} channels where 3 are needed.")
        if np.isnan(encoded).any():
            raise _no_number(session)
        light[rows, columns] = (np.clip(encoded, np.float32(0), most) ** np.float32(ENCODING)).transpose(1, 2, 0)

    run_tiled(
        session.run,
        read,
        write,
        size=(codes.shape[0], codes.shape[1]),
        period=manifest.period,
        multiple=manifest.multiple,
        tile=manifest.tile if tile is None else tile,
        border=manifest.border if border is None else border,
        batch=1 if session.device == "cpu" else _GPU_BATCH,
        lanes=session.lanes,
        progress=progress,
    )
    return light


def _by_surroundings(codes: FloatArray, session: Session) -> FloatArray:
    light = expansion(codes)  # stops yet; each band becomes light in its place
    curve, maps = _surroundings(codes, light, session)
    size = codes.shape[0], codes.shape[1]

    def work(first: int, last: int) -> None:
        for top in range(first, last, _ROWS):
            rows = slice(top, min(top + _ROWS, last))
            band, raised = codes[rows], light[rows]
            smooth = _smoothed_rows(codes, rows)
            stops = raised + to_stops(srgb_light(band)) + (curved(smooth, curve) - to_stops(srgb_light(smooth)))
            white = clipping(band, between=WHITE)
            if white.any():
                enlarged = enlarge(maps, np.arange(rows.start, rows.stop), np.arange(size[1]), size=size)
                stops += np.maximum(white * enlarged.transpose(1, 2, 0), np.float32(LEAST_LEFT - 1) * raised)
            light[rows] = from_stops(np.minimum(stops, np.float32(_MOST_STOPS)))

    run_in_bands(work, size[0])
    return light


def _smoothed_rows(codes: FloatArray, rows: slice) -> FloatArray:
    """Return some rows of `smoothed` codes."""
    above = min(rows.start, SMOOTHED_REACH)
    around = codes[rows.start - above : rows.stop + SMOOTHED_REACH]
    return smoothed(around)[above : above + rows.stop - rows.start]


def _surroundings(codes: FloatArray, raised: FloatArray, session: Session) -> tuple[FloatArray, FloatArray]:
    """Return the curve (33,) and the maps (3, h, w) of a picture.

    Raises
    ------
    ModelError
        When the network answers something else.
    """
    around = context(codes, raised=raised)
    curve, maps = session.run({"planes": around.planes[None], "levels": around.levels[None]})
    if curve.shape != (1, KNOTS) or maps.ndim != 4 or maps.shape[1] != _COLOURS:
        raise ModelError(
            f"The model {session.model.name!r} answers {curve.shape} and {maps.shape} where a curve of {KNOTS} knots "
            f"and {_COLOURS} maps are needed."
        )
    if np.isnan(curve).any() or np.isnan(maps).any():
        raise _no_number(session)
    return curve[0], maps[0]


def _no_number(session: Session) -> ModelError:
    return ModelError(f"The model {session.model.name!r} answers what is no number. Try --model none.")


def curved(codes: FloatArray, curve: FloatArray) -> FloatArray:
    """Return stops over the floor of codes (any shape, 0 to 1) by a curve (33,), interpolated linearly."""
    place = codes * np.float32(KNOTS - 1)
    knot = np.clip(place.astype(np.int32), 0, KNOTS - 2)
    steps = np.diff(curve)
    return np.asarray(curve[knot] + (place - knot) * steps[knot], dtype=np.float32)


def enlarge(maps: FloatArray, rows: Indices, columns: Indices, *, size: tuple[int, int]) -> FloatArray:
    """Return some rows and columns (C, h, w) of maps (C, H / s, W / t) enlarged bilinearly to a size (H, W)."""
    wide = _between(maps, rows, axis=1, length=size[0])
    return _between(wide, columns, axis=2, length=size[1])


def _between(maps: FloatArray, places: Indices, *, axis: int, length: int) -> FloatArray:
    small = maps.shape[axis]
    place = np.clip((places + np.float32(0.5)) * np.float32(small / length) - np.float32(0.5), 0, small - 1)
    first = np.minimum(place.astype(np.intp), small - 1)
    second = np.minimum(first + 1, small - 1)
    share = (place - first).astype(np.float32).reshape([-1 if i == axis else 1 for i in range(maps.ndim)])
    below, above = maps.take(first, axis=axis), maps.take(second, axis=axis)
    return np.asarray(below + share * (above - below), dtype=np.float32)
