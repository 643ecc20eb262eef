"""What is found about recorded pairs, both ways round: delay, polarity, steps, sides.

    python -m tests.measure.alignment FOLDER

The folder holds `train-dry.flac` and its wet files, and `pairs/`; what is not there is left out. Prints a line for each
pair and orientation: the delay and its uncertainty, what is taken out, steps, drifts, the score of the sides.
"""

import sys
from pathlib import Path

from fxhost.errors import FxhostError
from train.pairs.read import read_pair


def list_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Dry and wet files that belong together, by the ways in which such folders are named."""
    found = []
    for dry in sorted(folder.rglob("*.flac")):
        if dry.stem.endswith("dry"):
            start = dry.stem[:-3]
            found += [(dry, wet) for wet in sorted(dry.parent.glob(f"{start}*.flac")) if wet != dry]
        elif dry.stem.endswith("input"):
            start = dry.stem[:-5]
            found += [(dry, wet) for wet in sorted(dry.parent.glob(f"{start}*target.flac"))]
    return found


def main() -> int:
    """Measure and print."""
    for dry, wet in list_pairs(Path(sys.argv[1])):
        for way, (a, b) in (("right", (dry, wet)), ("swapped", (wet, dry))):
            name = f"{wet.parent.name}/{wet.stem:24s} {way:8s}"
            try:
                found = read_pair(a, b, force=True).findings
            except FxhostError as err:
                print(f"{name} refused: {err}")
                continue
            delay = found["delay"]
            print(
                f"{name} delay {delay['frames']:+8.2f} ± {delay['uncertainty_frames']:5.2f}, out {found['delay_frames']:g}, "
                f"polarity {found['polarity']:+d}, steps {len(found['steps'])}, clock {found['drift_ppm']:+.2f} ppm, "
                f"level {found['move'] and found['move']['db']}, score {found['sides_score']:+.2f} "
                f"{'SWAPPED' if found['swapped_surely'] else 'swapped?' if found['swapped'] else ''}",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
