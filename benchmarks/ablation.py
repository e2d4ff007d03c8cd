"""What each choice in the training of `dualiso-unet` is worth: short trainings, one choice changed in each.

    python benchmarks/ablation.py --shards SHARD... [--steps 400]

Every variant starts from the same seed and sees the same number of crops; figures are those of the held-out training
scenes that `fit` validates on (never `scenes/val`), at the canonical phase, with the cameras, ratios and exposures of
training. Short trainings rank choices; they do not say how good the shipped network is.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

VARIANTS: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "plain L1": {"options": {"loss": "l1"}},
    "L2": {"options": {"loss": "l2"}},
    "L2 in linear light": {"options": {"loss": "linear"}},
    "no noise inputs": {"options": {"noise_inputs": False}},
    "any phase": {"options": {"random_phase": True}},
    "ratio 16 only": {"options": {"one_ratio": True}},
    "noisy classical estimate": {"options": {"denoise": 0.0}},
    "one scale, 8 blocks": {"config": {"widths": [64, 8, 8], "blocks": [4, 0, 0, 0, 4]}},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=Path, nargs="+", required=True)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    arguments = parser.parse_args()
    print(f"{'variant':26s}{'mosaic':>9s}{'colours':>9s}{'seconds':>9s}")
    for name in arguments.only:
        begin = time.perf_counter()
        figures = train_variant(arguments.shards, arguments.steps, VARIANTS[name])
        seconds = time.perf_counter() - begin
        print(f"{name:26s}{figures['mosaic']:9.2f}{figures['colours']:9.2f}{seconds:9.0f}", flush=True)


def train_variant(shards: list[Path], steps: int, change: dict[str, Any]) -> dict[str, float]:
    """Train for some steps and return the last figures of the log."""
    from hdrcli.training.fit import FitSettings
    from hdrcli.training.train import Plan, train

    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        plan = Plan(
            network="dualiso-unet",
            shards=shards,
            checkpoint=Path(folder) / "checkpoint.pt",
            log=log,
            config=change.get("config", {}),
            options=change.get("options", {}),
            settings=FitSettings(steps=steps, validate_seconds=1e9),
            device="cpu",
        )
        train(plan, say=lambda _: None)
        last: dict[str, float] = json.loads(log.read_text().splitlines()[-1])
    return last


if __name__ == "__main__":
    main()
