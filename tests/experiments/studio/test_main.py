"""The program: what it cannot use is said in one line, before anything is served."""

import signal
import socket
import subprocess
import sys

import pytest

from ...programs import program


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory; expected a photo"),
        (b"GIF89a", "no picture; expected a PNG"),
    ],
)
def test_a_photo_that_is_none_ends_it_with_a_line(tmp_path, content, said):
    photo = tmp_path / "photo.gif"
    if content is not None:
        photo.write_bytes(content)
    done = program(
        "experiments.studio", f"--image={photo}", f"--folder={tmp_path / 'out'}", "--browser=false"
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{photo}: {said}")
    assert done.stderr.count("\n") == 1


def test_it_tells_its_address_and_ends_by_ctrl_c(tmp_path):
    arguments = [sys.executable, "-m", "experiments.studio", f"--folder={tmp_path}", "--nobrowser"]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        line = running.stdout.readline()
        address = line.split()[4]
        assert address.startswith("http://127.0.0.1:")
        assert len(address.partition("#")[2]) > 30
        host, port = address.split("/")[2].split(":")
        socket.create_connection((host, int(port)), timeout=10).close()
        running.send_signal(signal.SIGINT)
        try:
            out, error = running.communicate(timeout=60)
        finally:
            running.kill()
    assert (running.returncode, out, error) == (0, "", "")


def test_a_port_that_is_taken_ends_it_with_a_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = program(
            "experiments.studio", f"--port={port}", f"--folder={tmp_path}", "--browser=false"
        )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"--host, --port: 127.0.0.1:{port} cannot be listened at")
    assert done.stderr.count("\n") == 1


def test_listening_everywhere_is_refused(tmp_path):
    done = program("experiments.studio", "--host=0.0.0.0", f"--folder={tmp_path}", "--nobrowser")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "--host: '0.0.0.0'; expected the one address by which the page is reached\n"
    )
