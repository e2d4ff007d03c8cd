"""Files as nobody wants them: damaged, truncated, lying, or of the wrong kind. Seeded, always the same."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from display_files import hdr_avif, photograph, ultra_hdr
from PIL import Image

from hdrcli.images import BayerImage
from hdrcli.io.dng import write_dng, write_dng_half
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.capture import Capture, CaptureSettings, capture

# TIFF tags that say how much there is, and where.
_SIZE_TAGS = {256: "ImageWidth", 257: "ImageLength", 258: "BitsPerSample", 277: "SamplesPerPixel", 278: "RowsPerStrip"}
_SIZE_TAGS |= {273: "StripOffsets", 279: "StripByteCounts", 322: "TileWidth", 323: "TileLength"}
_SIZE_TAGS |= {324: "TileOffsets", 325: "TileByteCounts", 330: "SubIFDs", 259: "Compression", 50829: "ActiveArea"}
_LIES = (0, 1, 65535, 65536, 0x7FFFFFFF, 0xFFFFFFFF)


def dual_iso_capture(shape: tuple[int, int] = (96, 128), *, seed: int = 1) -> Capture:
    """Return a small dual-ISO frame of a scene with a bright and a dark side."""
    rng = np.random.default_rng(seed)
    height, width = shape
    light = np.geomspace(0.001, 4.0, width, dtype=np.float32)[None, :, None]
    texture = rng.uniform(0.5, 1.5, (height // 8 + 1, width // 8 + 1, 3)).repeat(8, 0).repeat(8, 1)
    scene = np.asarray(light * texture[:height, :width], dtype=np.float32)
    return capture(scene, find_camera("550D"), CaptureSettings(iso=(100, 1600), border=8), rng)


def write_bases(folder: Path) -> dict[str, bytes]:
    """Return sound small raw files by name, as DNGs of every kind that the project writes."""
    raw = dual_iso_capture().raw
    bayer = BayerImage(np.asarray(raw.counts / raw.white, dtype=np.float32), raw.cfa)
    writers: dict[str, Callable[[Path], None]] = {
        "plain": lambda path: write_dng(path, raw, compression="none"),
        "jpeg": lambda path: write_dng(path, raw),
        "half": lambda path: write_dng_half(path, bayer, camera=raw.camera, metadata=raw.metadata),
    }
    bases = {}
    for name, write in writers.items():
        path = folder / f"{name}.dng"
        write(path)
        bases[name] = path.read_bytes()
        path.unlink()
    return bases


def picture_bases() -> dict[str, bytes]:
    """Return sound small display pictures by name, one of every kind that is read without an extra."""
    picture = photograph()
    bases = {}
    for kind in ("JPEG", "PNG", "WebP"):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, kind)
        bases[kind.lower()] = buffer.getvalue()
    bases["tiff"] = _little_endian_tiff(picture)
    bases["avif"] = bytes(imagecodecs.avif_encode(picture, level=90))
    bases["pq"] = hdr_avif(picture.astype(np.uint16) * 4)
    bases["ultrahdr"] = ultra_hdr()[0]
    return bases


def _little_endian_tiff(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, picture, photometric="rgb", compression="deflate", predictor=True, byteorder="<")
    return buffer.getvalue()


def damage(name: str, data: bytes, rng: np.random.Generator, *, each: int) -> Iterator[tuple[str, bytes]]:
    """Yield `data` damaged in many ways, about `each` of a kind, with names that tell how."""
    for number in range(each):  # more cuts near the start, where the headers are
        keep = int(len(data) * (number / each) ** 2)
        yield f"{name}-cut-{keep}.dng", data[:keep]
    for number in range(each):
        broken = bytearray(data)
        flips = int(rng.choice([1, 4, 32, 256]))
        reach = len(data) if number % 2 else min(len(data), 2048)
        for position in rng.integers(0, reach, flips):
            broken[position] ^= 1 << int(rng.integers(0, 8))
        yield f"{name}-flip-{number}.dng", bytes(broken)
    for number in range(each // 2):
        broken = bytearray(data)
        start = int(rng.integers(0, len(data)))
        size = min(int(rng.integers(1, 4096)), len(data) - start)
        filling = rng.bytes(size) if number % 2 else bytes([0xFF * (number % 4 // 2)]) * size
        broken[start : start + size] = filling
        yield f"{name}-hole-{number}.dng", bytes(broken)


def lies(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a little-endian TIFF whose directories claim absurd sizes, counts and places, one claim at a time."""
    for entry, tag in _directory_entries(data):
        if tag not in _SIZE_TAGS:
            continue
        for value in _LIES:
            broken = bytearray(data)
            broken[entry + 8 : entry + 12] = struct.pack("<I", value)
            yield f"{name}-{_SIZE_TAGS[tag]}-at-{entry}-is-{value}.dng", bytes(broken)
        broken = bytearray(data)
        broken[entry + 4 : entry + 8] = struct.pack("<I", 0x10000000)
        yield f"{name}-{_SIZE_TAGS[tag]}-at-{entry}-counts-many.dng", bytes(broken)


