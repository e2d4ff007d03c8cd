"""Raw frames of one bracket to one merged mosaic: linearise, align, merge."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from hdrcli.align.resample import mosaic_at, root_offset_for, take_roots
from hdrcli.align.warp import Warp, to_coarser, warp_onto
from hdrcli.dualiso.detect import analyse
from hdrcli.errors import UnsuitableInputError
from hdrcli.images import BayerImage, CameraProfile, FloatArray, Metadata, NoiseModel, RawFrame
from hdrcli.isp.demosaic import demosaic
from hdrcli.isp.linearise import Black, linear
from hdrcli.isp.whitebalance import multipliers
from hdrcli.merge.cells import Cells, bayer_cells, colour_positions, unsaturated
from hdrcli.merge.stack import BayerStack, neighbourhood
from hdrcli.recipes.frames import FrameFacts, check_together, metadata_ev, read_each, stated_evs
from hdrcli.recipes.stack_merge import MergedBracket, Survey, light_quantiles, merge_bracket, well_exposed
from hdrcli.recipes.stack_settings import StackSettings
from hdrcli.recipes.stopwatch import Stopwatch

ReadFrame = Callable[[], RawFrame]


@dataclass(frozen=True)
class RawStack:
    """A merged bracket, before it is developed.

    Attributes
    ----------
    mosaic : BayerImage
        1.0 = clip of the reference, values above it up to `range`.
    range : float
        Level at which the shortest exposure clips.
    bracket : MergedBracket
    camera : CameraProfile
        Of the reference.
    metadata : Metadata
        Of the reference.
    left_out : tuple of (int, str)
        Index of each frame that cannot be read, and why.
    warnings : tuple of str
    """

    mosaic: BayerImage
    range: float
    bracket: MergedBracket
    camera: CameraProfile
    metadata: Metadata
    left_out: tuple[tuple[int, str], ...] = ()
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class AlignedRaw:
    """A raw frame as it was merged: the reference as it is, the others where the reference has its photosites.

    Attributes
    ----------
    source : int
        Index of the frame among those that were given.
    mosaic : BayerImage
        With the colour filters of the reference, 1.0 = clip of this frame; beyond its borders these are repeated.
    camera : CameraProfile
        Of this frame.
    metadata : Metadata
        Of this frame.
    """

    source: int
    mosaic: BayerImage
    camera: CameraProfile
    metadata: Metadata


@dataclass(frozen=True)
class _Levels:
    """What is measured of a raw frame once and needed each time it is read."""

    black: Black
    white: float
    noise: NoiseModel
    camera: CameraProfile
    metadata: Metadata
    cfa: str
    shape: tuple[int, int]


def stack_raw(
    frames: Sequence[ReadFrame],
    *,
    settings: StackSettings | None = None,
    watch: Stopwatch | None = None,
    follow: Callable[[AlignedRaw, FloatArray | None], None] | None = None,
) -> RawStack:
    """Merge raw frames of one camera.

    Parameters
    ----------
    frames : sequence of callable
        Each returns a frame; called twice, so that one frame at a time is in memory.
    settings : StackSettings or None
    watch : Stopwatch or None
    follow : callable or None
        Handed each frame when it is merged, the reference first, with where it shows what was merged before, as for
        `hdrcli.recipes.stack_merge.merge_bracket`.

    Returns
    -------
    RawStack

    Raises
    ------
    UnreadableFileError
        When fewer than two frames can be read.
    UnsuitableInputError
        When the frames do not belong together, are dual-ISO, or share no range of light.
    """
    settings, watch = settings or StackSettings(), watch or Stopwatch()
    exposures = _RawExposures(frames, settings, watch)
    hand_on = None if follow is None else lambda index, shown: follow(exposures.aligned(index), shown)
    bracket = merge_bracket(exposures, settings, watch, follow=hand_on)
    reference = exposures.levels[bracket.reference]
    with watch.stage("merge", 0.7):
        brightest = 1 / min(bracket.gains)
        mosaic = BayerImage(exposures.result(brightest=brightest, camera=reference.camera), reference.cfa)
    return RawStack(
        mosaic,
        brightest,
        bracket,
        reference.camera,
        reference.metadata,
        tuple(exposures.left_out),
        (*exposures.warnings, *bracket.warnings),
    )


class _RawExposures:
    """Raw frames as `merge_bracket` wants them."""

    bound = 0.88
    tolerance = 0.04

    def __init__(self, frames: Sequence[ReadFrame], settings: StackSettings, watch: Stopwatch) -> None:
        self.levels: list[_Levels] = []
        self.surveys: list[Survey] = []
        self.warnings: list[str] = []
        stated = stated_evs(settings, len(frames))

        def visit(index: int, raw: RawFrame) -> None:
            watch.goes_on("survey", 0.02 + 0.2 * index / len(frames))
            self._survey(index, raw, settings, stated[index])

        with watch.stage("survey", 0.0):
            kept, self.left_out = read_each(frames, visit)
        self.frames = [frames[index] for index in kept]
        self._pool_noise()
        self._stack = BayerStack(self.levels[0].shape, self.levels[0].cfa)
        self._data = np.zeros((0, 0), np.float32)
        self._light = np.zeros((0, 0, 3), np.float32)
        self._trust = np.zeros((0, 0), np.float32)
        self._held = 0

    def _survey(self, index: int, raw: RawFrame, settings: StackSettings, stated: float | None) -> None:
        self._check(raw)
        found = analyse(raw, black_level=settings.black_level, white_level=settings.white_level)
        if found.is_dual_iso:
            raise UnsuitableInputError(f"{raw.name} is dual-ISO: {found.reason}. Use `hdrcli deinterlace`.")
        black, white, noise = found.black, found.white_low, found.noise_low
        height, width = raw.counts.shape
        levels = _Levels(black, white, noise, raw.camera, raw.metadata, raw.cfa, (height, width))
        green = linear(raw, black, white).data[:, :][raw.cfa.index("G") // 2 :: 2, raw.cfa.index("G") % 2 :: 2]
        some = np.ascontiguousarray(green[:: max(1, height // 1000), :: max(1, width // 1000)])
        sigma = math.sqrt(noise.read)
        clipped, usable = well_exposed(some, sigma)
        self.levels.append(levels)
        self.surveys.append(
            Survey(
                raw.name,
                index,
                metadata_ev(raw.metadata) if stated is None else stated,
                light_quantiles(some),
                sigma,
                clipped,
                usable,
            )
        )

    def _check(self, raw: RawFrame) -> None:
        facts = FrameFacts(raw.name, raw.counts.shape[::-1], raw.metadata)
        if not self.surveys:
            self._first = facts
            self._first_cfa = raw.cfa
            return
        warning = check_together(self._first, facts)
        if warning:
            self.warnings.append(warning)
        if raw.cfa != self._first_cfa:
            raise UnsuitableInputError(
                f"{raw.name} begins with {raw.cfa}, {self._first.name} with {self._first_cfa}: they are cropped "
                "otherwise, or of other cameras."
            )

    def _pool_noise(self) -> None:
        """Give frames of one ISO one noise: they have it, and more frames show it better."""
        for iso in {levels.metadata.iso for levels in self.levels}:
            same = [levels.noise for levels in self.levels if levels.metadata.iso == iso]
            # Sums without rounding: the order of the frames must not show.
            shot = math.exp(fmean(math.log(noise.shot) for noise in same))
            read = math.exp(fmean(math.log(max(noise.read, 1e-12)) for noise in same))
            self.levels = [
                replace(levels, noise=NoiseModel(shot, read)) if levels.metadata.iso == iso else levels
                for levels in self.levels
            ]

    def load(self, index: int) -> Cells:
        """Read a frame and return its cells on the scale of its own clip."""
        levels = self.levels[index]
        self._data = linear(self.frames[index](), levels.black, levels.white).data
        self._held = index
        self._light, peak = bayer_cells(self._data, levels.cfa)
        self._trust = unsaturated(peak)
        level = neighbourhood(self._light)
        variance = levels.noise.variance(level)
        variance[..., 1] *= np.float32(0.5)
        return Cells(self._light, variance, self._trust)

    def add(self, gain: float, keep: FloatArray | None, warp: Warp | None, gain_error: float) -> float:
        """Merge the frame that is held."""
        levels = self.levels[self._held]
        samples, light, trust, detail = self._data, self._light, self._trust, None
        if warp is not None:
            coarse = to_coarser(warp)
            light, trust = warp_onto(light, coarse), warp_onto(trust, coarse)
            trust = np.asarray(np.where(trust > 0.02, trust, 0), dtype=np.float32)
            samples, detail = self._resampled(levels, warp)
            self._data = samples
        return self._stack.add(
            samples,
            neighbourhood(light),
            trust,
            gain=gain,
            noise=levels.noise,
            keep=keep,
            detail=detail,
            gain_error=gain_error,
        )

    def _resampled(self, levels: _Levels, warp: Warp) -> tuple[FloatArray, FloatArray]:
        image = BayerImage(self._data, levels.cfa, levels.noise)
        gains = multipliers("camera", camera=levels.camera, bayer=image)
        rgb = demosaic(image, gains=gains)
        offset = root_offset_for(levels.noise)
        take_roots(rgb, offset)
        red, green, blue = (1 / gain for gain in gains)
        colours = colour_positions(self._stack.cfa)
        return mosaic_at(rgb, warp, colours, offset=offset, factors=(red, green, blue))

    def aligned(self, index: int) -> AlignedRaw:
        """Return the frame that is held, once it is merged."""
        levels = self.levels[index]
        image = BayerImage(self._data, levels.cfa)
        return AlignedRaw(self.surveys[index].source, image, levels.camera, levels.metadata)

    def merged(self) -> Cells:
        """Return the cells of what was merged so far."""
        return self._stack.cells()

    def result(self, *, brightest: float, camera: CameraProfile) -> FloatArray:
        """Return the merged mosaic, on the scale of the reference."""
        return self._stack.result(brightest=brightest, neutral=camera.as_shot_neutral or (1.0, 1.0, 1.0))
