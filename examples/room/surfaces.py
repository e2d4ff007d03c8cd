"""Textures painted by numbers: wood, brick, plaster, cloth, knitting, book spines. Linear light, sRGB primaries.

Each function returns float32 arrays (H, W, 3) for colour or (H, W) for relief, 0 to 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

Picture = NDArray[np.float32]


def colour(code: str) -> Picture:
    """Return a colour such as "#8899aa" in linear light."""
    encoded = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return linear(encoded)


def linear(encoded: NDArray[np.float64]) -> Picture:
    """Return sRGB values (0 to 1) in linear light."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4).astype(np.float32)


def noise(height: int, width: int, *, roughness: float, seed: int, stretch: tuple[float, float] = (1, 1)) -> Picture:
    """Return tileable fractal noise, 0 to 1: power falls with frequency to the `roughness`, stretched along y and x."""
    rng = np.random.default_rng(seed)
    fy = np.fft.fftfreq(height)[:, None] * height * stretch[0]
    fx = np.fft.rfftfreq(width)[None] * width * stretch[1]
    radius = np.hypot(fy, fx)
    radius[0, 0] = np.inf
    spectrum = np.fft.rfft2(rng.standard_normal((height, width))) * radius ** (-roughness / 2)
    field = np.fft.irfft2(spectrum, (height, width))
    low, high = np.percentile(field, [0.5, 99.5])
    return np.clip((field - low) / (high - low), 0, 1).astype(np.float32)


def mix(share: Picture, *codes: str) -> Picture:
    """Return colours along a ramp between codes at a share (H, W) from 0 to 1."""
    stops = np.stack([colour(code) for code in codes])
    at = np.linspace(0, 1, len(codes))
    return np.stack([np.interp(share, at, stops[:, channel]) for channel in range(3)], axis=-1).astype(np.float32)


def grain(height: int, width: int, *, seed: int) -> Picture:
    """Return wood grain running along x: year rings cut at a slant, bent by slow noise, with pores."""
    bend = noise(height, width, roughness=3.6, seed=seed, stretch=(1, 7))
    rings = (14 * bend + 2 * np.linspace(0, 1, height)[:, None]) % 1  # each ring darkens slowly and ends sharply
    streaks = noise(height, width, roughness=1.4, seed=seed + 1, stretch=(1, 40))
    pores = noise(height, width, roughness=0.6, seed=seed + 2, stretch=(1, 30))
    return np.clip(0.7 - 0.3 * rings**2 + 0.45 * (streaks - 0.5) - 0.25 * (pores > 0.72), 0, 1).astype(np.float32)


def wood(dark: str, mid: str, light: str, *, seed: int, size: int = 1024) -> Picture:
    """Return a board's surface, grain along x."""
    return mix(grain(size, size, seed=seed), dark, mid, light)


def planks(*, seed: int, size: int = 2048, rows: int = 16) -> tuple[Picture, Picture]:
    """Return colour and relief of a floor of boards along x, `rows` boards over the height, staggered ends."""
    rng = np.random.default_rng(seed)
    height = size // rows
    figure = grain(size, size, seed=seed)
    tone = np.empty((size, size), np.float32)
    gap = np.ones((size, size), np.float32)
    for row in range(rows):
        band = slice(row * height, (row + 1) * height)
        ends = np.sort((rng.random() + np.arange(3) / 3 + rng.uniform(-0.08, 0.08, 3)) % 1) * size
        board = np.searchsorted(ends, np.arange(size)) % 3
        tone[band] = rng.uniform(0, 1, 3)[board]
        figure[band] = np.roll(figure[band], int(rng.integers(size)), axis=1)
        for end in ends:
            gap[band, int(end) % size] = gap[band, (int(end) + 1) % size] = 0.2
        gap[band.start : band.start + 3] = 0.15
    share = np.clip(0.62 * figure + 0.45 * (tone - 0.4) + 0.1, 0, 1)
    return mix(share, "#3b2417", "#6d452b", "#95653f", "#b98a5b") * gap[..., None], gap


