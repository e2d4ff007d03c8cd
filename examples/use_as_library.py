"""Use hdrcli as a library: read a frame, look at it, reconstruct it, develop it, all on arrays.

    python examples/use_as_library.py examples/room.dng room.exr

`hdrcli.deinterlace(source, output)` does all of this in one call; here the steps stand one by one, so that each can be
replaced, and so that the arrays between them can be used for something else.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from hdrcli.dualiso.detect import analyse, normalise
from hdrcli.dualiso.interpolate import reconstruct
from hdrcli.io.exr import write_exr
from hdrcli.io.output import atomic_output
from hdrcli.io.raw import read_raw
from hdrcli.isp.defects import repair_defects
from hdrcli.isp.develop import DevelopSettings, develop


def main(source: Path, output: Path) -> None:
    raw = read_raw(source)
    print(f"{raw.name}: {raw.counts.shape[1]} x {raw.counts.shape[0]}, {raw.counts.dtype}, {raw.cfa}")

    analysis = analyse(raw)
    print(f"rows {analysis.row_pattern}, ratio {analysis.gain:.2f}, dual-ISO: {analysis.is_dual_iso}")
    if not analysis.is_dual_iso:
        sys.exit(analysis.reason)

    frame, repaired = repair_defects(normalise(raw, analysis))
    reconstruction = reconstruct(frame)
    merged = reconstruction.merged  # the mosaic (H, W), float32, 1.0 = clip of the low-ISO rows
    print(f"{repaired} samples repaired; darkest tenth of the mosaic below {np.percentile(merged.data, 10):.2g}")

    settings = DevelopSettings(colour_space="acescg")
    scene = develop(merged, raw.camera, raw.metadata.orientation, settings)
    with atomic_output(output, overwrite=True, inputs=[source]) as path:
        write_exr(path, scene, metadata=raw.metadata)
    low, high = np.percentile(scene.data[..., 1], [1, 99.9])
    print(f"{output}: {scene.colour_space}, {np.log2(high / max(low, 1e-6)):.1f} stops from dark to bright")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
