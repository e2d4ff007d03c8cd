"""What becomes of outputs when things go wrong: refused, full, interrupted, killed. Nothing half-written, ever."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from damaged_files import dual_iso_capture
from real_command import command_line, environment, run_hdrcli

from hdrcli.io.dng import write_dng
from hdrcli.io.exr import read_exr

FORMATS = ("exr", "tif", "dng", "jpg", "png", "avif")
PATIENCE_S = 60.0

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals, links and limits")

HANG_UPS_ARE_IGNORED = pytest.mark.skipif(
    signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="whoever started the tests ignores hang-ups (nohup)"
)


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dual-ISO frame that takes a moment."""
    path = tmp_path_factory.mktemp("frame") / "frame.dng"
    write_dng(path, dual_iso_capture((768, 1024)).raw)
    return path


@pytest.fixture
def source(frame: Path, tmp_path: Path) -> Path:
    path = tmp_path / "in.dng"
    shutil.copyfile(frame, path)
    return path


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def test_every_format_is_written_and_reported(source: Path, tmp_path: Path) -> None:
    for suffix in FORMATS:
        run = run_hdrcli("deinterlace", source, "-o", f"out.{suffix}", "--json", cwd=tmp_path)
        assert run.returncode == 0, run.stderr
        assert json.loads(run.stdout)["output"] == f"out.{suffix}"
        assert (tmp_path / f"out.{suffix}").stat().st_size > 10_000
    assert read_exr(tmp_path / "out.exr").data.shape == (768, 1024, 3)


def test_the_report_has_the_stages_and_their_times(source: Path, tmp_path: Path) -> None:
    run = run_hdrcli("deinterlace", source, "-v", "--json", "--preview", "small.jpg", cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    facts = json.loads(run.stdout)
    assert facts["row_pattern"] == "HHLL"
    assert {"read", "detect", "reconstruct", "write", "preview"} <= set(facts["seconds"])
    assert "Seconds" in run.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"in.dng", "in.exr", "small.jpg"}


def test_the_waiting_side_imports_nothing_heavy(source: Path, tmp_path: Path) -> None:
    script = "import sys; from hdrcli.cli.main import main; main(sys.argv[1:]); print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script, "deinterlace", str(source), "-q"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert (tmp_path / "in.exr").exists()
    assert {"numpy", "numba", "rawpy", "hdrcli.recipes.deinterlace"}.isdisjoint(run.stdout.split())


def test_an_existing_output_is_kept_unless_told_otherwise(source: Path, tmp_path: Path) -> None:
    output = tmp_path / "in.exr"
    output.write_text("precious")
    run = run_hdrcli("deinterlace", source, cwd=tmp_path)
    assert run.returncode == 6
    assert "--overwrite" in run.stderr
    assert output.read_text() == "precious"
    assert run_hdrcli("deinterlace", source, "--overwrite", cwd=tmp_path).returncode == 0
    assert read_exr(output).data.shape == (768, 1024, 3)


@pytest.mark.parametrize("way", ["same name", "symbolic link", "hard link", "other spelling"])
def test_an_input_is_never_written_to(way: str, source: Path, tmp_path: Path) -> None:
    before = source.read_bytes()
    output = tmp_path / "link.dng"
    if way == "same name":
        output = source
    elif way == "symbolic link":
        output.symlink_to(source)
    elif way == "hard link":
        output.hardlink_to(source)
    else:
        output = tmp_path / ".." / tmp_path.name / "in.dng"
    run = run_hdrcli("deinterlace", source, "-o", output, "--overwrite", cwd=tmp_path)
    assert run.returncode == 6, run.stderr
    assert "is an input" in run.stderr
    assert source.read_bytes() == before


