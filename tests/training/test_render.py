"""Rendered scenes: what they describe, how light becomes a picture, and the command; tracing where mitsuba is there."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hdrcli.errors import OutputError, UsageError
from hdrcli.images import FloatArray
from hdrcli.io.exr import read_exr
from hdrcli.training.__main__ import main
from hdrcli.training.render import textures
from hdrcli.training.render.parts import Mesh, facing, lathe, leaves, placed, rounded
from hdrcli.training.render.pictures import KINDS, describe, exposed, render_pictures, without_fireflies, write_ply
from hdrcli.training.render.skies import Weather, daylight, direction

needs_mitsuba = pytest.mark.skipif(
    not (find_spec("mitsuba") and find_spec("mitsuba_oidn")), reason="needs mitsuba and mitsuba-oidn"
)
TEXTURES = {
    "plaster": lambda rng: textures.plaster(rng, textures.paint(rng)),
    "checks": lambda rng: textures.checks(rng, textures.paint(rng), textures.paint(rng)),
    "stripes": lambda rng: textures.stripes(rng, textures.paint(rng), textures.paint(rng)),
    "boards": lambda rng: textures.boards(rng, textures.paint(rng)),
    "bricks": lambda rng: textures.bricks(rng, textures.paint(rng)),
    "lettering": lambda rng: textures.lettering(rng, np.zeros(3, np.float32), np.ones(3, np.float32)),
    "display": textures.display,
    "random": textures.random_texture,
}


def plain(value: Any) -> Any:
    """Return a description as something that compares: arrays and meshes as bytes."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, Mesh):
        return value.vertices.tobytes(), value.faces.tobytes()
    return value.tobytes() if isinstance(value, np.ndarray) else value


def lamps(part: dict[str, Any]) -> list[FloatArray]:
    """Return the colours of the lamps among the parts; textures by their brightest pixel."""
    radiance = part.get("emitter", {}).get("radiance")
    if radiance is None:
        return []
    return [np.array(radiance["value"]) if "value" in radiance else radiance["bitmap"].max(axis=(0, 1))]


@pytest.mark.parametrize("index", range(len(KINDS)))
def test_a_scene_follows_from_seed_and_number(index: int) -> None:
    (name, first), (_, again) = describe(index, seed=3), describe(index, seed=3)
    assert name == f"rd_{index:03d}_{list(KINDS)[index]}"
    assert [plain(part) for part in first.parts] == [plain(part) for part in again.parts]
    assert first.camera == again.camera
    for other in (describe(index, seed=4)[1], describe(index + len(KINDS), seed=3)[1]):
        assert other.camera != first.camera
        assert [plain(part) for part in other.parts] != [plain(part) for part in first.parts]


def test_kinds_come_in_turn() -> None:
    kinds = [describe(index, seed=1)[0].split("_")[2] for index in range(2 * len(KINDS))]
    assert kinds == 2 * list(KINDS)


@pytest.mark.parametrize("kind", ["lamps", "street", "table"])
def test_scenes_without_a_sky_have_lamps(kind: str) -> None:
    for seed in range(3):
        _, scene = describe(list(KINDS).index(kind), seed=seed)
        shining = [level for part in scene.parts for level in lamps(part)]
        assert shining
        assert max(float(level.max()) for level in shining) > 2


