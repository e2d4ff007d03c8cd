"""Every network has a task, and options of it come from words."""

from __future__ import annotations

import pytest

from hdrcli.errors import UsageError
from hdrcli.training.dual_iso import DualIsoExposuresTask, DualIsoTask
from hdrcli.training.forms import form_of
from hdrcli.training.networks import NETWORKS
from hdrcli.training.single import SingleTask
from hdrcli.training.tasks import task_kind
from hdrcli.training.train import task_options
from hdrcli.training.two_stage import TwoStageTask


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_has_a_task_whose_usual_options_suit_it(name: str) -> None:
    kind = task_kind(name)
    kind.options().check(form_of(name).multiple)


def test_networks_have_the_tasks_that_they_are_made_for() -> None:
    assert {name: task_kind(name).task for name in NETWORKS} == {
        "dualiso-unet": DualIsoTask,
        "dualisonet-dsc": DualIsoExposuresTask,
        "single-unet": SingleTask,
        "two-stage": TwoStageTask,
    }


def test_an_unknown_network_is_refused_with_those_there_are() -> None:
    with pytest.raises(UsageError, match=r"no network 'resnet'; choose from dualiso-unet, .*two-stage"):
        task_kind("resnet")
    with pytest.raises(UsageError, match="no network 'resnet'"):
        task_options("resnet", [])


def test_options_are_those_of_the_task() -> None:
    assert task_options("single-unet", ["views=12", "part=curve"]) == {"views": 12, "part": "curve"}
    assert task_options("two-stage", ["crop=64", "loss=l1", "height=64"]) == {"crop": 64, "loss": "l1", "height": 64}
    assert task_options("dualiso-unet", ["denoise=0.5", "one_ratio=yes"]) == {"denoise": 0.5, "one_ratio": True}


@pytest.mark.parametrize(
    ("name", "word", "message"),
    [
        ("single-unet", "crop=64", "one of batch, height, width, views, steps_per_chunk, part; not 'crop=64'"),
        ("single-unet", "least_batch=1", "not 'least_batch=1'"),
        ("single-unet", "views", "not 'views'"),
        ("single-unet", "views=many", "views is a whole number, not 'many'"),
        ("two-stage", "regions=2", "crop, loss; not 'regions=2'"),
    ],
)
def test_other_options_are_refused(name: str, word: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        task_options(name, [word])
