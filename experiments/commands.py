"""The programs as commands, `mg-edit` for `python -m experiments.edit`: see setup.cfg.

A command does not look for modules in the working folder, so that a `flows.py` or `experiments/`
there does not hide ours.
"""

import runpy
from functools import partial


def _run(name: str) -> None:
    runpy.run_module(f"experiments.{name}", run_name="__main__", alter_sys=True)


benchmark = partial(_run, "benchmark")
blind_pairs = partial(_run, "blind_pairs")
compile_programs = partial(_run, "compile")
convert_weights = partial(_run, "convert_weights")
edit = partial(_run, "edit")
estimate_flow = partial(_run, "estimate_flow")
evaluate = partial(_run, "evaluate")
fetch_weights = partial(_run, "fetch_weights")
invert = partial(_run, "invert")
make_cases = partial(_run, "make_cases")
make_flow = partial(_run, "make_flow")
studio = partial(_run, "studio")
