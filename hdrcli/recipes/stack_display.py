"""Display pictures of one bracket to one scene-linear picture: response, motion, ghosts, merge; or exposure fusion."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hdrcli.align.warp import Warp, to_coarser, to_finer, warp_onto
from hdrcli.errors import UnsuitableInputError
from hdrcli.images import DisplayImage, FloatArray, Metadata
from hdrcli.merge.cells import Cells, picture_cells
from hdrcli.merge.fusion import Fusion
from hdrcli.merge.picture_stack import LightTables, PictureStack, code_trust
from hdrcli.recipes.frames import FrameFacts, check_together, metadata_ev, read_each, stated_evs
from hdrcli.recipes.stack_merge import (
    MergedBracket,
    Survey,
    kept,
    light_quantiles,
    merge_bracket,
    moved_cells,
    prior_gains,
    well_exposed,
)
from hdrcli.recipes.stack_settings import StackSettings
from hdrcli.recipes.stopwatch import Stopwatch
from hdrcli.response.debevec import debevec_malik
from hdrcli.response.response import Response, srgb_response
from hdrcli.response.robertson import robertson
from hdrcli.response.samples import histogram_samples, reject_contradictions, spatial_sample_points

_POINTS, _LEAST_POINTS = 1000, 100
_BOUND_CODE = 240
_NOISE = 0.002  # light of a code or two in the dark, for judging what is well exposed


@dataclass(frozen=True)
class Shot:
    """A display picture as read from a file.

    Attributes
    ----------
    name : str
    image : DisplayImage
        Upright.
    metadata : Metadata
    """

    name: str
    image: DisplayImage
    metadata: Metadata


ReadShot = Callable[[], Shot]


@dataclass(frozen=True)
class AlignedPicture:
    """A display picture as it was merged: the reference as it is, the others brought onto it.

    Attributes
    ----------
    source : int
        Index of the picture among those that were given.
    codes : ndarray (H, W, 3), float32
        0 to 255, upright; beyond its borders the picture is mirrored.
    icc : bytes
        Profile of this picture.
    metadata : Metadata
        Of this picture.
    """

    source: int
    codes: FloatArray
    icc: bytes
    metadata: Metadata


@dataclass(frozen=True)
class DisplayStack:
    """A merged bracket.

    Attributes
    ----------
    light : ndarray (H, W, 3), float32
        Linear, in the primaries of the pictures, 1.0 = clip of the reference; for fusion codes 0 to 1 as the pictures
        have them.
    icc : bytes
        Profile of the reference.
    response : Response
    samples : ndarray (N, P, 3), float64, or None
        Codes that the response was found from.
    bracket : MergedBracket
    metadata : Metadata
        Of the reference.
    notes : tuple of str
    left_out : tuple of (int, str)
        Index of each picture that cannot be read, and why.
    warnings : tuple of str
    """

    light: FloatArray
    icc: bytes
    response: Response
    samples: NDArray[np.float64] | None
    bracket: MergedBracket
    metadata: Metadata
    notes: tuple[str, ...]
    left_out: tuple[tuple[int, str], ...]
    warnings: tuple[str, ...]


def stack_display(
    shots: Sequence[ReadShot],
    *,
    settings: StackSettings | None = None,
    response: Response | None = None,
    watch: Stopwatch | None = None,
    follow: Callable[[AlignedPicture, FloatArray | None], None] | None = None,
) -> DisplayStack:
    """Merge display pictures of one camera.

    Parameters
    ----------
    shots : sequence of callable
        Each returns a picture; called several times, so that one picture at a time is in memory.
    settings : StackSettings or None
        Its `response` says how the response is found.
    response : Response or None
        Instead of finding one.
    watch : Stopwatch or None
    follow : callable or None
        Handed each picture when it is merged, the reference first, with where it shows what was merged before, as for
        `hdrcli.recipes.stack_merge.merge_bracket`.

    Returns
    -------
    DisplayStack

    Raises
    ------
    UnsuitableInputError
        When the pictures do not belong together, or share no range of light.
    """
    settings, watch = settings or StackSettings(), watch or Stopwatch()
    exposures = _DisplayExposures(shots, settings, response, watch)
    hand_on = None if follow is None else lambda index, shown: follow(exposures.aligned(index), shown)
    registrations = None
    if exposures.recovers:
        first = merge_bracket(exposures, settings, watch)
        registrations = first.registrations
        with watch.stage("response", 0.5):
            exposures.recover(first)
    bracket = merge_bracket(exposures, settings, watch, registrations=registrations, follow=hand_on)
    with watch.stage("merge", 0.7):
        if settings.method == "fusion":
            light = exposures.fused(bracket)
        else:
            light = exposures.stack.result(brightest=1 / min(bracket.gains))
    reference = bracket.reference
    return DisplayStack(
        light,
        exposures.profiles[reference],
        exposures.response,
        exposures.samples,
        bracket,
        exposures.metadata[reference],
        tuple(exposures.notes),
        tuple(exposures.left_out),
        (*exposures.warnings, *bracket.warnings),
    )


class _DisplayExposures:
    """Display pictures as `merge_bracket` wants them."""

    tolerance = 0.1

    def __init__(
        self, shots: Sequence[ReadShot], settings: StackSettings, response: Response | None, watch: Stopwatch
    ) -> None:
        self.settings = settings
        self.warnings: list[str] = []
        self.surveys: list[Survey] = []
        self.metadata: list[Metadata] = []
        self.profiles: list[bytes] = []
        self.notes: list[str] = []
        self.samples: NDArray[np.float64] | None = None
        self.shape = (0, 0)
        self.evs = np.zeros(0)
        histograms = []
        stated = stated_evs(settings, len(shots))

        def visit(index: int, shot: Shot) -> None:
            watch.goes_on("survey", 0.02 + 0.2 * index / len(shots))
            histograms.append(self._survey(index, shot, stated[index]))

        with watch.stage("survey", 0.0):
            kept, self.left_out = read_each(shots, visit)
        self.shots = [shots[index] for index in kept]
        self.recovers = response is None and settings.response != "srgb"
        with watch.stage("response", 0.23):
            if self.recovers:
                self.samples = histogram_samples(np.stack(histograms))
            self.evs = prior_gains(self.surveys)
            self._use(response or self._recovered() or srgb_response())
        self._codes = np.zeros((0, 0, 3), np.float32)
        self._trust = np.zeros((0, 0), np.float32)

    def _survey(self, index: int, shot: Shot, stated: float | None) -> NDArray[np.int64]:
        codes = _whole_codes(shot.image)
        facts = FrameFacts(shot.name, (codes.shape[1], codes.shape[0]), shot.metadata)
        if not self.surveys:
            self._first = facts
        warning = check_together(self._first, facts)
        if warning:
            self.warnings.append(warning)
        self.shape = (codes.shape[0], codes.shape[1])
        some = np.ascontiguousarray(codes[:: max(1, self.shape[0] // 1000), :: max(1, self.shape[1] // 1000)])
        light = srgb_response().linearise(some)[..., 1]
        clipped, usable = well_exposed(light, _NOISE)
        ev = metadata_ev(shot.metadata) if stated is None else stated
        self.surveys.append(Survey(shot.name, index, ev, light_quantiles(light), _NOISE, clipped, usable))
        self.metadata.append(shot.metadata)
        self.profiles.append(shot.image.icc)
        return np.stack([np.bincount(codes[..., c].ravel(), minlength=256) for c in range(3)], axis=1)

    @property
    def bound(self) -> float:
        """Share of the clip from which on the mean of a cell may hold clipped samples."""
        return float(self.response.curve[_BOUND_CODE].min())

    def _use(self, response: Response) -> None:
        """Begin anew with a response."""
        self.response = response
        self.tables = LightTables(response.curve)
        self.stack = PictureStack(self.shape)

    def _recovered(self) -> Response | None:
        """Return the response that the samples say; None where there are none, or they say nothing."""
        if self.samples is None:
            return None
        solve = robertson if self.settings.response == "robertson" else debevec_malik
        try:
            return solve(self.samples, self.evs * math.log(2))
        except UnsuitableInputError as error:
            self.notes.append(f"{error} The curve of sRGB is taken for the response.")
            return None

    def recover(self, bracket: MergedBracket) -> None:
        """Find the response again, from the same places in all pictures, now that these are known."""
        points = spatial_sample_points(self._read(bracket.reference), _POINTS)
        codes = np.empty((len(points), len(self.shots), 3), np.float64)
        inside = np.ones(len(points), dtype=bool)
        for index in range(len(self.shots)):
            warp = np.eye(3) if index == bracket.reference else to_finer(bracket.registrations[index].warp)
            places = np.c_[points[:, ::-1], np.ones(len(points))] @ warp.T
            columns, rows = (np.rint(places[:, axis] / places[:, 2]).astype(np.int64) for axis in (0, 1))
            inside &= (columns >= 0) & (rows >= 0) & (columns < self.shape[1]) & (rows < self.shape[0])
            # Flat areas were chosen: the mean of a neighbourhood is less noisy, and a fraction of a pixel is nothing.
            blurred = cv2.blur(self._read(index).astype(np.float32), (3, 3))
            codes[:, index] = blurred[rows.clip(0, self.shape[0] - 1), columns.clip(0, self.shape[1] - 1)]
        codes = codes[inside]
        kept = codes[reject_contradictions(codes, self.evs)]
        if len(kept) >= _LEAST_POINTS:
            self.samples = kept
        self._use(self._recovered() or self.response)

    def _read(self, index: int) -> NDArray[np.uint8]:
        return _whole_codes(self.shots[index]().image)

    def load(self, index: int) -> Cells:
        """Read a picture and return its cells on the scale of its own clip."""
        self._codes = _codes(self.shots[index]().image)
        self._trust = code_trust(self._codes)
        light, _ = picture_cells(self.tables.of(self.tables.light, self._codes))
        variance, _ = picture_cells(self.tables.of(self.tables.variance, self._codes))
        # JPEG makes neighbours err alike: the mean of four is hardly better than one of them.
        return Cells(light, variance * np.float32(0.5), self._trust)

    def add(self, gain: float, keep: FloatArray | None, warp: Warp | None, gain_error: float) -> float:
        """Merge the picture that is held."""
        codes, trust = self._codes, self._trust
        if warp is not None:
            codes = self._codes = _warped(codes, warp)
            trust = warp_onto(trust, to_coarser(warp))
            trust = np.asarray(np.where(trust > np.float32(0.02), trust, 0), dtype=np.float32)
        return self.stack.add(codes, self.tables, trust, gain=gain, keep=keep, gain_error=gain_error)

    def aligned(self, index: int) -> AlignedPicture:
        """Return the picture that is held, once it is merged."""
        return AlignedPicture(self.surveys[index].source, self._codes, self.profiles[index], self.metadata[index])

    def merged(self) -> Cells:
        """Return the cells of what was merged so far."""
        return self.stack.cells()

    def fused(self, bracket: MergedBracket) -> FloatArray:
        """Return the exposure fusion (H, W, 3) of all pictures, brought onto the reference; codes 0 to 1."""
        fusion, merged = Fusion(self.shape), self.merged()
        for step in (fusion.weigh, fusion.blend):
            for index, gain in enumerate(bracket.gains):
                cells, codes, valid = self.load(index), self._codes, np.ones(self.shape, np.float32)
                found = bracket.registrations.get(index)
                if found is not None:
                    cells = moved_cells(cells, found)
                    keep = kept(self, merged, cells, found, gain, level=self.settings.deghost)
                    valid = np.asarray(cv2.resize(keep, self.shape[::-1]), dtype=np.float32)
                    codes = codes if found.model == "none" else _warped(codes, to_finer(found.warp))
                step(codes * np.float32(1 / 255), valid)
        return fusion.result()


def _codes(image: DisplayImage) -> FloatArray:
    """Return codes (H, W, 3), 0 to 255, those of 16 bits with their fractions."""
    scale = 255 / np.iinfo(image.data.dtype).max
    return np.multiply(image.data, np.float32(scale), dtype=np.float32)


def _whole_codes(image: DisplayImage) -> NDArray[np.uint8]:
    return np.asarray(image.data if image.data.dtype == np.uint8 else np.rint(_codes(image)), dtype=np.uint8)


def _warped(codes: FloatArray, warp: Warp) -> FloatArray:
    """Bring codes onto the reference; on their scale nothing bright rings into the dark."""
    moved = warp_onto(codes, warp, interpolation=cv2.INTER_LANCZOS4)
    return np.asarray(np.clip(moved, 0, codes.max(), out=moved))
