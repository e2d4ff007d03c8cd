"""Small seeded brackets of scenes with detail on all scales, and what the recipes make of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import cv2
import numpy as np

from hdrcli.images import DisplayImage, FloatArray, Metadata
from hdrcli.recipes.stack_display import DisplayStack, Shot, stack_display
from hdrcli.recipes.stack_raw import RawStack, stack_raw
from hdrcli.recipes.stack_settings import StackSettings
from hdrcli.response.response import Response
from hdrcli.sensor.bracket import BracketSettings, DisplayBracket, RawBracket, display_bracket, raw_bracket
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.curves import SET_ASIDE
from hdrcli.sensor.display import DisplaySettings
from hdrcli.sensor.motion import MovingObject

CAMERA = find_camera("5D Mark III")
LOOK = DisplaySettings(curve=SET_ASIDE[0], cast=(1.1, 1.0, 0.9), camera=CAMERA, quality=95)
TRIPOD = BracketSettings(clipped=0.03)
HAND = replace(TRIPOD, shift_px=5.0, rotation_degrees=0.3)

# Sides in pixels and deviations in stops of the detail of a scene.
_DETAIL = ((3, 0.25), (8, 0.5), (24, 0.8), (80, 1.5))
_OF_COLOUR = 0.3


def textured(seed: int = 1, size: tuple[int, int] = (160, 192)) -> FloatArray:
    """Return a scene (H, W, 3) over about ten stops with detail of 3 to 80 pixels, more of light than of colour."""
    rng = np.random.default_rng(seed)
    stops = np.zeros((*size, 3))
    for side, deviation in _DETAIL:
        grid = (size[0] // side + 2, size[1] // side + 2)
        coarse = rng.normal(0, deviation, (*grid, 1)) + rng.normal(0, _OF_COLOUR * deviation, (*grid, 3))
        stops += cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(2.0**stops, dtype=np.float32)


def raw_of(
    settings: BracketSettings = TRIPOD,
    scene: FloatArray | None = None,
    *,
    seed: int = 1,
    moving: MovingObject | None = None,
) -> RawBracket:
    """Photograph a raw bracket."""
    scene = textured() if scene is None else scene
    return raw_bracket(scene, CAMERA, settings, np.random.default_rng(seed), moving=moving)


def display_of(
    settings: BracketSettings = TRIPOD,
    scene: FloatArray | None = None,
    *,
    seed: int = 1,
    moving: MovingObject | None = None,
    look: DisplaySettings = LOOK,
) -> DisplayBracket:
    """Photograph a bracket of display pictures."""
    scene = textured() if scene is None else scene
    return display_bracket(scene, look, settings, np.random.default_rng(seed), moving=moving)


def merged_raw(bracket: RawBracket, **chosen: object) -> RawStack:
    """Merge a raw bracket with settings of the recipe."""
    return stack_raw([partial(_same, frame) for frame in bracket.frames], settings=StackSettings(**chosen))


def merged_display(bracket: DisplayBracket, *, response: Response | None = None, **chosen: object) -> DisplayStack:
    """Merge a bracket of display pictures with settings of the recipe."""
    return stack_display(
        [partial(_same, shot) for shot in shots(bracket)], settings=StackSettings(**chosen), response=response
    )


def shots(bracket: DisplayBracket) -> list[Shot]:
    """Return the pictures as read from files that are named after the time at which they were taken."""
    return [
        Shot(f"{metadata.captured}.jpg", DisplayImage(codes), metadata)
        for codes, metadata in zip(bracket.pictures, bracket.metadata, strict=True)
    ]


def with_metadata(bracket: RawBracket | DisplayBracket, frame: int, **facts: object) -> RawBracket | DisplayBracket:
    """Return a bracket of which a frame states other things."""
    if isinstance(bracket, DisplayBracket):
        named: list[Metadata] = list(bracket.metadata)
        named[frame] = replace(named[frame], **facts)
        return replace(bracket, metadata=tuple(named))
    captures = list(bracket.captures)
    raw = captures[frame].raw
    captures[frame] = replace(captures[frame], raw=replace(raw, metadata=replace(raw.metadata, **facts)))
    return replace(bracket, captures=tuple(captures))


def reordered(bracket: RawBracket | DisplayBracket, order: Sequence[int]) -> RawBracket | DisplayBracket:
    """Return the same frames in another order."""
    chosen = {
        name: tuple(getattr(bracket, name)[frame] for frame in order)
        for name in ("gains", "warps", "captures", "metadata")
        if hasattr(bracket, name)
    }
    return replace(bracket, reference=list(order).index(bracket.reference), **chosen)


def _same(frame: object) -> object:
    return frame
