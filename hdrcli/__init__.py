"""Scene-linear HDR from what a camera wrote; the recipes load on first use.

>>> import hdrcli
>>> hdrcli.deinterlace.__module__
'hdrcli.recipes.deinterlace'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hdrcli.errors import HdrcliError as HdrcliError
    from hdrcli.isp.develop import DevelopSettings as DevelopSettings
    from hdrcli.recipes.bracket_set import BracketSet as BracketSet
    from hdrcli.recipes.bracket_set import Grouping as Grouping
    from hdrcli.recipes.deinterlace import DeinterlaceSettings as DeinterlaceSettings
    from hdrcli.recipes.deinterlace import deinterlace as deinterlace
    from hdrcli.recipes.deinterlace_report import DeinterlaceReport as DeinterlaceReport
    from hdrcli.recipes.info import FileInfo as FileInfo
    from hdrcli.recipes.info import info as info
    from hdrcli.recipes.picture_info import PictureInfo as PictureInfo
    from hdrcli.recipes.single import SingleSettings as SingleSettings
    from hdrcli.recipes.single import single as single
    from hdrcli.recipes.single import single_image as single_image
    from hdrcli.recipes.single_report import SingleReport as SingleReport
    from hdrcli.recipes.stack import stack as stack
    from hdrcli.recipes.stack_report import StackReport as StackReport
    from hdrcli.recipes.stack_settings import StackSettings as StackSettings
    from hdrcli.recipes.survey import find_sets as find_sets

__version__ = "0.1.0"

_HOMES = {
    "deinterlace": "hdrcli.recipes.deinterlace",
    "DeinterlaceReport": "hdrcli.recipes.deinterlace_report",
    "DeinterlaceSettings": "hdrcli.recipes.deinterlace",
    "DevelopSettings": "hdrcli.isp.develop",
    "info": "hdrcli.recipes.info",
    "FileInfo": "hdrcli.recipes.info",
    "PictureInfo": "hdrcli.recipes.picture_info",
    "single": "hdrcli.recipes.single",
    "single_image": "hdrcli.recipes.single",
    "SingleReport": "hdrcli.recipes.single_report",
    "SingleSettings": "hdrcli.recipes.single",
    "find_sets": "hdrcli.recipes.survey",
    "BracketSet": "hdrcli.recipes.bracket_set",
    "Grouping": "hdrcli.recipes.bracket_set",
    "stack": "hdrcli.recipes.stack",
    "StackReport": "hdrcli.recipes.stack_report",
    "StackSettings": "hdrcli.recipes.stack_settings",
    "HdrcliError": "hdrcli.errors",
}

__all__ = ["__version__", *_HOMES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'hdrcli' has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
