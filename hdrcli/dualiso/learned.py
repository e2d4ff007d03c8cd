"""Reconstruction of a dual-ISO frame by a network, in tiles, starting from the classical estimate.

Two kinds of networks are known by the inputs that their manifests name: "planes" (joint: the merged scene in all
three colours on every photosite) and "mosaic" with "estimate" (exposures: the low and the high one, as DualISONet
gives them, which are then merged).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

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
from hdrcli.inference.manifest import Manifest
from hdrcli.inference.session import Session
from hdrcli.inference.tiles import run_tiled
from hdrcli.isp.demosaic import demosaic

Indices = NDArray[np.intp]

# Near the clip of the low rows there was nothing to teach a network; the classical estimate stays there.
_FADE_CLIP = (0.90, 0.98)
_GPU_BATCH = 8
# Compressed; 5000 times the clip, which no network means. From 10 on, what it stands for is beyond all floats.
_WILDEST = np.float32(2)


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
        When the model is of neither kind, or answers what is no number.
    UnsuitableInputError
        When the frame is smaller than 8 x 8 samples.
    UsageError
        When the tile has no room for its border.
    """
    kind = _kind_of(session.model.manifest)
    if not denoise > 0:
        return reconstruct(frame, denoise=0)
    merged = np.empty(frame.data.shape, np.float32)
    rgb = np.empty((*merged.shape, 3), np.float32) if kind.colours and denoise >= 1 else None
    _run(frame, session, kind, merged, rgb, tile=tile, border=border, progress=progress)
    if denoise >= 1:
        return Reconstruction(BayerImage(merged, frame.cfa, frame.noise_high), frame, rgb=rgb, denoised=True)
    noisy = reconstruct(frame, denoise=0).merged.data
    merged -= noisy
    merged *= np.float32(denoise)
    merged += noisy
    return Reconstruction(BayerImage(merged, frame.cfa, frame.noise_high), frame)