def bricks(*, seed: int, size: int = 1024, courses: int = 16) -> tuple[Picture, Picture]:
    """Return colour and relief of a brick wall, four bricks wide and `courses` high."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    row = np.floor(y * courses).astype(int)
    along = x * 4 + 0.5 * (row % 2)
    column = np.floor(along).astype(int) % 4
    inset_y, inset_x = np.abs((y * courses) % 1 - 0.5), np.abs(along % 1 - 0.5)
    rough = noise(size, size, roughness=1.6, seed=seed)
    joint = np.clip(np.maximum((inset_y - 0.42) * 14, (inset_x - 0.465) * 34) + 0.3 * (rough - 0.5), 0, 1)
    tone = rng.random((courses, 4))[row, column]
    brick = mix(np.clip(0.75 * tone + 0.5 * (rough - 0.4), 0, 1), "#6e3325", "#9a4a34", "#b96a48", "#c98d68")
    mortar = mix(rough, "#a59b8c", "#cbc3b4")
    return brick + (mortar - brick) * joint[..., None].astype(np.float32), (1 - joint).astype(np.float32)


def roof_tiles(*, seed: int, size: int = 1024, rows: int = 16) -> tuple[Picture, Picture]:
    """Return colour and relief of overlapping tiles."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    row = np.floor(y * rows).astype(int)
    along = x * 16 + 0.5 * (row % 2)
    tone = rng.random((rows, 17))[row, np.floor(along).astype(int) % 16]
    rough = noise(size, size, roughness=1.4, seed=seed)
    slope = (y * rows) % 1
    edge = np.clip(slope * 6, 0, 1) * np.clip((0.5 - np.abs(along % 1 - 0.5)) * 14, 0, 1)
    tiles = mix(np.clip(0.7 * tone + 0.4 * (rough - 0.3), 0, 1), "#4a3a38", "#6e4a40", "#8a5d4c")
    return (tiles * (0.35 + 0.65 * edge[..., None])).astype(np.float32), (edge * (1 - 0.6 * slope)).astype(np.float32)


def herringbone(first: str, second: str, *, size: int = 512, ribs: int = 16) -> Picture:
    """Return a woven cloth whose diagonals change direction with every rib."""
    y, x = np.mgrid[:size, :size] / size
    rib = x * ribs
    slant = np.where(np.floor(rib) % 2 == 0, rib % 1, 1 - rib % 1)
    thread = 0.5 + 0.5 * np.sin(2 * np.pi * (y * 4 * ribs + 2 * slant))
    share = np.clip(thread + 0.35 * (noise(size, size, roughness=0.8, seed=5) - 0.5), 0, 1)
    return mix(share.astype(np.float32), first, second)


def knitting(*, size: int = 1024, columns: int = 24, rows: int = 32) -> tuple[Picture, Picture]:
    """Return shade and relief of stockinette with a cable: V-shaped stitches in columns."""
    y, x = np.mgrid[:size, :size] / size
    sway = 0.55 * np.sin(2 * np.pi * y * 4) * np.exp(-(((x - 0.5) / 0.13) ** 2))  # the cable twists the middle columns
    along = x * columns + sway * 2
    within = along % 1
    leg = np.abs(within - 0.5) * 2
    phase = (y * rows + 0.55 * leg) % 1
    strand = np.sqrt(np.clip(1 - ((phase - 0.5) / 0.5) ** 2, 0, 1)) * np.sqrt(np.clip(1 - (leg - 0.5) ** 2 * 3.2, 0, 1))
    cable = np.exp(-(((x - 0.5) / 0.12) ** 2)) * np.abs(np.cos(2 * np.pi * y * 4))
    relief = np.clip(0.75 * strand + 0.3 * cable, 0, 1).astype(np.float32)
    fuzz = noise(size, size, roughness=0.4, seed=8)
    return np.clip(0.25 + 0.65 * strand + 0.3 * (fuzz - 0.5), 0, 1).astype(np.float32), relief