@pytest.mark.parametrize("name", sorted(TEXTURES))
def test_textures_are_seeded_reflectances(name: str) -> None:
    first, again, other = (TEXTURES[name](np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.shape == (512, 512, 3)
    assert first.dtype == np.float32
    assert 0 <= first.min() < first.max() <= 1
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_noise_repeats_without_a_seam() -> None:
    field = textures.noise(np.random.default_rng(1), 256, slope=1.6)
    inside = np.abs(np.diff(field, axis=1)).mean()
    seam = np.abs(field[:, 0] - field[:, -1]).mean()
    assert seam < 1.5 * inside


def test_colours_keep_their_bounds() -> None:
    rng = np.random.default_rng(1)
    drawn = np.stack([textures.colour(rng, saturation=(0.5, 0.6), value=(0.3, 0.4)) for _ in range(300)])
    high, low = drawn.max(axis=1), drawn.min(axis=1)
    assert np.all((high >= 0.2999) & (high <= 0.4001))
    assert np.all((1 - low / high >= 0.4999) & (1 - low / high <= 0.6001))
    assert set(drawn.argmax(axis=1)) == {0, 1, 2}


@pytest.mark.parametrize(
    ("mesh", "reach"),
    [
        (rounded(upright=1, around=1), 1),
        (rounded(upright=0.3, around=0.4), 1),
        (lathe([(0, 0), (1, 0.1), (0.4, 0.9), (0, 1)]), 1),
        (leaves(np.random.default_rng(1), 50, side=0.05), 1.08),
    ],
    ids=["ball", "cushion", "vase", "crown"],
)
def test_meshes_have_unit_normals_and_stay_in_their_box(mesh: Mesh, reach: float) -> None:
    assert np.all(np.isfinite(mesh.vertices))
    assert np.abs(mesh.vertices).max() <= reach + 1e-6
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, rtol=1e-4)
    assert 0 <= mesh.faces.min() <= mesh.faces.max() < len(mesh.vertices)


def test_a_ball_is_closed_and_its_normals_point_outwards() -> None:
    ball = rounded(upright=1, around=1)
    np.testing.assert_allclose(ball.normals, ball.vertices, atol=1e-3)
    corners = ball.vertices[ball.faces].astype(np.float64)
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])).sum() / 6
    assert volume == pytest.approx(4 / 3 * np.pi, rel=0.01)


def test_placements_turn_then_move() -> None:
    np.testing.assert_allclose(placed((1, 2, 3), size=2, turn=90) @ [1, 0, 0, 1], [1, 4, 3, 1], atol=1e-12)
    np.testing.assert_allclose(facing((0, 0, 5), (0, 0, 0)) @ [0, 0, 1, 1], [0, 0, 4, 1], atol=1e-12)
    np.testing.assert_allclose(facing((0, 0, 1), (3, 0, 1), size=2) @ [0, 1, 0, 1], [0, 0, 3, 1], atol=1e-12)


