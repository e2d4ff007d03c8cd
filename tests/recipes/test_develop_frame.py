"""Developing a reconstructed frame: whose colours the picture has."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hdrcli.images import FloatArray
from hdrcli.isp.develop import DevelopSettings
from hdrcli.recipes.deinterlace import DeinterlaceSettings, deinterlace_frame, develop_frame
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.capture import CaptureSettings, capture


def test_colours_of_the_reconstruction_are_those_of_the_picture_unless_others_are_asked_for() -> None:
    y, x = np.mgrid[:64, :96].astype(np.float32)
    light = 0.15 + 0.1 * np.sin(x / 9) * np.cos(y / 7)
    scene = np.ascontiguousarray(light[:, :, None] * np.array([1, 0.9, 0.8], np.float32), dtype=np.float32)
    raw = capture(scene, find_camera("5D Mark III"), CaptureSettings(), np.random.default_rng(1)).raw
    classical = deinterlace_frame(
        raw, settings=DeinterlaceSettings(model="none", force=True, row_pattern="HHLL", gain=16)
    )
    rgb = np.full((64, 96, 3), 0.5, np.float32)
    learned = replace(classical, reconstruction=replace(classical.reconstruction, rgb=rgb))

    def picture(settings: DeinterlaceSettings, *, known: bool) -> FloatArray:
        return develop_frame(learned if known else classical, raw, settings=settings).data

    usual = DeinterlaceSettings()
    assert classical.reconstruction.rgb is None
    assert np.ptp(picture(usual, known=True), axis=(0, 1)).max() < 1e-6
    assert np.ptp(picture(usual, known=False), axis=(0, 1)).min() > 0.1
    for settings in (replace(usual, merge="rgb"), replace(usual, develop=DevelopSettings(demosaic="directional"))):
        np.testing.assert_array_equal(picture(settings, known=True), picture(settings, known=False))
