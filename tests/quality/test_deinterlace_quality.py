"""The picture must not get worse: seeded cases with the figures reached, less a margin.

The first scene is drawn here, so that the test runs everywhere; the others are there when the collection is.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_scene import drawn_scene

from hdrcli.images import FloatArray
from hdrcli.inference.registry import shipped_models
from hdrcli.recipes.deinterlace import DeinterlaceSettings, deinterlace_frame
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.capture import Capture, CaptureSettings, capture
from hdrcli.training.cases import dual_iso_cases
from hdrcli.training.metrics import mosaic_psnr, period_four_excess

MARGIN_DB = 0.3
DRAWN_DB = 39.0
SCENES_DB = {"br_signs": 41.1, "exr_desk": 37.5, "ph_workshop_0": 37.4}
# By network: the drawn scene, and "br_signs" of the collection.
MODELS_DB = {"dualiso-unet": (43.62, 44.06), "dualisonet-dsc": (42.49, 42.06)}


def merged(frame: Capture, *, model: str = "none") -> FloatArray:
    """Reconstruct a frame as the command does."""
    settings = DeinterlaceSettings(model=model, device="cpu")
    return deinterlace_frame(frame.raw, settings=settings).reconstruction.merged.data


def drawn_frame() -> Capture:
    """Photograph the drawn scene."""
    settings = CaptureSettings(exposure=0.3, row_pattern="LHHL")
    return capture(drawn_scene(), find_camera("5D Mark III"), settings, np.random.default_rng(1))


def test_the_drawn_scene_is_as_good_as_it_was() -> None:
    frame = drawn_frame()
    result = merged(frame)
    assert mosaic_psnr(result, frame.truth_mosaic) > DRAWN_DB - MARGIN_DB
    assert period_four_excess(result, frame.truth_mosaic) < 2.5


@pytest.mark.parametrize("name", sorted(SCENES_DB))
def test_scenes_are_as_good_as_they_were(shared_data: Path, name: str) -> None:
    case = next(case for case in dual_iso_cases(shared_data / "scenes" / "val") if case.name == name)
    assert mosaic_psnr(merged(case.capture), case.capture.truth_mosaic) > SCENES_DB[name] - MARGIN_DB


@pytest.mark.parametrize("name", sorted(MODELS_DB))
def test_networks_are_as_good_as_they_were(name: str) -> None:
    frame = drawn_frame()
    assert mosaic_psnr(merged(frame, model=name), frame.truth_mosaic) > MODELS_DB[name][0] - MARGIN_DB


@pytest.mark.parametrize("name", sorted(MODELS_DB))
def test_networks_are_as_good_as_they_were_on_a_scene(shared_data: Path, name: str) -> None:
    case = next(case for case in dual_iso_cases(shared_data / "scenes" / "val") if case.name == "br_signs")
    assert mosaic_psnr(merged(case.capture, model=name), case.capture.truth_mosaic) > MODELS_DB[name][1] - MARGIN_DB


def test_every_shipped_network_has_its_figure() -> None:
    assert {model.name for model in shipped_models(task="deinterlace")} == set(MODELS_DB)
