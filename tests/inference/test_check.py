"""A model that computes something else than it should is noticed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import convolution, write_model

from hdrcli.errors import ModelError
from hdrcli.inference.check import check_model
from hdrcli.inference.registry import find_model
from hdrcli.inference.session import Session


def stored_arrays(tmp_path: Path, *, error: float = 0.0) -> dict[str, NDArray[Any]]:
    """Return an input, and what the model makes of it plus `error`."""
    x = np.random.default_rng(3).random((1, 1, 16, 16), dtype=np.float32)
    model = find_model(str(write_model(tmp_path / "reference")))
    (y,) = Session(model, device="cpu").run({"x": x})
    return {"x": x, "y": y + np.float32(error)}


def test_a_sound_model_passes(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", arrays=stored_arrays(tmp_path, error=2e-5))
    assert check_model(find_model(str(folder))) == pytest.approx(2e-5, rel=0.05)


@pytest.mark.parametrize("error", [2e-4, float("nan")])
def test_another_result_fails(tmp_path: Path, error: float) -> None:
    folder = write_model(tmp_path / "m", arrays=stored_arrays(tmp_path, error=error))
    with pytest.raises(ModelError, match="'tiny' does not compute here what it should: its outputs differ by"):
        check_model(find_model(str(folder)))


def test_another_shape_fails(tmp_path: Path) -> None:
    stored = stored_arrays(tmp_path)
    folder = write_model(tmp_path / "m", arrays={**stored, "y": stored["y"][:, :, :8]})
    with pytest.raises(ModelError, match="differ by inf"):
        check_model(find_model(str(folder)))


def test_an_output_that_is_no_number_fails(tmp_path: Path) -> None:
    stored = stored_arrays(tmp_path)
    folder = write_model(tmp_path / "m", arrays={**stored, "x": np.full_like(stored["x"], np.nan)})
    with pytest.raises(ModelError, match="differ by inf"):
        check_model(find_model(str(folder)))


def test_outputs_of_several_graphs_are_checked_by_their_roles(tmp_path: Path) -> None:
    graphs = {"low.onnx": convolution(seed=1), "high.onnx": convolution(seed=2)}
    x = np.random.default_rng(3).random((2, 1, 8, 8), dtype=np.float32)
    low, high = Session(find_model(str(write_model(tmp_path / "a", files=graphs))), device="cpu").run({"x": x})
    good = write_model(tmp_path / "b", files=graphs, arrays={"x": x, "low.y": low, "high.y": high})
    assert check_model(find_model(str(good))) == 0.0
    bad = write_model(tmp_path / "c", files=graphs, arrays={"x": x, "low.y": high, "high.y": low})
    with pytest.raises(ModelError, match="differ by"):
        check_model(find_model(str(bad)))


def test_a_check_without_an_array_says_which(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", arrays={"x": np.zeros((1, 1, 8, 8), np.float32)})
    with pytest.raises(ModelError, match="'tiny' lacks y"):
        check_model(find_model(str(folder)))


def test_a_model_without_a_check_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing to check it by"):
        check_model(find_model(str(write_model(tmp_path / "m"))))


def test_a_check_that_was_changed_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "m", arrays=stored_arrays(tmp_path))
    (folder / "check.npz").write_bytes(b"something else")
    with pytest.raises(ModelError, match="SHA-256 differs"):
        check_model(find_model(str(folder)))


@pytest.mark.parametrize("content", [b"", b"something else", b"PK\x03\x04 broken"])
def test_a_check_that_is_no_npz_is_refused(tmp_path: Path, content: bytes) -> None:
    check = {"sha256": hashlib.sha256(content).hexdigest(), "tolerance": 1}
    folder = write_model(tmp_path / "m", check=check)
    (folder / "check.npz").write_bytes(content)
    with pytest.raises(ModelError, match=r"is not an \.npz file"):
        check_model(find_model(str(folder)))
