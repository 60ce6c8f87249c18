"""How programs start and fail."""

import os
import signal
import subprocess
import sys

import pytest
from absl import flags
from absl.testing import flagsaver

from experiments import command

PROGRAM = """
import logging, signal, threading, time, warnings
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has it ignored in the background
from absl import flags
from experiments import command
number = flags.DEFINE_integer("number", 1, "A number.")
flags.DEFINE_string("photo", None, "A file.")
flags.DEFINE_string("prompt", "", "Words, or none.")
def main():
    logging.getLogger("jax").info("Unable to initialize backend 'tpu'")
    for name in ("httpx", "httpx2", "huggingface_hub.file_download", "urllib3.connectionpool"):
        logging.getLogger(name).info('HTTP Request: GET https://huggingface.co "200 OK"')
    if number.value == 0:
        raise ValueError("--number: 0;\\n expected more")
    if number.value == 2:
        open("/no/such/file")
    if number.value == 3:
        raise ZeroDivisionError("a defect of ours")
    if number.value == 4:
        raise RuntimeError("RESOURCE_EXHAUSTED: 9 GiB\\n...")
    if number.value == 5:
        raise RuntimeError("something else")
    if number.value == 7:
        class EditWarning(UserWarning):
            pass
        warnings.warn("out/run: not saved", EditWarning)
    if number.value == 6:
        threading.Thread(target=time.sleep, args=(120,)).start()
        print("at work", flush=True)
        time.sleep(120)
    print(number.value)
command.run(main)
"""


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True
    )


def test_a_good_run_prints_its_own_lines_only():
    done = run("--number=8", "--prompt=")
    assert (done.returncode, done.stdout, done.stderr) == (0, "8\n", "")


def test_a_warning_about_an_edit_is_a_note():
    done = run("--number=7")
    assert (done.returncode, done.stdout, done.stderr) == (0, "7\n", "note: out/run: not saved\n")


@pytest.mark.parametrize(
    ("argument", "line"),
    [
        ("--number=0", "--number: 0; expected more"),
        ("--number=2", "[Errno 2] No such file or directory: '/no/such/file'"),
        (
            "--number=4",
            "not enough memory (RESOURCE_EXHAUSTED: 9 GiB); expected more, or a smaller --size",
        ),
        ("--number=abc", "flag --number=abc: invalid literal for int() with base 10: 'abc'"),
        ("--numer=1", "Unknown command line flag 'numer'. Did you mean: number ?"),
        ("--photo=", "--photo: empty; expected a value, or no such flag"),
        ("7", "7: not a flag; expected --name=value"),
    ],
)
def test_a_fault_is_one_line_and_status_1(argument, line):
    done = run(argument)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", line + "\n")


@pytest.mark.parametrize(("number", "words"), [(3, "a defect of ours"), (5, "something else")])
def test_a_defect_keeps_its_traceback(number, words):
    done = run(f"--number={number}")
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert words in done.stderr


TASKS = """
from absl import flags
from experiments import command
number = flags.DEFINE_integer("number", 1, "A number.")
command.run_one_of({"show": lambda: print(number.value), "fall": lambda: command.fail("fell")})
"""


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["show", "--number=7"], (0, "7\n", "")),
        (["--number=7", "show"], (0, "7\n", "")),
        (["fall"], (1, "", "fell\n")),
        ([], (1, "", "no task: expected show or fall, then flags\n")),
        (["sing"], (1, "", "sing: expected show or fall, then flags\n")),
        (["show", "more"], (1, "", "more: not a flag; expected --name=value\n")),
    ],
)
def test_the_first_word_says_which_task(arguments, expected):
    done = subprocess.run([sys.executable, "-c", TASKS, *arguments], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == expected


def test_help_is_no_fault():
    done = run("--help")
    assert "--number: A number." in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize("flag", ["--help", "-?", "--helpshort", "--helpfull", "--helpxml"])
def test_help_ends_with_status_0(flag):
    done = run(flag)
    assert done.returncode == 0
    assert "number" in done.stdout


def test_ctrl_c_is_one_line_at_once_whatever_other_threads_do():
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--number=6"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert program.stdout.readline() == "at work\n"
    program.send_signal(signal.SIGINT)
    assert program.communicate(timeout=20) == ("", "interrupted\n")
    assert program.returncode == 130


def test_an_interrupt_ends_the_process_with_status_130(monkeypatch, capsys):
    def main():
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit) as caught:
        command.attempt(main, ["program"])
    assert caught.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_many_lines_become_one(capsys):
    with pytest.raises(SystemExit) as caught:
        command.fail("one\n  two\tthree\n")
    assert caught.value.code == 1
    assert capsys.readouterr().err == "one two three\n"


def test_what_is_no_flag_comes_back():
    with flagsaver.flagsaver():
        flags.FLAGS.unparse_flags()
        assert command.parse(["program", "rest"]) == ["program", "rest"]
