"""Where results go: names for outputs, and files that appear complete or not at all.

Every writer of this program gets a temporary path from `atomic_output`. The result takes its final name only when it
is complete and on the disk; a full disk, Ctrl-C, a terminated or even a killed process leaves nothing half-written
under that name. What a killed process (SIGKILL, power) leaves behind is named `.hdrcli-XXXXXXXX` with the suffix of
the output and may be deleted.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import string
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from hdrcli.errors import HdrcliError, OutputError, UsageError

OUTPUT_SUFFIXES = (".exr", ".tif", ".tiff", ".dng", ".jpg", ".jpeg", ".png", ".avif")
TEMPORARY_PREFIX = ".hdrcli-"


def output_paths(inputs: Sequence[Path], output: str, *, default_suffix: str = ".exr") -> list[Path]:
    """Return one output path for each input.

    Parameters
    ----------
    inputs : sequence of Path
    output : str
        What the user gave for `-o`: a file; a folder (it exists, or the text ends with a slash), which takes the
        stem of each input with `default_suffix`; or a template in which `{stem}` stands for the stem of the input.
    default_suffix : str

    Raises
    ------
    UsageError
        For several inputs and one file, a suffix that names no format, an unknown template field, or two inputs
        that would be written to one file.

    Examples
    --------
    >>> [path.name for path in output_paths([Path("a.cr2"), Path("b.cr2")], "{stem}-hdr.exr")]
    ['a-hdr.exr', 'b-hdr.exr']
    """
    if not inputs or not output:
        raise UsageError("Give at least one input, and an output that is not empty.")
    separators = tuple(separator for separator in (os.sep, os.altsep) if separator)
    if output.endswith(separators) or Path(output).is_dir():
        paths = [Path(output) / f"{source.stem}{default_suffix}" for source in inputs]
    elif "{" in output or "}" in output:
        _check_template(output)
        paths = [Path(output.format(stem=source.stem)) for source in inputs]
    elif len(inputs) == 1:
        paths = [Path(output)]
    else:
        raise UsageError(
            f"{len(inputs)} inputs cannot share the output {output!r}; "
            f"give a folder ({output}/) or a template ({{stem}}{default_suffix})."
        )
    for path in paths:
        check_suffix(path)
    _check_collisions(inputs, paths)
    return paths


def in_order_of_names(paths: Iterable[Path]) -> list[Path]:
    """Return paths by folder and name, numbers in them by value: IMG_2 before IMG_10."""
    return sorted(paths, key=lambda path: ([_by_value(part) for part in path.parts], str(path)))


def named_together(files: Sequence[Path]) -> Path:
    """Return a name for what is made of several files: the stem of the first, the number of the last, a suffix.

    They count in the order of their names. The stem of the last takes the place of its number where it has none, or
    where what stands before the number differs.

    >>> named_together([Path("IMG_1236.CR2"), Path("IMG_1234.CR2"), Path("IMG_1238.CR2")]).name
    'IMG_1234-1238.CR2'
    >>> named_together([Path("dark.jpg"), Path("light.jpg")]).name
    'dark-light.jpg'
    """
    ordered = in_order_of_names(files)
    first, last = ordered[0].stem, ordered[-1].stem
    if first == last:
        return ordered[0]
    heads = [re.sub(r"\d+$", "", stem) for stem in (first, last)]
    number = last[len(heads[1]) :]
    together = f"{first}-{number if number and heads[0] == heads[1] else last}"
    return ordered[0].with_name(together + ordered[0].suffix)


def check_suffix(path: Path) -> str:
    """Return the suffix of `path` in lower case; raise UsageError where it names no output format."""
    suffix = path.suffix.lower()
    if suffix not in OUTPUT_SUFFIXES:
        found = f"has the unknown suffix {path.suffix!r}" if suffix else "has no suffix"
        raise UsageError(f"The output {str(path)!r} {found}; one of {' '.join(OUTPUT_SUFFIXES)} chooses the format.")
    return suffix


def _by_value(text: str) -> list[tuple[int, str]]:
    """Return what text sorts by where numbers count by their value; no number as less than any."""
    parts = re.split(r"(\d+)", text.casefold())
    return [(int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in parts]


def _check_template(template: str) -> None:
    try:
        fields = [tuple(rest) for _, *rest in string.Formatter().parse(template) if rest[0] is not None]
    except ValueError as error:
        raise UsageError(f"The output template {template!r} is malformed: {error}.") from error
    for field in fields:
        if field != ("stem", "", None):
            raise UsageError(
                f"The output template {template!r} has the unknown field {{{field[0]}}}; only {{stem}} is known "
                "(write {{ and }} for braces in a name)."
            )


def _check_collisions(inputs: Sequence[Path], paths: Sequence[Path]) -> None:
    taken: dict[str, Path] = {}
    for source, path in zip(inputs, paths, strict=True):
        key = os.path.normcase(path.resolve())
        if key in taken:
            raise UsageError(
                f"{str(taken[key])!r} and {str(source)!r} would both be written to {str(path)!r}; "
                "rename one, or write them to different folders."
            )
        taken[key] = source


@contextmanager
def atomic_output(path: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> Iterator[Path]:
    """Yield a temporary path that becomes `path` when the block ends well, and vanishes otherwise.

    Parameters
    ----------
    path : Path
        Final name; where it is a symbolic link, what it points to is replaced.
    overwrite : bool
        Whether an existing file may be replaced.
    inputs : sequence of Path
        Files that must never be written to, whatever `overwrite` says.

    Yields
    ------
    Path
        An empty new file in the same folder with the same suffix, named `.hdrcli-XXXXXXXX` and the suffix.

    Raises
    ------
    OutputError
        When `path` exists, is an input (also through links), is no regular file, its folder is missing or cannot be
        written, or writing fails (disk full, file too large, device error), with the path in the message.

    Notes
    -----
    The temporary file is removed on every exception. SIGTERM and SIGHUP are turned into SystemExit while the block
    runs in the main thread, unless the program handles them already.
    """
    target = _checked_target(path, overwrite=overwrite, inputs=inputs)
    with _termination_raises():
        temporary = _create_beside(target, path)
        try:
            try:
                yield temporary
                _finish(temporary, target, overwrite=overwrite)
            except OSError as error:
                raise _about_output(error, path, temporary) from error
        finally:
            with suppress(OSError):
                temporary.unlink()


def check_output(path: Path, *, overwrite: bool, inputs: Sequence[Path] = ()) -> None:
    """Raise now the OutputError that `atomic_output` would raise at its beginning, before work is spent on a result.

    No file is made, so that a program that dies in the meantime leaves none.
    """
    target = _checked_target(path, overwrite=overwrite, inputs=inputs)
    if not os.access(target.parent, os.W_OK):
        raise OutputError(f"{str(path)!r} cannot be written: no permission to write in its folder.")


def check_distinct(paths: Sequence[Path]) -> None:
    """Raise UsageError where two results would be written to one file."""
    taken: set[str] = set()
    for path in paths:
        key = os.path.normcase(os.path.realpath(path))
        if key in taken:
            raise UsageError(f"Two results would be written to {str(path)!r}; give them different names.")
        taken.add(key)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where they are missing; raise OutputError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder {str(folder)!r} cannot be made: {error.strerror}.") from error


def _checked_target(path: Path, *, overwrite: bool, inputs: Sequence[Path]) -> Path:
    try:
        target = Path(os.path.realpath(path))
        exists = _is_there(target)
    except (OSError, ValueError) as error:  # name too long, parent not a folder, a null character
        raise OutputError(f"{str(path)!r} cannot be written: {getattr(error, 'strerror', None) or error}.") from error
    if not target.parent.is_dir():
        raise OutputError(f"{str(path)!r} cannot be written: the folder {str(path.parent)!r} does not exist.")
    if any(_same_file(target, source) for source in inputs):
        raise OutputError(f"{str(path)!r} is an input; inputs are never written to. Choose another output.")
    if exists and not target.is_file():
        kind = "a folder" if target.is_dir() else "no regular file"
        raise OutputError(f"{str(path)!r} cannot be written: it is {kind}.")
    if exists and not overwrite:
        raise OutputError(f"{str(path)!r} exists already; --overwrite replaces it.")
    return target


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    return True


def _same_file(target: Path, source: Path) -> bool:
    try:
        return target.samefile(source)
    except OSError:  # one of them does not exist
        return os.path.normcase(target) == os.path.normcase(os.path.realpath(source))


def _create_beside(target: Path, path: Path) -> Path:
    # The final name is not part of the temporary one: it may be as long as the file system permits.
    temporary = target.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}{target.suffix}")
    try:
        os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        raise OutputError(f"{str(path)!r} cannot be written: {error.strerror} (in its folder).") from error
    return temporary


def _finish(temporary: Path, target: Path, *, overwrite: bool) -> None:
    _flush_to_disk(temporary)
    if overwrite:
        temporary.replace(target)
    else:
        _rename_to_new(temporary, target)
    with suppress(OSError):  # folders cannot be opened on Windows, nor synchronised on some network drives
        _flush_to_disk(target.parent)


def _rename_to_new(temporary: Path, target: Path) -> None:
    """Rename without replacing a file that appeared in the meantime."""
    try:
        target.hardlink_to(temporary)
    except FileExistsError as error:
        raise OutputError(f"{str(target)!r} appeared while it was being made; --overwrite replaces it.") from error
    except (OSError, NotImplementedError):  # a file system without links
        if os.path.lexists(target):
            raise OutputError(f"{str(target)!r} appeared while it was being made; --overwrite replaces it.") from None
        temporary.replace(target)


def _flush_to_disk(path: Path) -> None:
    # Windows synchronises only handles that may write; folders elsewhere can only be opened for reading.
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _about_output(error: OSError, path: Path, temporary: Path) -> OSError:
    """Return an OutputError that names `path` where `error` is about the temporary file, else `error` itself."""
    if isinstance(error, HdrcliError):
        message = str(error)
        for form in (repr, str):
            message = message.replace(form(str(temporary)), form(str(path)))
        return error if message == str(error) else type(error)(message)
    named = [str(name) for name in (error.filename, error.filename2) if name is not None]
    if named and str(temporary) not in named and str(path) not in named:
        return error
    return OutputError(f"{str(path)!r} cannot be written: {error.strerror or error}.")


@contextmanager
def _termination_raises() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, so that `finally` blocks run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    handled = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]

    def leave(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    for number in handled:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, signal.SIG_DFL)
