"""Pictures given their highlights back must not get worse: seeded cases with the figures reached, less a margin."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_scene import drawn_scene

from hdrcli.images import DisplayImage
from hdrcli.inference.registry import shipped_models
from hdrcli.recipes.single import SingleSettings, single_image
from hdrcli.sensor.curves import SET_ASIDE
from hdrcli.sensor.display import DisplayCapture, DisplaySettings, display_capture
from hdrcli.training.single_cases import single_cases
from hdrcli.training.single_metrics import figures

MARGIN_DB = 0.3
# mu-PSNR, by method: the drawn scene, and "br_signs" of the collection.
METHODS_DB = {"none": (35.58, 26.62), "single-unet": (34.82, 30.89), "two-stage": (31.06, 28.51)}


def drawn_picture() -> DisplayCapture:
    """Photograph the drawn scene with a curve that no method was made on."""
    settings = DisplaySettings(clipped=0.06, curve=SET_ASIDE[0], quality=90)
    return display_capture(drawn_scene(), settings, np.random.default_rng(1))


def mu_psnr(picture: DisplayCapture, model: str) -> float:
    """Return the figure of the recipe's answer."""
    settings = SingleSettings(model=model, device="cpu")
    light = single_image(DisplayImage(picture.picture), settings=settings)
    return figures(light.data, picture.truth)["mu"]


@pytest.mark.parametrize("model", sorted(METHODS_DB))
def test_the_drawn_scene_is_as_good_as_it_was(model: str) -> None:
    assert mu_psnr(drawn_picture(), model) > METHODS_DB[model][0] - MARGIN_DB


@pytest.mark.parametrize("model", sorted(METHODS_DB))
def test_a_scene_is_as_good_as_it_was(shared_data: Path, model: str) -> None:
    case = next(case for case in single_cases(shared_data / "scenes" / "val") if case.name == "br_signs")
    assert mu_psnr(case.capture, model) > METHODS_DB[model][1] - MARGIN_DB


def test_every_shipped_network_has_its_figure() -> None:
    assert {model.name for model in shipped_models(task="single")} | {"none"} == set(METHODS_DB)
