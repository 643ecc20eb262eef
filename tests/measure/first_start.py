"""The processor time that `fxhost run ts-overdrive` takes until it sounds, with and without compiled code on disk.

    python -m tests.measure.first_start [CHECKOUT…] [--runs N]

It plays on the virtual device, in processes of their own, and in turn from this checkout and the others that are named,
so that a slow minute of the machine slows all of them. What is measured ends when the first block has been played. The
first runs of each checkout are not counted: they write the byte code of Python, which an installed package has.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from statistics import median

HERE = Path(__file__).parents[2]
COMMAND = "run", "ts-overdrive", "--device", "virtual", "--duration", "0.01"

PROGRAM = """
import json, resource, sys, time

from fxhost.cli import main
from fxhost.io.stream_watch import Watch

start = Watch.start

def start_and_tell(watch):
    start(watch)  # returns when the first block has been played
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    processor_s = sum(usage.ru_utime + usage.ru_stime for usage in used)
    sys.stderr.write("@" + json.dumps([processor_s, time.time() - float(sys.argv[1])]) + "\\n")

Watch.start = start_and_tell
sys.exit(main(sys.argv[2:]))
"""


def start_once(checkout: Path, folder: str, byte_code: str) -> tuple[float, float]:
    """Processor time and time until the first block, in s, with the compiled code of a folder."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    env |= dict.fromkeys(("NUMBA_CACHE_DIR", "XDG_DATA_HOME", "XDG_CACHE_HOME"), folder)
    env |= {"PYTHONPATH": str(checkout), "PYTHONPYCACHEPREFIX": byte_code}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(time.time()), *COMMAND],
        cwd=checkout, env=env, text=True, capture_output=True,
    )  # fmt: skip
    told = [line[1:] for line in done.stderr.splitlines() if line.startswith("@")]
    if done.returncode or not told:
        raise SystemExit(f"{checkout}: {done.stderr}")
    processor_s, wall_s = json.loads(told[0])
    return processor_s, wall_s


def main() -> None:
    """Print median, least and most of all runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkouts", nargs="*", type=Path, metavar="CHECKOUT")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    checkouts = [HERE, *(checkout.resolve() for checkout in options.checkouts)]
    rows: dict[tuple[Path, str], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as byte_code:
        for run, checkout in product(range(options.runs + 1), checkouts):
            with tempfile.TemporaryDirectory() as folder:
                for cache in ("empty", "warm"):
                    times = start_once(checkout, folder, byte_code)
                    if run:
                        rows.setdefault((checkout, cache), []).append(times)
    for (checkout, cache), found in rows.items():
        processor, wall = ([times[k] for times in found] for k in (0, 1))
        spread = ", ".join(
            f"{what} {median(times):.2f} s ({min(times):.2f} to {max(times):.2f})"
            for what, times in (("processor time", processor), ("first block after", wall))
        )
        print(f"{checkout}, {cache} cache, {len(found)} runs: {spread}")


if __name__ == "__main__":
    main()
