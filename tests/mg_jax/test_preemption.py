"""SIGTERM reaches one of two processes: both stop at one level, and both go on."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Forty slow levels in closed form, one sample on each process.
WALK = """
import sys, time
import jax, jax.numpy as jnp, numpy as np
from mg_jax import checkpoint, devices, hosts, sample
from mg_jax.sample import Phase

address, number, folder = sys.argv[1:]
hosts.initialize(address, 2, int(number))
mesh = devices.mesh(2)
start = devices.put(np.full((1, 3), int(number), np.float32), mesh, devices.FIRST)
double = jax.jit(lambda z: 2 * z % 1009 + 1)

def step(level, z):
    time.sleep(0.1)
    return double(z), None

def phases():
    end = yield Phase("sampling", range(40), start, step, lambda state, info: None)
    return devices.local(end)

from pathlib import Path
with checkpoint.opened(Path(folder), {"walk": "1"}, every=100) as saved:
    def observe(step):
        saved.save(step, lambda: {"number": np.array([int(number)])})
        print(step.done, flush=True)
    end = sample.run(phases(), observe, saved.resume)
    assert saved.record.get("number", number) == int(number)
print("end", end.tolist())
"""


def start(folder, port):
    environment = {**os.environ, "XLA_FLAGS": os.environ.get("XLA_FLAGS", "")}
    return [
        subprocess.Popen(
            [sys.executable, "-c", WALK, f"localhost:{port}", str(number), str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env=environment,
        )
        for number in range(2)
    ]


def free_port():
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return listening.getsockname()[1]


@pytest.mark.long
def test_sigterm_to_one_of_two_processes_stops_both_at_one_level(tmp_path):
    processes = start(tmp_path / "run", free_port())
    for line in processes[0].stdout:
        if line.strip() == "5":
            break
    processes[1].send_signal(signal.SIGTERM)
    told = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [143, 143], told
    lines = [[line for line in error.splitlines() if "stopped after" in line] for _, error in told]
    assert len(lines[0]) == len(lines[1]) == 1
    assert lines[0] == lines[1]
    level = int(lines[0][0].split("level ")[1].split(" of")[0])
    assert 5 <= level < 40
    again = start(tmp_path / "run", free_port())
    ends = [process.communicate() for process in again]
    assert [process.returncode for process in again] == [0, 0], ends
    walked = [[line for line in output.splitlines() if line.isdigit()] for output, _ in ends]
    assert walked == [[str(done) for done in range(level + 1, 41)]] * 2
    z = [0.0, 1.0]
    for _ in range(40):
        z = [2 * value % 1009 + 1 for value in z]
    for (output, _), value in zip(ends, z, strict=True):
        assert output.splitlines()[-1] == f"end {[[value] * 3]}"
