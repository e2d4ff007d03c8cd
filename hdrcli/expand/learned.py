"""One display picture to scene light by a network, in tiles.

Two kinds of networks are known, told apart by what they take. One is the two-stage network: it takes codes and answers
with light to the power 1 / 2.24. The other has a graph for the surroundings, which is run once on the whole picture
reduced, and one for the pixels, which is run on tiles (`hdrcli.expand.features`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from hdrcli.errors import ModelError
from hdrcli.expand.features import KNOTS, clipping, context, expansion, from_stops
from hdrcli.images import FloatArray
from hdrcli.inference.manifest import Manifest
from hdrcli.inference.session import Session
from hdrcli.inference.tiles import Indices, run_tiled

ENCODING = 2.24
"""Light is what the two-stage network answers to this power."""
SURROUNDINGS = "surroundings"
"""Role of the graph that sees the whole picture."""

_MOST_STOPS = 13.0  # beyond all that was trained with; a network gone wild must not make infinities
_GPU_BATCH = 8
_COLOURS = 3


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
        Side of the tiles and the part at their edges that is not used; by default what the manifest says.
    progress : callable, optional
        Called with the share that is done.

    Returns
    -------
    ndarray (H, W, 3), float32
        Linear light in the primaries of the picture, at least 0; 1.0 = the clip of the input.

    Raises
    ------
    ModelError
        When the model is of neither kind, cannot run, or answers what is no number.
    UsageError
        When the tile has no room for its border.
    """
    manifest = session.model.manifest
    job = _job_of(manifest)(codes, session)
    light = np.empty(codes.shape, np.float32)

    def write(rows: slice, columns: slice, *answers: FloatArray) -> None:
        (answer,) = answers
        if answer.shape[0] != _COLOURS:
            raise ModelError(f"The model {manifest.name!r} answers {answer.shape[0]} channels where 3 are needed.")
        if np.isnan(answer).any():
            raise ModelError(f"The model {manifest.name!r} answers what is no number. Try --model none.")
        light[rows, columns] = job.light(answer).transpose(1, 2, 0)

    run_tiled(
        session.run,
        job.read,
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


@dataclass(frozen=True)
class _Job:
    """What `run_tiled` asks for, and how light is made of an answer (3, h, w)."""

    read: Callable[[Indices, Indices], Mapping[str, FloatArray]]
    light: Callable[[FloatArray], FloatArray]


def _job_of(manifest: Manifest) -> Callable[[FloatArray, Session], _Job]:
    inputs = [tensor.name for tensor in manifest.inputs]
    alone = {graph.output for graph in manifest.graphs if graph.stands_alone}
    if len(manifest.output_names) == 1:
        if inputs == ["ldr"] and not alone:
            return _two_stage_job
        if inputs == ["picture"] and alone == {SURROUNDINGS}:
            return _surroundings_job
    raise ModelError(
        f"The model {manifest.name!r} takes {', '.join(inputs)} and gives {', '.join(manifest.output_names)}; "
        "there is nothing to make of one picture by it."
    )


def _two_stage_job(codes: FloatArray, _: Session) -> _Job:
    def read(rows: Indices, columns: Indices) -> dict[str, FloatArray]:
        return {"ldr": _channels_first(codes, rows, columns)}

    most = np.float32(2 ** (_MOST_STOPS / ENCODING))
    return _Job(read, lambda answer: np.clip(answer, np.float32(0), most) ** np.float32(ENCODING))


def _surroundings_job(codes: FloatArray, session: Session) -> _Job:
    raised = expansion(codes)
    curve, maps = _surroundings(codes, raised, session)
    size = codes.shape[0], codes.shape[1]

    def read(rows: Indices, columns: Indices) -> dict[str, FloatArray]:
        part = _channels_first(codes, rows, columns)
        enlarged = enlarge(maps, rows, columns, size=size)
        light = curved(part, curve) + _channels_first(raised, rows, columns)
        light += clipping(part) * enlarged[:_COLOURS]
        return {"picture": np.concatenate([part, light, enlarged])}

    return _Job(read, lambda answer: from_stops(np.minimum(answer, np.float32(_MOST_STOPS))))


def _surroundings(codes: FloatArray, raised: FloatArray, session: Session) -> tuple[FloatArray, FloatArray]:
    """Return the curve (33,) and the maps (C, h, w) of a picture.

    Raises
    ------
    ModelError
        When the graph answers something else.
    """
    around = context(codes, raised=raised)
    answers = session.run_graph(SURROUNDINGS, {"planes": around.planes[None], "levels": around.levels[None]})
    shapes = [answer.shape for answer in answers]
    if len(shapes) != 2 or shapes[0] != (1, KNOTS) or len(shapes[1]) != 4 or shapes[1][1] < _COLOURS:
        raise ModelError(
            f"The model {session.model.name!r} answers {', '.join(map(str, shapes))} to the surroundings where a curve "
            f"of {KNOTS} knots and at least {_COLOURS} maps are needed."
        )
    curve, maps = answers
    return curve[0], maps[0]


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


def _channels_first(picture: FloatArray, rows: Indices, columns: Indices) -> FloatArray:
    """Return rows and columns (C, h, w) of a picture (H, W, C)."""
    return np.ascontiguousarray(picture[np.ix_(rows, columns)].transpose(2, 0, 1))
