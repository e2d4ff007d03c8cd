"""Speed of a model on this machine's processor by size of tile and layout of threads, in one run.

    python benchmarks/tiles.py models/NAME [--tiles 136,256,512,1024] [--batch 1] [--seconds 3] [--runs 3]

A layout "2 x 1" is two tiles at a time with one thread each, "1 x 2" one tile at a time with two threads. Tiles are
read from random planes and written back, so the figures hold what cutting costs, too. Layouts take turns; each figure
is the median of the runs, in megapixels of picture a second (what the border costs is taken off) and in GFLOP a second
of the network itself (two a multiplication and addition). On a shared machine look at the ratios.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np

from hdrcli.images import FloatArray
from hdrcli.inference.manifest import Manifest, Tensor
from hdrcli.inference.registry import find_model
from hdrcli.inference.session import Session
from hdrcli.inference.tiles import Indices, run_tiled

Layout = tuple[int, int]
"""Tiles at a time, and threads of each."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--tiles", type=numbers, default=[136, 256, 512, 1024])
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3, help="of each run, about")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    model = find_model(str(Path(arguments.model)))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    layouts = sorted({(1, cores), (cores, 1), (1, 1), (2, cores)})
    sessions = {threads: Session(model, device="cpu", threads=threads, lanes=1) for _, threads in layouts}
    cases = list(product(arguments.tiles, layouts))
    # Two tiles each, which also warm up, say how many fill a run.
    counts = {case: max(4, round(arguments.seconds / run(model.manifest, sessions, case, 2)[0])) for case in cases}
    measured: dict[tuple[int, Layout], list[tuple[float, float]]] = {case: [] for case in cases}
    for _ in range(arguments.runs):
        for case in cases:
            seconds, share = run(model.manifest, sessions, case, counts[case], batch=arguments.batch)
            measured[case].append((seconds, share))
    report(model.manifest, measured)


def numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def run(
    manifest: Manifest,
    sessions: Mapping[int, Session],
    case: tuple[int, Layout],
    count: int,
    *,
    batch: int = 1,
) -> tuple[float, float]:
    """Run a column of `count` tiles; return the seconds a tile and the share of a tile that is not border."""
    tile, (lanes, threads) = case
    step = [int(np.lcm(p, m)) for p, m in zip(manifest.period, manifest.multiple, strict=True)]
    side = [tile // s * s for s in step]
    inner = [n - 2 * (-(-b // s) * s) for n, b, s in zip(side, manifest.border, step, strict=True)]
    if min(inner) <= 0:
        raise SystemExit(f"A tile of {tile} has no room for the border of {manifest.border}.")
    size = count * inner[0], inner[1]
    rng = np.random.default_rng(0)
    planes = {tensor.name: rng.random((channels(tensor), *side), dtype=np.float32) for tensor in manifest.inputs}

    def read(rows: Indices, columns: Indices) -> dict[str, FloatArray]:
        return {name: plane.take(rows % side[0], axis=1) for name, plane in planes.items()}

    results: list[FloatArray] = []

    def write(rows: slice, columns: slice, *outputs: FloatArray) -> None:
        results[:] = [output.copy() for output in outputs]

    start = time.perf_counter()
    run_tiled(
        sessions[threads].run,
        read,
        write,
        size=size,
        period=manifest.period,
        multiple=manifest.multiple,
        tile=(side[0], side[1]),
        border=manifest.border,
        batch=batch,
        lanes=lanes,
    )
    return (time.perf_counter() - start) / count, inner[0] * inner[1] / (side[0] * side[1])


def channels(tensor: Tensor) -> int:
    count = tensor.shape[1]
    if not isinstance(count, int):
        raise SystemExit(f"The input {tensor.name!r} does not say how many channels it has.")
    return count


def report(manifest: Manifest, measured: Mapping[tuple[int, Layout], list[tuple[float, float]]]) -> None:
    """Print the figures, fastest first."""
    print(f"{manifest.name}: border {manifest.border[0]} x {manifest.border[1]}")
    print(f"{'tile':>6}  {'layout':<8}{'MP/s':>8}{'GFLOP/s':>10}{'ms a tile':>12}")
    lines = []
    for (tile, (lanes, threads)), runs in measured.items():
        seconds = statistics.median(seconds for seconds, _ in runs)
        pixels = tile**2
        speed = pixels * runs[0][1] / seconds / 1e6
        flops = 2 * manifest.macs_per_pixel * pixels / seconds / 1e9
        lines.append(
            (speed, f"{tile:>6}  {f'{lanes} x {threads}':<8}{speed:>8.3f}{flops:>10.1f}{1e3 * seconds:>12.1f}")
        )
    for _, line in sorted(lines, reverse=True):
        print(line)


if __name__ == "__main__":
    main()
