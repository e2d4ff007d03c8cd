"""Views are pictures as a camera would have taken them, with what a network sees of them and should answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hdrcli.expand.features import LEVELS, PLANES, STATISTICS, context, expansion, from_stops
from hdrcli.images import FloatArray
from hdrcli.training.regions import with_lamps
from hdrcli.training.shards import Picture
from hdrcli.training.views import Views, photograph_views, random_view

SIZE = (48, 72)


def picture(kind: str = "scene", shape: tuple[int, int] = (96, 120), seed: int = 0) -> Picture:
    """Return a picture of coloured noise on two scales, with a lamp."""
    rng = np.random.default_rng(seed)
    light = np.exp2(rng.uniform(-4, 0, (shape[0] // 8 + 1, shape[1] // 8 + 1, 3))).repeat(8, 0).repeat(8, 1)
    light = light[: shape[0], : shape[1]] * rng.uniform(0.8, 1, (*shape, 3))
    light[shape[0] // 2 :, : shape[1] // 3] *= 4
    if kind == "photo":
        return Picture("p_a", kind, (255 * np.minimum(light, 1)).astype(np.uint8))
    return Picture("s_0", kind, light.astype(np.float16))


@pytest.fixture(scope="module")
def views() -> Views:
    pictures = [picture(), picture("photo", seed=1), picture("rendered", seed=2), picture("synthetic", seed=3)]
    return photograph_views(pictures, np.random.default_rng(4), size=SIZE)


def test_views_have_all_that_a_training_needs(views: Views) -> None:
    found = {name: (tuple(part.shape), part.dtype) for name, part in vars(views).items()}
    assert found == {
        "codes": ((4, 3, *SIZE), torch.uint8),
        "expansion": ((4, 3, *SIZE), torch.float16),
        "truth": ((4, 3, *SIZE), torch.float16),
        "planes": ((4, len(PLANES), 88, 128), torch.float32),
        "levels": ((4, len(STATISTICS), LEVELS), torch.float32),
        "percentile": ((4,), torch.float32),
        "lit": ((4,), torch.float32),
    }
    assert all(torch.isfinite(part.float()).all() for part in vars(views).values())


def test_only_photographs_have_no_truth_above_the_clip(views: Views) -> None:
    assert views.lit.tolist() == [1, 0, 1, 1]


def test_what_is_taken_is_in_the_units_of_networks(views: Views) -> None:
    taken = views.taken([2, 0, 2])
    assert all(part.dtype == torch.float32 for part in taken.values())
    np.testing.assert_allclose(taken["codes"].numpy(), views.codes[[2, 0, 2]].numpy() / 255, rtol=1e-6)
    for name in set(taken) - {"codes"}:
        assert torch.equal(taken[name], getattr(views, name)[[2, 0, 2]].float()), name


def test_networks_see_of_a_view_what_they_will_see_of_a_picture(views: Views) -> None:
    for i, codes in enumerate(views.codes.numpy()):
        whole = np.ascontiguousarray(codes.transpose(1, 2, 0)) * np.float32(1 / 255)
        around = context(whole)
        np.testing.assert_allclose(views.planes[i].numpy(), around.planes, atol=1e-5)
        np.testing.assert_allclose(views.levels[i].numpy(), around.levels, atol=1e-5)
        np.testing.assert_allclose(views.expansion[i].numpy(), expansion(whole).transpose(2, 0, 1), atol=2e-3)


def test_the_truth_is_the_light_of_the_codes_with_the_clip_at_one(views: Views) -> None:
    for codes, stops, percentile in zip(
        views.codes.numpy(), views.truth.float().numpy(), views.percentile, strict=True
    ):
        light = from_stops(stops)
        clipped = (light >= 1).any(axis=0)
        assert clipped.mean() < 0.3
        assert light.max() > 0.99
        # Brighter places have higher codes, whatever the curve.
        order = np.corrcoef(np.argsort(np.argsort(light[1].ravel())), np.argsort(np.argsort(codes[1].ravel())))
        assert order[0, 1] > 0.9
        assert float(percentile) == pytest.approx(np.percentile(light, 99), rel=0.02)


def test_views_follow_from_the_generator(views: Views) -> None:
    pictures = [picture(), picture("photo", seed=1)]
    one, same, other = (photograph_views(pictures, np.random.default_rng(seed), size=(16, 24)) for seed in (1, 1, 2))
    for name, part in vars(one).items():
        assert torch.equal(part, getattr(same, name)), name
    assert not torch.equal(one.codes, other.codes)


def test_black_pictures_are_taken_too() -> None:
    black = Picture("night_0", "scene", np.zeros((40, 60, 3), np.float16))
    views = photograph_views([black], np.random.default_rng(1), size=(16, 24))
    assert all(torch.isfinite(part.float()).all() for part in vars(views).values())


@pytest.mark.parametrize("augment", [False, True])
@pytest.mark.parametrize("kind", ["scene", "photo"])
@pytest.mark.parametrize("shape", [(96, 120), (48, 72), (200, 60), (30, 400), (20, 30), (1, 1)])
def test_a_view_has_the_size_asked_for_whatever_the_picture_has(
    shape: tuple[int, int], kind: str, augment: bool
) -> None:
    for seed in range(4):
        view = random_view(picture(kind, shape), SIZE, np.random.default_rng(seed), augment=augment)
        assert (view.shape, view.dtype, view.flags.c_contiguous) == ((*SIZE, 3), np.float32, True)
        assert np.isfinite(view).all()
        assert view.min() >= 0


def plane(shape: tuple[int, int]) -> Picture:
    """Return a scene whose light says at which row and column it is."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    return Picture("s_0", "scene", np.stack([x + 1, y + 1, np.ones(shape)], axis=2).astype(np.float16))


def test_without_augmentation_a_view_is_the_largest_part_of_its_shape_in_the_middle() -> None:
    view = random_view(plane((120, 144)), (48, 72), np.random.default_rng(0), augment=False)
    # 96 rows of 120 and all columns, averaged two by two.
    np.testing.assert_allclose(view[:, 0, 1], 13.5 + 2 * np.arange(48))
    np.testing.assert_allclose(view[0, :, 0], 1.5 + 2 * np.arange(72))


def test_augmented_views_are_parts_of_any_size_and_half_of_them_mirrored() -> None:
    spans, mirrored, corners = [], [], []
    for seed in range(60):
        view = random_view(plane((200, 300)), (40, 60), np.random.default_rng(seed))
        # Contrast is a power of the light, and the same for all: of where blue is 1 it changes nothing.
        row = np.log(view[20, :, 0] / view[20, ::-1, 0])
        mirrored.append(row[0] > 0)
        left, right = sorted(view[20, [0, -1], 0])
        spans.append(right - left)
        corners.append(left)
    assert 15 < sum(mirrored) < 45
    assert max(spans) > 1.8 * min(spans)
    assert np.ptp(corners) > 60


def test_lamps_come_anywhere_in_a_view() -> None:
    dim = np.full((40, 120, 3), 0.1, np.float32)
    lit: FloatArray = np.zeros((40, 120), np.float32)
    for seed in range(60):
        lit += (with_lamps(dim, np.random.default_rng(seed)) > 0.15).any(axis=2)
    for part in np.array_split(lit, 4, axis=1) + np.array_split(lit, 2, axis=0):
        assert part.max() >= 3
    assert not (dim != np.float32(0.1)).any()