@pytest.mark.parametrize("output", ["missing/out.exr", "missing/out/", "in.dng/out.exr", "in.dng/", "/proc/out.exr"])
def test_a_folder_that_cannot_be_written_is_exit_code_6(output: str, source: Path, tmp_path: Path) -> None:
    run = run_hdrcli("deinterlace", source, "-o", output, cwd=tmp_path)
    assert run.returncode == 6, run.stderr
    assert run.stderr.startswith("hdrcli: ")
    assert run.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["in.dng"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_full_disk_is_exit_code_6_and_leaves_nothing(suffix: str, source: Path, tmp_path: Path) -> None:
    def limit_files() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    run = subprocess.run(
        command_line("deinterlace", source, "-o", f"out.{suffix}"),
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        preexec_fn=limit_files,
    )
    assert run.returncode == 6, run.stderr
    assert run.stderr.startswith("hdrcli: ")
    assert f"out.{suffix}" in run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in.dng"]


def start_batch(frame: Path, folder: Path) -> subprocess.Popen[str]:
    """Start a batch of four frames into `folder`/out, in a process group of its own."""
    for name in "abcd":
        shutil.copyfile(frame, folder / f"{name}.dng")
    (folder / "out").mkdir()
    words = command_line("deinterlace", "a.dng", "b.dng", "c.dng", "d.dng", "-o", "out/")
    return subprocess.Popen(
        words, cwd=folder, env=environment(), stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def has_a_child(process: int) -> bool:
    children = Path(f"/proc/{process}/task/{process}/children")
    if not children.exists():  # not Linux
        time.sleep(2)
        return True
    return children.read_text() != ""


def sound_outputs(folder: Path) -> set[str]:
    """Return the names of finished outputs in `folder`, having read each of them."""
    names = {path.name for path in folder.glob("[!.]*")}
    for name in names:
        assert read_exr(folder / name).data.shape == (768, 1024, 3)
    return names


@pytest.mark.parametrize(
    ("moment", "number", "group", "exit_code"),
    [
        ("at the start", signal.SIGINT, True, 130),
        ("in the middle", signal.SIGINT, True, 130),
        ("in the middle", signal.SIGINT, False, 130),
        ("in the middle", signal.SIGTERM, False, 143),
        pytest.param("in the middle", signal.SIGHUP, True, 129, marks=HANG_UPS_ARE_IGNORED),
    ],
)
def test_an_interrupted_run_leaves_only_finished_outputs(
    moment: str, number: signal.Signals, group: bool, exit_code: int, frame: Path, tmp_path: Path
) -> None:
    process = start_batch(frame, tmp_path)
    if moment == "at the start":
        wait_for(lambda: has_a_child(process.pid))
    else:
        wait_for((tmp_path / "out" / "a.exr").exists)
    (os.killpg if group else os.kill)(process.pid, number)
    _, messages = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == exit_code, messages
    assert "Traceback" not in messages
    assert {path.name for path in (tmp_path / "out").iterdir()} == sound_outputs(tmp_path / "out")
    assert "d.exr" not in sound_outputs(tmp_path / "out")


def test_killing_the_program_stops_its_workers_and_leaves_only_finished_outputs(frame: Path, tmp_path: Path) -> None:
    process = start_batch(frame, tmp_path)
    wait_for((tmp_path / "out" / "a.exr").exists)
    process.kill()
    process.communicate(timeout=PATIENCE_S)  # until the workers have closed their ends as well
    assert {path.name for path in (tmp_path / "out").iterdir()} == sound_outputs(tmp_path / "out")
    assert "d.exr" not in sound_outputs(tmp_path / "out")


def test_killing_everything_leaves_nothing_half_written_under_a_final_name(frame: Path, tmp_path: Path) -> None:
    process = start_batch(frame, tmp_path)
    wait_for((tmp_path / "out" / "a.exr").exists)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)
    assert "d.exr" not in sound_outputs(tmp_path / "out")


@pytest.mark.parametrize("no_colour", [False, True])
def test_a_terminal_sees_progress_and_a_pipe_does_not(no_colour: bool, source: Path, tmp_path: Path) -> None:
    import pty  # not on Windows

    ours, theirs = pty.openpty()
    changes = {"TERM": "xterm-256color", **({"NO_COLOR": "1"} if no_colour else {})}
    process = subprocess.Popen(
        command_line("deinterlace", source), cwd=tmp_path, env=environment(**changes), stderr=theirs
    )
    os.close(theirs)
    shown = _read_all(ours)
    assert process.wait(PATIENCE_S) == 0
    assert "reconstruct" in shown
    assert "in.dng -> in.exr" in shown.replace(str(tmp_path) + "/", "")
    assert ("\x1b[38;5;" in shown) is not no_colour
    run = run_hdrcli("deinterlace", source, "--overwrite", cwd=tmp_path)
    assert run.returncode == 0
    assert run.stderr.count("\n") == 1
    assert "\x1b" not in run.stderr


def _read_all(descriptor: int) -> str:
    parts = []
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # how Linux says that the other side of a terminal is closed
            part = b""
        if not part:
            os.close(descriptor)
            return b"".join(parts).decode("utf-8", "replace")
        parts.append(part)