def _directory_entries(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the place and the tag of every entry of the first directory and its sub-directories."""
    waiting = [struct.unpack_from("<I", data, 4)[0]]
    while waiting:
        start = waiting.pop()
        (count,) = struct.unpack_from("<H", data, start)
        for entry in range(start + 2, start + 2 + 12 * count, 12):
            tag, _, number, value = struct.unpack_from("<HHII", data, entry)
            yield entry, tag
            if tag == 330:
                waiting += [value] if number == 1 else struct.unpack_from(f"<{number}I", data, value)


def strangers(rng: np.random.Generator) -> Iterator[tuple[str, bytes]]:
    """Yield files that are no raw files, under names of raw files."""
    yield "empty.CR2", b""
    yield "one-byte.CR2", b"I"
    yield "text.CR2", b"This is no picture.\n" * 100
    yield "zeros.NEF", bytes(100_000)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("a.txt", "text" * 1000)
    yield "zip.ARW", archive.getvalue()
    picture = Image.fromarray(rng.integers(0, 255, (60, 80, 3), dtype=np.uint8))
    for kind, suffix in (("JPEG", "CR2"), ("PNG", "NEF"), ("TIFF", "dng"), ("BMP", "raw"), ("GIF", "CRW")):
        buffer = io.BytesIO()
        picture.save(buffer, kind)
        yield f"{kind.lower()}.{suffix}", buffer.getvalue()
    grey = io.BytesIO()
    Image.fromarray(rng.integers(0, 65535, (60, 80), dtype=np.uint16)).save(grey, "TIFF")
    yield "grey-tiff.CR2", grey.getvalue()
    heads = {
        "cr2": b"II*\0\x10\0\0\0CR\x02\0",
        "cr3": b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom",
        "crw": b"II\x1a\0\0\0HEAPCCDR",
        "tiff": b"II*\0\x08\0\0\0",
        "bigtiff": b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0",
        "motorola": b"MM\0*\0\0\0\x08",
        "raf": b"FUJIFILMCCD-RAW 0201FF383501",
        "rw2": b"IIU\0\x18\0\0\0",
        "x3f": b"FOVb",
        "mrw": b"\0MRM",
        "nothing": b"",
    }
    for kind, head in heads.items():
        for number in range(6):
            yield f"random-{kind}-{number}.CR2", head + rng.bytes(int(4 ** rng.uniform(2, 8)))


def write_pictures(folder: Path, *, seed: int = 7, real_files: tuple[Path, ...] = ()) -> list[Path]:
    """Write the collection for commands that read display pictures into `folder` and return its files."""
    rng = np.random.default_rng(seed)
    files = list(strangers(rng))
    for name, data in picture_bases().items():
        files += damage(name, data, rng, each=24)
        files.append((f"{name}-whole.dng", data))
    files += lies("tiff", picture_bases()["tiff"])
    for source in real_files:
        files += damage(source.stem, source.read_bytes(), rng, each=8)
    return _written(folder, files)


def write_corpus(folder: Path, *, seed: int = 7, real_files: tuple[Path, ...] = ()) -> list[Path]:
    """Write the collection for commands that read raw files into `folder` and return its files."""
    rng = np.random.default_rng(seed)
    files: list[tuple[str, bytes]] = list(strangers(rng))
    for name, data in write_bases(folder).items():
        files += damage(name, data, rng, each=32)
        files += lies(name, data)
    for source in real_files:
        files += damage(source.stem, source.read_bytes(), rng, each=8)
    return _written(folder, files)


def _written(folder: Path, files: list[tuple[str, bytes]]) -> list[Path]:
    paths = []
    for name, data in dict(files).items():  # two cuts of a small file may be the same
        path = folder / name
        path.write_bytes(data)
        paths.append(path)
    return paths
