"""How the surfaces of the room and of the garden reflect light, as Mitsuba plugins by the name that the meshes use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mitsuba as mi
import numpy as np

from . import surfaces
from .meshes import Mesh
from .surfaces import Picture, colour

Plugin = dict[str, Any]

# Metres (or units of the mesh's own coordinates) that one repeat of the texture covers, for those that repeat.
REPEAT = {
    "floor": 1.92, "oak": 1.1, "walnut": 1.3, "beech": 0.8, "brick": 1.04, "paper": 0.3, "wallpaper": 0.9,
    "curtain": 0.16, "upholstery": 0.22, "plaster": 1.5,
}  # fmt: skip


def shapes(meshes: Mapping[str, Mesh], plugins: Mapping[str, Plugin], folder: Any) -> Plugin:
    """Return one Mitsuba shape a material, its mesh written into a folder."""
    scene = {}
    for name, mesh in meshes.items():
        path = mesh.mapped(1 / REPEAT.get(name, 1.0)).write(folder / f"{name}.ply")
        scene[name] = {"type": "ply", "filename": str(path), **plugins[name]}
    return scene


def picture(pixels: Picture, *, wrap: str = "repeat") -> Plugin:
    """Return a texture with these linear pixels, the first row at the top (v = 1)."""
    # Mitsuba's v grows downwards from the first row
    return {"type": "bitmap", "bitmap": mi.Bitmap(np.ascontiguousarray(pixels[::-1], np.float32)), "raw": True,
            "wrap_mode": wrap}  # fmt: skip


def matt(base: Picture | str) -> Plugin:
    """Return a material without gloss."""
    return {"bsdf": {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": _reflectance(base)}}}


def glossy(base: Picture | str, roughness: float, *, specular: float = 0.5, relief: Picture | None = None,
           depth: float = 1.0, sheen: float = 0.0) -> Plugin:  # fmt: skip
    """Return a material of one colour or texture with a gloss and, where given, a relief of some depth."""
    body: Plugin = {"type": "principled", "base_color": _reflectance(base), "roughness": roughness,
                    "specular": specular, "sheen": sheen}  # fmt: skip
    if relief is not None:
        body = {"type": "bumpmap", "arbitrary": picture(relief[..., None]), "scale": depth, "bsdf": body}
    return {"bsdf": {"type": "twosided", "bsdf": body}}


def translucent(base: Picture, share: float) -> Plugin:
    """Return a thin sheet that lets a share of the light through: leaves, curtains."""
    return {
        "bsdf": {"type": "principledthin", "base_color": _reflectance(base), "diff_trans": 2 * share, "roughness": 0.5,
                 "spec_trans": 0.0, "eta": 1.4}
    }  # fmt: skip


def metal(name: str, roughness: float) -> Plugin:
    """Return a metal by Mitsuba's name for it."""
    return {"bsdf": {"type": "twosided", "bsdf": {"type": "roughconductor", "material": name, "alpha": roughness}}}


def _reflectance(base: Picture | str) -> Plugin:
    if isinstance(base, str):
        return {"type": "rgb", "value": colour(base).tolist()}
    return picture(np.clip(base, 0.0, 0.95))


def garden_materials() -> dict[str, Plugin]:
    """Return the materials of the garden."""
    brick, courses = surfaces.bricks(seed=1)
    tiles, edges = surfaces.roof_tiles(seed=2)
    return {
        "lawn": matt(surfaces.lawn()),
        "hill": matt("#5f7f6a"),
        "stone": matt("#a39c90"),
        "brick": glossy(brick, 0.9, specular=0.2, relief=courses, depth=0.01),
        "roof": glossy(tiles, 0.8, specular=0.2, relief=edges, depth=0.03),
        "white": matt("#ece9e1"),
        "pane": glossy("#0d1218", 0.05, specular=0.9),
        "door": glossy("#24506b", 0.3),
        "bark": matt("#4c4036"),
        "maple": translucent(surfaces.foliage(autumn=0.35), 0.45),
        "leaves": translucent(surfaces.foliage(), 0.4),
        "rose": matt("#c2456b"),
        "poppy": matt("#d23a1e"),
        "daisy": matt("#f4f0d8"),
    }


def room_materials(spines: Picture) -> dict[str, Plugin]:
    """Return the materials of the room; `spines` is the atlas of the books' spines."""
    boards, gaps = surfaces.planks(seed=1)
    shade, stitches = surfaces.knitting()
    leaves = surfaces.leaf_colour("#1d4420", "#86a850")
    wool = shade[..., None] * colour("#e0c9a0") * 1.3
    edges = surfaces.noise(256, 256, roughness=0.2, seed=3, stretch=(1, 40))
    return {
        "floor": glossy(boards, 0.34, relief=gaps, depth=0.004),
        "oak": glossy(surfaces.wood("#3a2416", "#68452a", "#8c633f", seed=21), 0.4),
        "walnut": glossy(surfaces.wood("#2c1a10", "#5b3a22", "#83583a", seed=33), 0.32),
        "beech": glossy(surfaces.wood("#8a6238", "#b98b57", "#cfa873", seed=45), 0.4),
        "wallpaper": matt(surfaces.wallpaper()),
        "plaster": matt("#cfc9bd"),
        "trim": glossy("#d9d4c6", 0.4),
        "slats": glossy("#d8cfba", 0.45),
        "cord": matt("#d8d0bc"),
        "curtain": translucent(surfaces.herringbone("#5a2f2a", "#8c5346"), 0.22),
        "rug": matt(surfaces.kilim()),
        "books": glossy(spines, 0.6, specular=0.3),
        "paper": matt(surfaces.mix(edges, "#a99c80", "#e2d8c0")),
        "page": matt(surfaces.printed_page(seed=4)),
        "leather": glossy("#17120f", 0.5, relief=surfaces.noise(256, 256, roughness=0.8, seed=2), depth=0.002),
        "upholstery": glossy(surfaces.herringbone("#20302f", "#42605c"), 0.9, specular=0.1, sheen=0.6),
        "pillow": glossy(surfaces.kilim(), 0.9, specular=0.1),
        "knit": glossy(wool, 1.0, specular=0.05, relief=stitches, depth=0.012, sheen=0.4),
        "terracotta": glossy("#a2603f", 0.8, specular=0.2),
        "glaze": glossy("#3b5d75", 0.12),
        "celadon": glossy("#7e9c86", 0.15),
        "stalk": glossy("#4c6b33", 0.6),
        "leaf": translucent(leaves, 0.3),
        "globe": glossy(surfaces.world(), 0.25),
        "dial": glossy(surfaces.dial(), 0.3),
        "picture": glossy(surfaces.ridges(), 0.6),
        "black": glossy("#0c0c0e", 0.15),
        "pencil": glossy("#d9a32e", 0.3),
        "poppy": glossy("#b3271b", 0.3),
        "blue": glossy("#27508f", 0.3),
        "brass": metal("Au", 0.18),
        "nickel": metal("Cr", 0.2),
        "steel": metal("Ag", 0.03),
        "glass": {"bsdf": {"type": "dielectric", "int_ior": 1.5}},
    }
