"""Several hundred files as nobody wants them, through the real command: a clear error or a sound picture, never more.

One run of the command takes them all, as a batch: its workers must survive each of them, and a crash of the raw
decoder must be one failed input.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from damaged_files import dual_iso_capture, write_corpus, write_pictures
from real_command import command_line, environment, run_hdrcli

from hdrcli.io.dng import write_dng
from hdrcli.io.exr import read_exr

LEAST_FILES = 500
PATIENCE_S = 300
ADDRESS_SPACE = 8 * 2**30  # what a worker may ask for
RESIDENT = 2 * 2**30  # what it may really use
REAL_FILES = ("kodak_dc50_dc0012l.kdc", "kodak_dc120_p003911.kdc", "canon_6d_lossy_linear.dng")


@dataclass(frozen=True)
class Batch:
    """How a run over the whole collection ended."""

    files: list[Path]
    digests: dict[Path, str]
    output: Path
    exit_code: int
    objects: list[dict[str, object]]
    messages: str
    resident: int


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def run_batch(
    folder: Path, command: str, *options: object, write: Callable[..., list[Path]] = write_corpus, every: int = 1
) -> Batch:
    files_folder, output = folder / "files", folder / "out"
    files_folder.mkdir()
    output.mkdir()
    raw = Path(__file__).resolve().parents[3] / "shared" / "data" / "raw"
    real = tuple(path for path in (raw / name for name in REAL_FILES) if path.exists())
    files = write(files_folder, real_files=real)
    assert len(files) >= LEAST_FILES
    files = files[::every]
    digests = {path: digest(path) for path in files}
    words = command_line(command, *files, "--json", "-q", "--jobs", 2, *options)
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        process = subprocess.Popen(words, stdout=out, stderr=err, env=environment(), preexec_fn=_limit_memory)
        try:
            process.wait(PATIENCE_S)
        finally:
            process.kill()
    messages = (folder / "stderr").read_text(errors="replace")
    objects = json.loads((folder / "stdout").read_text())
    return Batch(files, digests, output, process.returncode, objects, messages, _largest_child())


def _limit_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))


def _largest_child() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@pytest.fixture(scope="module")
def deinterlaced(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    folder = tmp_path_factory.mktemp("deinterlaced")
    return run_batch(folder, "deinterlace", "-o", f"{folder / 'out'}/")


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return run_batch(tmp_path_factory.mktemp("looked-at"), "info", every=4)  # reading is the same as above


@pytest.fixture(scope="module")
def expanded(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    folder = tmp_path_factory.mktemp("expanded")
    words = ("--model", "none", "-o", f"{folder / 'out'}/")
    return run_batch(folder, "single", *words, write=write_pictures, every=2)


pytestmark = pytest.mark.skipif(os.name != "posix", reason="memory limits")


@pytest.mark.parametrize("run", ["deinterlaced", "expanded", "looked_at"])
def test_every_file_is_answered_with_a_result_or_a_clear_error(run: str, request: pytest.FixtureRequest) -> None:
    batch: Batch = request.getfixturevalue(run)
    assert batch.exit_code == 1, batch.messages[-2000:]
    assert [Path(str(found["source"])) for found in batch.objects] == batch.files
    for found in batch.objects:
        if "error" in found:
            assert found["exit_code"] in {3, 4}, found
            assert Path(str(found["source"])).name in str(found["error"])
    counts = Counter(found.get("exit_code", 0) for found in batch.objects)
    assert counts[3] > len(batch.files) / 3, counts  # the collection is what it is meant to be
    assert counts[0] > len(batch.files) / 20, counts


@pytest.mark.parametrize("run", ["deinterlaced", "expanded", "looked_at"])
def test_messages_are_lines_never_tracebacks(run: str, request: pytest.FixtureRequest) -> None:
    batch: Batch = request.getfixturevalue(run)
    failed = sum("error" in found for found in batch.objects)
    lines = batch.messages.splitlines()
    assert all(line.startswith("hdrcli: ") for line in lines), batch.messages[:2000]
    assert len(lines) == failed + 1
    assert "Traceback" not in batch.messages
    assert "internal error" not in batch.messages


@pytest.mark.parametrize("run", ["deinterlaced", "expanded"])
def test_only_sound_pictures_are_left_behind(run: str, request: pytest.FixtureRequest) -> None:
    batch: Batch = request.getfixturevalue(run)
    written = {Path(str(found["output"])) for found in batch.objects if "output" in found}
    assert {path for path in batch.output.rglob("*") if path.is_file()} == written
    for path in written:
        assert np.isfinite(read_exr(path).data).all(), path


@pytest.mark.parametrize("run", ["deinterlaced", "expanded", "looked_at"])
def test_no_input_is_touched(run: str, request: pytest.FixtureRequest) -> None:
    batch: Batch = request.getfixturevalue(run)
    assert {path: digest(path) for path in batch.files} == batch.digests


@pytest.mark.parametrize("run", ["deinterlaced", "expanded", "looked_at"])
def test_memory_is_bounded_whatever_a_file_claims(run: str, request: pytest.FixtureRequest) -> None:
    batch: Batch = request.getfixturevalue(run)
    assert batch.resident < RESIDENT


@pytest.mark.parametrize("command", ["deinterlace", "single"])
@pytest.mark.parametrize("kind", ["missing", "folder", "fifo", "device", "dangling"])
def test_what_is_no_file_is_exit_code_3(kind: str, command: str, tmp_path: Path) -> None:
    path = tmp_path / "in.dng"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    elif kind == "dangling":
        path.symlink_to(tmp_path / "nothing")
    run = run_hdrcli(command, path, "-o", "out.exr", cwd=tmp_path)
    assert run.returncode == 3, run.stderr
    assert run.stderr.startswith("hdrcli: ")
    assert run.stderr.count("\n") == 1
    assert not (tmp_path / "out.exr").exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_exit_code_3(tmp_path: Path) -> None:
    path = tmp_path / "in.dng"
    path.write_bytes(b"II*\0" * 100)
    path.chmod(0)
    assert run_hdrcli("info", path, cwd=tmp_path).returncode == 3


def test_names_with_odd_characters_are_fine(tmp_path: Path) -> None:
    names = [
        "gruß.dng",
        "two words.dng",
        "line\nbreak.dng",
        b"\xff\xfe.dng".decode("utf-8", "surrogateescape"),
        "-o.dng",
    ]
    for name in names:
        write_dng(tmp_path / name, dual_iso_capture().raw)
    run = run_hdrcli("deinterlace", "-o", "out/", "--json", "-v", "--", *names, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert len(json.loads(run.stdout)) == len(list((tmp_path / "out").iterdir())) == len(names)
    run = run_hdrcli("info", "--", *names, cwd=tmp_path, PYTHONIOENCODING="utf-8:strict")
    assert run.returncode == 0, run.stderr
    assert all(f"{name}\nVerdict" in run.stdout for name in names)
