"""A bracket, frame by frame, onto its reference: gains, motion, ghosts, sums. Raw or not is for `Exposures` to know."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.align.compare import Plane, shape_of
from hdrcli.align.gain import measure_ratio
from hdrcli.align.register import Registration, register
from hdrcli.align.warp import Warp, centre_motion, corner_motion, coverage, to_finer, warp_onto
from hdrcli.errors import UnsuitableInputError
from hdrcli.images import FloatArray
from hdrcli.merge.cells import Cells
from hdrcli.merge.ghosts import find_ghosts
from hdrcli.recipes.stack_report import FrameReport
from hdrcli.recipes.stack_settings import StackSettings
from hdrcli.recipes.stopwatch import Stopwatch

_DISAGREEMENT_EV = 0.1
# Of exposures as files state them: 1/60 s may be 1/64, and shutters are not exact.
_STATED_ERROR = 0.05
_MATTERS = 1.0  # cells at a corner: less is no reason to do without a frame
_SPREAD_LUMA = np.array([0.0625, 0.25, 0.0625], dtype=np.float32)  # squares of the weights of luma
_QUANTILES = np.append(np.linspace(0.02, 0.98, 49), [0.99, 0.995, 0.998, 0.999])
_TOP = 0.9  # share of the clip


@dataclass(frozen=True)
class Survey:
    """What is known of a frame before anything is merged.

    Attributes
    ----------
    name : str
    source : int
        Index of the frame among those that were given.
    ev_stated : float or None
        Exposure in stops on a scale that the frames share; None where it is not known.
    quantiles : ndarray (53,), float64
        Of the green light, from the 2nd percentile to the 99.9th, 1.0 = clip.
    noise : float
        Standard deviation of dark cells, on the same scale.
    clipped : float
        Share of the samples that clip.
    usable : float
        Share of the samples that are well exposed.
    """

    name: str
    source: int
    ev_stated: float | None
    quantiles: NDArray[np.float64]
    noise: float
    clipped: float
    usable: float


def well_exposed(light: FloatArray, noise: float) -> tuple[float, float]:
    """Return the shares of samples that clip and that are well exposed: under the clip, ten times over the noise."""
    clipped = float(np.mean(light >= np.float32(0.98)))
    return clipped, float(np.mean((light < np.float32(0.98)) & (light > np.float32(10 * noise))))


def light_quantiles(light: FloatArray) -> NDArray[np.float64]:
    """Return the quantiles of light that a `Survey` has, of any array of samples."""
    return np.asarray(np.quantile(light, _QUANTILES), dtype=np.float64)


class Exposures(Protocol):
    """The frames of a bracket, read one at a time, and the sums they go to."""

    @property
    def surveys(self) -> Sequence[Survey]:
        """One for each frame."""

    @property
    def bound(self) -> float:
        """Share of the clip from which on the mean of a cell may hold clipped samples."""

    @property
    def tolerance(self) -> float:
        """Share by which light may differ between frames for other reasons than noise and motion."""

    def load(self, index: int) -> Cells:
        """Read a frame and return its cells on the scale of its own clip; it is held until the next is loaded."""

    def add(self, gain: float, keep: FloatArray | None, warp: Warp | None, gain_error: float) -> float:
        """Merge the frame that is held and return its share of the weight.

        `keep` is on the cells of the reference, `warp` in full pixels, None where nothing moved; the error is relative.
        """

    def merged(self) -> Cells:
        """Return the cells of what was merged so far, on the scale of the reference."""


Follow = Callable[[int, FloatArray | None], None]
"""Told the index of a frame that was merged, while the exposures hold it, and where (h, w) by cells it shows what was
merged before: 1, falling to 0 where it shows something else; 1 where it does not reach to. None of the reference."""


@dataclass(frozen=True)
class MergedBracket:
    """What was done to every frame.

    Attributes
    ----------
    reference : int
    frames : tuple of FrameReport
        In the order of the frames.
    gains : tuple of float
    registrations : mapping of int to Registration
        Of the frames other than the reference, by cells.
    warnings : tuple of str
    """

    reference: int
    frames: tuple[FrameReport, ...]
    gains: tuple[float, ...]
    registrations: Mapping[int, Registration]
    warnings: tuple[str, ...]


def prior_gains(surveys: Sequence[Survey]) -> NDArray[np.float64]:
    """Return the exposure of each frame in stops, as stated, or from how their brightness is distributed.

    A frame that states none is placed beside the nearest in brightness that does.

    Raises
    ------
    UnsuitableInputError
        When nothing is stated and the frames share no range of light.
    """
    evs = [survey.ev_stated for survey in surveys]
    order = sorted(range(len(surveys)), key=lambda index: (float(surveys[index].quantiles.sum()), surveys[index].name))
    if all(ev is None for ev in evs):
        evs[order[0]] = 0.0
    for darker, brighter in pairwise(order):
        known = evs[darker]
        if known is not None and evs[brighter] is None:
            evs[brighter] = known + _stops_between(surveys[darker], surveys[brighter])
    for brighter, darker in pairwise(reversed(order)):
        known = evs[brighter]
        if known is not None and evs[darker] is None:
            evs[darker] = known - _stops_between(surveys[darker], surveys[brighter])
    return np.array(evs, dtype=np.float64)


def _stops_between(darker: Survey, brighter: Survey) -> float:
    """Return the exposure between two frames by the quantiles that both see; motion hardly changes those."""
    low, high = darker.quantiles, brighter.quantiles
    seen = (low > 4 * darker.noise) & (high > 4 * brighter.noise) & (high < _TOP)
    if np.count_nonzero(seen) < 3:
        raise UnsuitableInputError(
            f"{darker.name} and {brighter.name} do not both state their exposure and share no range of light to "
            "measure it by. Give --ev or --times."
        )
    return float(np.median(np.log2(high[seen] / low[seen])))


def choose_reference(surveys: Sequence[Survey], evs: NDArray[np.float64]) -> int:
    """Return the frame that gives the geometry: the middle one, unless another is well exposed in twice the area."""
    # Names decide between equals: the order in which frames are given must not.
    order = sorted(range(len(surveys)), key=lambda index: (evs[index], surveys[index].name))
    middle = order[(len(order) - 1) // 2]
    best = max(range(len(surveys)), key=lambda index: (surveys[index].usable, surveys[index].name))
    return best if surveys[best].usable > 2 * surveys[middle].usable else middle


def merge_bracket(
    exposures: Exposures,
    settings: StackSettings,
    watch: Stopwatch,
    *,
    registrations: Mapping[int, Registration] | None = None,
    follow: Follow | None = None,
) -> MergedBracket:
    """Merge all frames of a bracket, the reference first, then those nearest to it in exposure.

    Parameters
    ----------
    exposures : Exposures
        With empty sums.
    settings : StackSettings
    watch : Stopwatch
    registrations : mapping of int to Registration, or None
        Of an earlier run, so that motion is not looked for again.
    follow : Follow or None
        Called after each frame that is merged, the reference first.

    Raises
    ------
    UnsuitableInputError
        When exposures are neither stated nor to be measured.
    """
    surveys = exposures.surveys
    evs = prior_gains(surveys)
    reference = _reference(surveys, evs, settings)
    evs = evs - evs[reference]
    order = sorted(
        range(len(surveys)),
        key=lambda index: (index != reference, abs(evs[index]), evs[index], surveys[index].name),
    )
    # What one frame states says how it is exposed only beside what another states.
    stated = [
        None if survey.ev_stated is None or surveys[reference].ev_stated is None else float(ev)
        for survey, ev in zip(surveys, evs, strict=True)
    ]
    job = _Job(exposures, settings, watch, evs, stated, dict(registrations or {}), follow)
    for place, index in enumerate(order):
        job.frame(index, is_reference=index == reference, share=0.25 + 0.45 * place / len(order))
    return MergedBracket(
        reference,
        tuple(job.reports[index] for index in range(len(surveys))),
        tuple(job.gains[index] for index in range(len(surveys))),
        job.registrations,
        tuple(job.warnings),
    )


def _reference(surveys: Sequence[Survey], evs: NDArray[np.float64], settings: StackSettings) -> int:
    if settings.reference is None:
        return choose_reference(surveys, evs)
    for index, survey in enumerate(surveys):
        if survey.source == settings.reference:
            return index
    raise UnsuitableInputError("The frame that was chosen as the reference cannot be read.")


class _Job:
    """What `merge_bracket` knows while it goes from frame to frame."""

    def __init__(
        self,
        exposures: Exposures,
        settings: StackSettings,
        watch: Stopwatch,
        evs: NDArray[np.float64],
        stated: Sequence[float | None],
        registrations: dict[int, Registration],
        follow: Follow | None,
    ) -> None:
        self.exposures = exposures
        self.settings = settings
        self.watch = watch
        self.evs = evs
        self.stated = stated
        self.fixed = settings.evs is not None or settings.times is not None
        self.registrations = registrations
        self.follow = follow
        self.reports: dict[int, FrameReport] = {}
        self.gains: dict[int, float] = {}
        self.warnings: list[str] = []

    def frame(self, index: int, *, is_reference: bool, share: float) -> None:
        """Merge one frame."""
        with self.watch.stage("read", share):
            cells = self.exposures.load(index)
        if is_reference:
            self._add_reference(index, share)
        else:
            self._add_other(index, cells, share)

    def _add_reference(self, index: int, share: float) -> None:
        survey = self.exposures.surveys[index]
        with self.watch.stage("merge", share):
            weight = self.exposures.add(1.0, None, None, 0.0)
        self.gains[index] = 1.0
        self.reports[index] = FrameReport(
            survey.name, self.stated[index], 0.0, 0.0, share=weight, clipped=survey.clipped
        )
        self._hand_on(index, None, share)

    def _add_other(self, index: int, cells: Cells, share: float) -> None:
        merged = self.exposures.merged()
        with self.watch.stage("align", share):
            if index not in self.registrations:
                self.registrations[index] = self._register(merged, cells, 2.0 ** self.evs[index])
            found = self.registrations[index]
            cells = moved_cells(cells, found)
        gain, measured, error = self._gain(index, merged, cells)
        lost = self._is_lost(index, shape_of(cells.trust))
        with self.watch.stage("deghost", share):
            keep = kept(self.exposures, merged, cells, found, gain, level=self.settings.deghost)
            shown = (keep + 1 - coverage(found.warp, keep.shape)).clip(0, 1)
        with self.watch.stage("merge", share):
            warp = None if found.model == "none" else to_finer(found.warp)
            weight = self.exposures.add(gain, np.zeros_like(keep) if lost else keep, warp, error)
        if not lost:
            self._hand_on(index, shown, share)
        # What this frame weighs, the earlier ones weigh less.
        for earlier, report in self.reports.items():
            self.reports[earlier] = replace(report, share=report.share * (1 - weight))
        self.gains[index] = gain
        self._report(index, measured, weight, ghosts=1 - float(shown.mean()), shape=keep.shape)

    def _report(
        self, index: int, measured: float | None, weight: float, *, ghosts: float, shape: tuple[int, ...]
    ) -> None:
        survey, found = self.exposures.surveys[index], self.registrations[index]
        dx, dy, degrees = centre_motion(to_finer(found.warp), (2 * shape[0], 2 * shape[1]))
        self.reports[index] = FrameReport(
            name=survey.name,
            ev_stated=self.stated[index],
            ev_measured=None if measured is None else math.log2(measured),
            ev_used=math.log2(self.gains[index]),
            shift=(dx, dy),
            rotation_deg=degrees,
            aligned=self.settings.align,
            residual_px=2 * found.residual,
            inliers=found.inliers,
            ghosts=ghosts,
            share=weight,
            clipped=survey.clipped,
        )

    def _hand_on(self, index: int, shown: FloatArray | None, share: float) -> None:
        if self.follow is not None:
            with self.watch.stage("save", share):
                self.follow(index, shown)

    def _register(self, merged: Cells, cells: Cells, gain: float) -> Registration:
        scaled = _scaled(cells, 1 / gain)
        top = float(np.max(merged.luma[merged.trust > 0], initial=0.0)) / _TOP
        reference = Plane(merged.luma, _luma_variance(merged), top, merged.trust)
        frame = Plane(scaled.luma, _luma_variance(scaled), 1 / gain)
        return register(reference, frame, still=not self.settings.align)

    def _is_lost(self, index: int, shape: tuple[int, int]) -> bool:
        """Tell whether a frame has most likely moved, as others did, and nobody knows where to; warn if so."""
        if not self.settings.align or self.registrations[index].comparable:
            return False
        motions = (np.abs(corner_motion(other.warp, shape)).max() for other in self.registrations.values())
        if max(motions) < _MATTERS:
            return False
        name = self.exposures.surveys[index].name
        self.warnings.append(f"{name}: left out; the camera moved, and too little can be compared to align this frame.")
        return True

    def _gain(self, index: int, merged: Cells, cells: Cells) -> tuple[float, float | None, float]:
        """Return the gain to merge with, the one that the pixels say, and the relative error of the former."""
        survey, stated = self.exposures.surveys[index], self.stated[index]
        prior = 2.0 ** float(self.evs[index])
        ratio = _measured_ratio(merged, cells, prior, survey.noise)
        if ratio is None:
            if stated is None:
                raise UnsuitableInputError(
                    f"{survey.name} shares no range of light with the frames nearest to it in exposure, and its "
                    "exposure is not stated. Give --ev or --times."
                )
            self.warnings.append(
                f"{survey.name}: its exposure cannot be measured, too little is well exposed in it and in the others; "
                "taken as stated."
            )
            return prior, None, 0.0 if self.fixed else _STATED_ERROR
        measured, error = ratio
        difference = math.log2(measured / prior)
        if stated is not None and abs(difference) > _DISAGREEMENT_EV:
            self.warnings.append(
                f"{survey.name}: the pixels say {math.log2(measured):+.2f} EV, "
                f"{'the option' if self.fixed else 'the file'} {stated:+.2f} EV; "
                f"{'taken as given' if self.fixed else 'taken as measured'}."
            )
        return (prior, measured, 0.0) if self.fixed else (measured, measured, error)


def moved_cells(cells: Cells, found: Registration) -> Cells:
    """Return the cells of a frame on those of the reference."""
    if found.model == "none":
        return cells
    trust = warp_onto(cells.trust, found.warp)
    # Interpolation must not make something trustworthy out of a clipped cell.
    trust = np.asarray(np.where(trust > np.float32(0.02), trust, 0), dtype=np.float32)
    light = warp_onto(cells.light, found.warp, interpolation=cv2.INTER_CUBIC)
    return Cells(light, warp_onto(cells.variance, found.warp), trust)


def kept(
    exposures: Exposures, merged: Cells, cells: Cells, found: Registration, gain: float, *, level: str
) -> FloatArray:
    """Return where (h, w) a frame is merged, 0 to 1: where it reaches to and shows what is merged already.

    Parameters
    ----------
    exposures : Exposures
    merged : Cells
    cells : Cells
        Of the frame, moved onto the reference, on the scale of its own clip.
    found : Registration
    gain : float
    level : str
        As for `hdrcli.merge.ghosts.find_ghosts`.
    """
    still = found.model == "none"
    reached = None if still else coverage(found.warp, merged.trust.shape)
    keep = find_ghosts(
        merged,
        _scaled(cells, 1 / gain),
        bound=exposures.bound / gain,
        tolerance=exposures.tolerance,
        level=level,
        still=still,
        reached=reached,
    )
    return keep if reached is None else keep * reached


def _measured_ratio(merged: Cells, cells: Cells, prior: float, noise: float) -> tuple[float, float] | None:
    """Return the gain that luma says; where too little of that is well exposed, what the best of the colours says."""
    spread = math.sqrt(float(np.percentile(_luma_variance(merged), 5)) + (noise / prior) ** 2)
    top, trust = min(1 / prior, 1.0), np.minimum(merged.trust, cells.trust)
    ratio = measure_ratio(merged.luma, cells.luma, noise=spread, top=top, weight=trust)
    if ratio is not None:
        return ratio
    ratios = [
        measure_ratio(
            merged.light[..., c],
            cells.light[..., c],
            noise=2 * spread,  # luma is a mean of four samples
            top=top,
            weight=(merged.variance[..., c] > 0).astype(np.float32),
        )
        for c in range(3)
    ]
    return min((ratio for ratio in ratios if ratio is not None), key=lambda ratio: ratio[1], default=None)


def _scaled(cells: Cells, factor: float) -> Cells:
    light = cells.light * np.float32(factor)
    return Cells(light, cells.variance * np.float32(factor * factor), cells.trust)


def _luma_variance(cells: Cells) -> FloatArray:
    return np.asarray(cv2.transform(cells.variance, _SPREAD_LUMA[None]), dtype=np.float32)
