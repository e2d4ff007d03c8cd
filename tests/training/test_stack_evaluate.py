"""Plain merges reach what they can, and the tables and verdicts say what the figures are."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from hdrcli.errors import UnsuitableInputError
from hdrcli.images import FloatArray
from hdrcli.sensor.bracket import BracketSettings, DisplayBracket, RawBracket, display_bracket, raw_bracket
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.curves import CameraCurve
from hdrcli.sensor.display import DisplaySettings
from hdrcli.sensor.motion import random_object
from hdrcli.training.stack_cases import StackCase, Variant
from hdrcli.training.stack_evaluate import (
    HDRCLI,
    KNOWN_DISPLAY,
    KNOWN_RAW,
    Answer,
    Row,
    display_methods,
    evaluate,
    figures,
    line,
    mean,
    raw_methods,
    table,
    verdicts,
)
from hdrcli.training.stack_plain import (
    curve_of,
    known_curve,
    known_curve_debevec,
    known_exposures,
    light_of_codes,
    middle_frame,
    middle_picture,
    weighted_mean,
)

CAMERA = find_camera("550D")
LOOK = DisplaySettings(curve=CameraCurve("film", (1.5, 0.2, 2.2)), camera=CAMERA, quality=95)


def scene(seed: int = 1) -> FloatArray:
    """Return a scene of about ten stops with smooth and fine detail."""
    rng = np.random.default_rng(seed)
    stops = np.zeros((256, 272, 3))
    for side in (8, 64):
        coarse = rng.normal(0, 1.5, (-(-256 // side), -(-272 // side), 1)).astype(np.float32)
        stops += cv2.resize(coarse, (272, 256), interpolation=cv2.INTER_CUBIC)[..., None]
    return np.asarray(2.0**stops * [1.0, 0.9, 0.8], dtype=np.float32)


def raw_case(variant: Variant = "static", *, moves: bool = False) -> StackCase:
    moving = random_object(np.random.default_rng(3), scene(), scene(2), frames=3, reference=1) if moves else None
    bracket = raw_bracket(scene(), CAMERA, BracketSettings(), np.random.default_rng(1), moving=moving)
    return StackCase("place", "raw", variant, bracket, CAMERA)


def display_case(variant: Variant = "static") -> StackCase:
    bracket = display_bracket(scene(), LOOK, BracketSettings(), np.random.default_rng(1))
    return StackCase("place", "display", variant, bracket, CAMERA)


def raw(case: StackCase) -> RawBracket:
    assert isinstance(case.bracket, RawBracket)
    return case.bracket


def display(case: StackCase) -> DisplayBracket:
    assert isinstance(case.bracket, DisplayBracket)
    return case.bracket


def test_known_exposures_merge_to_less_noise_than_any_frame_and_to_the_light_of_the_shortest() -> None:
    bracket = raw(raw_case())
    truth, merged = bracket.truth_mosaic, known_exposures(bracket)
    for level, best in (((0.01, 0.05), 2), ((1.2, 3.5), 0)):
        where = (truth > level[0]) & (truth < level[1])
        assert np.count_nonzero(where) > 500
        off = (merged - truth)[where]
        gain = bracket.gains[best]
        frame = bracket.captures[best]
        alone = np.sqrt(frame.noise_low.variance(truth[where] * np.float32(gain))) / gain
        assert np.sqrt(np.mean(off**2)) < 1.1 * np.sqrt(np.mean(alone**2))
        assert abs(off.mean()) < 0.1 * alone.mean()
    dark = (truth > 0.01) & (truth < 0.05)
    assert np.std((merged - truth)[dark]) < 0.7 * np.std((middle_frame(bracket) - truth)[dark])


def test_the_weighted_mean_believes_the_stated_exposures() -> None:
    bracket = raw_bracket(scene(), CAMERA, BracketSettings(error_stops=0.5), np.random.default_rng(2))
    truth, merged = bracket.truth_mosaic, weighted_mean(bracket)
    bright = (truth > 1.5) & (truth < 3)
    assert np.median(merged[bright] / truth[bright]) == pytest.approx(4 * bracket.gains[0], rel=0.01)
    assert abs(4 * bracket.gains[0] - 1) > 0.03


def test_known_curves_merge_to_the_light() -> None:
    bracket = display(display_case())
    truth = bracket.truth
    for merge in (known_curve, known_curve_debevec):
        merged = merge(bracket)
        for low, high in ((0.05, 0.2), (0.3, 0.8), (1.2, 2.5)):
            where = (truth > low) & (truth < high)
            assert np.count_nonzero(where) > 500
            assert np.median(merged[where] / truth[where]) == pytest.approx(1, abs=0.03)
    middle = middle_picture(bracket)
    assert middle.max() == 1
    assert np.std((known_curve(bracket) / truth)[truth < 0.1]) < np.std((middle / truth)[truth < 0.1])


def test_the_true_curve_is_that_of_the_pictures() -> None:
    curve = curve_of(display(display_case()))
    assert curve.shape == (256, 3)
    np.testing.assert_allclose(LOOK.curve.encode(light_of_codes(LOOK.curve)), np.arange(256) / 255, atol=2e-3)
    np.testing.assert_array_equal(curve[:, 0], curve[:, 2])


def test_the_truth_has_no_error_on_any_frame_or_part() -> None:
    case = raw_case("moving", moves=True)
    bracket = raw(case)
    perfect = figures(case, Answer(bracket.truth_mosaic))
    assert perfect["mosaic"] > 200
    assert perfect["outside"] > 200
    assert perfect["stops"] < 1e-6
    assert perfect["picture"] > 30
    inside = (slice(2, 250), slice(4, 260))
    other = bracket.captures[2].truth_mosaic / np.float32(bracket.gains[2])
    assert figures(case, Answer(np.ascontiguousarray(other[inside]), 2, inside))["mosaic"] > 120
    assert figures(case, Answer(other))["mosaic"] < 45


def test_a_gain_of_a_display_answer_does_not_count_and_its_response_is_measured() -> None:
    case = display_case()
    curve = curve_of(display(case))
    result = figures(case, Answer(display(case).truth * 3, response=curve * [1.01, 1, 0.99]))
    assert result["mu"] > 60
    assert result["response"] == pytest.approx(100 * np.sqrt(2 / 3) * 0.01, rel=0.03)
    assert "stops" not in result
    assert "response" not in figures(case, Answer(display(case).truth))


def test_methods_are_told_of_the_still_case_only_where_their_name_says_so() -> None:
    case = raw_case("moving", moves=True)
    still = replace(case, bracket=raw(raw_case()))
    rows = evaluate([(case, still)], raw_methods())
    merged = rows[0].figures
    np.testing.assert_allclose(
        merged["middle frame alone"]["mosaic"], figures(case, Answer(middle_frame(raw(case))))["mosaic"]
    )
    assert merged[KNOWN_RAW] == figures(case, Answer(known_exposures(raw(still))))
    assert rows[0].best_frame <= merged["middle frame alone"]["stops"] + 1e-6
    shown = display_case()
    assert set(evaluate([(shown, shown)], display_methods())[0].figures) == set(display_methods())


def test_a_method_that_fails_has_no_figures_and_the_table_says_so() -> None:
    def failing(case: StackCase, still: StackCase) -> Answer:
        raise UnsuitableInputError("no light")

    case = raw_case()
    rows = evaluate([(case, case)], {**raw_methods(), "odd": failing})
    assert rows[0].failures == {"odd": "no light"}
    assert line(rows[0]).endswith("odd failed")
    assert np.isnan(mean(rows, "static", "odd", "mosaic"))
    last = table(rows, [*raw_methods(), "odd"])[-1]
    assert last.startswith("odd")
    assert last.endswith("failed on 1")


def made_row(variant: Variant, known: float, own: float, stops: float = 0.1, best: float = 0.05) -> Row:
    values = {"mosaic": own, "picture": own - 5} | ({"stops": stops, "outside": own} if variant == "moving" else {})
    case = replace(raw_case(), variant=variant)
    return Row(case, {KNOWN_RAW: {"mosaic": known, "picture": 40.0}, HDRCLI: values}, best_frame=best)


def test_the_table_holds_means_by_variant() -> None:
    rows = [made_row("static", 50, 49), made_row("static", 52, 50), made_row("moving", 50, 44)]
    lines = table(rows, [KNOWN_RAW, HDRCLI])
    assert lines[0] == "raw brackets: 2 static, 0 hand-held, 1 moving"
    assert lines[-1].split() == ["hdrcli", "49.50", "-", "44.00", "44.00", "0.10", "44.50", "-", "39.00"]
    assert lines[-2].split()[2] == "51.00"


@pytest.mark.parametrize(
    ("stops", "best", "over"), [(0.2, 0.1, False), (0.3, 0.28, False), (0.3, 0.2, True), (0.26, 0.1, True)]
)
def test_verdicts_hold_the_aims_to_the_figures(stops: float, best: float, over: bool) -> None:
    lines = verdicts([made_row("static", 50, 49.8), made_row("moving", 50, 44, stops, best)])
    assert lines[0] == "raw, static: hdrcli +0.20 dB below known exposures; worst +0.20 (place)"
    assert lines[-1].split(": ")[2].startswith("1" if over else "0")
    assert (
        verdicts(evaluate([(display_case(), display_case())], {KNOWN_DISPLAY: display_methods()[KNOWN_DISPLAY]})) == []
    )
