"""Jobs in worker processes: order, failures, crashes, interruption."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import hdrcli
from hdrcli.errors import UnsuitableInputError, UnsupportedFileError
from hdrcli.recipes import batch
from hdrcli.recipes.batch import Job, Outcome, Progress, run_jobs

PATIENCE_S = 30.0


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


# What the workers do; at module level because it is sent to them by name.


def answer(value: int, progress: Progress, *, seconds: float = 0.0) -> int:
    time.sleep(seconds)
    progress("work", 1.0)
    return value


def worker_id(_: Progress) -> int:
    return os.getpid()


def fail(error: Exception, _: Progress) -> int:
    raise error


def die(number: int, stage: str, progress: Progress) -> int:
    progress(stage, 0.5)
    os.kill(os.getpid(), number)
    return 0


def leave(code: int, _: Progress) -> int:
    os._exit(code)


def chatter(_: Progress) -> int:
    os.write(1, b"native words on standard output\n")
    os.write(2, b"native words on standard error\n")
    print("words")
    return 1


def unpicklable(_: Progress) -> Callable[[], int]:
    return lambda: 1


def write_slowly(path: Path, progress: Progress, *, deaf: bool = False) -> int:
    """Hold a half-written file and report progress, until told to stop."""
    if deaf:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    path.write_text("half")
    try:
        while True:
            time.sleep(0.01)
            if not deaf:
                progress("write", 0.5)
    finally:
        path.unlink()


def jobs_of(*work: Callable[[Progress], int]) -> list[Job[int]]:
    return [Job(Path(f"in{index}.dng"), run) for index, run in enumerate(work)]


def run(*work: Callable[[Progress], int], workers: int = 1) -> list[Outcome[int]]:
    return list(run_jobs(jobs_of(*work), workers=workers))


def test_outcomes_come_in_the_order_of_the_jobs() -> None:
    outcomes = run(partial(answer, 1, seconds=0.3), partial(answer, 2), partial(answer, 3), workers=2)
    assert [outcome.result for outcome in outcomes] == [1, 2, 3]
    assert [outcome.source.name for outcome in outcomes] == ["in0.dng", "in1.dng", "in2.dng"]


def test_no_jobs_start_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_Worker", None)
    assert run() == []


def test_a_worker_is_used_again_and_is_not_this_process() -> None:
    first, second = (outcome.result for outcome in run(worker_id, worker_id))
    assert first == second != os.getpid()


def test_errors_keep_their_exit_code_and_the_others_go_on() -> None:
    first, second, third = run(
        partial(fail, UnsuitableInputError("in0.dng is not dual-ISO.")), partial(answer, 2), worker_id
    )
    assert first.failure is not None
    assert (first.result, first.failure.exit_code, first.failure.expected) == (None, 4, True)
    assert first.failure.message == "in0.dng is not dual-ISO."
    assert "in fail" in first.failure.traceback
    assert second.result == 2
    assert third.failure is None


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (UnsupportedFileError("X-Trans sensors\nare not read."), 3, "in0.dng: X-Trans sensors are not read."),
        (MemoryError(), 3, "in0.dng: it needs more memory than there is."),
        (PermissionError(errno.EACCES, "Permission denied", "in0.dng"), 3, "in0.dng: Permission denied."),
        (OSError(errno.ENOSPC, "No space left on device", "out.exr"), 6, "in0.dng: out.exr: No space left on device."),
        (KeyError("black"), 1, "in0.dng: internal error (KeyError: 'black')."),
    ],
)
def test_every_error_becomes_one_line_that_names_the_input(error: Exception, exit_code: int, message: str) -> None:
    (outcome,) = run(partial(fail, error))
    assert outcome.failure is not None
    assert (outcome.failure.exit_code, outcome.failure.message) == (exit_code, message)
    assert outcome.failure.expected is not isinstance(error, KeyError)


@pytest.mark.parametrize(
    ("error", "exit_code", "message"),
    [
        (UnsuitableInputError("b.dng shares nothing."), 4, "b.dng shares nothing."),
        (UnsuitableInputError("Nothing is shared."), 4, "a.dng: Nothing is shared."),
        (PermissionError(errno.EACCES, "Permission denied", "b.dng"), 3, "b.dng: Permission denied."),
        (OSError(errno.ENOSPC, "No space left on device", "out.exr"), 6, "a.dng: out.exr: No space left on device."),
    ],
)
def test_of_several_inputs_the_one_concerned_is_named(error: Exception, exit_code: int, message: str) -> None:
    (outcome,) = run_jobs([Job(Path("a.dng"), partial(fail, error), (Path("b.dng"), Path("c.dng")))])
    assert outcome.failure is not None
    assert (outcome.failure.exit_code, outcome.failure.message) == (exit_code, message)


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_of_several_inputs_the_one_whose_decoder_crashes_is_named() -> None:
    (outcome,) = run_jobs([Job(Path("a.dng"), partial(die, signal.SIGSEGV, "read b.dng"), (Path("b.dng"),))])
    assert outcome.failure is not None
    assert outcome.failure.exit_code == 3
    assert outcome.failure.message.startswith("b.dng: its decoder crashed on it (SIGSEGV)")


@pytest.mark.skipif(os.name != "posix", reason="signals")
@pytest.mark.parametrize(
    ("number", "stage", "exit_code", "words"),
    [
        ("SIGSEGV", "read", 3, "its decoder crashed on it (SIGSEGV)"),
        ("SIGABRT", "write", 1, "crashed at the stage 'write' (SIGABRT)"),
        ("SIGKILL", "merge", 3, "memory ran out"),
    ],
)
def test_a_crash_is_one_failed_input(number: str, stage: str, exit_code: int, words: str) -> None:
    crashed, fine = run(partial(die, getattr(signal, number), stage), partial(answer, 2))
    assert crashed.failure is not None
    assert crashed.failure.exit_code == exit_code
    assert words in crashed.failure.message
    assert fine.result == 2


def test_a_worker_that_ends_early_is_one_failed_input() -> None:
    ended, fine = run(partial(leave, 7), partial(answer, 2))
    assert ended.failure is not None
    assert "exit code 7" in ended.failure.message
    assert not ended.failure.expected
    assert fine.result == 2


def test_a_result_that_cannot_be_sent_is_a_failure() -> None:
    (outcome,) = run_jobs([Job(Path("in0.dng"), unpicklable)])
    assert outcome.failure is not None
    assert not outcome.failure.expected


def test_stages_reach_whoever_watches() -> None:
    seen: list[tuple[int, str, float]] = []
    list(run_jobs(jobs_of(partial(answer, 1), partial(answer, 2)), watch=lambda *news: seen.append(news)))
    assert seen == [(0, "work", 1.0), (1, "work", 1.0)]


@pytest.mark.parametrize("native_messages", [False, True])
def test_standard_output_stays_free_of_what_libraries_print(
    native_messages: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    list(run_jobs(jobs_of(chatter), native_messages=native_messages))
    out, err = capfd.readouterr()
    assert out == ""
    assert ("native words on standard error" in err) is native_messages
    assert ("native words on standard output" in err) is native_messages


def test_a_closed_run_lets_workers_clean_up(tmp_path: Path) -> None:
    half = tmp_path / "half"
    outcomes = run_jobs(jobs_of(partial(answer, 1), partial(write_slowly, half)), workers=2)
    assert next(outcomes).result == 1
    wait_for(half.exists)
    outcomes.close()
    assert not half.exists()


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_worker_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "_SECONDS_TO_CLEAN_UP", 0.3)
    half = tmp_path / "half"
    outcomes = run_jobs(jobs_of(partial(answer, 1), partial(write_slowly, half, deaf=True)), workers=2)
    next(outcomes)
    wait_for(half.exists)
    started = time.monotonic()
    outcomes.close()
    assert time.monotonic() - started < PATIENCE_S


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_workers_clean_up_when_their_parent_is_killed(tmp_path: Path) -> None:
    half = tmp_path / "half"
    script = tmp_path / "parent.py"
    script.write_text(
        "import sys; from functools import partial; from pathlib import Path\n"
        "from hdrcli.recipes.batch import Job, run_jobs\n"
        "from test_batch import write_slowly\n"
        "if __name__ == '__main__':\n"
        "    list(run_jobs([Job(Path('in.dng'), partial(write_slowly, Path(sys.argv[1])))]))\n"
    )
    folders = [str(Path(__file__).parent), str(Path(hdrcli.__file__).parent.parent)]
    parent = subprocess.Popen(
        [sys.executable, str(script), str(half)], env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    )
    try:
        wait_for(half.exists)
    finally:
        parent.kill()
        parent.wait()
    wait_for(lambda: not half.exists())
