"""One or many inputs, each in a worker process, so that no file can take the program down.

LibRaw is C++ code that damaged files can crash or stall; an interrupt does not reach it, and forked copies of a
process that has used its OpenMP threads deadlock. So the work is done in spawned processes, for a single input too:
starting one costs under 0.1 s beside seconds of work, the waiting program stays small and answers at once, and a
crash is one failed input.

The waiting side imports nothing heavy; what a job needs is imported where it runs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from types import FrameType
from typing import Any, Generic, TypeVar

from hdrcli.errors import HdrcliError, OutputError, UnreadableFileError

Progress = Callable[[str, float], None]
"""Called with the name of a stage and the share of it that is done (0 to 1); it may raise to cancel the work."""

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

_SECONDS_BETWEEN_NEWS = 0.05
_SECONDS_TO_CLEAN_UP = 5.0


@dataclass(frozen=True)
class Job(Generic[Result_co]):
    """What is to be done for one input.

    Attributes
    ----------
    source : Path
        The input, for messages.
    run : callable
        Called in the worker with a `Progress`; it and what it returns must be picklable.
    more_sources : tuple of Path
        Further inputs. A job that has some reports reading as the stage "read NAME", so that a message on a crash can
        name the file.
    """

    source: Path
    run: Callable[[Progress], Result_co]
    more_sources: tuple[Path, ...] = ()

    @property
    def sources(self) -> tuple[Path, ...]:
        """All inputs."""
        return self.source, *self.more_sources


@dataclass(frozen=True)
class Failure:
    """Why an input failed.

    Attributes
    ----------
    message : str
        One line that names the input.
    exit_code : int
        What the program should exit with were this the only input.
    traceback : str
        Python's account of it; empty where the worker died.
    expected : bool
        False where the fault is the program's.
    """

    message: str
    exit_code: int
    traceback: str = ""
    expected: bool = True


@dataclass(frozen=True)
class Outcome(Generic[Result_co]):
    """What became of one input: `result`, or else `failure`."""

    source: Path
    result: Result_co | None
    failure: Failure | None


def run_jobs(
    jobs: Sequence[Job[Result]],
    *,
    workers: int = 1,
    watch: Callable[[int, str, float], None] | None = None,
    native_messages: bool = False,
) -> Generator[Outcome[Result], None, None]:
    """Run every job in a worker process and yield the outcomes in the order of the jobs.

    Parameters
    ----------
    jobs : sequence of Job
    workers : int
        How many run at a time. A worker takes one job after the other; one that dies is replaced.
    watch : callable, optional
        Called with the index of a job, the name of its stage and the share of it that is done.
    native_messages : bool
        Let through what libraries print themselves (to standard error); otherwise it is dropped.

    Yields
    ------
    Outcome

    Notes
    -----
    Closing the generator, or an exception such as KeyboardInterrupt, stops the workers and gives them 5 s to remove
    what they have not finished. Workers whose parent is killed notice it at the next stage and clean up too.
    """
    crew = _Crew(jobs, workers=workers, watch=watch, native_messages=native_messages)
    try:
        for index in range(len(jobs)):
            while index not in crew.outcomes:
                crew.hand_out()
                crew.collect()
            yield crew.outcomes.pop(index)
    finally:
        crew.dismiss()


class _Crew(Generic[Result]):
    """The workers, the jobs that wait for one, and the outcomes nobody has asked for yet."""

    def __init__(
        self,
        jobs: Sequence[Job[Result]],
        *,
        workers: int,
        watch: Callable[[int, str, float], None] | None,
        native_messages: bool,
    ) -> None:
        self.jobs = jobs
        self.size = max(workers, 1)
        self.watch = watch
        self.native_messages = native_messages
        self.members: list[_Worker] = []
        self.waiting = deque(range(len(jobs)))
        self.outcomes: dict[int, Outcome[Result]] = {}

    def hand_out(self) -> None:
        """Give every idle worker a job, and start workers while there are jobs for them."""
        idle = [worker for worker in self.members if worker.index is None]
        while self.waiting and (idle or len(self.members) < self.size):
            if not idle:
                idle = [_Worker(native_messages=self.native_messages)]
                self.members += idle
            index = self.waiting.popleft()
            idle.pop().take(index, self.jobs[index])

    def collect(self) -> None:
        """Wait until some worker has news, and note them."""
        busy: dict[object, tuple[_Worker, int]] = {
            worker.connection: (worker, worker.index) for worker in self.members if worker.index is not None
        }
        for connection in wait([worker.connection for worker, _ in busy.values()]):
            worker, index = busy[connection]
            source = self.jobs[index].source
            try:
                kind, *news = worker.connection.recv()
            except (EOFError, OSError):
                self.members.remove(worker)
                self.outcomes[index] = Outcome(source, None, worker.post_mortem(source))
                continue
            if kind == "outcome":
                worker.index = None
                self.outcomes[index] = Outcome(source, *news)
            else:
                worker.stage, fraction = news
                if self.watch is not None:
                    self.watch(index, worker.stage, fraction)

    def dismiss(self) -> None:
        """End all workers; a busy one may first remove what it has not finished."""
        try:
            for worker in self.members:
                worker.connection.close()
                if worker.index is None:
                    worker.process.kill()
                elif os.name == "posix":  # elsewhere this would leave no time to clean up
                    worker.process.terminate()
            deadline = time.monotonic() + _SECONDS_TO_CLEAN_UP
            for worker in self.members:
                worker.process.join(max(deadline - time.monotonic(), 0))
        finally:
            for worker in self.members:
                worker.process.kill()
                worker.process.join()


class _Worker:
    """A process that takes jobs, seen from the waiting side."""

    def __init__(self, *, native_messages: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, native_messages), name="hdrcli", daemon=True)
        self.index: int | None = None
        self.stage = ""
        with _interrupts_held():
            self.process.start()
        theirs.close()

    def take(self, index: int, job: Job[Any]) -> None:
        self.index = index
        self.stage = ""
        # A worker that died before its first job shows at the next look for news.
        with suppress(BrokenPipeError, ConnectionResetError):
            self.connection.send(job)

    def post_mortem(self, source: Path) -> Failure:
        """Return what to say about a job during which the process died."""
        self.connection.close()
        self.process.join()
        code = self.process.exitcode or 0
        if code >= 0:
            return Failure(f"{source.name}: its worker ended early (exit code {code}).", 1, expected=False)
        try:
            cause = signal.Signals(-code).name
        except ValueError:
            cause = f"signal {-code}"
        unreadable = UnreadableFileError.exit_code
        if cause == "SIGKILL":
            return Failure(f"{source.name}: its worker was killed, most likely because memory ran out.", unreadable)
        stage, _, read = self.stage.partition(" ")
        if stage in {"", "read"}:
            return Failure(
                f"{read or source.name}: its decoder crashed on it ({cause}); the file is damaged, or of a kind that "
                "the decoder cannot read.",
                unreadable,
            )
        return Failure(f"{source.name}: the program crashed at the stage {self.stage!r} ({cause}).", 1, expected=False)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while a process starts; it inherits that and never sees one: its parent tells it to stop."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # started in the block, it would let go of what is held
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(connection: Connection[Any, Any], native_messages: bool) -> None:
    """Do jobs until the other side closes the connection. Runs in the worker."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        # What the caller had ignored (nohup) stays ignored.
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    _redirect_output(native_messages)
    while True:
        try:
            job = connection.recv()
        except (EOFError, OSError):
            os._exit(0)  # nothing is open here; tearing the libraries down takes 0.1 s
        try:
            connection.send(("outcome", job.run(_Reporter(connection)), None))
        except Exception as error:
            with suppress(BrokenPipeError, ConnectionResetError):  # nobody waits any more
                connection.send(("outcome", None, _failure(error, job.sources)))


