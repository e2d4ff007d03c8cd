"""Scenes to pictures: path tracing by Mitsuba, freed of fireflies and noise, written as linear EXR."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np

from hdrcli.errors import OutputError, UsageError
from hdrcli.images import FloatArray, Metadata, SceneImage
from hdrcli.io.exr import write_exr
from hdrcli.io.output import atomic_output
from hdrcli.training.render.closeups import still_life
from hdrcli.training.render.outdoors import night_street, sunny_place
from hdrcli.training.render.parts import Mesh, Plugin, Scene
from hdrcli.training.render.rooms import day_room, night_room

# In turn, so that a folder that is not finished is balanced.
KINDS: dict[str, Callable[[np.random.Generator], Scene]] = {
    "room": day_room,
    "lamps": night_room,
    "sun": sunny_place,
    "table": still_life,
    "street": night_street,
}
_MEDIAN = 0.18
_BRIGHTEST = 60000.0
_FINER = 1.5  # times the width and height at which is rendered
_PASSES = 4
_AROUND = 31  # pixels, as rendered


def describe(index: int, *, seed: int) -> tuple[str, Scene]:
    """Return name and scene of a picture, such as "rd_000_room"."""
    kind = list(KINDS)[index % len(KINDS)]
    return f"rd_{index:03d}_{kind}", KINDS[kind](np.random.default_rng([seed, index]))


def render_pictures(
    folder: Path, *, number: int, seed: int, size: tuple[int, int] = (640, 427), samples: int = 20, first: int = 0
) -> Iterator[Path]:
    """Render scenes of all kinds in turn and yield the files written.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    number : int
        Of pictures.
    seed : int
        Together with the number in its name it makes a scene what it is.
    size : tuple of 2 int
        Width and height.
    samples : int
        Paths a pixel.
    first : int
        Number of the first picture.

    Raises
    ------
    UsageError
        For no pictures, no pixels or no paths.
    ModuleNotFoundError
        Where mitsuba or mitsuba_oidn is not installed.
    OutputError
        When a file is there already or cannot be written.
    """
    if number < 1 or first < 0 or min(size) < 1 or samples < 1:
        raise UsageError(f"{number} pictures from {first}, {size[0]}x{size[1]}, {samples} paths: nothing to render.")
    tracer = load_tracer()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{str(folder)!r} cannot be made: {error.strerror}.") from error
    for index in range(first, first + number):
        name, scene = describe(index, seed=seed)
        light = exposed(trace(tracer, scene, size, samples))
        provenance = {"renderer": f"mitsuba {tracer.__version__}", "scene": f"{name}, seed {seed}"}
        path = folder / f"{name}.exr"
        with atomic_output(path, overwrite=False) as temporary:
            write_exr(temporary, SceneImage(light, "srgb-linear"), metadata=Metadata(provenance=provenance))
        yield path


def exposed(light: FloatArray) -> FloatArray:
    """Return a picture with its median luminance at 0.18, from 0 to 60000; what is not finite becomes 0.

    Parameters
    ----------
    light : ndarray (H, W, 3), float32
        Linear sRGB on any scale.
    """
    light = np.where(np.isfinite(light), light, np.float32(0))
    luminance = light @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
    scale = _MEDIAN / max(float(np.median(luminance)), 1e-9)
    return np.asarray(np.clip(scale * light, 0, _BRIGHTEST), dtype=np.float32)


def trace(tracer: ModuleType, scene: Scene, size: tuple[int, int], samples: int) -> FloatArray:
    """Return the light of a scene, (H, W, 3), linear sRGB.

    It is rendered half as wide and high again, in passes. A pixel that is far above the median of its passes in one
    of them has met a firefly there, and that pass is cut for it. Denoised, it is averaged to its size.
    """
    width, height = round(_FINER * size[0]), round(_FINER * size[1])
    with tempfile.TemporaryDirectory() as folder:
        loaded = tracer.load_dict(_for_mitsuba(tracer, scene, (width, height), Path(folder)))
    each = max(1, round(samples / (_FINER**2 * _PASSES)))
    passes = [np.array(tracer.render(loaded, spp=each, seed=k), dtype=np.float32) for k in range(_PASSES)]
    light = without_fireflies(np.stack([one[:, :, :3] for one in passes]))
    albedo, normal = (np.mean([one[:, :, k : k + 3] for one in passes], axis=0) for k in (3, 6))
    guides = {"albedo": np.ascontiguousarray(np.clip(albedo, 0, 1)), "normal": np.ascontiguousarray(normal)}
    clean: FloatArray = import_module("mitsuba_oidn").denoise(np.ascontiguousarray(light), **guides, hdr=True)
    return np.asarray(cv2.resize(np.maximum(clean, 0), size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def without_fireflies(passes: FloatArray) -> FloatArray:
    """Return the mean of passes (N, H, W, 3) in which no pass counts for much more than its surroundings.

    The limit is six times the highest median of the pixel and its neighbours, plus eight times the mean around it. A
    lamp is as bright in every pass and stays, up to its edge; so does light that comes in few and strong paths all over
    a wall, as it does through a window.
    """
    bright = passes.max(axis=3)
    steady = cv2.dilate(np.median(bright, axis=0), np.ones((3, 3), np.uint8))
    limit = 1e-9 + 6 * steady + 8 * cv2.blur(bright.mean(axis=0), (_AROUND, _AROUND))
    share = np.minimum(1, limit / np.maximum(bright, 1e-12))
    return np.asarray((passes * share[..., None]).mean(axis=0), dtype=np.float32)


def load_tracer() -> ModuleType:
    """Return mitsuba in its fastest working variant: the vectorised one needs an LLVM library."""
    mitsuba = import_module("mitsuba")
    for variant in ("llvm_ad_rgb", "scalar_rgb"):
        try:
            mitsuba.set_variant(variant)
            # The variant is there without LLVM, too; the first use fails.
            mitsuba.Float(1.0) + mitsuba.Float(1.0)
            break
        except (ImportError, RuntimeError):
            continue
    import_module("mitsuba_oidn")  # where it is missing, that is said before anything is rendered
    return mitsuba


def _for_mitsuba(tracer: ModuleType, scene: Scene, size: tuple[int, int], folder: Path) -> Plugin:
    """Return the scene as `load_dict` takes it, meshes written into a folder."""
    camera = scene.camera
    lens: dict[str, Any] = {"type": "perspective"}
    if camera.aperture > 0:
        far = float(np.linalg.norm(np.subtract(camera.target, camera.origin)))
        lens = {"type": "thinlens", "aperture_radius": float(camera.aperture), "focus_distance": far}
    place = tracer.ScalarTransform4f().look_at(
        origin=[float(x) for x in camera.origin], target=[float(x) for x in camera.target], up=[0, 0, 1]
    )
    film = {"type": "hdrfilm", "width": size[0], "height": size[1], "pixel_format": "rgb", "rfilter": {"type": "box"}}
    paths = {"type": "path", "max_depth": 6, "rr_depth": 4}
    described: Plugin = {
        "type": "scene",
        "integrator": {"type": "aov", "aovs": "albedo:albedo,normal:sh_normal", "image": paths},
        "sensor": lens | {"fov": camera.field, "to_world": place, "film": film, "sampler": {"type": "independent"}},
    }
    files: dict[int, Path] = {}
    for number, part in enumerate(scene.parts):
        described[f"part{number:04d}"] = _converted(tracer, part, folder, files)
    return described


def _converted(tracer: ModuleType, part: Plugin, folder: Path, files: dict[int, Path]) -> Plugin:
    """Return a description with Mitsuba's own types for matrices, pixels and meshes."""
    plugin: Plugin = {}
    for key, value in part.items():
        if isinstance(value, dict):
            plugin[key] = _converted(tracer, value, folder, files)
        elif isinstance(value, Mesh):
            path = files.setdefault(id(value), folder / f"{len(files)}.ply")
            if not path.exists():
                write_ply(path, value)
            plugin["filename"] = str(path)
        elif key in ("to_world", "to_uv"):
            plugin[key] = tracer.ScalarTransform4f(np.asarray(value, dtype=np.float64).tolist())
        elif key == "bitmap":
            plugin[key] = tracer.Bitmap(np.ascontiguousarray(value, dtype=np.float32))
        else:
            plugin[key] = float(value) if isinstance(value, np.floating) else value
    return plugin


def write_ply(path: Path, mesh: Mesh) -> None:
    """Write a mesh as binary PLY."""
    columns = ("x", "y", "z", "nx", "ny", "nz", "u", "v")
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(mesh.vertices)}"]
    header += [f"property float {name}" for name in columns]
    header += [f"element face {len(mesh.faces)}", "property list uchar int vertex_indices", "end_header", ""]
    corners = np.concatenate([mesh.vertices, mesh.normals, mesh.uv], axis=1).astype("<f4")
    faces = np.empty(len(mesh.faces), dtype=[("number", "u1"), ("corners", "<i4", 3)])
    faces["number"], faces["corners"] = 3, mesh.faces
    path.write_bytes("\n".join(header).encode() + corners.tobytes() + faces.tobytes())
