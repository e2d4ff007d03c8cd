"""Brackets: the same scene photographed several times with other exposure times, as raw frames or display pictures.

What tells apart a real bracket from a perfect one is here: the hand that moves between frames, exposure times that are
not quite what the file says, and an object that does not stand still. Everything that was applied comes back with the
frames, as does the noise-free truth of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import UsageError
from hdrcli.images import FloatArray, MaskArray, Metadata, RawFrame
from hdrcli.sensor.cameras import Camera
from hdrcli.sensor.capture import Capture, CaptureSettings, capture, daylight_neutral, scene_to_camera
from hdrcli.sensor.display import DisplayCapture, DisplaySettings, exposure_for, picture_of_light
from hdrcli.sensor.mosaic import mosaic
from hdrcli.sensor.motion import MovingObject, hand_held_warp, seen_scenes

REFERENCE_TIME_S = 1 / 60
F_NUMBER = 8.0


@dataclass(frozen=True)
class BracketSettings:
    """How the frames of a bracket differ.

    Attributes
    ----------
    stops : tuple of float
        Nominal exposure of each frame in stops, in the order in which they are taken; the reference is the one in the
        middle by exposure (the darker of two).
    iso : float
        Of all frames.
    clipped : float
        Share of the raw samples (for display pictures: of the pixels, in any channel) of the reference that clip.
    shift_px, rotation_degrees : float
        Largest shift along each axis and largest rotation about the centre of every frame but the reference; 0 and 0
        for a tripod.
    error_stops : float
        The true exposure of every frame but the reference differs from the nominal one by at most this.
    blur_px : float
        Standard deviation of the lens blur in pixels.
    """

    stops: tuple[float, ...] = (-2.0, 0.0, 2.0)
    iso: float = 100.0
    clipped: float = 0.05
    shift_px: float = 0.0
    rotation_degrees: float = 0.0
    error_stops: float = 0.05
    blur_px: float = 0.5

    @property
    def reference(self) -> int:
        """Index of the reference frame."""
        return sorted(range(len(self.stops)), key=lambda frame: self.stops[frame])[(len(self.stops) - 1) // 2]


@dataclass(frozen=True)
class Bracket:
    """What is true of a simulated bracket.

    Attributes
    ----------
    gains : tuple of float
        True level of each frame over that of the reference for the same light, each in units of its own clip.
    warps : tuple of ndarray (3, 3), float64
        From pixel coordinates (x, y, 1) of the reference to those of each frame; pixel centres at whole numbers.
    reference : int
        Index of the reference.
    moving : ndarray (H, W), bool, or None
        Where in the reference the moving object hides something in any of the frames; None without an object.
    """

    gains: tuple[float, ...]
    warps: tuple[NDArray[np.float64], ...]
    reference: int
    moving: MaskArray | None


@dataclass(frozen=True)
class RawBracket(Bracket):
    """A bracket of raw frames.

    Attributes
    ----------
    captures : tuple of Capture
        Frames with exposure, ISO and time in the metadata of each, and the truth on the scale of its own clip.
    """

    captures: tuple[Capture, ...]

    @property
    def frames(self) -> list[RawFrame]:
        """The frames as read from files, in the order taken."""
        return [shot.raw for shot in self.captures]

    @property
    def truth(self) -> FloatArray:
        """Noise-free, unclipped camera RGB (H, W, 3) of the reference, 1.0 = its clip."""
        return self.captures[self.reference].truth

    @property
    def truth_mosaic(self) -> FloatArray:
        """Noise-free, unclipped samples (H, W) of the reference, 1.0 = its clip."""
        return self.captures[self.reference].truth_mosaic


@dataclass(frozen=True)
class DisplayBracket(Bracket):
    """A bracket of display pictures.

    Attributes
    ----------
    captures : tuple of DisplayCapture
        Pictures with their files, and the truth on the scale of its own clip.
    metadata : tuple of Metadata
        Exposure, ISO and time of each, as the EXIF of its file would say.
    """

    captures: tuple[DisplayCapture, ...]
    metadata: tuple[Metadata, ...]

    @property
    def pictures(self) -> list[NDArray[np.uint8]]:
        """R, G, B codes (H, W, 3) of each frame, in the order taken."""
        return [shot.picture for shot in self.captures]

    @property
    def truth(self) -> FloatArray:
        """Noise-free, unclipped linear light (H, W, 3) of the reference, 1.0 = its clip."""
        return self.captures[self.reference].truth


def raw_bracket(
    scene: FloatArray,
    camera: Camera,
    settings: BracketSettings,
    rng: np.random.Generator,
    *,
    moving: MovingObject | None = None,
) -> RawBracket:
    """Photograph a bracket of raw frames.

    Parameters
    ----------
    scene : ndarray (H, W, 3), float32
        Radiance in linear sRGB, at least 0, any scale.
    camera : Camera
    settings : BracketSettings
    rng : numpy.random.Generator
        The only source of randomness. Motion, errors of the exposure and the noise of each frame have their own
        streams: the same bracket from a tripod has the same errors and the same random numbers in its noise.
    moving : MovingObject, optional
        With a place for every frame.

    Returns
    -------
    RawBracket

    Raises
    ------
    UsageError
        When a setting makes no sense.
    """
    shots = _plan(scene, settings, rng, moving)
    neutral = daylight_neutral(camera)
    light = mosaic(scene_to_camera(shots.scenes[settings.reference], camera, neutral), camera.cfa)
    exposure = exposure_for(light[..., None], settings.clipped)
    captures: list[Capture] = []
    for view, gain, stream, metadata in zip(shots.scenes, shots.gains, shots.noise, shots.metadata, strict=True):
        own = CaptureSettings(iso=(settings.iso,) * 2, exposure=exposure * gain, neutral=neutral, blur_px=0)
        shot = capture(view, camera, own, stream)
        named = replace(metadata, make=shot.raw.metadata.make, model=shot.raw.metadata.model)
        raw = replace(shot.raw, metadata=named, name=f"frame-{len(captures) + 1}")
        captures.append(replace(shot, raw=raw))
    return RawBracket(shots.gains, shots.warps, settings.reference, shots.area, tuple(captures))


def display_bracket(
    scene: FloatArray,
    pictures: DisplaySettings,
    settings: BracketSettings,
    rng: np.random.Generator,
    *,
    moving: MovingObject | None = None,
) -> DisplayBracket:
    """Photograph a bracket of display pictures with one camera curve and one white balance.

    Parameters
    ----------
    scene : ndarray (H, W, 3), float32
        Radiance in linear sRGB, at least 0, any scale.
    pictures : DisplaySettings
        Of all frames; the clipped share, the ISO and the blur are those of `settings`.
    settings, rng, moving
        As in `raw_bracket`.

    Returns
    -------
    DisplayBracket

    Raises
    ------
    UsageError
        When a setting makes no sense.
    """
    pictures = replace(pictures, clipped=settings.clipped, iso=settings.iso, blur_px=settings.blur_px)
    shots = _plan(scene, settings, rng, moving)
    cast = np.array(pictures.cast, np.float32)
    exposure = exposure_for(shots.scenes[settings.reference] * cast, settings.clipped)
    captures = []
    for view, gain, stream in zip(shots.scenes, shots.gains, shots.noise, strict=True):
        truth = np.asarray(view * (cast * np.float32(exposure * gain)), dtype=np.float32)
        codes, encoded = picture_of_light(truth, pictures, stream)
        captures.append(DisplayCapture(codes, truth, pictures, exposure * gain, encoded))
    return DisplayBracket(shots.gains, shots.warps, settings.reference, shots.area, tuple(captures), shots.metadata)


@dataclass(frozen=True)
class _Shots:
    """What every frame sees and how it is exposed, before any camera."""

    scenes: list[FloatArray]
    gains: tuple[float, ...]
    warps: tuple[NDArray[np.float64], ...]
    noise: Sequence[np.random.Generator]
    metadata: tuple[Metadata, ...]
    area: MaskArray | None


def _plan(
    scene: FloatArray, settings: BracketSettings, rng: np.random.Generator, moving: MovingObject | None
) -> _Shots:
    frames = len(settings.stops)
    if frames < 1 or not 0 <= settings.clipped < 1:
        raise UsageError("A bracket has at least one frame, and between none and all of its reference clips.")
    if moving is not None and len(moving.places) != frames:
        raise UsageError(f"The moving object has {len(moving.places)} places, the bracket {frames} frames.")
    hand, shutter, *noise = rng.spawn(2 + frames)
    warps = [
        hand_held_warp(hand, scene.shape, shift_px=settings.shift_px, rotation_degrees=settings.rotation_degrees)
        for _ in settings.stops
    ]
    errors = shutter.uniform(-settings.error_stops, settings.error_stops, frames)
    warps[settings.reference] = np.eye(3)
    errors[settings.reference] = 0
    relative = np.array(settings.stops) - settings.stops[settings.reference]
    return _Shots(
        scenes=seen_scenes(scene, warps, blur_px=settings.blur_px, moving=moving),
        gains=tuple((2.0 ** (relative + errors)).tolist()),
        warps=tuple(warps),
        noise=noise,
        metadata=tuple(_metadata(settings.iso, stops, second) for second, stops in enumerate(relative.tolist())),
        area=None if moving is None else moving.area(scene.shape),
    )


def _metadata(iso: float, stops: float, second: int) -> Metadata:
    """Return what a camera notes that takes a frame every second."""
    captured = f"2026:06:21 12:{second // 60:02d}:{second % 60:02d}"
    return Metadata(exposure_time_s=REFERENCE_TIME_S * 2**stops, iso=iso, f_number=F_NUMBER, captured=captured)
