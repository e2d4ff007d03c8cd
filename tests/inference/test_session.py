"""Models run where they are asked to, or say why not. The GPU here is a pretended one: a CPU that forgets and fills."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest
from scipy.ndimage import correlate
from tiny_models import convolution, kernel, write_model

import hdrcli
from hdrcli.errors import ModelError, UsageError
from hdrcli.images import FloatArray
from hdrcli.inference import session as session_module
from hdrcli.inference.registry import Model, find_model
from hdrcli.inference.session import Session, cuda_devices, run_bound


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return find_model(str(write_model(tmp_path / "m")))


@pytest.fixture
def pair(tmp_path: Path) -> Model:
    """Return a model of two graphs."""
    files = {"low.onnx": convolution(seed=1), "high.onnx": convolution(seed=2)}
    return find_model(str(write_model(tmp_path / "pair", files=files)))


def pictures(count: int = 1) -> FloatArray:
    return np.random.default_rng(3).random((count, 1, 12, 10), dtype=np.float32)


def expected(x: FloatArray, *, seed: int = 0) -> FloatArray:
    answer: FloatArray = correlate(x, kernel(seed=seed), mode="constant")
    return answer


class Gpu:
    """ONNX Runtime on a machine with a GPU that has room for `room` pictures.

    Parameters
    ----------
    works : bool
        Whether the libraries of CUDA can be loaded.
    raises : bool
        Whether a library that is missing makes loading fail, instead of being passed over.
    """

    def __init__(self, *, room: int = 1000, works: bool = True, raises: bool = False) -> None:
        self.room = room
        self.works = works
        self.raises = raises
        self.batches: list[int] = []
        self.loaded: list[Any] = []
        self.preloaded = 0
        self.SessionOptions = onnxruntime.SessionOptions
        self.OrtValue = SimpleNamespace(ortvalue_from_numpy=self._value)

    def get_available_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def preload_dlls(self) -> None:
        self.preloaded += 1
        print("Failed to load libcudnn.so.9")

    def InferenceSession(self, content: bytes, options: Any, *, providers: Sequence[Any], **_: Any) -> Any:  # noqa: N802
        self.loaded.append(providers)
        real = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        if providers == ["CPUExecutionProvider"]:
            return real
        print("EP Error")
        if self.raises:
            raise RuntimeError("libcublas.so.13: cannot open shared object file\nmore")
        names = ["CUDAExecutionProvider"] * self.works + ["CPUExecutionProvider"]
        return SimpleNamespace(
            get_providers=lambda: names,
            get_inputs=real.get_inputs,
            get_outputs=real.get_outputs,
            run=real.run,
            io_binding=real.io_binding,
            run_with_iobinding=lambda binding: self._run(real, binding),
        )

    def _value(self, array: FloatArray, device: str, number: int) -> Any:
        assert (device, number) == ("cuda", 0)
        self.batches.append(len(array))
        return onnxruntime.OrtValue.ortvalue_from_numpy(array, "cpu", 0)

    def _run(self, real: Any, binding: Any) -> None:
        if self.batches[-1] > self.room:
            raise RuntimeError("Failed to allocate memory for requested buffer of size 123")
        real.run_with_iobinding(binding)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> Gpu:
        monkeypatch.setattr(session_module, "_import_runtime", lambda: self)
        monkeypatch.setattr(session_module, "cuda_devices", lambda: 1)
        return self


def test_a_model_computes_what_its_graph_says(model: Model) -> None:
    x = pictures(2)
    (y,) = Session(model, device="cpu").run({"x": x})
    np.testing.assert_allclose(y, expected(x), atol=1e-5)


def test_outputs_of_several_graphs_follow_each_other(pair: Model) -> None:
    x = pictures()
    low, high = Session(pair, device="cpu").run({"x": x})
    np.testing.assert_allclose(low, expected(x, seed=1), atol=1e-5)
    np.testing.assert_allclose(high, expected(x, seed=2), atol=1e-5)


def test_inputs_may_be_views(model: Model) -> None:
    x = np.random.default_rng(4).random((1, 1, 10, 12), dtype=np.float32).swapaxes(2, 3)
    (y,) = Session(model, device="cpu").run({"x": x})
    np.testing.assert_allclose(y, expected(x), atol=1e-5)


def test_the_number_of_threads_does_not_change_the_result(model: Model) -> None:
    x = pictures()
    one, two = (Session(model, device="cpu", threads=n).run({"x": x})[0] for n in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(("threads", "lanes", "each"), [(1, 1, 1), (2, 2, 1), (4, 4, 1), (6, 4, 1), (16, 4, 4)])
def test_lanes_share_the_threads(
    model: Model, monkeypatch: pytest.MonkeyPatch, threads: int, lanes: int, each: int
) -> None:
    seen, load = [], onnxruntime.InferenceSession

    def note(content: bytes, options: Any, **others: Any) -> Any:
        seen.append(options.intra_op_num_threads)
        return load(content, options, **others)

    monkeypatch.setattr(onnxruntime, "InferenceSession", note)
    assert Session(model, device="cpu", threads=threads).lanes == lanes
    assert Session(model, device="cpu", threads=threads, lanes=1).lanes == 1
    assert seen == [each, threads]


def test_without_a_gpu_auto_is_the_cpu_and_nothing_is_said(model: Model) -> None:
    script = (
        "import sys, numpy; from hdrcli.inference.registry import find_model;"
        "from hdrcli.inference.session import Session; session = Session(find_model(sys.argv[1]), warn=print);"
        "session.run({'x': numpy.ones((1, 1, 8, 8), numpy.float32)}); sys.exit(session.device != 'cpu')"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(model.folder)],
        env={"PYTHONPATH": str(Path(hdrcli.__file__).resolve().parent.parent), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")


def test_cuda_that_cannot_be_used_is_an_error(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "cuda_devices", lambda: 0)
    with pytest.raises(ModelError, match=r"^CUDA cannot be used: .*--device cpu\.$") as caught:
        Session(model, device="cuda")
    assert caught.value.exit_code == 5


def test_an_unknown_device_is_an_error(model: Model) -> None:
    with pytest.raises(UsageError, match="There is no device 'tpu'; choose one of auto, cpu, cuda"):
        Session(model, device="tpu")


def test_a_changed_graph_is_not_run(model: Model) -> None:
    path = model.folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-4] + b"\0\0\0\0")
    with pytest.raises(ModelError, match="SHA-256 differs"):
        Session(model, device="cpu")


@pytest.mark.parametrize(
    "graph",
    [b"", b"no graph", convolution()[:-30], convolution(opset=99), convolution(ir_version=99)],
    ids=["empty", "text", "truncated", "opset", "version"],
)
def test_a_graph_that_cannot_be_loaded_is_one_line(tmp_path: Path, graph: bytes) -> None:
    model = find_model(str(write_model(tmp_path / "m", files={"model.onnx": graph})))
    with pytest.raises(ModelError, match=r"ONNX Runtime cannot load '.*model\.onnx'") as caught:
        Session(model, device="cpu")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("key", "verb"), [("inputs", "takes x"), ("outputs", "gives y")])
def test_a_graph_with_other_names_than_the_manifest_is_refused(tmp_path: Path, key: str, verb: str) -> None:
    tensor = {"name": "z", "dtype": "float32", "shape": ["n", 1, "h", "w"]}
    model = find_model(str(write_model(tmp_path / "m", **{key: [tensor]})))
    with pytest.raises(ModelError, match=f"{verb} where its manifest says z"):
        Session(model, device="cpu")


def test_inputs_that_do_not_fit_are_an_error(model: Model) -> None:
    with pytest.raises(ModelError, match="'tiny' cannot run: "):
        Session(model, device="cpu").run({"x": np.zeros((1, 2, 8, 8), np.float32)})


def test_too_little_memory_of_the_cpu_is_an_error(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("bad allocation")

    session = Session(model, device="cpu")
    monkeypatch.setattr(session, "_sessions", [SimpleNamespace(run=fail)])
    with pytest.raises(ModelError, match=r"not enough memory .* smaller tiles \(--tile\)"):
        session.run({"x": pictures()})


def test_graphs_bound_to_the_device_give_the_same(pair: Model) -> None:
    x = pictures(3)
    graphs = [(pair.folder / graph.file).read_bytes() for graph in pair.manifest.graphs]
    sessions = [onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]) for graph in graphs]
    low, high = run_bound(onnxruntime, sessions, ["y"], {"x": x}, device="cpu")
    np.testing.assert_allclose(low, expected(x, seed=1), atol=1e-5)
    np.testing.assert_allclose(high, expected(x, seed=2), atol=1e-5)


@pytest.mark.parametrize("device", ["auto", "cuda"])
def test_a_gpu_is_used_where_it_is(
    pair: Model, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], device: str
) -> None:
    gpu, lines = Gpu().install(monkeypatch), []
    session = Session(pair, device=device, warn=lines.append)
    x = pictures(3)
    outputs = session.run({"x": x})
    assert (session.device, session.lanes, gpu.preloaded, gpu.batches) == ("cuda", 1, 1, [3])
    assert [providers[0][0] for providers in gpu.loaded] == ["CUDAExecutionProvider"] * 2
    for seed, output in zip((1, 2), outputs, strict=True):
        np.testing.assert_allclose(output, expected(x, seed=seed), atol=1e-5)
    assert lines == []
    assert capfd.readouterr() == ("", "")


def test_the_cpu_is_used_where_it_is_asked_for(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = Gpu().install(monkeypatch)
    assert Session(model, device="cpu").device == "cpu"
    assert (gpu.preloaded, gpu.loaded) == (0, [["CPUExecutionProvider"]])


@pytest.mark.parametrize("raises", [False, True])
def test_a_gpu_without_its_libraries_is_one_line(
    model: Model, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], raises: bool
) -> None:
    Gpu(works=False, raises=raises).install(monkeypatch)
    lines: list[str] = []
    session = Session(model, warn=lines.append)
    assert session.device == "cpu"
    (line,) = lines
    assert "working on the CPU" in line
    assert "hdrcli[cuda]" in line
    assert "\n" not in line
    np.testing.assert_allclose(session.run({"x": pictures()})[0], expected(pictures()), atol=1e-5)
    assert capfd.readouterr() == ("", "")
    with pytest.raises(ModelError, match=r"CUDA cannot be used: .*hdrcli\[cuda\].*, or choose --device cpu\.$"):
        Session(model, device="cuda")


def test_a_damaged_model_is_not_blamed_on_the_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Gpu().install(monkeypatch)
    model = find_model(str(write_model(tmp_path / "m", files={"model.onnx": b"no graph"})))
    with pytest.raises(ModelError, match="ONNX Runtime cannot load"):
        Session(model)


def test_a_gpu_that_fills_up_gets_smaller_batches(pair: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, lines = Gpu(room=2).install(monkeypatch), []
    session = Session(pair, warn=lines.append)
    x = pictures(7)
    for _ in range(2):
        low, high = session.run({"x": x})
        np.testing.assert_allclose(low, expected(x, seed=1), atol=1e-5)
        np.testing.assert_allclose(high, expected(x, seed=2), atol=1e-5)
    assert gpu.batches == [7, 3, 1, 1, 1, 1, 1, 1, 1] + [1] * 7
    assert (session.device, lines) == ("cuda", [])


def test_a_gpu_too_small_for_one_picture_leaves_it_to_the_cpu(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu, lines = Gpu(room=0).install(monkeypatch), []
    session = Session(model, warn=lines.append)
    x = pictures(5)
    for _ in range(2):
        np.testing.assert_allclose(session.run({"x": x})[0], expected(x), atol=1e-5)
    assert gpu.batches == [5, 2, 1]
    assert session.device == "cpu"
    assert lines == ["The memory of the GPU does not suffice; going on on the CPU (a smaller --tile may fit)."]


@pytest.mark.parametrize(("init", "count", "found"), [(0, 2, 2), (0, 0, 0), (100, 2, 0)])
def test_the_driver_says_how_many_gpus_there_are(
    monkeypatch: pytest.MonkeyPatch, init: int, count: int, found: int
) -> None:
    def fill(reference: Any) -> int:
        reference._obj.value = count
        return 0

    driver = SimpleNamespace(cuInit=lambda _: init, cuDeviceGetCount=fill)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: driver)
    assert cuda_devices() == found


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(ctypes, "CDLL", fail)
    assert cuda_devices() == 0
