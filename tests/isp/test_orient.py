"""The eight EXIF orientations, against Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from hdrcli.errors import UsageError
from hdrcli.isp.orient import orient, oriented_shape, oriented_view, sensor_view

ORIENTATIONS = range(1, 9)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_orientation_is_that_of_exif(orientation: int) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (5, 7, 3), dtype=np.uint8)
    image = Image.fromarray(picture)
    exif = image.getexif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, "PNG", exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(file)))
    result = orient(picture, orientation)
    np.testing.assert_array_equal(result, expected)
    assert result.flags.c_contiguous
    assert result.shape[:2] == oriented_shape(5, 7, orientation)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_the_sensor_view_undoes_the_orientation(orientation: int) -> None:
    mosaic = np.arange(35).reshape(5, 7)
    np.testing.assert_array_equal(sensor_view(oriented_view(mosaic, orientation), orientation), mosaic)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_writing_to_the_sensor_view_fills_the_oriented_picture(orientation: int) -> None:
    sensor = np.arange(35 * 3).reshape(5, 7, 3)
    out = np.empty((*oriented_shape(5, 7, orientation), 3), dtype=sensor.dtype)
    sensor_view(out, orientation)[:] = sensor
    np.testing.assert_array_equal(out, orient(sensor, orientation))


@pytest.mark.parametrize("orientation", [0, 9, -1])
def test_there_are_no_other_orientations(orientation: int) -> None:
    with pytest.raises(UsageError, match="1 to 8 are known"):
        orient(np.zeros((2, 2)), orientation)
