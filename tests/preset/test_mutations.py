"""Broken files of other programs: refused in one line or read whole, never a crash, a hang or a flood of memory."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from fxhost.preset.captures import MAX_ANY_SIZE, MAX_FILE_SIZE
from tests.conftest import ROOT
from tests.measure.mutations import read_mutations


@pytest.mark.parametrize("seed", [1, 2])
def test_mutated_files_are_refused_in_one_line_or_read_whole(seed: int) -> None:
    outcomes, _ = read_mutations(1500, seed)
    assert outcomes["refused"] > 1000
    assert outcomes["read"] > 50


MODEST = (
    "import resource, sys, pathlib; from fxhost.preset.captures import read_capture\n"
    "limit = 500 << 20; resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))\n"
    "read_capture(pathlib.Path(sys.argv[1]))"
)
HEAD = '{"version": "0.5.4", "architecture": "LSTM", "config": {"input_size": 1, "hidden_size": 3, "num_layers": 1}, '
FLOODS = {
    "empty lists": ("[],", MAX_ANY_SIZE, "weights of LSTM 1×3 has"),
    "empty objects": ("{},", MAX_ANY_SIZE, "weights of LSTM 1×3 has"),
    "numbers": ("1e0,", MAX_ANY_SIZE, "weights of LSTM 1×3 has"),
    "open brackets": ("[", MAX_ANY_SIZE, "is damaged"),
    "as many numbers as may be": ("-1.23456789012345e-10,", MAX_FILE_SIZE, "weights of LSTM 1×3 has"),
    "too many numbers": ("1e0,", MAX_FILE_SIZE, "is not the weights of a network"),
    "too many lists": ("[        ],", MAX_FILE_SIZE, "is not the weights of a network"),
    "too many texts": ('"                 ",', MAX_FILE_SIZE, "is not the weights of a network"),
}


@pytest.mark.parametrize("what", FLOODS)
def test_the_largest_file_allowed_takes_no_more_than_500_mb(what: str, tmp_path: Path) -> None:
    piece, size, message = FLOODS[what]
    path = tmp_path / "flood.nam"
    text = HEAD + '"weights": [' + piece * ((size - 200) // len(piece)) + "0]}"
    path.write_text(text)
    assert size - 400 < path.stat().st_size <= size
    command = [sys.executable, "-c", MODEST, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=100)
    assert message in done.stderr.splitlines()[-1], done.stderr[-500:]
    assert "PresetError" in done.stderr


def test_a_text_of_keys_is_as_modest(tmp_path: Path) -> None:
    path = tmp_path / "keys.nam"
    path.write_text(json.dumps({f"{n:06x}": {} for n in range(850_000)}))
    assert path.stat().st_size <= MAX_ANY_SIZE
    done = subprocess.run(
        [sys.executable, "-c", MODEST, str(path)], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert "is JSON, but not" in done.stderr.splitlines()[-1], done.stderr[-500:]
