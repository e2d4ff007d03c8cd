"""Is it a dual-ISO frame, and which rows are high: a verdict from the pixels, with its reason.

Four things must come together, since each alone has an innocent explanation. Rows two apart differ by one ratio; they
do so for the even and for the odd rows alike (pairs); everywhere that the picture is bright enough, not just on a
striped subject; and where noise can be seen, it is amplified as the signal is, which the stripes of a subject are not.
Where a frame cannot show this, because it is black or clipped nearly everywhere, the verdict is open.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hdrcli.dualiso.pairs import Pairs, join
from hdrcli.dualiso.ratio import FEWEST, RowRatio, fit_ratio, rough_ratio
from hdrcli.sensor.estimate import NoiseBlocks, amplified_evidence, noise_points
from hdrcli.sensor.mosaic import ROW_PATTERNS

LEAST_EV = 0.8  # one stop is the smallest setting of cameras; no ordinary frame comes near
_LEAST_AGREEMENT = 0.88  # dual-ISO frames stay above 0.95
_OPEN_AGREEMENT = 0.7
_UNEQUAL_EV = 0.3  # by which even and odd rows may differ and still be one setting
_LOPSIDED = 0.1  # share of the picture where one set of rows clips and the other does not
_SURE_EV = 0.1  # standard error beyond which a ratio counts as not measured
_SUBJECT = -1.0  # evidence below which the noise says that the subject has stripes; dual-ISO frames stay above -0.6


@dataclass(frozen=True)
class Verdict:
    """What the rows of a frame say.

    Attributes
    ----------
    is_dual_iso : bool or None
        None where the frame does not show it either way.
    confidence : float
        In this verdict, 0 to 1; under 0.5 where it is open.
    row_pattern : str
        The best guess even where the rows hardly differ.
    gain : float
        Counts of the brighter over counts of the darker rows; 1.0 where nothing was measured.
    measured : bool
        Whether `gain` was measured.
    reason : str
        The evidence in one line.
    """

    is_dual_iso: bool | None
    confidence: float
    row_pattern: str
    gain: float
    measured: bool
    reason: str


@dataclass(frozen=True)
class _Parity:
    """What the even rows say among themselves, or the odd rows."""

    first_is_high: bool
    ratio: RowRatio
    pairs: Pairs  # oriented: `b` is the brighter set

    @property
    def ev(self) -> float:
        return float(np.log2(max(self.ratio.gain, 1e-3)))

    @property
    def error_ev(self) -> float:
        return float(self.ratio.gain_error / max(self.ratio.gain, 1e-3) / np.log(2))

    @property
    def measured(self) -> bool:
        return self.error_ev < _SURE_EV

    @property
    def clipped_high(self) -> float:
        """Share of the picture where the brighter rows clip and the darker do not, less the opposite."""
        pairs = self.pairs
        everywhere = pairs.a.size + pairs.only_a + pairs.only_b + pairs.both
        return (pairs.only_b - pairs.only_a) / max(everywhere, 1)

    @property
    def clipped_both(self) -> float:
        pairs = self.pairs
        return pairs.both / max(pairs.a.size + pairs.only_a + pairs.only_b + pairs.both, 1)


def judge(pairs: Sequence[Pairs], blocks: NoiseBlocks, *, cfa: str, black: tuple[float, ...], sigma: float) -> Verdict:
    """Judge a frame.

    Parameters
    ----------
    pairs : sequence of 4 Pairs
        By position in the Bayer cell: set `a` are rows 0 (or 1) modulo 4, set `b` rows 2 (or 3).
    blocks : NoiseBlocks
    cfa : str
        Bayer pattern at the first sample.
    black : tuple of 4 float
        Stated black in counts.
    sigma : float
        Uncertainty of the difference of two black levels, in counts.

    Returns
    -------
    Verdict
    """
    even, odd = (_compare(join(pairs[2 * k : 2 * k + 2]), sigma) for k in (0, 1))
    pattern = _pattern(even.first_is_high, odd.first_is_high)
    if not (even.measured and odd.measured):
        return _judge_unmeasured(even, odd, pattern)
    verdict = _judge_measured(even, odd, pattern, blocks, black)
    lines_ev = _single_lines(pairs, cfa)
    if not verdict.is_dual_iso and abs(lines_ev) >= LEAST_EV:
        alternate = f"even and odd rows differ by {abs(lines_ev):.2f} EV: lines alternate singly, not in pairs"
        verdict = replace(verdict, is_dual_iso=False, confidence=0.8, reason=f"{verdict.reason}; {alternate}")
    return verdict


def open_verdict(reason: str, *, row_pattern: str = ROW_PATTERNS[0], confidence: float = 0.0) -> Verdict:
    """Return the verdict on a frame that shows nothing either way."""
    return Verdict(None, confidence, row_pattern, 1.0, False, reason)


def _compare(pairs: Pairs, sigma: float) -> _Parity:
    """Find the brighter set of rows and its ratio to the other."""
    rough = rough_ratio(pairs, sigma=sigma)
    first_is_high = rough < 1
    if min(pairs.a.size, abs(np.log2(rough)) * 1e9) < FEWEST:  # hardly a place that neither clips
        first_is_high = pairs.only_a > pairs.only_b
        rough = 1.0
    if first_is_high:
        pairs, rough = pairs.swapped(), 1 / rough
    ratio = fit_ratio(pairs, gain=rough, sigma=sigma * (1 + rough) / 2)
    if ratio.gain < 1 and np.isfinite(ratio.gain_error):
        pairs, first_is_high = pairs.swapped(), not first_is_high
        ratio = fit_ratio(pairs, gain=1 / ratio.gain, sigma=sigma)
    return _Parity(first_is_high, ratio, pairs)


def _single_lines(pairs: Sequence[Pairs], cfa: str) -> float:
    """Return by how many stops green is brighter in the even rows than in the odd rows, in the brighter half."""
    levels = []
    for row in (0, 1):
        green = pairs[2 * row + cfa[2 * row : 2 * row + 2].index("G")]
        if green.a.size < FEWEST:
            return 0.0
        levels.append(float(np.percentile(green.level_a + green.level_b, 75)))
    return float(np.log2(levels[0] / levels[1])) if min(levels) > 0 else 0.0


def _pattern(row_0_is_high: bool, row_1_is_high: bool) -> str:
    even, odd = ("HL" if first else "LH" for first in (row_0_is_high, row_1_is_high))
    return even[0] + odd[0] + even[1] + odd[1]


def _judge_measured(
    even: _Parity, odd: _Parity, pattern: str, blocks: NoiseBlocks, black: tuple[float, ...]
) -> Verdict:
    """Judge by the ratios of even and odd rows."""
    smaller, larger = sorted((even.ev, odd.ev))
    error = float(np.hypot(even.error_ev, odd.error_ev))
    gain = 2 ** ((smaller + larger) / 2)
    measured = f"row groups differ by {(smaller + larger) / 2:.2f} EV (need {LEAST_EV})"
    if larger < LEAST_EV:
        sure = (LEAST_EV - larger) / (LEAST_EV / 4 + 2 * error)
        return Verdict(False, float(np.clip(sure / 2, 0.5, 0.99)), pattern, gain, True, measured)
    if smaller < LEAST_EV or larger - smaller > _UNEQUAL_EV + 3 * error:
        reason = f"rows differ, but not in pairs (even rows by {even.ev:.2f} EV, odd rows by {odd.ev:.2f} EV)"
        return Verdict(False, 0.8, pattern, gain, True, reason)
    informative = even.ratio.informative + odd.ratio.informative
    agreement = min(even.ratio.agreement, odd.ratio.agreement)
    if any(parity.ratio.informative < min(FEWEST, parity.ratio.usable // 2) for parity in (even, odd)):
        return open_verdict(f"{measured}, but in too few places", row_pattern=pattern, confidence=0.3)
    if agreement < _LEAST_AGREEMENT:
        reason = f"{measured} in only {100 * agreement:.0f} % of {informative} neighbourhoods: a striped subject"
        if agreement > _OPEN_AGREEMENT and informative < 10 * FEWEST:
            return open_verdict(reason + "?", row_pattern=pattern, confidence=0.3)
        return Verdict(False, 0.8, pattern, gain, True, reason)
    if smaller - 3 * error < LEAST_EV / 2 or even.clipped_high + odd.clipped_high < -0.1:
        return open_verdict(f"{measured}, uncertain by {error:.2f} EV", row_pattern=pattern, confidence=0.3)
    if _noise_evidence(even, odd, pattern, blocks, black) < _SUBJECT:
        return Verdict(False, 0.8, pattern, gain, True, f"{measured} in light but not in noise: a striped subject")
    share = f"in pairs {pattern}, in {100 * agreement:.0f} % of {informative} neighbourhoods"
    confidence = float(np.clip(agreement * (1 - error), 0.5, 0.99))
    return Verdict(True, confidence, pattern, gain, True, f"{measured} {share}")


def _noise_evidence(even: _Parity, odd: _Parity, pattern: str, blocks: NoiseBlocks, black: tuple[float, ...]) -> float:
    ceiling = even.pairs.ceiling + max(black)
    low, high = (
        noise_points(blocks, [row for row in range(4) if pattern[row] == name], black=black, ceiling=ceiling)
        for name in "LH"
    )
    return amplified_evidence(low, high, gain=float(np.sqrt(even.ratio.gain * odd.ratio.gain)))


def _judge_unmeasured(even: _Parity, odd: _Parity, pattern: str) -> Verdict:
    """Say what can be said where the frame is clipped or black nearly everywhere."""
    for name, parity, other in (("even", even, odd), ("odd", odd, even)):
        ratio = parity.ratio
        sure = parity.measured and parity.ev - 3 * parity.error_ev > LEAST_EV and ratio.agreement > _LEAST_AGREEMENT
        if sure and ratio.informative >= FEWEST and other.clipped_high > _LOPSIDED:
            reason = (
                f"{name} rows differ by {parity.ev:.2f} EV (need {LEAST_EV}) in pairs {pattern}, and of the others "
            )
            reason += f"the high ones alone clip in {100 * other.clipped_high:.0f} % of the picture"
            return Verdict(True, 0.7, pattern, ratio.gain, True, reason)
    if min(even.clipped_high, odd.clipped_high) > _LOPSIDED:
        share = 50 * (even.clipped_high + odd.clipped_high)
        reason = (
            f"rows {pattern} look dual-ISO (the high rows alone clip in {share:.0f} % of the picture), but nowhere do "
        )
        reason += "both rows see well enough to measure their ratio"
        return open_verdict(reason, row_pattern=pattern, confidence=0.45)
    if even.clipped_both + odd.clipped_both > 1:
        share = 50 * (even.clipped_both + odd.clipped_both)
        return open_verdict(f"{share:.0f} % of the picture is clipped: the rest does not tell", row_pattern=pattern)
    return open_verdict("the picture is too dark to compare its rows", row_pattern=pattern)
