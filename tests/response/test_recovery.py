"""Responses recovered from brackets: those that made them, whatever the way, the order and the disturbance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from hdrcli.errors import UnsuitableInputError, UsageError
from hdrcli.response.debevec import debevec_malik
from hdrcli.response.response import Response, srgb_response
from hdrcli.response.robertson import robertson
from hdrcli.response.samples import histogram_samples
from hdrcli.sensor.curves import SET_ASIDE, SRGB, CameraCurve

Solve = Callable[..., Response]
Codes = NDArray[np.float64]

STOPS = np.array([-2.0, 0.0, 2.0])
CURVES = (
    SRGB,
    CameraCurve("gamma", (2.2,)),
    CameraCurve("contrast", (1.0, 0.5, 1.8, 0.45)),
    CameraCurve("film", (2.5, 0.3, 2.1)),
    CameraCurve("sigmoid", (0.65, 0.6)),
    CameraCurve("spline", (0.1, -0.2, 0.1, 0.0, 0.4, 1.0, 2.0)),
    *SET_ASIDE,
)
EACH = [(debevec_malik, curve, 0.02) for curve in CURVES] + [(robertson, curve, 0.03) for curve in CURVES[1:6:2]]
BOTH = pytest.mark.parametrize("solve", [debevec_malik, robertson])


def taken(curve: CameraCurve, light: NDArray[np.float64], stops: NDArray[np.float64], *, noise: float = 0.0) -> Codes:
    """Return the codes (N, P, 3) of light (N, 3) in frames; noise is in codes."""
    exposed = light[:, None] * 2.0 ** stops[:, None]
    codes = 255.0 * curve.encode(exposed.astype(np.float32))
    return np.rint(np.clip(codes + np.random.default_rng(9).normal(0, noise, codes.shape), 0, 255))


def scene(number: int, *, seed: int = 1) -> NDArray[np.float64]:
    """Return light (number, 3) of many stops; 1 is white of the frame at 0 stops."""
    return 2 ** np.random.default_rng(seed).normal(-3, 2.2, (number, 3))


def samples_of(curve: CameraCurve, *, number: int = 1500, noise: float = 0.6) -> Codes:
    return taken(curve, scene(number), STOPS, noise=noise)


def error(response: Response, curve: CameraCurve, *, first: int = 5, last: int = 250) -> float:
    """Return the relative error of light (root mean square) over codes and channels after one gain."""
    truth = curve.decode((np.arange(256) / 255).astype(np.float32)).astype(np.float64)[first : last + 1, None]
    ratio = response.curve[first : last + 1] / truth
    return float(np.std(np.log(ratio)))


@pytest.mark.parametrize(("solve", "curve", "most"), EACH)
def test_curves_are_recovered_from_places(solve: Solve, curve: CameraCurve, most: float) -> None:
    response = solve(samples_of(curve), STOPS * np.log(2))
    assert error(response, curve, first=8) < most


@pytest.mark.parametrize(("solve", "curve", "most"), EACH)
def test_curves_are_recovered_from_histograms_of_different_pixels(
    solve: Solve, curve: CameraCurve, most: float
) -> None:
    histograms = []
    for frame in range(3):
        codes = taken(curve, scene(200_000, seed=frame), STOPS[frame : frame + 1])[:, 0].astype(np.int64)
        histograms.append(np.stack([np.bincount(codes[:, channel], minlength=256) for channel in range(3)], axis=1))
    response = solve(histogram_samples(np.stack(histograms)), STOPS * np.log(2))
    assert error(response, curve, first=8) < 1.5 * most


@BOTH
def test_channels_of_one_curve_share_it(solve: Solve) -> None:
    curve = solve(samples_of(CURVES[2]), STOPS * np.log(2)).curve
    np.testing.assert_array_equal(curve, np.repeat(curve[:, :1], 3, axis=1))


@BOTH
def test_channels_of_unlike_curves_have_their_own_and_keep_grey_and_white(solve: Solve) -> None:
    curves = CURVES[1], CURVES[2], CURVES[5]
    codes = np.stack([samples_of(curve)[:, :, channel] for channel, curve in enumerate(curves)], axis=2)
    response = solve(codes, STOPS * np.log(2))
    for channel, curve in enumerate(curves):
        own = Response(np.repeat(response.curve[:, channel : channel + 1], 3, axis=1))
        assert error(own, curve, first=12, last=128) < 0.035
    np.testing.assert_allclose(response.curve[128], response.curve[128, 0], rtol=1e-9)
    np.testing.assert_allclose(response.curve[255], 1, rtol=1e-9)


def test_the_order_of_frames_and_a_common_factor_of_exposures_do_not_matter() -> None:
    codes = samples_of(CURVES[3])
    expected = debevec_malik(codes, STOPS * np.log(2)).curve
    shuffled = debevec_malik(codes[:, [2, 0, 1]], STOPS[[2, 0, 1]] * np.log(2) + 7).curve
    np.testing.assert_allclose(shuffled, expected, rtol=1e-6)


@BOTH
def test_what_moved_hardly_disturbs(solve: Solve) -> None:
    codes = samples_of(CURVES[3])
    rng = np.random.default_rng(5)
    moved = rng.random(len(codes)) < 0.1
    codes[moved, 1] = codes[rng.permutation(len(codes))[: moved.sum()], 1]
    response = solve(codes, STOPS * np.log(2))
    assert error(response, CURVES[3], first=12) < 0.04


@pytest.mark.parametrize(
    ("solve", "apart"), [(debevec_malik, 1.0), (debevec_malik, 3.0), (debevec_malik, 6.0), (robertson, 2.0)]
)
def test_two_frames_are_enough_for_a_usual_curve(solve: Solve, apart: float) -> None:
    stops = np.array([0.0, apart])
    response = solve(taken(CURVES[2], scene(3000), stops, noise=0.3), stops * np.log(2))
    assert error(response, CURVES[2], first=12) < 0.15


def test_a_hundred_frames_are_taken_too() -> None:
    stops = np.linspace(-5, 5, 100)
    response = debevec_malik(taken(CURVES[4], scene(2000), stops, noise=0.6), stops * np.log(2))
    assert error(response, CURVES[4]) < 0.02


@BOTH
def test_the_less_there_is_the_nearer_to_srgb(solve: Solve) -> None:
    few = samples_of(CURVES[5])[:3]
    few[:] = [[60], [116], [200]]
    response = solve(few, STOPS * np.log(2))
    assert np.abs(np.log(response.curve[5:] / srgb_response().curve[5:])).max() < 1.5


@BOTH
def test_a_floor_of_black_leaves_a_curve(solve: Solve) -> None:
    codes = np.maximum(samples_of(CURVES[1]), 14)
    curve = solve(codes, STOPS * np.log(2)).curve
    assert np.isfinite(curve).all()
    assert curve[0].min() > 0


@BOTH
def test_frames_of_one_exposure_are_unsuitable(solve: Solve) -> None:
    codes = samples_of(SRGB)
    for stops in (np.zeros(3), np.array([0.0, 0.01, 0.05])):
        with pytest.raises(UnsuitableInputError, match="do not differ in exposure"):
            solve(codes, stops * np.log(2))
    with pytest.raises(UnsuitableInputError, match="do not differ in exposure"):
        solve(codes[:, :1], np.zeros(1))


@BOTH
@pytest.mark.parametrize("code", [0, 255])
def test_pictures_of_black_or_of_white_are_unsuitable(solve: Solve, code: int) -> None:
    for number in (0, 5, 500):
        with pytest.raises(UnsuitableInputError, match="well exposed in two frames"):
            solve(np.full((number, 3, 3), code, np.uint8), STOPS)


@BOTH
def test_arguments_that_do_not_fit_together_are_refused(solve: Solve) -> None:
    codes = samples_of(SRGB)
    for wrong, exposures in ((codes[:, :2], STOPS), (codes[:, :, :1], STOPS), (codes[..., 0], STOPS)):
        with pytest.raises(UsageError, match=r"codes \(N, P, 3\)"):
            solve(wrong, exposures)
    with pytest.raises(UsageError, match="finite"):
        solve(codes, np.array([0.0, 1.0, np.nan]))
    for smoothness in (0.0, -1.0, np.nan):
        with pytest.raises(UsageError, match="above 0"):
            solve(codes, STOPS, smoothness=smoothness)
