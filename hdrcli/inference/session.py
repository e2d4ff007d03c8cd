"""Running a network on a device. Nothing outside this module knows ONNX Runtime."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hdrcli.errors import ModelError, UsageError
from hdrcli.inference.registry import Model

Array = NDArray[Any]
Warn = Callable[[str], object]

DEVICES = ("auto", "cpu", "cuda")
_LANES = 4

_CUDA = "CUDAExecutionProvider"
_CPU = "CPUExecutionProvider"
_CUDA_OPTIONS = {
    "cudnn_conv_algo_search": "HEURISTIC",  # an exhaustive search takes longer than a picture
    "arena_extend_strategy": "kSameAsRequested",  # leaves memory to other programs
    "use_tf32": "0",  # the same picture as on the CPU
}
_OUT_OF_MEMORY = ("out of memory", "failed to allocate memory", "alloc_failed", "bad allocation", "std::bad_alloc")


class Session:
    """A model, loaded and ready to run.

    Parameters
    ----------
    model : Model
    device : str
        "cpu", "cuda" or "auto": CUDA where there is a GPU that it can be used on, else the CPU.
    threads : int, optional
        On the CPU, all together; as many as this process has cores by default.
    lanes : int, optional
        Calls of `run` at the same time to be ready for, which share the threads; chosen by default.
    warn : callable, optional
        Called with one line when something works otherwise than asked: on the CPU instead of the GPU.

    Attributes
    ----------
    model : Model
    device : str
        Where it runs: "cpu" or "cuda". It changes to "cpu" when the memory of the GPU does not suffice.
    lanes : int
        How many calls of `run` at the same time are fastest; `run_tiled` takes it.

    Raises
    ------
    UsageError
        When the device is none of `DEVICES`.
    ModelError
        When the files of the model are not those of its manifest, a graph cannot be loaded, or CUDA was asked for and
        cannot be used.
    """

    def __init__(
        self,
        model: Model,
        *,
        device: str = "auto",
        threads: int | None = None,
        lanes: int | None = None,
        warn: Warn | None = None,
    ) -> None:
        if device not in DEVICES:
            raise UsageError(f"There is no device {device!r}; choose one of {', '.join(DEVICES)}.")
        self.model = model
        self.device = "cpu"
        self._threads = threads or _usable_cores()
        # One thread a tile never waits for another: as fast as several on one where nothing else runs, much faster
        # where something does. Each lane needs memory of its own.
        self.lanes = lanes or min(self._threads, _LANES)
        self._warn = warn or (lambda _: None)
        self._largest: int | None = None
        self._runtime = _import_runtime()
        graphs = [model.read_graph(graph) for graph in model.manifest.graphs]
        reason = self._why_no_cuda() if device != "cpu" else None
        if device == "cuda" and reason is not None:
            raise ModelError(f"CUDA cannot be used: {reason}")
        if device == "cpu" or reason is not None:
            self._sessions = self._load(graphs, [_CPU])
        else:
            self._sessions = self._load_on_cuda(graphs, required=device == "cuda")

    def run(self, inputs: Mapping[str, Array]) -> tuple[Array, ...]:
        """Run the model once; safe to call from several threads on the CPU.

        Parameters
        ----------
        inputs : mapping of str to ndarray
            By the names of the manifest, batch first: pictures are (n, C, h, w).

        Returns
        -------
        tuple of ndarray
            The outputs, graph by graph, in the order of `Manifest.output_names`.

        Raises
        ------
        ModelError
            When the inputs do not fit, or memory does not suffice.

        Notes
        -----
        Where the memory of a GPU does not suffice, the batch is halved until it does; where one picture is too much,
        this and all later calls run on the CPU.
        """
        feed = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        count = len(next(iter(feed.values())))
        parts: list[list[Array]] = []
        first = 0
        while first < count:
            last = min(first + (self._largest or count), count)
            part = feed if last - first == count else {name: value[first:last] for name, value in feed.items()}
            try:
                parts.append(self._run_part(part))
            except Exception as error:  # what ONNX Runtime raises has no common root
                if not _is_out_of_memory(error):
                    raise ModelError(f"The model {self.model.name!r} cannot run: {_first_line(error)}") from error
                if self.device == "cpu":
                    raise ModelError(
                        f"There is not enough memory for the model {self.model.name!r}; choose smaller tiles (--tile)."
                    ) from error
                self._need_less(last - first)
                continue
            first = last
        return tuple(parts[0]) if len(parts) == 1 else tuple(map(np.concatenate, zip(*parts, strict=True)))

    def _run_part(self, feed: Mapping[str, Array]) -> list[Array]:
        """Run all graphs on what fits into memory."""
        names = [output.name for output in self.model.manifest.outputs]
        if self.device == "cpu":
            return [output for session in self._sessions for output in session.run(names, feed)]
        return run_bound(self._runtime, self._sessions, names, feed, device="cuda")

    def _need_less(self, count: int) -> None:
        """Halve the batch after `count` were too many; move to the CPU when one was."""
        if count > 1:
            self._largest = count // 2
            return
        self._warn("The memory of the GPU does not suffice; going on on the CPU (a smaller --tile may fit).")
        graphs = [self.model.read_graph(graph) for graph in self.model.manifest.graphs]
        self._sessions = self._load(graphs, [_CPU])
        self.device = "cpu"
        self._largest = None

    def _why_no_cuda(self) -> str | None:
        """Return why CUDA cannot be used here, None where it may be."""
        if _CUDA not in self._runtime.get_available_providers():
            return "this ONNX Runtime is built without it. Install onnxruntime-gpu, or choose --device cpu."
        if cuda_devices() == 0:
            return "no NVIDIA GPU is there, or no driver for it. Choose --device cpu."
        return None

    def _load_on_cuda(self, graphs: Sequence[bytes], *, required: bool) -> list[Any]:
        """Load the graphs on the GPU or, where that fails and is not required, on the CPU with one line."""
        hint = "Install the CUDA libraries by the extra 'hdrcli[cuda]'"
        with _silent():
            self._runtime.preload_dlls()
        try:
            sessions = self._load(graphs, [(_CUDA, _CUDA_OPTIONS), _CPU])
            if all(_CUDA in session.get_providers() for session in sessions):
                self.device = "cuda"
                self.lanes = 1
                return sessions
            reason = "its libraries cannot be loaded"
        except ModelError as error:
            sessions = self._load(graphs, [_CPU])  # what is wrong with the model itself is raised here
            reason = _first_line(error)
        if required:
            raise ModelError(f"CUDA cannot be used: {reason}. {hint}, or choose --device cpu.")
        self._warn(f"The GPU cannot be used ({reason}); working on the CPU. {hint}.")
        return sessions

    def _load(self, graphs: Sequence[bytes], providers: Sequence[Any]) -> list[Any]:
        """Load the graphs and hold them against the manifest."""
        options = self._runtime.SessionOptions()
        options.log_severity_level = 4  # what goes wrong is raised
        options.intra_op_num_threads = max(1, self._threads // self.lanes)
        options.inter_op_num_threads = 1
        sessions = []
        for graph, content in zip(self.model.manifest.graphs, graphs, strict=True):
            path = str(self.model.folder / graph.file)
            try:
                with _silent():
                    session = self._runtime.InferenceSession(content, options, providers=providers, enable_fallback=0)
            except Exception as error:  # what ONNX Runtime raises has no common root
                raise ModelError(f"ONNX Runtime cannot load {path!r}: {_first_line(error)}") from error
            _check_names(path, "takes", session.get_inputs(), self.model.manifest.inputs)
            _check_names(path, "gives", session.get_outputs(), self.model.manifest.outputs)
            sessions.append(session)
        return sessions


def run_bound(
    runtime: ModuleType, sessions: Sequence[Any], names: Sequence[str], feed: Mapping[str, Array], *, device: str
) -> list[Array]:
    """Run several graphs on the same inputs, which are copied to the device once.

    Parameters
    ----------
    runtime : module
        onnxruntime.
    sessions : sequence of onnxruntime.InferenceSession
    names : sequence of str
        Outputs of each.
    feed : mapping of str to ndarray
    device : str
        "cuda" or "cpu".

    Returns
    -------
    list of ndarray
        In main memory, session by session.
    """
    there = {name: runtime.OrtValue.ortvalue_from_numpy(value, device, 0) for name, value in feed.items()}
    outputs: list[Array] = []
    for session in sessions:
        binding = session.io_binding()
        for name, value in there.items():
            binding.bind_ortvalue_input(name, value)
        for name in names:
            binding.bind_output(name, "cpu")
        session.run_with_iobinding(binding)
        outputs.extend(binding.copy_outputs_to_cpu())
    return outputs


def cuda_devices() -> int:
    """Return how many NVIDIA GPUs the driver offers to this process; 0 where there is no driver."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
        count = ctypes.c_int()
        if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
            return 0
    except (OSError, AttributeError):
        return 0
    return count.value


def _import_runtime() -> ModuleType:
    """Import ONNX Runtime, which takes 0.2 s, and keep it quiet."""
    with _silent(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import onnxruntime
        except ImportError as error:
            raise ModelError(f"ONNX Runtime cannot be imported ({error}). Install hdrcli again.") from error
    onnxruntime.set_default_logger_severity(4)
    runtime: ModuleType = onnxruntime
    return runtime


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Drop what Python code prints: ONNX Runtime reports missing libraries on standard output."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _check_names(path: str, does: str, found: Sequence[Any], stated: Sequence[Any]) -> None:
    names, wanted = {tensor.name for tensor in found}, {tensor.name for tensor in stated}
    if names != wanted:
        raise ModelError(
            f"{path!r} {does} {', '.join(sorted(names))} where its manifest says {', '.join(sorted(wanted))}. "
            "Export the model again."
        )


def _is_out_of_memory(error: Exception) -> bool:
    text = str(error).lower()
    return isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
