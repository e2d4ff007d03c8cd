"""The command line as a whole: help, version, errors, what it imports, shell completion."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import click
import pytest
from real_command import command_line, environment, run_hdrcli

import hdrcli
from hdrcli.__main__ import main as begin
from hdrcli.cli import main as main_module
from hdrcli.cli.main import COMMANDS, LazyGroup, cli, main

HEAVY = {"numpy", "numba", "cv2", "rawpy", "onnxruntime", "colour", "exiv2", "tifffile", "OpenEXR", "PIL", "rich"}


def command_of(name: str) -> click.Command:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    return command


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([name, "--help"] for name in COMMANDS)])
def test_help_and_version_import_nothing_heavy(words: list[str]) -> None:
    script = "import sys; from hdrcli.cli.main import main; main(sys.argv[1:]); print('MODULES', *sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", script, *words], env=environment(), capture_output=True, text=True, check=True
    )
    assert HEAVY.isdisjoint(run.stdout.partition("MODULES")[2].split())
    assert run.stderr == ""


def test_version_is_that_of_the_package(tmp_path: Path) -> None:
    run = run_hdrcli("--version", cwd=tmp_path)
    assert (run.returncode, run.stdout) == (0, f"hdrcli {hdrcli.__version__}\n")


def test_without_a_command_it_shows_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("Usage: hdrcli")


@pytest.mark.parametrize("name", [None, *COMMANDS])
def test_help_ends_with_two_examples(name: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"] if name is None else [name, "--help"]) == 0
    after = capsys.readouterr().out.rpartition("Examples:")[2]
    examples = [line.split() for line in after.strip().splitlines()]
    assert len(examples) == 2
    for words in examples:
        assert words[0] == "hdrcli"
        assert words[1] in COMMANDS
        assert name in {None, words[1]}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_says_what_it_does(name: str) -> None:
    for parameter in command_of(name).params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name


def test_an_option_of_several_commands_is_the_same_everywhere() -> None:
    seen: dict[str, object] = {}
    for name in COMMANDS:
        for parameter in command_of(name).params:
            if isinstance(parameter, click.Option):
                facts = (parameter.opts, parameter.help, parameter.default, parameter.to_info_dict()["type"])
                for word in parameter.opts:
                    assert seen.setdefault(word, facts) == facts


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["deinterlce", "x.cr2"], "hdrcli: no such command 'deinterlce'; did you mean 'deinterlace'. See"),
        (
            ["frobnicate"],
            "'frobnicate'; the commands are deinterlace, single, stack, info, models. See",
        ),
        (["info"], "hdrcli: Missing argument 'INPUT...'. See 'hdrcli info --help'."),
        (["info", "--nosuch", "x"], "hdrcli: No such option"),
        (["deinterlace", "--iso", "100", "x"], "hdrcli: Invalid value for '--iso': '100' is not LOW/HIGH"),
        (["deinterlace", "--iso", "800/100", "x"], "must be the higher one"),
        (["deinterlace", "--pattern", "HLHL", "x"], "'HLHL' is not one of 'HHLL', 'LHHL', 'LLHH', 'HLLH'"),
        (["deinterlace", "--white-balance", "warm", "x"], "'warm' is none of camera, auto, three gains"),
        (["deinterlace", "--jobs", "0", "x"], "0 is not in the range x>=1"),
        (["deinterlace", "--overwrite", "--skip-existing", "x"], "contradict each other"),
        (["deinterlace", "a", "b", "-o", "out.exr"], "2 inputs cannot share the output 'out.exr'"),
        (["deinterlace", "a", "-o", "out.webp"], "unknown suffix '.webp'"),
        (["deinterlace", "a", "--preview", "a.exr"], "must be a .jpg or .png"),
        (["deinterlace", "a", "-o", "a.jpg", "--preview", "a.jpg"], "cannot be the output and its preview"),
        (["deinterlace", "d/a.cr2", "d/a.dng"], "would both be written to 'd/a.exr'"),
        (["stack", "a.cr2"], "a.cr2 is one; `hdrcli single` makes HDR of one picture."),
        (["stack", "a", "b", "a"], "a is given 2 times"),
        (["stack", "a", "b", "--ev", "1,2,3"], "--ev has 3 values for 2 inputs"),
        (["stack", "a", "b", "--times", "1/60"], "--times has 1 values for 2 inputs"),
        (["stack", "a", "b", "--times", "1/60,1", "--ev", "0,1"], "--ev and --times say the same"),
        (["stack", "a", "b", "--times", "1/60,-1"], "'1/60,-1' holds what cannot be"),
        (["stack", "a", "b", "--ev", "0,nan"], "'0,nan' holds what cannot be"),
        (["stack", "a", "b", "--ev", "0,x"], "'0,x' is no list such as"),
        (["stack", "a", "b", "--times", "1,1/0"], "'1,1/0' is no list such as"),
        (["stack", "a", "b", "--reference", "3"], "3 is neither the name nor the place (1 to 2) of a frame"),
        (["stack", "d/a", "e/a", "--reference", "a"], "a is the name of 2 inputs"),
        (["stack", "a", "b", "--response", "debevek"], "'debevek' is none of debevec, robertson, srgb, nor a file"),
        (["stack", "a", "b", "--plot", "curve.pdf"], "'curve.pdf' must be a .png or .svg"),
        (["stack", "a", "b", "--gap", "5"], "--gap is for finding brackets; add --auto"),
        (["stack", "a", "b", "--auto", "--ev", "0,1"], "--ev is for one bracket"),
        (["stack", "a", "b", "--auto", "--plot", "a.svg"], "--plot is for one bracket"),
        (["stack", "a", "b", "--auto", "--reference", "a"], "--reference is the place of a frame in its bracket"),
        (["stack", ".", "a"], ". is a folder; add --auto to merge the brackets in it."),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("hdrcli: ")
    assert message in err
    assert err.count("\n") == 1


def test_an_unforeseen_error_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(LazyGroup, "get_command", fail)
    assert main(["info", "x"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("hdrcli: internal error (ZeroDivisionError: division by zero).")
    assert "Traceback" not in err
    assert main(["info", "--traceback", "x"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_exit_code_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LazyGroup, "get_command", interrupt)
    monkeypatch.setattr(sys, "argv", ["hdrcli", "info", "x"])
    assert begin() == 130
    assert capsys.readouterr().err.strip() == "hdrcli: interrupted."


@pytest.mark.skipif(os.name != "posix", reason="pipes")
def test_a_reader_that_stops_early_causes_no_traceback(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    run = subprocess.run(
        command_line("--help"), stdout=writer, stderr=subprocess.PIPE, env=environment(), cwd=tmp_path, check=False
    )
    os.close(writer)
    assert run.stderr == b""
    assert run.returncode == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shells_can_complete(shell: str, tmp_path: Path) -> None:
    def complete(instruction: str, **words: str) -> str:
        return subprocess.run(
            command_line(),
            env=environment(_HDRCLI_COMPLETE=f"{shell}_{instruction}", **words),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        ).stdout

    assert "_HDRCLI_COMPLETE" in complete("source")
    assert "deinterlace" in complete("complete", COMP_WORDS="hdrcli dei", COMP_CWORD="1" if shell != "fish" else "dei")
    words = "hdrcli deinterlace --over"
    assert "--overwrite" in complete("complete", COMP_WORDS=words, COMP_CWORD="2" if shell != "fish" else "--over")


def test_handlers_of_a_host_program_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signal, "getsignal", lambda _: signal.SIG_IGN)
    monkeypatch.setattr(signal, "signal", lambda *_: pytest.fail("it replaced a handler"))
    assert main(["--version"]) == 0


def test_the_table_of_commands_is_complete() -> None:
    modules = {path.stem for path in Path(main_module.__file__).parent.glob("*.py")}
    assert set(COMMANDS) == modules - {"__init__", "main", "options", "console", "conversion", "survey"}
    assert all(re.fullmatch(r"hdrcli\.cli\.\w+", module) for module in COMMANDS.values())
