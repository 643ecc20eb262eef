"""Everything that is checked: style, types, imports, and the tests, first side by side, then the live ones, then those that run alone.

`python -m tests` runs it all and ends with the first step that fails; `--coverage` also prints which lines of
`fxhost/` and `train/` the tests never ran. Lines that are compiled count as run only where a test calls them in Python.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.kinds import ALONE, LIVE

ROOT = Path(__file__).parents[1]
PYTEST = [sys.executable, "-m", "pytest", "-q"]
STEPS = {
    "style": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "imports": ["lint-imports"],
    "tests side by side": [
        *PYTEST,
        "-n",
        str((os.cpu_count() or 1) + 1),
        "--dist",
        "loadfile",
        "-m",
        "not live and not alone",
    ],
    "types": ["mypy"],  # beside the live tests, which wait most of the time
    "live tests, three at a time": [*PYTEST, "-n", "3", *(f"tests/{file}" for file in sorted(LIVE))],
    "tests alone": [*PYTEST, *(f"tests/{file}" for file in sorted(ALONE))],
}
BESIDE_NEXT = "types"
ONE_THREAD = {  # the threads of several processes' linear algebra wait for one another and burn a sixth of the time
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
}
COVERAGE = [sys.executable, "-m", "coverage"]


def main(covers: bool) -> int:
    """Run every step; return the exit code of the first that fails."""
    steps = STEPS
    if covers:
        measured = {
            name: [*COVERAGE, "run", *command[1:]] if command[0] == sys.executable else command
            for name, command in STEPS.items()
        }
        report = [*COVERAGE, "report", "--skip-covered", "--show-missing"]
        steps = measured | {"coverage of all processes": [*COVERAGE, "combine", "--quiet"], "coverage": report}
    waiting: list[tuple[str, float, subprocess.Popen[bytes]]] = []
    for name, command in steps.items():
        print(f"== {name}: {' '.join(command)}", flush=True)
        run = subprocess.Popen(command, cwd=ROOT, env=os.environ | ONE_THREAD)
        waiting.append((name, time.monotonic(), run))
        if name == BESIDE_NEXT:
            continue
        for each, started, running in waiting:
            code = running.wait()
            print(f"== {each}: {'FAILED' if code else 'ok'} after {time.monotonic() - started:.0f} s", flush=True)
        codes = [running.returncode for _, _, running in waiting]
        waiting.clear()
        if any(codes):
            return max(codes, key=abs)
    return 0


sys.exit(main("--coverage" in sys.argv[1:]))
