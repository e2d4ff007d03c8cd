"""The table of one-picture HDR."""

from __future__ import annotations

import numpy as np
import pytest

from hdrcli.images import DisplayImage, FloatArray
from hdrcli.sensor.curves import CameraCurve
from hdrcli.sensor.display import DisplaySettings, display_capture
from hdrcli.training.single_cases import SingleCase
from hdrcli.training.single_evaluate import (
    INVERSE_SRGB,
    REINHARD_WHITE,
    evaluate,
    inverse_reinhard,
    inverse_srgb,
    line,
    means,
    pictures_below,
    standard_methods,
    table,
    worst,
)


def case(seed: int) -> SingleCase:
    rng = np.random.default_rng(seed)
    scene = rng.lognormal(0, 1, (8, 10, 3)).repeat(8, axis=0).repeat(8, axis=1).astype(np.float32)
    return SingleCase(f"scene{seed}", display_capture(scene, DisplaySettings(curve=CameraCurve("srgb")), rng))


def test_the_inverse_of_srgb_is_exact_where_nothing_clips() -> None:
    truth, picture = case(1).capture.truth, case(1).capture.picture
    below = truth.max(axis=2) < 1
    np.testing.assert_allclose(inverse_srgb(DisplayImage(picture))[below], truth[below], atol=6e-3)


def test_the_photographic_operator_is_undone() -> None:
    codes = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    scene = inverse_reinhard(DisplayImage(codes))[0, :, 1].astype(np.float64)
    shown = scene * (1 + scene / REINHARD_WHITE**2) / (1 + scene)
    np.testing.assert_allclose(shown, inverse_srgb(DisplayImage(codes))[0, :, 1], atol=1e-5)
    assert scene[-1] == pytest.approx(REINHARD_WHITE, rel=1e-4)


def test_every_method_has_a_line_with_its_means_and_its_worst_picture() -> None:
    seen: list[str] = []

    def each(row: object, answers: dict[str, FloatArray]) -> None:
        seen.extend(answers)

    rows = evaluate([case(1), case(2)], standard_methods(), each=each)  # type: ignore[arg-type]
    assert seen == 2 * list(standard_methods())
    assert "scene1" in line(rows[0])
    lines = table(rows)
    assert lines[0] == "2 pictures"
    assert [text.partition("  ")[0] for text in lines[2:]] == list(standard_methods())
    values = [row.figures[INVERSE_SRGB] for row in rows]
    assert means(rows)[INVERSE_SRGB]["mu"] == pytest.approx((values[0]["mu"] + values[1]["mu"]) / 2)
    assert worst(rows)[INVERSE_SRGB]["pu21"] == min(values[0]["pu21"], values[1]["pu21"])
    assert worst(rows)[INVERSE_SRGB]["clipped"] == max(values[0]["clipped"], values[1]["clipped"])


def test_pictures_that_lose_are_named() -> None:
    rows = evaluate([case(1)], {INVERSE_SRGB: inverse_srgb, "black": lambda image: 0 * inverse_srgb(image)})
    assert pictures_below(rows, "black", INVERSE_SRGB) == ["scene1"]
    assert pictures_below(rows, INVERSE_SRGB, "black") == []