def _run(
    frame: DualIsoFrame,
    session: Session,
    kind: _Kind,
    merged: FloatArray,
    rgb: FloatArray | None,
    *,
    tile: int | None,
    border: int | None,
    progress: Callable[[float], object] | None,
) -> None:
    """Fill `merged` and, where it is wanted, `rgb` with what the network answers."""
    manifest = session.model.manifest
    view = _View(frame)
    job = kind.job(view, view.turned(merged), None if rgb is None else view.turned(rgb))

    def write(rows: slice, columns: slice, *answers: FloatArray) -> None:
        wrong = [answer.shape[0] for answer in answers if answer.shape[0] != kind.channels]
        if wrong:
            raise ModelError(
                f"The model {manifest.name!r} answers {wrong[0]} channels where deinterlacing needs {kind.channels}."
            )
        if any(np.isnan(answer).any() for answer in answers):
            raise ModelError(f"The model {manifest.name!r} answers what is no number. Try --model none.")
        job.write(rows, columns, *(np.clip(answer, -_WILDEST, _WILDEST) for answer in answers))

    run_tiled(
        session.run,
        job.read,
        write,
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


def _kind_of(manifest: Manifest) -> _Kind:
    """Return the kind of a network; raise ModelError where there is none of its inputs and outputs."""
    inputs = {tensor.name for tensor in manifest.inputs}
    roles = [graph.output for graph in manifest.graphs]
    if inputs == {"planes"}:
        if len(manifest.output_names) == 1:
            return _Kind(_joint_job, channels=3, colours=True)
    elif inputs == {"mosaic", "estimate"}:
        if set(roles) == {"low", "high"} and len(manifest.outputs) == 1:
            return _Kind(partial(_exposures_job, high_first=roles[0] == "high"), channels=1, colours=False)
    else:
        raise ModelError(
            f"The model {manifest.name!r} takes {', '.join(sorted(inputs))}; deinterlacing has no such inputs to give."
        )
    raise ModelError(
        f"The model {manifest.name!r} gives {', '.join(manifest.output_names)}; from {', '.join(sorted(inputs))} "
        "deinterlacing needs the scene, or a low and a high exposure."
    )


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

    def __init__(self, frame: DualIsoFrame) -> None:
        self.phase = canonical_phase(frame.row_pattern, frame.cfa, frame.data.shape[0])
        balance = colour_balance(frame)
        self.constants = frame_constants(frame, balance)
        self.estimate = reconstruct(frame, balance=balance).merged
        self.samples, self.classical = self.turned(frame.data), self.turned(self.estimate.data)

    def turned(self, array: FloatArray) -> FloatArray:
        """Return a view of an array (H, W, ...) as the network sees the frame."""
        return array[::-1] if self.phase.flip else array

    def cell(self, rows: slice, columns: slice) -> tuple[int, int]:
        """Return where in the 2x2 cell a part of the picture begins."""
        return (rows.start + self.phase.rows) % 2, (columns.start + self.phase.columns) % 2


@dataclass(frozen=True)
class _Job:
    """What `run_tiled` asks for."""

    read: Callable[[Indices, Indices], dict[str, FloatArray]]
    write: Callable[..., None]


@dataclass(frozen=True)
class _Kind:
    """What a network does: makes its job of a frame and of where the mosaic and the colours go, as it sees them."""

    job: Callable[[_View, FloatArray, FloatArray | None], _Job]
    channels: int
    colours: bool


def _joint_job(view: _View, merged: FloatArray, rgb: FloatArray | None) -> _Job:
    """Return the job of a network that answers with the merged scene in all colours."""
    constants = view.constants
    red, green, blue = constants.balance.tolist()
    base = view.turned(demosaic(view.estimate, gains=(red, green, blue)))

    def read(rows: Indices, columns: Indices) -> dict[str, FloatArray]:
        return {"planes": input_planes(_taken(view.samples, rows, columns), _taken(base, rows, columns), constants)}

    def write(rows: slice, columns: slice, answer: FloatArray) -> None:
        colours = expand(answer) / constants.balance[:, None, None]
        if rgb is not None:
            rgb[rows, columns] = colours.transpose(1, 2, 0)
        own = own_colours(colours, phase=view.cell(rows, columns))
        merged[rows, columns] = _keep_clipped(own, view.classical[rows, columns])

    return _Job(read, write)


def _exposures_job(view: _View, merged: FloatArray, _: FloatArray | None, *, high_first: bool) -> _Job:
    """Return the job of a pair of networks that answers with the low and the high exposure, or the other way round."""
    constants = view.constants

    def read(rows: Indices, columns: Indices) -> dict[str, FloatArray]:
        parts = {"mosaic": view.samples, "estimate": view.classical}
        factors = own_factors(constants.balance, (rows.size, columns.size))
        return {name: compress(factors * _taken(part, rows, columns))[None] for name, part in parts.items()}

    def write(rows: slice, columns: slice, *exposures: FloatArray) -> None:
        classical = view.classical[rows, columns]
        factors = own_factors(constants.balance, classical.shape, phase=view.cell(rows, columns))
        low, high = (expand(exposure[0]) / factors for exposure in (exposures[::-1] if high_first else exposures))
        light = merge_exposures(low, high, classical, clip_high=constants.clip_high)
        merged[rows, columns] = _keep_clipped(light, classical)

    return _Job(read, write)


def _keep_clipped(learned: FloatArray, classical: FloatArray) -> FloatArray:
    return learned + smoothstep(classical, *_FADE_CLIP) * (classical - learned)


def _taken(array: FloatArray, rows: Indices, columns: Indices) -> FloatArray:
    """Return rows and columns of (H, W, ...); away from the picture's border that is a view."""
    top, left = int(rows.min()), int(columns.min())
    part = array[top : int(rows.max()) + 1, left : int(columns.max()) + 1]
    if np.all(np.diff(rows) == 1) and np.all(np.diff(columns) == 1):
        return part
    return part[np.ix_(rows - top, columns - left)]
