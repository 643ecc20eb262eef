"""Everything that is checked: style, types, imports, and the tests, first side by side, then those that run alone.

`python -m tests` runs it all and ends with the first step that fails.
"""

import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTEST = [sys.executable, "-m", "pytest", "-q"]
STEPS = {
    "style": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
    "imports": ["lint-imports"],
    "tests side by side": [*PYTEST, "-n", "auto", "--dist", "loadfile", "-m", "not alone"],
    "tests alone": [*PYTEST, "-m", "alone"],
}


def main() -> int:
    """Run every step; return the exit code of the first that fails."""
    for name, command in STEPS.items():
        started = time.monotonic()
        print(f"== {name}: {' '.join(command)}", flush=True)
        done = subprocess.run(command, cwd=ROOT, check=False)
        print(
            f"== {name}: {'ok' if done.returncode == 0 else 'FAILED'} after {time.monotonic() - started:.0f} s",
            flush=True,
        )
        if done.returncode:
            return done.returncode
    return 0


sys.exit(main())
