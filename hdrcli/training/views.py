"""Training pictures photographed as display pictures, with what a network for one picture sees and should answer.

Everything here follows from the random generator that comes in, so a chunk can be made again at any time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from hdrcli.expand.features import context, expansion, to_stops
from hdrcli.images import FloatArray
from hdrcli.sensor.curves import random_curve
from hdrcli.sensor.display import display_capture, random_settings
from hdrcli.training.regions import with_lamps
from hdrcli.training.shards import Picture

_BRIGHTEST = 2.0**12
_LARGEST_SCALE = 2.5
_LAMPS_SHARE = 0.1
_GREY_SHARE = 0.03


@dataclass(frozen=True)
class Views:
    """Photographed views; half floats and bytes, because many are held.

    Attributes
    ----------
    codes : Tensor (N, 3, H, W), uint8
        The display pictures.
    expansion : Tensor (N, 3, H, W), float16
        As `hdrcli.expand.features.expansion`, in stops.
    truth : Tensor (N, 3, H, W), float16
        In stops over the floor; 0 = clip of the picture.
    planes, levels : Tensor
        As `hdrcli.expand.features.Context`.
    percentile : Tensor (N,)
        The 99th of all values of the true light.
    lit : Tensor (N,)
        1 where what is clipped has a truth, 0 for photographs, whose own highlights are lost.
    """

    codes: Tensor
    expansion: Tensor
    truth: Tensor
    planes: Tensor
    levels: Tensor
    percentile: Tensor
    lit: Tensor

    def taken(self, which: Sequence[int]) -> dict[str, Tensor]:
        """Return some views, as floats, codes 0 to 1."""
        some = {name: getattr(self, name)[which].float() for name in self.__dataclass_fields__}
        return {**some, "codes": some["codes"] / 255}


def photograph_views(
    pictures: Sequence[Picture], rng: np.random.Generator, *, size: tuple[int, int], augment: bool = True
) -> Views:
    """Return one view of each picture.

    Parameters
    ----------
    pictures : sequence of Picture
    rng : numpy.random.Generator
    size : tuple of 2 int
        Height and width of a view; a picture that is smaller is enlarged.
    augment : bool
        Whether to mirror, relight and reduce at random; otherwise the largest part of the size's shape is taken.
    """
    parts = []
    for picture in pictures:
        light = random_view(picture, size, rng, augment=augment)
        capture = display_capture(light, random_settings(rng), rng)
        codes = capture.picture * np.float32(1 / 255)
        raised = expansion(codes)
        around = context(codes, raised=raised)
        truth = np.minimum(capture.truth, np.float32(_BRIGHTEST))
        parts.append(
            (
                capture.picture.transpose(2, 0, 1),
                raised.transpose(2, 0, 1).astype(np.float16),
                to_stops(truth).transpose(2, 0, 1).astype(np.float16),
                around.planes,
                around.levels,
                np.float32(np.percentile(capture.truth, 99)),
                np.float32(picture.kind != "photo"),
            )
        )
    return Views(*(torch.from_numpy(np.stack(part)) for part in zip(*parts, strict=True)))


def random_view(
    picture: Picture, size: tuple[int, int], rng: np.random.Generator, *, augment: bool = True
) -> FloatArray:
    """Return a part of a picture (H, W, 3) in linear light, at least 0, any scale."""
    height, width = picture.data.shape[:2]
    largest = min(height / size[0], width / size[1])
    scale = largest
    if augment and largest > 1:
        scale = float(np.exp(rng.uniform(0, np.log(min(largest, _LARGEST_SCALE)))))
    taken = [min(round(side * scale), whole) for side, whole in zip(size, (height, width), strict=True)]
    y, x = (
        int(rng.integers(0, whole - part + 1)) if augment else (whole - part) // 2
        for part, whole in zip(taken, (height, width), strict=True)
    )
    part = np.asarray(picture.data[y : y + taken[0], x : x + taken[1]], dtype=np.float32)
    if picture.kind == "photo":
        # Its maker's curve is not known: one that might have been is undone. Half a code of noise hides the steps.
        part = np.clip((part + rng.uniform(-0.5, 0.5, part.shape).astype(np.float32)) / np.float32(255), 0, 1)
        part = random_curve(rng).decode(part)
    if part.shape[:2] != size:
        way = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
        part = np.asarray(cv2.resize(part, size[::-1], interpolation=way), dtype=np.float32)
    if not augment:
        return np.ascontiguousarray(part)
    if rng.random() < 0.5:
        part = part[:, ::-1]
    # As if the place itself had more or less contrast, so that few places do not become known by theirs.
    part = np.asarray(np.maximum(part, 0) ** np.float32(np.exp(rng.normal(0, 0.06))), dtype=np.float32)
    if rng.random() < _LAMPS_SHARE:
        part = with_lamps(part, rng)
    if rng.random() < _GREY_SHARE:
        part = np.repeat(part.mean(axis=2, keepdims=True), 3, axis=2)
    return np.ascontiguousarray(part)