def test_the_sky_is_brightest_around_its_sun_and_black_behind_a_wall() -> None:
    sunny = Weather(direction(90, 30), clouds=-0.1, sunlight=5.0, radius_deg=0.3)
    sky, disc = daylight(np.random.default_rng(1), sunny)
    rows, columns = sky["bitmap"].shape[:2]
    row, column = np.unravel_index(sky["bitmap"].sum(axis=2).argmax(), (rows, columns))
    # A panorama's row is the angle from the zenith; +x, azimuth 90, lies at half its left half.
    assert (row + 0.5) / rows == pytest.approx(60 / 180, abs=0.01)
    assert (column + 0.5) / columns == pytest.approx(0.25, abs=0.01)
    assert max(disc["emitter"]["radiance"]["value"]) > 2**14
    half, *_ = daylight(np.random.default_rng(1), sunny, only=np.array([-1.0, 0.0, 0.0]))
    assert half["bitmap"][:, : columns // 2].max() == 0
    assert half["bitmap"][:, columns // 2 + 1 :].min() > 0
    overcast = Weather(direction(90, 30), clouds=1.0, sunlight=0.0, radius_deg=0.3)
    assert len(daylight(np.random.default_rng(1), overcast)) == 1


def test_exposure_puts_the_median_at_mid_grey_and_keeps_halves_finite() -> None:
    light = np.random.default_rng(1).uniform(1, 5, (20, 30, 3)).astype(np.float32)
    light[0, 0], light[0, 1], light[0, 2], light[0, 3] = 1e9, -3, np.nan, np.inf
    picture = exposed(light)
    luminance = picture @ np.array([0.2126, 0.7152, 0.0722])
    assert np.median(luminance) == pytest.approx(0.18, rel=1e-3)
    assert picture[0, 0].tolist() == [60000] * 3
    assert np.all(picture[0, 1:4] == 0)
    assert picture.dtype == np.float32
    assert np.all(np.isfinite(picture.astype(np.float16)))


def test_exposure_of_black_is_black() -> None:
    assert exposed(np.zeros((4, 4, 3), dtype=np.float32)).max() == 0


def test_fireflies_go_and_lamps_stay() -> None:
    passes = np.random.default_rng(1).uniform(0.8, 1.2, (4, 96, 96, 3)).astype(np.float32)
    passes[:, 70:72, 70:72] = 5000
    passes[2, 3, 3] = 4000
    light = without_fireflies(passes)
    assert light[3, 3].max() < 40
    np.testing.assert_allclose(light[70:72, 70:72], 5000, rtol=1e-5)
    ordinary = np.ones((96, 96), dtype=bool)
    ordinary[3, 3] = False
    np.testing.assert_allclose(light[ordinary], passes.mean(axis=0)[ordinary], rtol=1e-5)


def test_a_wall_lit_by_few_strong_paths_keeps_its_light() -> None:
    rng = np.random.default_rng(1)
    passes = np.where(rng.random((4, 96, 96, 1)) < 0.15, 1.0, 0.0).astype(np.float32).repeat(3, axis=3)
    assert without_fireflies(passes).mean() == pytest.approx(passes.mean(), rel=0.02)


def test_the_edge_of_a_lamp_keeps_its_light() -> None:
    passes = np.ones((4, 8, 8, 3), dtype=np.float32)
    passes[:, :, :4] = 1000
    passes[1, :, 4] = 800  # one pass in four met the lamp
    np.testing.assert_allclose(without_fireflies(passes)[:, 4], (800 + 3) / 4, rtol=1e-5)


def test_meshes_are_written_as_ply(tmp_path: Path) -> None:
    mesh = rounded(upright=1, around=1, steps=8)
    write_ply(tmp_path / "a.ply", mesh)
    head, _, data = (tmp_path / "a.ply").read_bytes().partition(b"end_header\n")
    assert f"element vertex {len(mesh.vertices)}".encode() in head
    assert len(data) == 32 * len(mesh.vertices) + 13 * len(mesh.faces)
    np.testing.assert_array_equal(np.frombuffer(data, "<f4", 3), mesh.vertices[0])


@pytest.mark.parametrize("package", ["mitsuba", "mitsuba_oidn"])
def test_a_missing_renderer_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, package: str
) -> None:
    if package == "mitsuba_oidn":
        pytest.importorskip("mitsuba")
    monkeypatch.setitem(sys.modules, package, None)
    assert main(["render", "-o", str(tmp_path / "new"), "--number", "1"]) == 1
    line = f"python -m hdrcli.training: This needs {package}; install it with pip install 'hdrcli[render]'.\n"
    assert capsys.readouterr().err == line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words", [("--number", "0"), ("--number", "1", "--size", "0x9"), ("--number", "1", "--samples", "0")]
)
def test_nothing_to_render_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main(["render", "-o", str(tmp_path / "new"), *words]) == UsageError.exit_code
    assert "nothing to render" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@needs_mitsuba
def test_pictures_are_traced_and_written_and_never_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["render", "-o", str(tmp_path), "--number", "1", "--first", "3", "--size", "48x32", "--samples", "9"]
    assert main(words) == 0
    path = tmp_path / "rd_003_table.exr"
    assert capsys.readouterr().out == f"{path}\n"
    light = read_exr(path).data
    assert light.shape == (32, 48, 3)
    assert 0 <= light.min() < light.max() < 60001
    assert np.median(light @ np.array([0.2126, 0.7152, 0.0722])) == pytest.approx(0.18, rel=0.01)
    assert main(words) == OutputError.exit_code
    assert [kept.name for kept in tmp_path.iterdir()] == [path.name]


@needs_mitsuba
def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be made"):
        next(render_pictures(tmp_path / "file" / "new", number=1, seed=1))
