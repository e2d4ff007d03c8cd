"""Render the example scene: a dark room with a bright window, as scene-linear OpenEXR.

Everything in the picture is made here, by numbers: meshes and textures come from the package `room` beside this
script, nothing is downloaded. Light is additive, so each source is rendered alone (garden, sky light, sunlight,
lamp, a door left open behind us), freed of fireflies and noise, weighted and summed.

Needs Python 3.11 with mitsuba 3.9.1, mitsuba-oidn 0.1.2, scipy, pillow and OpenEXR in an environment of its own, an
LLVM library (Debian: libllvm19; DRJIT_LIBLLVM_PATH names it where it is not found) and the DejaVu fonts:

    python examples/render_room.py room.exr

Output: half float, linear sRGB primaries, D65; 1.0 is where the low-ISO rows clip (`hdrcli.sensor`, exposure 0 EV).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mitsuba as mi
import numpy as np

mi.set_variant("llvm_ad_rgb")

import mitsuba_oidn as oidn  # noqa: E402  (both need the variant)
import OpenEXR  # noqa: E402
from room import furniture, garden, interior, materials, surfaces  # noqa: E402
from room.meshes import Mesh, merged  # noqa: E402
from room.surfaces import Picture, colour  # noqa: E402

Plugin = dict[str, Any]

EYE = np.array([0.42, -4.35, 1.32])
YAW = -3.5  # degrees to the left: no edge of the room is exactly horizontal in the picture
FIELD = 54.0  # degrees, horizontal
SHIFT = 0.13  # of the height: verticals stay vertical, and the floor comes into view
SUN = np.array([-0.62, 0.6, 0.5])  # towards the sun, for the room
GARDEN_SUN = np.array([-0.82, -0.12, 0.56])  # a little further round, so that it lights the cottage's front
SUN_IRRADIANCE = np.array([16.0, 14.3, 11.8])  # across the beam
WEIGHTS = {"garden": 0.65, "sky": 3.0, "sun": 1.6, "lamp": 1.15, "fill": 0.35}
EXPOSURE = 0.38  # scene radiance to the scale of the output


def main() -> None:
    """Render what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("--width", type=int, default=1800, help="pixels; the height is two thirds of it")
    parser.add_argument("--samples", type=int, default=32, help="paths a pixel and light source")
    parser.add_argument("--layers", type=Path, help="keep the layers here as .npy, and take what is there already")
    options = parser.parse_args()
    size = options.width, options.width * 2 // 3
    with tempfile.TemporaryDirectory() as folder:
        layers = render_layers(size, options.samples, Path(folder), options.layers)
    picture = sum(WEIGHTS[name] * layer for name, layer in layers.items()) * np.float32(EXPOSURE)
    header = {"type": OpenEXR.scanlineimage, "compression": OpenEXR.ZIP_COMPRESSION}
    channels = {"RGB": np.clip(picture, 0, 60000).astype(np.float16)}
    OpenEXR.File(header, channels).write(str(options.output))


def render_layers(size: tuple[int, int], samples: int, folder: Path, keep: Path | None) -> dict[str, Picture]:
    """Return the picture that each light source makes alone, by name, (H, W, 3)."""
    room = load_room(folder)
    seen = sensor(size)

    def lit(name: str, light: Plugin, *, hide: bool = True) -> Picture:
        return denoise(render({**room, **light, "integrator": paths(hide=hide), "sensor": seen}, samples, name))[0]

    makers = {
        "garden": lambda: garden_through_window(room, size, samples, folder),
        "sky": lambda: lit("sky", {"light": sky_screen(folder)}),
        "sun": lambda: lit("sun", {"light": sun_disc()}),
        "lamp": lambda: lit("lamp", lamp(folder, on=True), hide=False),
        "fill": lambda: lit("fill", {"light": open_door()}),
    }
    layers = {}
    for name, make in makers.items():
        kept = keep / f"{name}-{size[0]}.npy" if keep else None
        layers[name] = np.load(kept) if kept and kept.exists() else make().astype(np.float32)
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.save(kept, layers[name])
    return layers


def garden_through_window(room: Plugin, size: tuple[int, int], samples: int, folder: Path) -> Picture:
    """Return the garden where the window shows it; blind, frame and things on the desk cut it with soft edges."""
    bare = {**room, "light": {"type": "constant"}, "integrator": {"type": "path", "max_depth": 1}}
    open_share = render({**bare, "sensor": sensor(size)}, 64, "window")[0][..., :1]
    rows, columns = (np.flatnonzero(open_share.max(axis=axis) > 0) for axis in ((1, 2), (0, 2)))
    left, top, width, height = int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1
    picture = np.zeros((size[1], size[0], 3), np.float32)
    picture[top : top + height, left : left + width] = view_of_garden(
        size, 3 * samples, folder, field=FIELD, shift=SHIFT, part=(left, top, width, height)
    )
    return picture * open_share


