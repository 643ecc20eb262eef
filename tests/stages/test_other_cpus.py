"""The kernels as they are compiled for other CPUs, as far as this one can pretend to be one: narrower vectors, fewer registers."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

LSTM = "every_kind and (3-5 or 2-33) or a_gru and 1-43 or tanh"
WAVENET = "many_shapes and (gated or 17 or everywhere or wide) or blocks and gated and sizes5"
FILES = [Path(__file__).with_name(f"test_{name}.py") for name in ("lstm", "wavenet")]


@pytest.mark.parametrize("cpu", ["haswell", "nehalem", "generic"])
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the names of other CPUs than those of x86")
def test_code_for_other_cpus_agrees_with_float64(cpu: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES, "-k", f"{LSTM} or {WAVENET}"],
        env={**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert int(done.stdout.split(" passed")[0].split()[-1]) >= 9, done.stdout
