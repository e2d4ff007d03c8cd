"""Reconstruction of a dual-ISO frame by a network, in tiles, starting from the classical estimate.

Two kinds of networks are known by the inputs that their manifests name: "planes" (joint: the merged scene in all
three colours on every photosite) and "mosaic" with "estimate" (exposures: the low and the high one, as DualISONet
gives them, which are then merged).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hdrcli.dualiso.interpolate import Reconstruction, colour_balance, reconstruct
from hdrcli.dualiso.planes import (
    PERIOD,
    FrameConstants,
    Phase,
    canonical_phase,
    compress,
    expand,
    frame_constants,
    input_planes,
    merge_exposures,
    own_colours,
    own_factors,
    smoothstep,
)
from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.errors import ModelError
from hdrcli.images import BayerImage, FloatArray
from hdrcli.inference.session import Session
from hdrcli.inference.tiles import run_tiled
from hdrcli.isp.demosaic import demosaic

Indices = NDArray[np.intp]

# Near the clip of the low rows there was nothing to teach a network; the classical estimate stays there.
_FADE_CLIP = (0.90, 0.98)
_GPU_BATCH = 8


def reconstruct_learned(
    frame: DualIsoFrame,
    session: Session,
    *,
    denoise: float = 1.0,
    tile: int | None = None,
    border: int | None = None,
    progress: Callable[[float], object] | None = None,
) -> Reconstruction:
    """Reconstruct the full mosaic of a dual-ISO frame with a network.

    Parameters
    ----------
    frame : DualIsoFrame
    session : Session
        Of a model for the task "deinterlace".
    denoise : float
        From 1.0 on as the network was taught; less mixes in the classical reconstruction with its noise (and leaves
        the missing colours to demosaicking); 0.0 is that alone.
    tile, border : int or None
        Side of a tile and width of its overlap in samples; None for those of the manifest.
    progress : callable or None
        Told the share of the tiles that is done; may raise to cancel.

    Returns
    -------
    Reconstruction
        With `rgb` where the network gives all colours.

    Raises
    ------
    ModelError
        When the inputs of the model are of neither kind.
    UnsuitableInputError
        When the frame is smaller than 8 x 8 samples.
    UsageError
        When the tile has no room for its border.
    """
    manifest = session.model.manifest
    inputs = {tensor.name for tensor in manifest.inputs}
    job_of = {frozenset({"planes"}): _joint_job, frozenset({"mosaic", "estimate"}): _exposures_job}.get(
        frozenset(inputs)
    )
    if job_of is None:
        raise ModelError(
            f"The model {manifest.name!r} takes {', '.join(sorted(inputs))}; deinterlacing has no such inputs to give."
        )
    if denoise <= 0:
        return reconstruct(frame, denoise=0)
    view = _View(frame, reconstruct(frame).merged)
    result = _Result.empty(frame.data.shape, colours=job_of is _joint_job)
    job = job_of(view, result)
    run_tiled(
        session.run,
        job.read,
        job.write,
        size=(frame.data.shape[0], frame.data.shape[1]),
        origin=(view.phase.rows, view.phase.columns),
        period=PERIOD,
        multiple=manifest.multiple,
        tile=manifest.tile if tile is None else tile,
        border=manifest.border if border is None else border,
        batch=1 if session.device == "cpu" else _GPU_BATCH,
        lanes=session.lanes,
        progress=progress,
    )
    if denoise >= 1:
        return Reconstruction(
            BayerImage(result.merged, frame.cfa, frame.noise_high), frame, rgb=result.rgb, denoised=True
        )
    noisy = reconstruct(frame, denoise=0).merged.data
    mixed = noisy + np.float32(denoise) * (result.merged - noisy)
    return Reconstruction(BayerImage(mixed, frame.cfa, frame.noise_high), frame)


class _View:
    """A frame as the network sees it: at the canonical phase, which may be upside down.

    Attributes
    ----------
    phase : Phase
    constants : FrameConstants
    samples, classical : ndarray (H, W), float32
        Views of the frame and of its classical estimate.
    """

    phase: Phase
    constants: FrameConstants

    def __init__(self, frame: DualIsoFrame, classical: BayerImage) -> None:
        self.phase = canonical_phase(frame.row_pattern, frame.cfa, frame.data.shape[0])
        self.constants = frame_constants(frame, colour_balance(frame))
        self.estimate = classical
        self.samples, self.classical = self.turned(frame.data), self.turned(classical.data)

    def turned(self, array: FloatArray) -> FloatArray:
        """Return a view of an array (H, W, ...) as the network sees the frame."""
        return array[::-1] if self.phase.flip else array

    def cell(self, rows: slice, columns: slice) -> tuple[int, int]:
        """Return where in the 2x2 cell a part of the picture begins."""
        return (rows.start + self.phase.rows) % 2, (columns.start + self.phase.columns) % 2


@dataclass(frozen=True)
class _Result:
    """Where the answers gather, in the orientation of the frame."""

    merged: FloatArray
    rgb: FloatArray | None

    @classmethod
    def empty(cls, shape: tuple[int, ...], *, colours: bool) -> _Result:
        return cls(np.empty(shape, np.float32), np.empty((*shape, 3), np.float32) if colours else None)


@dataclass(frozen=True)
class _Job:
    """What `run_tiled` asks for."""

    read: Callable[[Indices, Indices], dict[str, FloatArray]]
    write: Callable[..., None]


def _joint_job(view: _View, result: _Result) -> _Job:
    """Return the job of a network that answers with the merged scene in all colours."""
    assert result.rgb is not None  # made for it by the caller
    constants = view.constants
    red, green, blue = constants.balance.tolist()
    base = view.turned(demosaic(view.estimate, gains=(red, green, blue)))
    merged, rgb = view.turned(result.merged), view.turned(result.rgb)

    def read(rows: Indices, columns: Indices) -> dict[str, FloatArray]:
        return {"planes": input_planes(_taken(view.samples, rows, columns), _taken(base, rows, columns), constants)}

    def write(rows: slice, columns: slice, answer: FloatArray) -> None:
        colours = expand(answer) / constants.balance[:, None, None]
        rgb[rows, columns] = colours.transpose(1, 2, 0)
        own = own_colours(colours, phase=view.cell(rows, columns))
        merged[rows, columns] = _keep_clipped(own, view.classical[rows, columns])

    return _Job(read, write)


def _exposures_job(view: _View, result: _Result) -> _Job:
    """Return the job of a pair of networks that answers with the low and the high exposure."""
    constants = view.constants
    merged = view.turned(result.merged)

    def read(rows: Indices, columns: Indices) -> dict[str, FloatArray]:
        parts = {"mosaic": view.samples, "estimate": view.classical}
        factors = own_factors(constants.balance, (rows.size, columns.size))
        return {name: compress(factors * _taken(part, rows, columns))[None] for name, part in parts.items()}

    def write(rows: slice, columns: slice, low: FloatArray, high: FloatArray) -> None:
        classical = view.classical[rows, columns]
        factors = own_factors(constants.balance, classical.shape, phase=view.cell(rows, columns))
        exposures = expand(low[0]) / factors, expand(high[0]) / factors
        light = merge_exposures(*exposures, classical, clip_high=constants.clip_high)
        merged[rows, columns] = _keep_clipped(light, classical)

    return _Job(read, write)


def _keep_clipped(learned: FloatArray, classical: FloatArray) -> FloatArray:
    return learned + smoothstep(classical, *_FADE_CLIP) * (classical - learned)


def _taken(array: FloatArray, rows: Indices, columns: Indices) -> FloatArray:
    """Return rows and columns of (H, W, ...); away from the picture's border that is a view."""
    for axis, indices in enumerate((rows, columns)):
        first, last = int(indices[0]), int(indices[-1])
        if last - first == indices.size - 1 and np.all(np.diff(indices) == 1):
            array = array[first : last + 1] if axis == 0 else array[:, first : last + 1]
        else:
            array = array.take(indices, axis=axis)
    return array