def _stop(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _redirect_output(native_messages: bool) -> None:
    """Keep standard output for data alone, and the screen free of what libraries print."""
    sys.stdout.flush()
    if not native_messages:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        os.close(nowhere)
    os.dup2(2, 1)


class _Reporter:
    """The `Progress` of a worker: sends stages to the waiting side, which may be gone by then (OSError)."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self.connection = connection
        self.stage = ""
        self.sent = 0.0

    def __call__(self, stage: str, fraction: float) -> None:
        now = time.monotonic()
        if stage != self.stage or now - self.sent > _SECONDS_BETWEEN_NEWS:
            self.stage, self.sent = stage, now
            self.connection.send(("stage", stage, fraction))


def _failure(error: Exception, sources: Sequence[Path]) -> Failure:
    account = "".join(traceback.format_exception(error))
    message = " ".join(str(error).split())
    expected = True
    if isinstance(error, HdrcliError):
        code = error.exit_code
    elif isinstance(error, MemoryError):
        code, message = UnreadableFileError.exit_code, "it needs more memory than there is."
    elif isinstance(error, OSError):
        # Reading and writing raise errors of their own; what else the system refuses concerns the way out.
        unreadable = error.filename is not None and Path(error.filename) in sources
        code = (UnreadableFileError if unreadable else OutputError).exit_code
        message = f"{error.filename or sources[0]}: {error.strerror or message}."
    else:
        code, expected = 1, False
        message = f"internal error ({type(error).__name__}: {message})."
    if not any(source.name in message for source in sources):
        message = f"{sources[0].name}: {message}"
    return Failure(message, code, account, expected)
