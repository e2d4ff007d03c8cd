"""Pictures as cameras and phones write them, small, made where they are tested."""

from __future__ import annotations

from pathlib import Path

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from hdrcli.images import RawFrame
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.capture import CaptureSettings, capture


def photograph(height: int = 64, width: int = 96) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) of colours that differ at every edge, with a white lamp and an orange one."""
    y, x = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    picture = (140 * np.stack([0.1 + 0.9 * x, 0.1 + 0.9 * y, 0.5 + 0.3 * x - 0.4 * y], -1)).astype(np.uint8)
    picture[height // 4 : height // 2, width // 4 : width // 2] = 255
    picture[height // 2 : 3 * height // 4, 2 * width // 3 : 3 * width // 4] = 255, 180, 60
    return picture


def saved(path: Path, samples: NDArray[np.uint8], *, orientation: int = 1, **options: object) -> Path:
    """Write a picture in the format that the suffix says, with an EXIF orientation; return the path."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x0110] = orientation, "Maker", "Model 1"
    exif.get_ifd(0x8769)[0x829A] = IFDRational(1, 250)
    Image.fromarray(samples).save(path, exif=exif.tobytes(), **options)
    return path


def ultra_hdr(gamut: int = 0) -> tuple[bytes, NDArray[np.float32]]:
    """Return an Ultra HDR JPEG by libultrahdr and the light (64, 96, 3), up to 8, that it was made from."""
    light = np.linspace(0, 8, 96, dtype=np.float32)[None, :, None] * np.ones((64, 1, 3), np.float32)
    light[..., 1] *= np.linspace(0.5, 1, 64)[:, None]
    light[..., 2] *= 0.7
    rgba = np.concatenate([light, np.ones((64, 96, 1), np.float32)], 2).astype(np.float16)
    return bytes(imagecodecs.ultrahdr_encode(rgba, gamut=gamut)), light


def hdr_avif(codes: NDArray[np.uint16], *, transfer: int = 16) -> bytes:
    """Return an AVIF of ten bits in Rec. 2020, PQ (16) or HLG (18)."""
    return bytes(imagecodecs.avif_encode(codes, level=100, bitspersample=10, primaries=9, transfer=transfer, matrix=9))


def raw_photograph(*, iso: tuple[float, float] = (100, 100), exposure: float = 1.0) -> RawFrame:
    """Return a frame of a scene of patches, 0.02 to 0.9 on its dark side and three times as bright on the other."""
    rng = np.random.default_rng(3)
    patches = rng.uniform(0.02, 0.9, (12, 16, 1)).repeat(8, 0).repeat(8, 1) * np.ones(3)
    scene = np.asarray(patches * np.geomspace(0.3, 3.0, patches.shape[1])[None, :, None], dtype=np.float32)
    settings = CaptureSettings(iso=iso, border=16, exposure=exposure)
    return capture(scene, find_camera("550D"), settings, rng).raw
