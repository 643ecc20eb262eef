"""Write `tests/slow.txt`, the tests that `pytest -m "not slow"` leaves out, from what a run of the tests took.

pytest --durations=0 -vv | python -m tests.measure.slow_tests
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

LIST = Path(__file__).parents[1] / "slow.txt"
LINE = re.compile(r"([\d.]+)s (?:call|setup|teardown)\s+(tests/[\w/]+\.py::\w+)")
SLOW_S = 0.3  # of all cases of a test together


def find_slow(lines: Iterable[str]) -> list[str]:
    """The names of the slow tests."""
    seconds: Counter[str] = Counter()
    for line in lines:
        if found := LINE.match(line):
            seconds[found[2]] += float(found[1])  # type: ignore[assignment]
    return sorted(name for name, total in seconds.items() if total >= SLOW_S)


if __name__ == "__main__":
    slow = find_slow(sys.stdin)
    LIST.write_text("\n".join(slow) + "\n", encoding="utf-8")
    print(f"{LIST}: {len(slow)} tests")
