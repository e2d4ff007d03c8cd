"""Whether a model still computes here what it computed where it was made."""

from __future__ import annotations

import io
import zipfile

import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import ModelError
from hdrcli.images import FloatArray
from hdrcli.inference.registry import CHECK, Model
from hdrcli.inference.session import Session, Warn


def check_model(model: Model, *, device: str = "cpu", warn: Warn | None = None) -> float:
    """Run a model on the inputs of its `check.npz` and compare the outputs with those stored there.

    Parameters
    ----------
    model : Model
    device : str
        As for `Session`.
    warn : callable, optional
        As for `Session`.

    Returns
    -------
    float
        The largest difference, at most the tolerance of the manifest.

    Raises
    ------
    ModelError
        When the model has no check, its files are not those of the manifest, it cannot run, or the outputs differ.
    """
    manifest = model.manifest
    if manifest.check is None:
        raise ModelError(f"The model {model.name!r} has nothing to check it by: its manifest has no 'check'.")
    stored = _arrays(model, manifest.check.sha256)
    names = [tensor.name for tensor in manifest.inputs]
    missing = [name for name in (*names, *manifest.output_names) if name not in stored]
    if missing:
        raise ModelError(f"The check of the model {model.name!r} lacks {', '.join(missing)}. Export the model again.")
    outputs = Session(model, device=device, lanes=1, warn=warn).run({name: stored[name] for name in names})
    differences = [
        _difference(output, stored[name]) for name, output in zip(manifest.output_names, outputs, strict=True)
    ]
    worst = max(differences)
    if not worst <= manifest.check.tolerance:
        raise ModelError(
            f"The model {model.name!r} does not compute here what it should: its outputs differ by {worst:.2g} where "
            f"{manifest.check.tolerance:.2g} is allowed."
        )
    return worst


def _arrays(model: Model, sha256: str) -> dict[str, FloatArray]:
    """Return what is stored in the model's check."""
    content = model.read(CHECK, sha256)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{str(model.folder / CHECK)!r} is not an .npz file of arrays ({error}).") from error


def _difference(output: NDArray[np.generic], expected: NDArray[np.generic]) -> float:
    """Return the largest difference; infinity where the shapes differ or an output is not a number."""
    if output.shape != expected.shape or not np.all(np.isfinite(output)):
        return float("inf")
    return float(np.max(np.abs(output.astype(np.float64) - expected.astype(np.float64)), initial=0.0))
