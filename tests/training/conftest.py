"""Small pictures and trainings; without torch only what does not need it is tested."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import pytest

from hdrcli.training.shards import Picture

_NEEDS_TORCH = (
    "degrade",
    "networks",
    "two_stage",
    "dual_iso_task",
    "losses",
    "fit",
    "structure",
    "export",
    "training_command",
    "tasks",
    "views",
    "single_unet",
    "single_losses",
    "single_task",
    "two_stage_task",
    "single_export",
    "single_command",
)
collect_ignore = [] if find_spec("torch") else [f"test_{name}.py" for name in _NEEDS_TORCH]


def small_pictures(number: int = 3, side: int = 96) -> list[Picture]:
    """Return pictures of coloured noise on all scales, scenes and photographs in turn."""
    pictures = []
    for i in range(number):
        rng = np.random.default_rng(i)
        coarse = rng.random((side // 8, side // 8, 3)).repeat(8, axis=0).repeat(8, axis=1)
        light = coarse * rng.uniform(0.2, 1.0, (side, side, 3))
        scene = Picture(f"place{i}_0", "scene", light.astype(np.float16))
        photo = Picture(f"photo{i}_a", "photo", (255 * light).astype(np.uint8))
        pictures.append(scene if i % 2 == 0 else photo)
    return pictures


@pytest.fixture
def pictures() -> list[Picture]:
    return small_pictures()


@pytest.fixture(autouse=True)
def same_random_numbers() -> None:
    """Begin every test at the same place among torch's random numbers, whichever tests run before it."""
    if find_spec("torch"):
        import torch

        torch.manual_seed(0)


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Let torch work on one thread, so that sums always have the same order."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
