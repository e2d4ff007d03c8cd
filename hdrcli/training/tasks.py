"""What each network is trained for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hdrcli.errors import UsageError
from hdrcli.training.dual_iso import DualIsoExposuresTask, DualIsoOptions, DualIsoTask
from hdrcli.training.single import SingleOptions, SingleTask
from hdrcli.training.two_stage import TwoStageOptions, TwoStageTask


@dataclass(frozen=True)
class TaskKind:
    """How the task of a network is made.

    Attributes
    ----------
    task : callable
        A class such as `DualIsoTask`.
    options : type
        A dataclass whose defaults are the usual options, with a method `check`.
    """

    task: Callable[..., Any]
    options: type[Any]


def task_kind(network: str) -> TaskKind:
    """Return the kind of task of a network by its name.

    Raises
    ------
    UsageError
        When there is none.
    """
    if network not in _KINDS:
        raise UsageError(f"There is no network {network!r}; choose from {', '.join(_KINDS)}.")
    return _KINDS[network]


_KINDS = {
    "dualiso-unet": TaskKind(DualIsoTask, DualIsoOptions),
    "dualisonet-dsc": TaskKind(DualIsoExposuresTask, DualIsoOptions),
    "single-unet": TaskKind(SingleTask, SingleOptions),
    "two-stage": TaskKind(TwoStageTask, TwoStageOptions),
}
