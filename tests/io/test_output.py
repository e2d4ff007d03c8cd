"""Outputs appear complete or not at all, never over an input, under names that make sense."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hdrcli.errors import OutputError, UnreadableFileError, UsageError
from hdrcli.io.output import (
    OUTPUT_SUFFIXES,
    TEMPORARY_PREFIX,
    atomic_output,
    check_output,
    named_together,
    output_paths,
)

HANG_UPS_ARE_IGNORED = pytest.mark.skipif(
    signal.getsignal(signal.SIGHUP) is signal.SIG_IGN, reason="whoever started the tests ignores hang-ups (nohup)"
)

WRITER = """
import sys, time
from pathlib import Path
from hdrcli.io.output import atomic_output
with atomic_output(Path(sys.argv[1]), overwrite=False) as path:
    path.write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(60)
"""


def write(path: Path, *, data: bytes = b"whole", overwrite: bool = False, inputs: tuple[Path, ...] = ()) -> None:
    with atomic_output(path, overwrite=overwrite, inputs=inputs) as temporary:
        temporary.write_bytes(data)


def write_half(path: Path, failure: BaseException, *, overwrite: bool = False) -> None:
    with atomic_output(path, overwrite=overwrite) as temporary:
        temporary.write_bytes(b"half")
        raise failure


def leftovers(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.name.startswith(TEMPORARY_PREFIX)]


@pytest.mark.parametrize(
    "name", ["a.exr", "Ünïcödé 漢字 🌋.exr", "with 'quote\" and\\slash.tif", "x" * 250 + ".dng", "-o.png"]
)
def test_a_file_appears_under_any_name(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"whole"
    assert leftovers(tmp_path) == []


def test_the_temporary_file_lies_beside_the_output_with_its_suffix(tmp_path: Path) -> None:
    with atomic_output(tmp_path / "a.exr", overwrite=False) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(TEMPORARY_PREFIX)
        assert temporary.suffix == ".exr"
        assert not (tmp_path / "a.exr").exists()


def test_the_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    write(tmp_path / "a.exr")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "a.exr").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("exception", [RuntimeError, KeyboardInterrupt, SystemExit, MemoryError])
def test_nothing_is_left_after_an_exception(tmp_path: Path, exception: type[BaseException]) -> None:
    with pytest.raises(exception):
        write_half(tmp_path / "a.exr", exception())
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_survives_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError):
        write_half(path, RuntimeError(), overwrite=True)
    assert path.read_bytes() == b"old"


def test_an_existing_file_is_replaced_only_on_demand(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match=r"a\.exr' exists already; --overwrite replaces it\.$"):
        write(path)
    assert path.read_bytes() == b"old"
    write(path, overwrite=True)
    assert path.read_bytes() == b"whole"


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    with pytest.raises(OutputError, match="appeared while"), atomic_output(path, overwrite=False):
        path.write_bytes(b"theirs")
    assert path.read_bytes() == b"theirs"
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("link", ["same", "symbolic", "hard", "folder"])
def test_an_input_is_never_written_to_not_even_through_links(tmp_path: Path, link: str) -> None:
    source = tmp_path / "in.dng"
    source.write_bytes(b"precious")
    output = tmp_path / "out.dng"
    if link == "same":
        output = tmp_path / "." / "in.dng"
    elif link == "symbolic":
        output.symlink_to(source)
    elif link == "hard":
        output.hardlink_to(source)
    else:
        (tmp_path / "other").symlink_to(tmp_path)
        output = tmp_path / "other" / "in.dng"
    with pytest.raises(OutputError, match="is an input"):
        write(output, overwrite=True, inputs=(tmp_path / "elsewhere.dng", source))
    assert source.read_bytes() == b"precious"


def test_a_link_stays_a_link_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "target.exr").write_bytes(b"old")
    (tmp_path / "link.exr").symlink_to("target.exr")
    write(tmp_path / "link.exr", overwrite=True)
    assert (tmp_path / "link.exr").is_symlink()
    assert (tmp_path / "target.exr").read_bytes() == b"whole"


def test_what_cannot_be_a_file_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "folder.exr").mkdir()
    (tmp_path / "file").write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.exr")
    for name, reason in (
        ("folder.exr", "it is a folder"),
        ("pipe.exr", "it is no regular file"),
        ("missing/a.exr", "does not exist"),
        ("file/a.exr", "Not a directory"),
        ("x" * 300 + ".exr", "File name too long"),
        ("nul\0.exr", "null"),
    ):
        with pytest.raises(OutputError, match=reason):
            write(tmp_path / name, overwrite=True)
    assert leftovers(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_refused_at_once() -> None:
    folder = Path("/proc/self")  # not even root creates files here
    if not folder.is_dir():
        pytest.skip("there is no /proc")
    with pytest.raises(OutputError, match="cannot be written"):
        write(folder / "a.exr")


def test_a_full_disk_is_an_output_error_that_names_the_output(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"a\.exr' cannot be written: No space left on device"),
        atomic_output(tmp_path / "a.exr", overwrite=False) as temporary,
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(temporary))
    assert list(tmp_path.iterdir()) == []


def test_a_file_size_limit_is_an_output_error(tmp_path: Path) -> None:
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    try:
        with pytest.raises(OutputError, match=r"a\.exr' cannot be written: File too large"):
            write(tmp_path / "a.exr", data=bytes(5000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_errors_about_other_files_pass_unchanged(tmp_path: Path) -> None:
    for error in (UnreadableFileError("in.dng is empty."), FileNotFoundError(2, "No such file", "in.dng")):
        with pytest.raises(type(error)) as caught, atomic_output(tmp_path / "a.exr", overwrite=False):
            raise error
        assert caught.value is error


def test_errors_of_writers_name_the_output_and_not_the_temporary_file(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError) as caught,
        atomic_output(tmp_path / "a.exr", overwrite=False) as temporary,
    ):
        raise OutputError(f"{temporary} is odd.")
    assert str(caught.value) == f"{tmp_path / 'a.exr'} is odd."


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGHUP, 129, marks=HANG_UPS_ARE_IGNORED), (signal.SIGINT, -2)],
)
def test_a_terminated_process_leaves_nothing(tmp_path: Path, number: signal.Signals, code: int) -> None:
    path = tmp_path / "a.exr"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        assert process.wait(30) == code
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_no_file_under_the_final_name(tmp_path: Path) -> None:
    path = tmp_path / "a.exr"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.wait(30)
    assert not path.exists()
    assert [left.suffix for left in leftovers(tmp_path)] == [".exr"]


def test_signals_are_handled_as_before_afterwards(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    write(tmp_path / "a.exr")
    assert signal.getsignal(signal.SIGTERM) is before


def test_several_outputs_at_once(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)  # whatever ran here before
    with (
        atomic_output(tmp_path / "a.exr", overwrite=False) as first,
        atomic_output(tmp_path / "a.jpg", overwrite=False) as second,
    ):
        first.write_bytes(b"1")
        second.write_bytes(b"2")
    assert [(tmp_path / name).read_bytes() for name in ("a.exr", "a.jpg")] == [b"1", b"2"]
    assert signal.signal(signal.SIGTERM, before) is signal.SIG_DFL


def test_one_input_and_a_file(tmp_path: Path) -> None:
    assert output_paths([Path("IMG_1.CR2")], str(tmp_path / "x.TIF")) == [tmp_path / "x.TIF"]


@pytest.mark.parametrize("slash", ["", "/"])
def test_a_folder_takes_the_stems(tmp_path: Path, slash: str) -> None:
    paths = output_paths([Path("a/IMG_1.CR2"), Path("IMG_2.x.dng")], f"{tmp_path}{slash}", default_suffix=".dng")
    assert paths == [tmp_path / "IMG_1.dng", tmp_path / "IMG_2.x.dng"]


def test_a_folder_that_is_not_there_yet_is_known_by_its_slash() -> None:
    assert output_paths([Path("a.cr2")], "new/") == [Path("new/a.exr")]


def test_a_template_takes_the_stem() -> None:
    paths = output_paths([Path("a.cr2"), Path("ö.cr2")], "out/{stem}-{{x}}.jpg")
    assert paths == [Path("out/a-{x}.jpg"), Path("out/ö-{x}.jpg")]


@pytest.mark.parametrize(
    "output", ["{name}.exr", "{}.exr", "{stem.__class__}.exr", "{stem!r}.exr", "{stem:>9}.exr", "{stem.exr", "a}.exr"]
)
def test_other_template_fields_are_usage_errors(output: str) -> None:
    with pytest.raises(UsageError, match="output template"):
        output_paths([Path("a.cr2")], output)


@pytest.mark.parametrize("output", ["a", "a.cr2", "a.", "{stem}", "{stem}.webp"])
def test_a_suffix_that_names_no_format_is_a_usage_error(output: str) -> None:
    with pytest.raises(UsageError, match="one of " + " ".join(OUTPUT_SUFFIXES).replace(".", r"\.")):
        output_paths([Path("a.cr2")], output)


def test_several_inputs_need_several_outputs() -> None:
    with pytest.raises(UsageError, match=r"2 inputs cannot share the output 'x\.exr'"):
        output_paths([Path("a.cr2"), Path("b.cr2")], "x.exr")


def test_two_inputs_that_would_share_an_output_are_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'one/a\.cr2' and 'two/a\.cr2' would both be written"):
        output_paths([Path("one/a.cr2"), Path("two/a.cr2")], f"{tmp_path}/")


def test_nothing_to_do_is_a_usage_error() -> None:
    for inputs, output in (([], "a.exr"), ([Path("a.cr2")], "")):
        with pytest.raises(UsageError, match="at least one input"):
            output_paths(inputs, output)


def test_the_data_is_on_the_disk_before_it_is_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (events.append("synced"), fsync(descriptor)))
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: (events.append("renamed"), replace(self, target)))
    write(tmp_path / "a.exr", overwrite=True)
    assert events[:2] == ["synced", "renamed"]


def test_an_output_can_be_checked_before_there_is_anything_to_write(tmp_path: Path) -> None:
    source, output = tmp_path / "in.dng", tmp_path / "out.exr"
    source.write_bytes(b"raw")
    check_output(output, overwrite=False, inputs=(source,))
    assert [path.name for path in tmp_path.iterdir()] == ["in.dng"]
    with pytest.raises(OutputError, match="is an input"):
        check_output(source, overwrite=True, inputs=(source,))
    with pytest.raises(OutputError, match="does not exist"):
        check_output(tmp_path / "missing" / "out.exr", overwrite=False)
    output.touch()
    with pytest.raises(OutputError, match="exists already"):
        check_output(output, overwrite=False)
    check_output(output, overwrite=True)


@pytest.mark.parametrize(
    ("names", "together"),
    [
        (["IMG_1236.CR2", "IMG_1234.CR2", "IMG_1238.CR2"], "IMG_1234-1238.CR2"),
        (["IMG_9.jpg", "IMG_10.jpg"], "IMG_9-10.jpg"),
        (["DSC_1.NEF", "IMG_3.NEF"], "DSC_1-IMG_3.NEF"),
        (["dark.png", "middle.png", "light.png"], "dark-middle.png"),
        (["1.png", "5.png"], "1-5.png"),
        (["a.2.jpg", "a.3.jpg"], "a.2-3.jpg"),
        (["a.jpg", "a.CR2"], "a.CR2"),
        (["window.jpg"], "window.jpg"),
    ],
)
def test_what_is_made_of_several_files_is_named_after_first_and_last(names: list[str], together: str) -> None:
    for order in (names, names[::-1]):
        assert named_together([Path("in", name) for name in order]) == Path("in", together)