def load_room(folder: Path) -> Plugin:
    """Return the shapes of the room with their materials, the lamp switched off."""
    groups = (interior.shell(), interior.window(), interior.curtains(), furniture.furniture())
    names = dict.fromkeys(name for group in groups for name in group)
    meshes = {name: merged(*(group[name] for group in groups if name in group)) for name in names}
    faces = ("DejaVuSerif-Bold", "DejaVuSerif", "DejaVuSans-Bold", "DejaVuSansCondensed-Bold", "DejaVuSerif-Italic")
    spines = [
        surfaces.spine(title, author, ground=ground, ink=ink, face=faces[number % len(faces)], seed=number)
        for number, (title, author, ground, ink) in enumerate(furniture.BOOKS)
    ]
    plugins = materials.room_materials(np.concatenate(spines, axis=1))
    return {**materials.shapes(meshes, plugins, folder), **lamp(folder, on=False), "type": "scene"}


def lamp(folder: Path, *, on: bool) -> Plugin:
    """Return shade, lining and bulb of the lamp."""
    glow = {"shade": 1.6, "lining": 7.0, "bulb": 260.0}
    warm = colour("#ffd9a0")
    weave = surfaces.linen()[..., None] * warm
    height = np.linspace(1, 0, len(weave))[:, None, None]  # the first row is the upper rim
    weave = weave * (0.45 + 0.9 * np.exp(-(((height - 0.45) / 0.35) ** 2)))
    shapes = {}
    for name, mesh in furniture.lamp_light().items():
        body = materials.matt("#d9c9a8")
        if on:
            radiance = materials.picture(weave * glow[name]) if name == "shade" else {
                "type": "rgb", "value": (warm * glow[name]).tolist()}  # fmt: skip
            body = {**body, "emitter": {"type": "area", "radiance": radiance}}
        repeated: Mesh = mesh.mapped([6, 1]) if name == "shade" else mesh
        shapes[name] = {"type": "ply", "filename": str(repeated.write(folder / f"{name}.ply")), **body}
    return shapes


def view() -> mi.ScalarTransform4f:
    """Return the placement of the camera."""
    ahead = np.array([np.sin(np.radians(YAW)), np.cos(np.radians(YAW)), 0])
    return mi.ScalarTransform4f().look_at(origin=EYE.tolist(), target=(EYE + ahead).tolist(), up=[0, 0, 1])


def sensor(size: tuple[int, int], *, field: float = FIELD, shift: float = SHIFT,
           part: tuple[int, int, int, int] | None = None) -> Plugin:  # fmt: skip
    """Return the camera with a picture of a size, or with a part (left, top, width, height) of it."""
    film = {"type": "hdrfilm", "width": size[0], "height": size[1], "pixel_format": "rgba", "rfilter": {"type": "box"}}
    if part:
        film |= dict(zip(("crop_offset_x", "crop_offset_y", "crop_width", "crop_height"), part, strict=True))
    return {
        "type": "perspective", "fov": field, "to_world": view(), "principal_point_offset_y": shift,
        "film": film,
        "sampler": {"type": "independent"},
    }  # fmt: skip


def paths(*, hide: bool) -> Plugin:
    """Return the integrator, with what the denoiser wants to know of the first surface."""
    return {"type": "aov", "aovs": "albedo:albedo,normal:sh_normal",
            "image": {"type": "path", "max_depth": 9, "rr_depth": 4, "hide_emitters": hide}}  # fmt: skip


def sky_screen(folder: Path) -> Plugin:
    """Return a glowing screen behind the window that shows the garden in the right place as seen by the camera."""
    field, distance = 78.0, 7.2
    garden_picture = view_of_garden((900, 600), 48, folder, field=field, shift=0.0, part=(0, 0, 900, 600))
    half = distance * np.tan(np.radians(field / 2))
    turned = mi.ScalarTransform4f().translate([0, 0, distance]).rotate([0, 1, 0], 180)
    return {"type": "rectangle", "to_world": view() @ turned.scale([half, half * 2 / 3, 1]),
            "emitter": {"type": "area", "radiance": materials.picture(garden_picture, wrap="clamp")}}  # fmt: skip


