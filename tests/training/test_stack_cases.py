"""The test brackets are what their settings say, and always the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hdrcli.images import Metadata, SceneImage
from hdrcli.io.exr import write_exr
from hdrcli.sensor.bracket import DisplayBracket, RawBracket
from hdrcli.sensor.curves import FAMILIES, SET_ASIDE
from hdrcli.sensor.display import CAMERAS
from hdrcli.training.stack_cases import KINDS, VARIANTS, Kind, Variant, stack_cases


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    for i, size in enumerate([(256, 272), (256, 272), (520, 656), (256, 272)]):
        light = np.random.default_rng(i).lognormal(0, 1.5, (*size, 3)).astype(np.float32)
        write_exr(folder / f"scene{i}.exr", SceneImage(light), metadata=Metadata())
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_cases_come_in_order_with_cameras_iso_and_curves_in_turn(scenes: Path, kind: Kind) -> None:
    cases = list(stack_cases(scenes, variant="static", kind=kind))
    assert [case.name for case in cases] == ["scene0", "scene1", "scene2", "scene3"]
    assert [case.camera.name for case in cases] == list(CAMERAS)
    for number, (case, iso) in enumerate(zip(cases, (100, 200, 400, 100), strict=True)):
        bracket = case.bracket
        assert (case.kind, case.variant) == (kind, "static")
        assert bracket.truth.shape == ((512, 640, 3) if number == 2 else (256, 272, 3))
        if isinstance(bracket, RawBracket):
            assert [frame.metadata.iso for frame in bracket.frames] == [iso] * 3
            share = np.mean(bracket.truth_mosaic > 1)
        else:
            assert [metadata.iso for metadata in bracket.metadata] == [iso] * 3
            assert {shot.settings.curve for shot in bracket.captures} == {SET_ASIDE[number % 3]}
            assert all(92 <= (shot.settings.quality or 0) <= 97 for shot in bracket.captures)
            share = np.mean((bracket.truth > 1).any(axis=2))
        assert 0.019 < share < 0.081
        np.testing.assert_allclose(np.log2(bracket.gains), (-2, 0, 2), atol=0.05)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_variants_move_what_they_say(scenes: Path, variant: Variant, kind: Kind) -> None:
    bracket = next(stack_cases(scenes, variant=variant, kind=kind)).bracket
    moved = [not np.array_equal(warp, np.eye(3)) for warp in bracket.warps]
    assert moved == ([True, False, True] if variant == "hand-held" else [False] * 3)
    assert (bracket.moving is not None) == (variant == "moving")


@pytest.mark.parametrize("variant", VARIANTS)
def test_still_cases_have_the_same_reference_and_nothing_moves(scenes: Path, variant: Variant) -> None:
    case, still = (next(stack_cases(scenes, variant=variant, kind="raw", still=still)) for still in (False, True))
    assert isinstance(case.bracket, RawBracket)
    assert isinstance(still.bracket, RawBracket)
    np.testing.assert_array_equal(case.bracket.frames[1].counts, still.bracket.frames[1].counts)
    for shot, gain in zip(still.bracket.captures, case.bracket.gains, strict=True):
        np.testing.assert_allclose(shot.truth, case.bracket.truth * np.float32(gain), rtol=1e-4)


def test_cases_for_tuning_have_curves_of_the_families_of_training(scenes: Path) -> None:
    for case in stack_cases(scenes, variant="static", kind="display", tuning=True):
        assert isinstance(case.bracket, DisplayBracket)
        assert case.bracket.captures[0].settings.curve.family in FAMILIES


def test_equal_seeds_make_equal_cases_and_others_do_not(scenes: Path) -> None:
    one, same, other = (next(stack_cases(scenes, variant="moving", kind="raw", seed=s)).bracket for s in (1, 1, 2))
    assert isinstance(one, RawBracket)
    assert isinstance(same, RawBracket)
    np.testing.assert_array_equal(one.frames[0].counts, same.frames[0].counts)
    assert one.gains == same.gains != other.gains


def test_a_folder_without_scenes_has_no_cases(tmp_path: Path) -> None:
    assert list(stack_cases(tmp_path, variant="moving", kind="raw")) == []