def kilim(*, size: int = 1024) -> Picture:
    """Return a flat-woven rug: stripes, diamonds and zigzags, every thread a little different."""
    v, u = np.mgrid[:size, :size] / size
    u = np.round(u * 256) / 256  # weft threads make the slanted lines step
    palette = np.stack([colour(c) for c in ("#7d2a22", "#1f2f45", "#c9a55c", "#d8cbb0", "#2c4a3e", "#45191a")])
    band = (v * 12) % 12
    index = np.full((size, size), 0)
    zigzag = np.abs((u * 12) % 1 - 0.5) * 2
    lozenge = np.abs((u * 6) % 1 - 0.5) * 2 + np.abs(band % 2 - 1)
    wide = np.floor(band / 2) % 3
    index[wide == 0] = np.select([lozenge < 0.35, lozenge < 0.6, lozenge < 0.95], [2, 1, 3], 0)[wide == 0]
    index[wide == 1] = np.select([band % 2 < 0.5 + 0.5 * zigzag, band % 2 < 1 + 0.5 * zigzag], [4, 2], 1)[wide == 1]
    index[wide == 2] = np.select([lozenge < 0.3, lozenge < 0.7], [3, 5], 4)[wide == 2]
    index[(band % 2 < 0.12) | (band % 2 > 1.88)] = 3
    rows = np.random.default_rng(3).uniform(0.75, 1.1, (size // 4, 1)).repeat(4, 0)
    weave = 0.82 + 0.18 * np.sin(2 * np.pi * u * 256) * np.sin(np.pi * np.arange(size) / 2)[:, None]
    worn = 0.8 + 0.35 * noise(size, size, roughness=2.0, seed=4)
    return (palette[index] * (rows * weave * worn)[..., None]).astype(np.float32)


def leaf_colour(dark: str, light: str, *, size: int = 256) -> Picture:
    """Return a leaf with midrib and side veins, u across, v along."""
    v, u = np.mgrid[:size, :size] / size
    off = np.abs(u - 0.5) * 2
    veins = np.clip(1 - np.abs(((v - 0.25 * off) * 9) % 1 - 0.5) * 14, 0, 1) * (off < 0.9)
    rib = np.clip(1 - off * 14, 0, 1)
    share = np.clip(0.25 + 0.6 * np.maximum(rib, 0.55 * veins) + 0.3 * noise(size, size, roughness=2, seed=6), 0, 1)
    return mix(share.astype(np.float32), dark, light)


def world(*, height: int = 512) -> Picture:
    """Return an old map of an invented planet for a globe, with meridians and parallels."""
    v, u = np.mgrid[:height, : 2 * height] / height
    land = noise(height, 2 * height, roughness=3.0, seed=12)
    sea = mix(noise(height, 2 * height, roughness=2, seed=13), "#2f5b6b", "#5d8a8f")
    ground = mix(land, "#6a7f3c", "#c9b16b", "#a5743f", "#efe2c0")
    out = np.where((land > 0.56)[..., None], ground, sea)
    coast = np.abs(land - 0.56) < 0.008
    lines = (np.abs((u * 12) % 1 - 0.5) > 0.485) | (np.abs((v * 12) % 1 - 0.5) > 0.485)
    return np.where((coast | lines)[..., None], 0.35 * out, out).astype(np.float32)


def ridges(*, width: int = 600, height: int = 800) -> Picture:
    """Return a picture for the wall: mountains in haze, one ridge behind the other."""
    y = np.linspace(0, 1, height)[:, None]
    x = np.arange(width)
    out = mix(np.broadcast_to(y, (height, width)), "#c7d3d8", "#f2d9b8", "#f4e7d3")
    sun = np.hypot(x[None] - 0.66 * width, y * height - 0.3 * height) < 0.07 * width
    out[sun] = colour("#fff3da")
    for number in range(7):
        edge = noise(1, 4 * width, roughness=2.2, seed=20 + number)[0, :width]
        line = 0.34 + 0.09 * number - 0.16 * edge * (1 - 0.07 * number)
        out = np.where((y > line)[..., None], mix(np.full((1, 1), number / 6, np.float32), "#a9b9c2", "#16262d"), out)
    return out.astype(np.float32)


def font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """Return a font of the DejaVu family (Debian: fonts-dejavu-core, fonts-dejavu-extra)."""
    return ImageFont.truetype(f"{name}.ttf", size)


def spine(title: str, author: str, *, ground: str, ink: str, face: str, seed: int) -> Picture:
    """Return a book's spine, upright, 160 x 960: bands, title and author, cloth and wear."""
    width, height = 160, 960
    page = Image.new("RGB", (height, width), ground)
    draw = ImageDraw.Draw(page)
    rng = np.random.default_rng(seed)
    style = rng.integers(4)
    for at in {0: (50, 62, 898, 910), 1: (40, 44, 916, 920, 700, 704), 2: (), 3: (60, 690, 900)}[int(style)]:
        draw.line([(at, 0), (at, width)], fill=ink, width=4)
    if style == 2:
        draw.rectangle([150, 14, 640, width - 15], outline=ink, width=4)
    size = 84
    while draw.textlength(title, font=font(face, size)) > (460 if style == 2 else 560):
        size -= 2
    draw.text((395 if style == 2 else 385, width / 2), title, font=font(face, size), fill=ink, anchor="mm")
    draw.text((805, width / 2), author, font=font("DejaVuSans", 30), fill=ink, anchor="mm")
    out = linear(np.asarray(page.rotate(-90, expand=True), dtype=np.float64) / 255)
    cloth = 0.8 + 0.3 * noise(height, width, roughness=0.6, seed=seed)
    worn = 0.8 + 0.3 * noise(height, width, roughness=2.4, seed=seed + 1)
    return (out * (cloth * worn)[..., None]).astype(np.float32)


def printed_page(*, seed: int, width: int = 600, height: int = 840) -> Picture:
    """Return a page of a book: heading, lines of words as grey as print is, one initial."""
    page = Image.new("L", (width, height), 236)
    draw = ImageDraw.Draw(page)
    rng = np.random.default_rng(seed)
    words = [
        "light",
        "shadow",
        "window",
        "row",
        "noise",
        "photon",
        "curve",
        "silver",
        "lens",
        "grain",
        "dark",
        "bright",
    ]
    draw.text((width / 2, 70), "OF LIGHT AND SHADE", font=font("DejaVuSerif-Bold", 30), fill=25, anchor="mm")
    for line in range(24):
        text, y = "", 120 + 28 * line
        while draw.textlength(text, font=font("DejaVuSerif", 21)) < width - 160:
            text += str(rng.choice(words)) + " "
        draw.text((60, y), text, font=font("DejaVuSerif", 21), fill=40)
    out = linear(np.asarray(page, dtype=np.float64) / 255)
    return out[..., None] * np.array([1, 0.97, 0.9], np.float32)


def dial(*, size: int = 512) -> Picture:
    """Return the face of a clock at ten past ten."""
    page = Image.new("RGB", (size, size), "#efe8d8")
    draw = ImageDraw.Draw(page)
    middle = size / 2
    for minute in range(60):
        angle = np.radians(6 * minute)
        inner = 0.86 if minute % 5 else 0.8
        ends = [(middle + r * middle * np.sin(angle), middle - r * middle * np.cos(angle)) for r in (inner, 0.93)]
        draw.line(ends, fill="#222222", width=3 if minute % 5 else 8)
    for hour in range(1, 13):
        angle = np.radians(30 * hour)
        place = (middle + 0.66 * middle * np.sin(angle), middle - 0.66 * middle * np.cos(angle))
        draw.text(place, str(hour), font=font("DejaVuSerif-Bold", 56), fill="#222222", anchor="mm")
    for turn, length, thick in ((10 / 12 + 1 / 72, 0.45, 16), (1 / 6, 0.7, 10)):
        angle = 2 * np.pi * turn
        tip = (middle + length * middle * np.sin(angle), middle - length * middle * np.cos(angle))
        draw.line([(middle, middle), tip], fill="#1a1a1a", width=thick)
    return linear(np.asarray(page, dtype=np.float64) / 255)


def wallpaper(*, size: int = 1024, stripes: int = 8) -> Picture:
    """Return a dark striped wallpaper with a sprig in every other stripe."""
    v, u = np.mgrid[:size, :size] / size
    at = u * stripes
    broad = np.floor(at) % 2 == 0
    out = np.where(broad[..., None], colour("#3f5a51"), colour("#324c46"))
    out = np.where((np.abs(at % 1 - 0.06) < 0.012)[..., None], colour("#a3935c"), out)
    drop = (v * 6 + 0.5 * (np.floor(at / 2) % 2)) % 1 - 0.5
    across = np.abs(at % 1 - 0.5)
    petals = (np.hypot(across - 0.12, drop * 1.3) < 0.07) | (np.hypot(across, (drop + 0.16) * 1.1) < 0.09)
    stem = (across < 0.018) & (drop > 0) & (drop < 0.3)
    out = np.where(((petals | stem) & broad)[..., None], colour("#869a6c"), out)
    return (out * (0.85 + 0.3 * noise(size, size, roughness=1.2, seed=31))[..., None]).astype(np.float32)


def foliage(*, autumn: float = 0.0, width: int = 256) -> Picture:
    """Return a ramp of leaf colours along u, for trees whose leaves each read one place of it."""
    ramp = mix(np.linspace(0, 1, width, dtype=np.float32)[None], "#3c6526", "#6d9c3a", "#a3c050", "#d0cf62")
    warm = mix(np.linspace(0, 1, width, dtype=np.float32)[None], "#a5501e", "#d98526", "#efb53a", "#f3d866")
    return np.repeat(ramp + autumn * (warm - ramp), 4, axis=0).astype(np.float32)


def lawn(*, size: int = 1024) -> Picture:
    """Return grass from afar: mown stripes, patches and blades."""
    patches = noise(size, size, roughness=2.0, seed=41)
    blades = noise(size, size, roughness=0.5, seed=42, stretch=(0.4, 1))
    return mix(np.clip(0.5 * patches + 0.6 * blades - 0.05, 0, 1), "#24401a", "#4b7429", "#7f9a45", "#b0b268")


def linen(*, size: int = 512) -> Picture:
    """Return the weave of a lamp shade, about 1 on average."""
    y, x = np.mgrid[:size, :size] / size
    slubs = noise(size, size, roughness=1.0, seed=51, stretch=(1, 12)) + noise(size, size, roughness=1.0, seed=52,
                                                                               stretch=(12, 1))  # fmt: skip
    weave = 0.06 * np.sin(2 * np.pi * 80 * x) * np.sin(2 * np.pi * 40 * y)
    return (0.75 + 0.25 * slubs + weave).astype(np.float32)


def clouds(direction: NDArray[np.float64]) -> Picture:
    """Return the sky's radiance (..., 3) in unit directions (..., 3): cumulus in the blue; grass below the horizon."""
    up = np.clip(direction[..., 2], 0.0, 1)
    clear = mix(np.clip(up * 2.2, 0, 1).astype(np.float32), "#d3e3ee", "#8fbbe4", "#4f8fd4", "#3a73ba") * 1.9
    size = 2048  # texels of the field, which covers 45 degrees each way
    turn = (np.arctan2(direction[..., 0], direction[..., 1]) / np.radians(45) + 0.36) * size
    rise = up / np.radians(45) * size
    heaps = noise(size, size, roughness=3.4, seed=67, stretch=(1, 1.5))
    fine = noise(size, size, roughness=2.4, seed=68)
    field = 0.9 * heaps + 0.1 * fine

    def thickness(dx: float, dy: float) -> Picture:
        found = ndimage.map_coordinates(field, [rise + dy, turn + dx], order=1, mode="wrap")
        return np.clip((found - 0.575) / 0.3, 0, 1)

    thick, sunward = thickness(0, 0), thickness(-40, 25)
    cover = np.clip(thick * 4, 0, 1)[..., None]
    shade = np.clip(1.0 - 0.75 * sunward + 0.25 * thick, 0.35, 1.2)[..., None]
    body = colour("#fffaf2") * shade + colour("#8fa3bd") * (1.1 - shade).clip(0, 1) * 0.5
    sky = clear * (1 - cover) + 2.8 * body * cover
    return np.where(direction[..., 2:] < -0.02, 0.12 * colour("#7f9a45"), sky).astype(np.float32)
