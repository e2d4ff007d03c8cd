"""What a dual-ISO frame is made of: which rows are high, by how much, and the levels of both; all from its pixels.

`analyse` measures, `normalise` brings both row classes to one scale of light.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from hdrcli.dualiso.evidence import Verdict, judge, open_verdict
from hdrcli.dualiso.noise import class_noise
from hdrcli.dualiso.offsets import remove_offsets
from hdrcli.dualiso.pairs import MIN_COLUMNS, MIN_ROWS, Pairs, RowBins, bin_rows, join, lowest_clip, pair_rows
from hdrcli.dualiso.ratio import fit_ratio
from hdrcli.dualiso.rows import DualIsoFrame
from hdrcli.errors import UnsuitableInputError, UsageError
from hdrcli.images import CountArray, MaskArray, NoiseModel, RawFrame
from hdrcli.isp.linearise import Black, White, above_black, measure_black, measure_white
from hdrcli.kernels import run_in_bands
from hdrcli.sensor.estimate import NoiseBlocks, measure_blocks
from hdrcli.sensor.mosaic import ROW_PATTERNS, high_rows

Levels = tuple[float, float, float, float]

_LINEAR = 0.88  # share of the range that is compared: above it sensors bend, and noise reaches the clip
_STATED_BLACK = 8e-4  # uncertainty of a stated black, as a share of the range
# Uncertainty of a black that masked borders show, in counts: the picture may differ from them by warmth and light.
_MASKED_LOW, _MASKED_HIGH = 0.1, 0.5
_BEYOND_DOUBT = 4.0  # standard errors
_LARGEST_UNEVENNESS = 0.03  # of the amplifiers of one sensor
# The whites are measured with the margin of their pile-up; this one is for offsets taken out of clipped samples.
_CLIP_MARGIN = 0.002


@dataclass(frozen=True)
class DualIsoAnalysis:
    """What was found out about a frame.

    Attributes
    ----------
    is_dual_iso : bool
    confidence : float
        In that, 0 to 1; under 0.5 where the frame does not show it either way (`verdict` "unknown").
    row_pattern : str
        Row classes of rows 0 to 3, "HHLL" and its shifts; the best guess where the frame is not dual-ISO.
    gain : float
        Counts of high rows over counts of low rows, above black, for the same light; 1.0 where nothing was measured.
    gain_by_position : tuple of 4 float
        The same by CFA position; equal to `gain` unless the frame shows a difference beyond doubt.
    gain_error : float
        Standard error of `gain`; 0 where it was given, infinite where nothing was measured.
    black : Black
        Counts, by row class; `high` includes what the comparison of the classes says.
    black_delta : float
        Black of high rows less that of low rows, in counts.
    white_low, white_high : float
        Counts at which each class ends.
    white_source : str
    noise_low, noise_high : NoiseModel
        In units of `DualIsoFrame.data`.
    clipped_low, clipped_high : float
        Shares of the samples of each class at its white.
    deep_shadows : float
        Share of the picture whose light is below the read noise of the low rows: only the high rows see it.
    dynamic_range_gained_ev : float
        By how much the high rows lower the noise floor.
    reason : str
        The evidence in one line.
    """

    is_dual_iso: bool
    confidence: float
    row_pattern: str
    gain: float
    gain_by_position: tuple[float, float, float, float]
    gain_error: float
    black: Black
    black_delta: float
    white_low: float
    white_high: float
    white_source: str
    noise_low: NoiseModel
    noise_high: NoiseModel
    clipped_low: float
    clipped_high: float
    deep_shadows: float
    dynamic_range_gained_ev: float
    reason: str

    @property
    def gain_ev(self) -> float:
        """`gain` in stops."""
        return float(np.log2(self.gain))

    @property
    def verdict(self) -> str:
        """One of "dual-iso", "single" and "unknown"."""
        if self.is_dual_iso:
            return "dual-iso"
        return "single" if self.confidence >= 0.5 else "unknown"


def analyse(
    frame: RawFrame,
    *,
    row_pattern: str | None = None,
    gain: float | None = None,
    black_level: float | None = None,
    white_level: float | None = None,
) -> DualIsoAnalysis:
    """Measure whether and how a frame is dual-ISO.

    Parameters
    ----------
    frame : RawFrame
        Any size from 1 x 1.
    row_pattern : str or None
        Taken as given: the frame is then dual-ISO by decree, provided that its gain is given or can be measured.
    gain : float or None
        Counts of high over low rows, taken as given; whether the frame is dual-ISO is still judged.
    black_level : float or None
        Counts; instead of the black of both classes. Their difference is still measured.
    white_level : float or None
        Counts; instead of the white of both classes.

    Returns
    -------
    DualIsoAnalysis

    Raises
    ------
    UsageError
        For an override that makes no sense.
    """
    _check_overrides(frame, row_pattern, gain, black_level, white_level)
    verdict, bins, blocks = _judge(frame, black_level, white_level)
    verdict = _overridden(verdict, row_pattern, gain)
    known_pattern = verdict.row_pattern if verdict.is_dual_iso else None
    black, white = _black(frame, black_level, known_pattern), _white(frame, white_level, known_pattern)
    ratio = _Ratio(verdict.gain, (verdict.gain,) * 4, np.inf if gain is None else 0.0, black)
    if verdict.is_dual_iso and bins is not None:
        ratio = _refine(bins, verdict, black, white, fixed=gain is not None)
    return _report(frame, verdict, ratio, white, bins, blocks)


def _check_overrides(
    frame: RawFrame, row_pattern: str | None, gain: float | None, black: float | None, white: float | None
) -> None:
    if row_pattern is not None and row_pattern not in ROW_PATTERNS:
        raise UsageError(f"{row_pattern!r} is no dual-ISO row pattern; one of {', '.join(ROW_PATTERNS)} is.")
    if gain is not None and not 1 < gain < 1000:
        raise UsageError(f"The high rows cannot be {gain:g} times as bright as the low rows; 2 to 64 is usual.")
    low = float(np.mean(frame.black)) if black is None else black
    high = frame.white if white is None else white
    if (black is not None or white is not None) and not 0 <= low < high <= 65535:
        raise UsageError(f"A black level of {low:g} and a white level of {high:g} do not fit together.")


def _judge(
    frame: RawFrame, black_level: float | None, white_level: float | None
) -> tuple[Verdict, RowBins | None, NoiseBlocks]:
    """Return the verdict by the pixels, and the statistics behind it."""
    blocks = measure_blocks(frame.counts)
    if frame.counts.shape[0] < MIN_ROWS or frame.counts.shape[1] < MIN_COLUMNS:
        reason = f"the frame is too small to tell (needs {MIN_ROWS} rows of {MIN_COLUMNS} pixels)"
        return open_verdict(reason), None, blocks
    bins = bin_rows(frame.counts)
    if bins.peak.max() == bins.floor.min():
        return open_verdict(f"every sample reads {int(bins.peak.max())}, which tells nothing"), bins, blocks
    black = frame.black if black_level is None else (black_level,) * 4
    white = lowest_clip(bins, black=max(black), stated=frame.white) if white_level is None else white_level
    range_counts = max(white - max(black), 1.0)
    ceiling = max(black) + _LINEAR * range_counts

    def judge_bins(bins: RowBins) -> Verdict:
        pairs = [pair_rows(bins, k, black=(black[k],) * 2, ceiling=ceiling) for k in range(4)]
        return judge(pairs, blocks, cfa=frame.cfa, black=black, sigma=_STATED_BLACK * range_counts)

    verdict = judge_bins(bins)
    if not verdict.measured and (bins.peak >= ceiling).mean() > 0.5:
        bins = bin_rows(frame.counts, sparse=True)  # specks may be left where no stretch is
        verdict = judge_bins(bins)
    return verdict, bins, blocks


def _overridden(verdict: Verdict, row_pattern: str | None, gain: float | None) -> Verdict:
    """Put what the user knows in the place of what was measured."""
    fits = row_pattern is None or row_pattern == verdict.row_pattern
    if gain is not None:
        sees_pattern = verdict.is_dual_iso is None and verdict.confidence > 0
        verdict = replace(verdict, gain=gain, measured=True)
        if sees_pattern:
            verdict = replace(verdict, is_dual_iso=True, confidence=0.6, reason=f"{verdict.reason}; ratio as given")
    if row_pattern is None or (fits and verdict.is_dual_iso):
        return verdict
    if (not fits and gain is None) or not verdict.measured:
        reason = f"rows {row_pattern} as given, but their ratio cannot be measured: {verdict.reason}"
        return replace(verdict, is_dual_iso=False, confidence=0.3, row_pattern=row_pattern, reason=reason)
    return replace(
        verdict, is_dual_iso=True, confidence=0.5, row_pattern=row_pattern, reason=f"as given; {verdict.reason}"
    )


def _black(frame: RawFrame, level: float | None, row_pattern: str | None) -> Black:
    if level is not None:
        return Black((level,) * 4, (level,) * 4, None, None, "option")
    return measure_black(frame, row_pattern=row_pattern)


def _white(frame: RawFrame, level: float | None, row_pattern: str | None) -> White:
    if level is not None:
        return White(level, level, "option")
    return measure_white(frame, row_pattern=row_pattern)


@dataclass(frozen=True)
class _Ratio:
    """What the comparison of the classes says in the end."""

    gain: float
    by_position: Levels
    error: float
    black: Black


def _refine(bins: RowBins, verdict: Verdict, black: Black, white: White, *, fixed: bool) -> _Ratio:
    """Fit gain and black difference once more, with the levels of both classes; then position by position.

    A position keeps its own gain or black only where it differs from the others beyond doubt.
    """
    gain, pattern = verdict.gain, verdict.row_pattern
    masked = black.source == "masked borders"
    low_sigma = _MASKED_LOW if masked else 0.0
    high_sigma = _MASKED_HIGH if masked else _STATED_BLACK * (white.high - max(black.high))
    sigma = float(np.hypot(high_sigma, gain * max(low_sigma, _MASKED_LOW)))
    pairs = [_oriented(bins, k, pattern, black, white) for k in range(4)]
    all_fit = fit_ratio(join(pairs), gain=gain, sigma=sigma, fixed=fixed)
    if not np.isfinite(all_fit.gain_error):
        return _Ratio(gain, (gain,) * 4, np.inf, black)
    gains, low, high = [], [], []
    # Of what is left between both blacks each takes its part, by how uncertain it is.
    of_low = (gain * low_sigma) ** 2 / (high_sigma**2 + (gain * low_sigma) ** 2)
    for k, part in enumerate(pairs):
        own = fit_ratio(part, gain=all_fit.gain, sigma=sigma, fixed=fixed)
        doubt = _BEYOND_DOUBT * np.hypot(own.gain_error, all_fit.gain_error)
        if not doubt < abs(own.gain - all_fit.gain) < _LARGEST_UNEVENNESS * all_fit.gain:
            own = fit_ratio(part, gain=all_fit.gain, sigma=sigma, fixed=True)
        doubt = _BEYOND_DOUBT * np.hypot(own.offset_error, all_fit.offset_error)
        offset = own.offset if abs(own.offset - all_fit.offset) > doubt else all_fit.offset
        gains.append(own.gain)
        low.append(black.low[k] - of_low * offset / own.gain)
        high.append(black.high[k] + (1 - of_low) * offset)
    error = 0.0 if fixed else all_fit.gain_error
    measured = replace(black, low=_four(low), high=_four(high))
    return _Ratio(all_fit.gain, _four(gains), error, measured)


def _four(levels: list[float]) -> Levels:
    return levels[0], levels[1], levels[2], levels[3]


def _oriented(bins: RowBins, position: int, pattern: str, black: Black, white: White) -> Pairs:
    """Return the pairs of a position with the low rows as set `a`."""
    level = black.low[position], black.high[position]
    ceiling = max(level) + _LINEAR * (min(white.low, white.high) - max(level))
    if pattern[position // 2] == "L":
        return pair_rows(bins, position, black=level, ceiling=ceiling)
    return pair_rows(bins, position, black=level[::-1], ceiling=ceiling).swapped()


def _report(
    frame: RawFrame, verdict: Verdict, ratio: _Ratio, white: White, bins: RowBins | None, blocks: NoiseBlocks
) -> DualIsoAnalysis:
    """Put everything together."""
    black, gain = ratio.black, ratio.gain
    if not verdict.is_dual_iso:
        white = White(min(white.low, white.high), min(white.low, white.high), white.source)
    pattern = verdict.row_pattern if verdict.is_dual_iso else None
    noise_low, noise_high = class_noise(frame, blocks, row_pattern=pattern, gain=gain, black=black, white=white)
    high = high_rows(frame.counts.shape[0], verdict.row_pattern)
    delta = float(np.mean(black.high) - np.mean(black.low))
    return DualIsoAnalysis(
        is_dual_iso=bool(verdict.is_dual_iso),
        confidence=verdict.confidence,
        row_pattern=verdict.row_pattern,
        gain=gain,
        gain_by_position=ratio.by_position,
        gain_error=ratio.error,
        black=black,
        black_delta=delta,
        white_low=white.low,
        white_high=white.high,
        white_source=white.source,
        noise_low=noise_low,
        noise_high=noise_high,
        clipped_low=_share_at_least(frame.counts, ~high, white.low),
        clipped_high=_share_at_least(frame.counts, high, white.high),
        deep_shadows=_deep_shadows(bins, black, verdict, white, noise_low, gain),
        dynamic_range_gained_ev=max(0.0, 0.5 * float(np.log2(noise_low.read / noise_high.read))),
        reason=verdict.reason,
    )


def _share_at_least(counts: CountArray, rows: MaskArray, level: float) -> float:
    """Return the share of the samples of `rows` (bool (H,)) that read `level` or more."""
    number = [0] * counts.shape[0]

    def count(first: int, last: int) -> None:
        for y in range(first, last):
            if rows[y]:
                number[y] = int(np.count_nonzero(counts[y] >= level))

    run_in_bands(count, counts.shape[0])
    return float(sum(number) / max(1, int(rows.sum()) * counts.shape[1]))


def _deep_shadows(
    bins: RowBins | None, black: Black, verdict: Verdict, white: White, noise_low: NoiseModel, gain: float
) -> float:
    """Return the share of the picture whose light, as the high rows see it, is below the read noise of the low rows."""
    if bins is None:
        return 0.0
    high = high_rows(bins.mean.shape[0], verdict.row_pattern)
    light = (bins.mean[high] - np.float32(np.mean(black.high))) / (gain * (white.low - np.mean(black.low)))
    return float(np.mean(light < np.sqrt(noise_low.read)))


def normalise(frame: RawFrame, analysis: DualIsoAnalysis) -> DualIsoFrame:
    """Bring both row classes to one scale of light.

    Black goes per class, CFA position, row and column; the high rows are divided by the gain; what rows and columns
    still share in the shadows is removed (`hdrcli.dualiso.offsets`).

    Parameters
    ----------
    frame : RawFrame
    analysis : DualIsoAnalysis
        Of this frame, or of one of the same camera, setting and size.

    Returns
    -------
    DualIsoFrame

    Raises
    ------
    UnsuitableInputError
        When there is no gain, measured or given. (A frame that is not dual-ISO is taken at the word of the analysis.)
    """
    if not analysis.is_dual_iso and analysis.gain == 1:
        raise UnsuitableInputError(
            f"{frame.name or 'The frame'} has no rows of two gains: {analysis.reason}. Say which, with --iso LOW/HIGH."
        )
    high = high_rows(len(frame.counts), analysis.row_pattern)
    black = analysis.black
    low_range = analysis.white_low - float(np.mean(black.low))
    scale = np.array([(1.0,) * 4, 1 / np.array(analysis.gain_by_position)], dtype=np.float64) / low_range
    data = above_black(frame, black, high=high, scale=scale)
    remove_offsets(data, high, (analysis.noise_low, analysis.noise_high))
    clip_high = (analysis.white_high - float(np.mean(black.high))) / (analysis.gain * low_range)
    return DualIsoFrame(
        data=data,
        cfa=frame.cfa,
        row_pattern=analysis.row_pattern,
        gain=analysis.gain,
        clip_low=1.0 - _CLIP_MARGIN,
        clip_high=clip_high * (1.0 - _CLIP_MARGIN),
        noise_low=analysis.noise_low,
        noise_high=analysis.noise_high,
    )