def open_door() -> Plugin:
    """Return the faint light of a door behind the camera."""
    place = mi.ScalarTransform4f().translate([-1.5, interior.FRONT + 0.01, 1.05]).rotate([1, 0, 0], -90)
    return {"type": "rectangle", "to_world": place.scale([0.5, 1.05, 1]),
            "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [1.0, 0.9, 0.78]}}}  # fmt: skip


def sun_disc() -> Plugin:
    """Return the sun as a disc of half a degree, so that shadows soften with distance."""
    towards = SUN / np.linalg.norm(SUN)
    distance, radius = 80.0, 80.0 * np.tan(np.radians(0.27))
    place = mi.ScalarTransform4f().look_at(origin=(towards * distance).tolist(), target=[0, 0, 0], up=[0, 0, 1])
    radiance = SUN_IRRADIANCE / (np.pi * (radius / distance) ** 2)
    return {"type": "disk", "to_world": place.scale([radius, radius, 1]),
            "emitter": {"type": "area", "radiance": {"type": "rgb", "value": radiance.tolist()}}}  # fmt: skip


def view_of_garden(size: tuple[int, int], samples: int, folder: Path, *, field: float, shift: float,
                   part: tuple[int, int, int, int]) -> Picture:  # fmt: skip
    """Return a part (left, top, width, height) of the garden under sun and clouds as the camera sees it from here."""
    scene = materials.shapes(garden.garden(), materials.garden_materials(), folder)
    towards = GARDEN_SUN / np.linalg.norm(GARDEN_SUN)
    scene |= {
        "type": "scene",
        "integrator": {**paths(hide=True), "image": {"type": "path", "max_depth": 8, "hide_emitters": True}},
        "sensor": sensor(size, field=field, shift=shift, part=part),
        "sun": {"type": "directional", "direction": (-towards).tolist(),
                "irradiance": {"type": "rgb", "value": SUN_IRRADIANCE.tolist()}},
        "sky": {"type": "envmap", "bitmap": mi.Bitmap(sky_map(256)),
                "to_world": mi.ScalarTransform4f().rotate([1, 0, 0], 90)},
    }  # fmt: skip
    light, opacity = denoise(render(scene, samples, "garden"))
    width, height = size
    x = (np.arange(width) + 0.5 - width / 2) / width
    y = (height / 2 - np.arange(height) - 0.5) / width - shift * height / width
    slope = 2 * np.tan(np.radians(field / 2))
    c, s = np.cos(np.radians(YAW)), np.sin(np.radians(YAW))
    left, top, columns, rows = part
    across, up = np.meshgrid(x[left : left + columns] * slope, y[top : top + rows] * slope)
    direction = np.stack([s + c * across, c - s * across, up], axis=-1)
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    return light + (1 - opacity) * surfaces.clouds(direction)


def sky_map(height: int) -> Picture:
    """Return the sky as a panorama in Mitsuba's layout."""
    polar = (np.arange(height) + 0.5)[:, None] / height * np.pi
    turn = (np.arange(2 * height) + 0.5)[None] / height * np.pi
    around = np.sin(turn) * np.sin(polar), np.cos(turn) * np.sin(polar), np.cos(polar)
    return surfaces.clouds(np.stack(np.broadcast_arrays(*around), axis=-1))


def render(scene: Mapping[str, Any], samples: int, name: str) -> tuple[Picture, Picture, Picture]:
    """Return colour, opacity and the further channels of a scene.

    Samples come in passes; a pixel that is far above the median of its passes in one of them has met a firefly there,
    and that pass is cut for this pixel.
    """
    start = time.monotonic()
    loaded = mi.load_dict(dict(scene))
    passes = max(4, samples // 8)
    each = max(1, samples // passes)
    stack = np.stack([np.array(mi.render(loaded, spp=each, seed=number), np.float32) for number in range(passes)])
    colours = stack[..., :3]
    bright = colours.max(axis=-1)
    limit = 1e-9 + 6 * np.median(bright, axis=0) + 3 * bright.mean(axis=0) / np.sqrt(passes)
    colours = colours * np.minimum(1, limit / np.maximum(bright, 1e-12))[..., None]
    print(f"{name}: {passes} passes, {time.monotonic() - start:.0f} s", flush=True)
    rest = stack[..., 3:].mean(axis=0)
    return colours.mean(axis=0), rest[..., :1], rest[..., 1:]


def denoise(rendered: tuple[Picture, Picture, Picture]) -> tuple[Picture, Picture]:
    """Return colour and opacity after Open Image Denoise, guided by albedo and normal of the first surface."""
    light, opacity, guides = rendered
    light, albedo, normal = (np.ascontiguousarray(a, np.float32) for a in (light, guides[..., :3], guides[..., 3:6]))
    return oidn.denoise(light, albedo=albedo, normal=normal, hdr=True), opacity


if __name__ == "__main__":
    main()
