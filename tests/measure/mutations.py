"""Break other programs' files in seeded ways, as many as asked for, and read each: `python -m tests.measure.mutations 100000`.

Each must be refused with a PresetError of one line, or read as a network of finite numbers, within a second. At the end it tells the counts,
the longest time for one file and the most memory. The process may take no more than 500 MB.
"""

import copy
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fxhost.errors import PresetError
from fxhost.preset.captures import read_capture
from tests.foreign import make_aidax, make_convnet, make_keras, make_linear, make_nam, make_proteus
from tests.wavenet_reference import FILMS, array, random_model

LONGEST_S = 1.0
MEMORY = 500 << 20
ODD_VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 3, 7, 1e9, -1e9, 10**18, 10**400, 1e-300, 0.5, "", "48000", "LSTM", "lstm"),
    *("GRU", "gru", "WaveNet", "ConvNet", "Linear", "dense", "0.7.9", "0.8.0", "1.0.0", "\u0000", "x" * 1000),
    *([], {}, [[]], [1.0], [[1.0]], [None] * 3, {"type": "lstm"}, [[[[[0]]]]], list(range(1000))),
]
ODD_BYTES = (
    *(b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-0", b"[", b"]", b"{", b"}", b",", b'"', b"\\", b"\x00", b"\xff"),
    *(b"1e5", b"0.", b"999999999999", b"null", b"[" * 2000, b"9" * 5000, b'{"a":' * 50, b"\\ud800", b"\xef\xbb\xbf"),
)


def make_seeds() -> list[dict[str, Any]]:
    """Small files of each kind."""
    return [
        *(make_nam(1, 2), make_nam(2, 3), make_proteus("LSTM", 3), make_proteus("GRU", 2, 2, 0)),
        *(make_aidax("lstm", 3, in_gain=3.0, in_skip=1), make_aidax("gru", 2, 2)),
        make_aidax("lstm", 2, input_batch=[0.0] * 8, output_batch=[0.0] * 8),
        *(make_convnet(2, [1, 2]), make_convnet(2, [3], norm=True), make_linear(9)),
        make_keras(("dense", 2, "tanh"), ("lstm", 3, ""), ("lstm", 2, ""), ("dense", 2, "elu"), ("dense", 1, "")),
        *make_wavenets(),
    ]


def make_wavenets() -> list[dict[str, Any]]:
    """Small WaveNets with the keys of version 0.5 and of 0.7, a container of one, and one of all that 0.7 can say."""
    old = array(2, [1, 2], 2, head_bias=False, gated=True), array(2, [3], input_size=2)
    new = array(
        2,
        [1, 3],
        kernel_sizes=[2, 3],
        activation=[{"type": "LeakyReLU", "negative_slope": 0.1}, {"type": "PReLU", "negative_slopes": [0.1, 0.2]}],
        gating_mode=["none", "blended"],
        secondary_activation=[None, "Sigmoid"],
        head={"out_channels": 1, "kernel_size": 3, "bias": True},
        bottleneck=2,
        layer1x1={"active": True, "groups": 1},
        head1x1={"active": True, "out_channels": 2, "groups": 2},
        conv_pre_film={"active": False},
    )
    models = []
    for layers, version in ((list(old), "0.5.4"), ([new], "0.7.0")):
        model = random_model(layers, seed=len(models))
        models.append({"version": version, "architecture": "WaveNet", "sample_rate": 48000, **model})
    inside = {"submodels": [{"max_value": 0.5, "model": make_nam()}, {"max_value": 1.0, "model": models[1]}]}
    models.append({"version": "0.7.0", "architecture": "SlimmableContainer", "weights": [], "config": inside})
    films = {name: {"active": True, "shift": n % 2 == 0, "groups": 1} for n, name in enumerate(FILMS)}
    result = {"out_channels": 3, "kernel_size": 2, "bias": True, "head_dilation": 5}
    head = {"channels": 2, "out_channels": 1, "kernel_sizes": [2, 3], "activation": {"type": "Softsign"}}
    full = random_model([new | films | {"head": result, "condition_size": 2}], seed=5, head=head, size=0.9, condition={
        "version": "0.7.0", "architecture": "WaveNet", **random_model([old[0]], seed=6, size=0.9),
    })  # fmt: skip
    models.append({"version": "0.7.0", "architecture": "WaveNet", "sample_rate": 48000, **full})
    return models


def mutate(rng: np.random.Generator, seeds: list[dict[str, Any]]) -> bytes:
    """A file with one to three things wrong: in its structure, in its bytes, or in both."""
    data = json.loads(json.dumps(seeds[rng.integers(len(seeds))]))
    kind = rng.integers(3)
    if kind != 0:
        for _ in range(rng.integers(1, 4)):
            change_structure(rng, data, seeds)
    content = bytearray(json.dumps(data).encode())
    if kind != 1:
        for _ in range(rng.integers(1, 4)):
            change_bytes(rng, content)
    return bytes(content)


def change_structure(rng: np.random.Generator, data: Any, seeds: list[dict[str, Any]]) -> None:
    """Change, remove, repeat or add something somewhere."""
    while True:
        keys = list(data) if isinstance(data, dict) else list(range(len(data)))
        if not keys:
            return
        key = keys[rng.integers(len(keys))]
        child = data[key]
        if isinstance(child, dict | list) and child and rng.random() < 0.7:
            data = child
            continue
        action = rng.integers(4)
        if action == 0:
            del data[key]
        elif action == 1 and isinstance(data, list):
            data.insert(key, copy.deepcopy(child))
        elif action == 2 and isinstance(data, dict):
            other = seeds[rng.integers(len(seeds))]
            name = list(other)[rng.integers(len(other))]
            data[name] = copy.deepcopy(other[name])
        else:
            data[key] = copy.deepcopy(ODD_VALUES[rng.integers(len(ODD_VALUES))])
        return


def change_bytes(rng: np.random.Generator, content: bytearray) -> None:
    """Change, cut, repeat or add bytes somewhere."""
    place = int(rng.integers(len(content) + 1))
    size = int(rng.integers(1, 40))
    action = rng.integers(5)
    if action == 0:
        content[place : place + 1] = bytes([int(rng.integers(256))])
    elif action == 1:
        del content[place : place + size]
    elif action == 2:
        content[place:place] = content[place : place + size]
    elif action == 3:
        content[place:place] = ODD_BYTES[rng.integers(len(ODD_BYTES))]
    elif len(content) > 10:
        del content[place:]


def read_mutations(
    count: int, seed: int, report: Callable[[int], None] = lambda done: None
) -> tuple[Counter[str], float]:
    """Read so many broken files; what became of them, and the longest time that one took, in s.

    Raises
    ------
    AssertionError
        If one of them is not refused as it should be, or took too long; it holds the file.
    """
    rng, seeds = np.random.default_rng(seed), make_seeds()
    outcomes: Counter[str] = Counter()
    longest = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mutated.nam"
        for n in range(count):
            content = mutate(rng, seeds)
            path.write_bytes(content)
            started = time.perf_counter()
            try:
                preset = read_capture(path)
            except PresetError as err:
                outcomes["refused"] += 1
                assert "\n" not in str(err), (str(err), content)
                assert "mutated.nam" in str(err), (str(err), content)
                assert len(str(err)) < 400, (str(err), content)
            except BaseException as err:
                raise AssertionError(f"{err!r} on {content!r}") from err
            else:
                outcomes["read"] += 1
                shapes = preset.architecture.weight_shapes()
                assert {name: array.shape for name, array in preset.weights.items()} == shapes, content
                assert all(np.isfinite(array).all() for array in preset.weights.values()), content
            longest = max(longest, time.perf_counter() - started)
            assert longest < LONGEST_S, (longest, content)
            if n % 1000 == 0:
                report(n)
    return outcomes, longest


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    total = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    began = time.perf_counter()
    found, slowest = read_mutations(total, seed=20240229, report=lambda done: print(f"\r{done}", end="", flush=True))
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"\r{total} files in {time.perf_counter() - began:.0f} s: {found['refused']} refused, {found['read']} read, ",
        end="",
    )
    print(f"at most {1e3 * slowest:.0f} ms for one, {memory_mb:.0f} MB")
