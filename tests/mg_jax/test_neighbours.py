"""Another `flows` in the way is told in one line, and does not hinder the commands."""

import subprocess
import sys
from pathlib import Path

import pytest

from mg_jax import neighbours


def test_the_package_beside_this_one_is_found():
    neighbours.check("flows")
    with pytest.raises(ImportError, match="nothing_of_this_name: is missing; mg_jax needs"):
        neighbours.check("nothing_of_this_name")


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "flows.py").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", "import mg_jax"], cwd=tmp_path, capture_output=True, text=True
    )
    line = done.stderr.splitlines()[-1]
    assert line.startswith(f"ImportError: flows: is {tmp_path / 'flows.py'}; mg_jax needs ")


def test_commands_work_where_such_files_are(tmp_path):
    (tmp_path / "flows.py").write_text("")
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").write_text("")
    command = Path(sys.executable).parent / "mg-make-flow"
    done = subprocess.run([command, "--motion=fly"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "fly" in done.stderr
