"""The test cases of one-picture HDR are what their settings say, and always the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hdrcli.images import FloatArray, Metadata, SceneImage
from hdrcli.io.exr import write_exr
from hdrcli.sensor.curves import FAMILIES, SET_ASIDE
from hdrcli.training.single_cases import reduced, single_cases


@pytest.fixture
def scenes(tmp_path: Path) -> Path:
    for i in range(4):
        light = np.random.default_rng(i).lognormal(0, 1.5, (40, 60, 3)).astype(np.float32)
        write_exr(tmp_path / f"scene{i}.exr", SceneImage(light), metadata=Metadata())
    return tmp_path


def test_cases_come_in_order_with_the_curves_that_are_set_aside_in_turn(scenes: Path) -> None:
    cases = list(single_cases(scenes))
    assert [case.name for case in cases] == ["scene0", "scene1", "scene2", "scene3"]
    assert [case.capture.settings.curve for case in cases] == [*SET_ASIDE, SET_ASIDE[0]]
    for case in cases:
        share = np.mean((case.capture.truth > 1).any(axis=2))
        assert 0.015 < share < 0.105
        assert case.capture.picture.shape == (40, 60, 3)
        assert case.capture.encoded


def test_cases_for_tuning_have_curves_of_the_families_of_training(scenes: Path) -> None:
    assert all(case.capture.settings.curve.family in FAMILIES for case in single_cases(scenes, tuning=True))


def test_equal_seeds_make_equal_cases_and_others_do_not(scenes: Path) -> None:
    one, same, other = (next(single_cases(scenes, seed=seed)) for seed in (1, 1, 2))
    assert one.capture.encoded == same.capture.encoded
    assert one.capture.encoded != other.capture.encoded


def test_a_case_does_not_depend_on_the_cases_before_it(scenes: Path) -> None:
    before = [case.capture.settings for case in single_cases(scenes)]
    (scenes / "scene3.exr").unlink()
    assert [case.capture.settings for case in single_cases(scenes)] == before[:3]


def test_large_scenes_are_averaged() -> None:
    scene: FloatArray = np.random.default_rng(1).random((50, 121, 3), dtype=np.float32)
    small = reduced(scene, longest=41)
    assert small.shape == (16, 40, 3)
    np.testing.assert_allclose(small[0, 0], scene[:3, :3].mean(axis=(0, 1)), rtol=1e-5)
    assert reduced(scene, longest=121) is scene
