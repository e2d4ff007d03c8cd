"""Black and white levels against frames whose levels are known, and against real files."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hdrcli.images import MaskedBorders, RawFrame
from hdrcli.io.raw import read_raw
from hdrcli.isp.linearise import Black, linear, measure_black, measure_white
from hdrcli.sensor.cameras import find_camera
from hdrcli.sensor.capture import CaptureSettings, capture
from hdrcli.sensor.mosaic import ROW_PATTERNS, high_rows

SHAPE = (384, 512)
# Standard error of the mean over a class and position of the borders used here, times 4.
BLACK_ATOL = 0.7


def blocks(seed: int, *, lamps: float = 0.0, wall: float = 0.0) -> np.ndarray:
    """Return a scene of dim patches, with a share of blinding lamps or half of it a smooth wall of given level."""
    rng = np.random.default_rng(seed)
    height, width = SHAPE
    scene = np.exp(rng.normal(-3, 0.8, (height // 32, width // 32, 1))).repeat(32, 0).repeat(32, 1)
    y, x = np.mgrid[:height, :width]
    if wall:
        scene[:, : width // 2] = wall
    if lamps:
        scene[(y - 100) ** 2 + (x - 300) ** 2 < lamps * height * width / np.pi] = 40
    return np.ascontiguousarray((np.minimum(scene, wall) if wall else scene) * np.ones(3), dtype=np.float32)


def shot(scene: np.ndarray, *, camera: str = "550D", seed: int = 0, **settings: object) -> RawFrame:
    how = CaptureSettings(**({"iso": (100.0, 1600.0), "border": 48} | settings))  # type: ignore[arg-type]
    return capture(scene, find_camera(camera), how, np.random.default_rng(seed)).raw


def counts(values: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(values), 0, 65535).astype(np.uint16)


@pytest.mark.parametrize("pattern", ROW_PATTERNS)
def test_black_is_measured_per_row_class_to_a_fraction_of_a_count(pattern: str) -> None:
    frame = shot(blocks(1), row_pattern=pattern)
    delta = np.where(high_rows(SHAPE[0], pattern), 17.0, 0.0)[:, None]
    borders = replace(frame.borders, left=counts(frame.borders.left + delta))
    measured = measure_black(replace(frame, borders=borders), row_pattern=pattern)
    assert measured.source == "masked borders"
    assert measured.low == pytest.approx([2048] * 4, abs=BLACK_ATOL)
    assert measured.high == pytest.approx([2065] * 4, abs=4 * BLACK_ATOL)  # high rows are four times as noisy
    assert measured.rows is None
    assert measured.columns is None


def test_black_differs_by_position_where_the_borders_do() -> None:
    frame = shot(blocks(2), iso=(100.0, 100.0))
    offset = np.zeros((SHAPE[0], 48))
    offset[1::2, 0::2] = 5  # 48 columns: the first has the parity of the first active one
    borders = replace(frame.borders, left=counts(frame.borders.left + offset))
    measured = measure_black(replace(frame, borders=borders))
    assert measured.low == pytest.approx([2048, 2048, 2053, 2048], abs=BLACK_ATOL)
    assert measured.high == measured.low


def test_hot_pixels_and_marked_lines_do_not_move_black() -> None:
    frame = shot(blocks(3), iso=(100.0, 100.0))
    left = frame.borders.left.copy()
    left[np.random.default_rng(0).random(left.shape) < 0.01] = 9000
    left[:, 3] = 0
    left[:, -2:] += 60  # light creeps in beside the picture
    measured = measure_black(replace(frame, borders=replace(frame.borders, left=left)))
    assert measured.source == "masked borders"
    assert measured.low == pytest.approx([2048] * 4, abs=BLACK_ATOL)


def test_sub_count_noise_is_averaged_not_rounded() -> None:
    rng = np.random.default_rng(4)
    left, picture = (counts(rng.normal(31.9, 0.7, shape)) for shape in ((600, 12), (600, 800)))
    frame = RawFrame(picture, "RGGB", (32.0,) * 4, 1023.0, MaskedBorders(left, np.empty((0, 800), np.uint16)))
    assert measure_black(frame).low == pytest.approx([31.9] * 4, abs=0.05)


def test_a_frame_without_borders_keeps_its_statement() -> None:
    frame = replace(shot(blocks(5)), borders=None, black=(1.0, 2.0, 3.0, 4.0))
    measured = measure_black(frame, row_pattern="HHLL")
    assert (measured.low, measured.high, measured.source) == (frame.black, frame.black, "metadata")


@pytest.mark.parametrize(
    ("left", "reason"),
    [(0, "hold nothing but 0"), (2900, "say 2900"), (900, "say 900"), ("scene", "saw light|say")],
)
def test_incredible_borders_yield_to_the_statement_with_the_reason(left: int | str, reason: str) -> None:
    frame = shot(blocks(6), iso=(100.0, 100.0))
    if left == "scene":
        samples = frame.counts[:, 40:88]
    else:
        samples = np.full((SHAPE[0], 48), left, np.uint16)
        if left:
            samples = counts(samples + np.random.default_rng(0).normal(0, 6, samples.shape))
    borders = MaskedBorders(np.ascontiguousarray(samples), np.empty((0, SHAPE[1]), np.uint16))
    measured = measure_black(replace(frame, borders=borders))
    assert measured.low == frame.black
    assert measured.source.startswith("metadata (the masked borders")
    assert re.search(reason, measured.source)


def test_dim_light_in_a_border_is_noticed() -> None:
    frame = shot(blocks(7), iso=(100.0, 100.0))
    height = SHAPE[0]
    light = 1000 * (1 + np.sin(np.arange(height) / 40))[:, None]  # a bright band in the picture, and 2 % of it leaks
    picture, border = counts(frame.counts + light), counts(frame.borders.left + 0.04 * light)
    leaking = replace(frame, counts=picture, borders=replace(frame.borders, left=border))
    assert "saw light" in measure_black(leaking).source
    assert measure_black(frame).source == "masked borders"


def test_a_statement_of_zero_yields_to_a_plausible_border() -> None:
    frame = replace(shot(blocks(8), iso=(100.0, 100.0)), black=(0.0,) * 4)
    assert measure_black(frame).low == pytest.approx([2048] * 4, abs=BLACK_ATOL)


def test_the_top_border_serves_where_there_is_no_left_one() -> None:
    frame = shot(blocks(9), iso=(100.0, 100.0))
    borders = MaskedBorders(np.empty((SHAPE[0], 0), np.uint16), frame.borders.top)
    measured = measure_black(replace(frame, borders=borders))
    assert measured.source == "masked borders"
    assert measured.low == pytest.approx([2048] * 4, abs=BLACK_ATOL)
    tiny = MaskedBorders(np.empty((SHAPE[0], 0), np.uint16), frame.borders.top[:1, :40])
    assert "too small" in measure_black(replace(frame, borders=tiny)).source


@pytest.mark.parametrize("pattern", [None, "LHHL"])
def test_row_and_column_offsets_are_removed_where_the_picture_shares_them(pattern: str | None) -> None:
    rng = np.random.default_rng(10)
    frame = shot(blocks(10), iso=(100.0, 1600.0) if pattern else (100.0, 100.0), row_pattern=pattern or "HHLL")
    rows, columns = rng.normal(0, 5, SHAPE[0]), rng.normal(0, 5, SHAPE[1])
    banded = replace(
        frame,
        counts=counts(frame.counts + rows[:, None] + columns),
        borders=MaskedBorders(counts(frame.borders.left + rows[:, None]), counts(frame.borders.top + columns)),
    )
    measured = measure_black(banded, row_pattern=pattern)
    assert measured.rows is not None
    assert measured.columns is not None
    assert measured.rows.shape == (SHAPE[0],)
    assert measured.columns.shape == (SHAPE[1],)
    assert np.std(rows - measured.rows) < 0.6 * np.std(rows)
    assert np.std(columns - measured.columns) < 0.4 * np.std(columns)


def test_offsets_that_only_the_border_has_are_not_applied() -> None:
    rng = np.random.default_rng(11)
    frame = shot(blocks(11), iso=(100.0, 100.0))
    noisy = MaskedBorders(
        counts(frame.borders.left + rng.normal(0, 5, SHAPE[0])[:, None]),
        counts(frame.borders.top + rng.normal(0, 5, SHAPE[1])),
    )
    measured = measure_black(replace(frame, borders=noisy))
    assert measured.rows is None
    assert measured.columns is None


@pytest.mark.parametrize("stated", [0.9, 0.97, 1.0, 1.03, 1.1, 1.2])
def test_each_row_class_clips_where_its_samples_pile_up(stated: float) -> None:
    # This camera saturates at 13584 at ISO 100 and at 15304 at ISO 1600; a file states one level for both.
    frame = shot(blocks(12, lamps=0.02))
    measured = measure_white(replace(frame, white=round(13584 * stated)), row_pattern="HHLL")
    assert (measured.low, measured.high) == (13584, 15304)
    assert measured.source == "saturated samples"


@pytest.mark.parametrize("spread", [3, 8, 15])
@pytest.mark.parametrize("stated", [0.97, 1.0, 1.04])
def test_the_clip_lies_below_a_plateau_that_is_spread(spread: float, stated: float) -> None:
    frame = shot(blocks(13, lamps=0.02), iso=(100.0, 100.0))
    values = frame.counts.astype(float)
    saturated = frame.counts >= 13584
    values[saturated] += np.random.default_rng(0).normal(-4 * spread, spread, saturated.sum())
    measured = measure_white(replace(frame, counts=counts(values), white=round(13584 * stated)))
    plateau = 13584 - 4 * spread
    assert plateau - 5 * spread - 5 <= measured.low <= plateau - spread
    assert (values[saturated] >= measured.low).mean() > 0.95


@pytest.mark.parametrize(
    ("iso", "level"), [(100.0, 0.5), (100.0, 0.8), (100.0, 0.95), (1600.0, 0.5), (1600.0, 0.7), (1600.0, 0.8)]
)
@pytest.mark.parametrize("stated", [1.0, 1.03])
def test_a_bright_smooth_wall_is_no_plateau(iso: float, level: float, stated: float) -> None:
    # A grey wall under light that this camera sees as neutral: all colours at one level, the hardest case.
    frame = shot(blocks(14, wall=level), iso=(iso, iso), neutral=(1.0, 1.0, 1.0))
    assert frame.counts.max() < find_camera("550D").white(iso)
    measured = measure_white(replace(frame, white=round(frame.white * stated)))
    assert measured.source == "metadata"
    assert measured.low == round(frame.white * stated)


def test_hot_pixels_are_no_plateau() -> None:
    frame = shot(blocks(15), iso=(100.0, 100.0), hot_pixels=2e-4)
    assert measure_white(frame).source == "metadata"


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_every_bit_depth_finds_its_level(bits: int) -> None:
    camera = find_camera("550D")
    frame = shot(blocks(16, lamps=0.02), iso=(100.0, 100.0))
    top = 2.0**bits - 1
    share = (frame.counts.astype(float) - camera.black) / (camera.white(100) - camera.black)
    scaled = replace(frame, counts=counts(share * 0.94 * top), black=(0.0,) * 4, white=top, borders=None)
    assert measure_white(scaled).low == pytest.approx(0.94 * top, abs=max(1, 1e-3 * top))


def test_samples_above_the_statement_raise_it() -> None:
    frame = shot(blocks(17, wall=0.8), iso=(100.0, 100.0), neutral=(1.0, 1.0, 1.0))
    measured = measure_white(replace(frame, white=9000.0))
    assert measured.source == "brightest samples"
    assert 9000 < measured.low <= frame.counts.max()


def test_black_frames_and_white_frames_are_measured_without_guessing() -> None:
    dark = RawFrame(np.full((64, 64), 2048, np.uint16), "RGGB", (2048.0,) * 4, 15000.0)
    assert measure_white(dark, row_pattern="HHLL").low == 15000
    white = replace(dark, counts=np.full((64, 64), 14400, np.uint16))
    assert measure_white(white, row_pattern="HHLL").high == 14400
    tiny = replace(dark, counts=np.full((2, 2), 2048, np.uint16))
    assert measure_white(tiny, row_pattern="HHLL").high == 15000
    assert measure_black(tiny, row_pattern="HHLL").source == "metadata"


def test_gaps_in_the_histogram_are_no_plateau() -> None:
    # 8-bit samples through a tone curve into 14 bits: every level is a spike of its own.
    rng = np.random.default_rng(18)
    level = np.clip(rng.gamma(3, 25, SHAPE), 0, 230).astype(np.uint8)
    table = np.rint((np.arange(256) / 255) ** 2 * 15000)
    frame = RawFrame(counts(table[level]), "RGGB", (0.0,) * 4, 15000.0)
    assert measure_white(frame).low in (15000.0, table[230])


def test_light_is_counts_above_black_over_the_range_by_position_row_and_column() -> None:
    black = Black((100.0, 110.0, 120.0, 130.0), (0.0,) * 4, np.array([1, 2], np.float32), np.float32([3, 5]), "given")
    light = np.array([[0.5, 0.25], [1.0, -0.001]])
    above = light * (1115 - 115)
    values = above + np.reshape(black.low, (2, 2)) + black.rows[:, None] + black.columns[None]
    frame = RawFrame(counts(values), "RGGB", black.low, 1023.0)
    image = linear(frame, black, 1115.0)
    assert image.cfa == "RGGB"
    assert image.data.dtype == np.float32
    np.testing.assert_allclose(image.data, light, atol=1e-6)


def test_real_files_have_the_levels_that_their_histograms_show(shared_data: Path) -> None:
    folder = shared_data / "raw"
    chart = read_raw(folder / "canon_550d_magiclantern_chart.dng")
    black = measure_black(chart)
    assert black.source == "masked borders"
    assert np.mean(black.low) == pytest.approx(2048.75, abs=0.3)  # stated: 2056
    assert measure_white(chart).source == "metadata"
    # Saturated blue ends at 15153, green at 15583, red at 16364; stated: 16383.
    gopro = measure_white(read_raw(folder / "gopro_hero6_crop_mirrored.dng"))
    assert 14900 <= gopro.low <= 15153
    assert gopro.source == "saturated samples"
    assert measure_white(read_raw(folder / "blackmagic_cinemadng_4128x2176.dng")).low == 65472
    flash = read_raw(folder / "canon_powershot_s40_crw_0119.crw")
    assert measure_white(flash).low == 1023
    assert np.mean(measure_black(flash).low) == pytest.approx(31.93, abs=0.05)
    for name in ("kodak_dc120_p003910.kdc", "kodak_dc50_dc0012l.kdc", "canon_powershot_s40_crw_0101.crw"):
        frame = read_raw(folder / name)
        assert measure_white(frame).low == frame.white
