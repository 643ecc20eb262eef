"""The reference engine: the TorchScript module of a preset. Only here and in the writer of presets is `torch.jit` used.

`torch.jit` is deprecated upstream, which is why pyproject caps torch; its one warning is silenced here, by its message.

The contract of a module: `forward(x, h, c) -> (y, h, c)` with x float32 `(1, frames, inputs)`, h and c
`(layers, 1, hidden)`, y `(1, frames, 1)`. State is an argument and a result, never an attribute.
"""

import copy
import ctypes
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from fxhost.arrays import Float32Array, aligned_zeros
from fxhost.errors import PresetError
from fxhost.networks.architecture import Architecture
from fxhost.networks.recurrent import Recurrent
from fxhost.preset.archive import MOST_PROBE_ERROR
from fxhost.preset.archive_members import choose_probe
from fxhost.preset.effect import Knob, Preset
from fxhost.reference.modules import Effect, EffectGRU, EffectLSTM, architecture_of, build_module, named_weights
from fxhost.stages.base import Stage, first_words

__all__ = [
    "Effect",
    "EffectGRU",
    "EffectLSTM",
    "build_module",
    "named_weights",
    "play_module",
    "probe_error",
    "script_module",
]

JIT_WARNING = r".*torch\.jit\.\w+` is (deprecated|not supported)"

SETTLE_S = 30.0  # the longest that a preset may take to settle on silence
SETTLED = 1e-7  # the state has settled when a second of silence moves it by less
WARM_UP_BLOCKS = 4  # TorchScript compiles in its first calls


@contextmanager
def accepting_deprecation() -> Iterator[None]:
    """Silence the one warning that says what pyproject's cap on torch knows already."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=JIT_WARNING, category=DeprecationWarning)
        yield


def load_module(path: Path) -> torch.jit.ScriptModule:
    """The TorchScript module of a preset. This runs code from the file.

    Raises
    ------
    PresetError
        If torch cannot load it.
    """
    try:
        with accepting_deprecation(), open(path, "rb") as file:  # torch takes no name that is not UTF-8
            module: torch.jit.ScriptModule = torch.jit.load(file, map_location="cpu")  # type: ignore[no-untyped-call]
    except (RuntimeError, ValueError, OSError) as err:
        raise PresetError(f"{path}: torch cannot load the module: {str(err).splitlines()[0]}") from err
    module.eval()
    return module


def module_of(preset: Preset) -> torch.jit.ScriptModule:
    """The TorchScript module of a preset: its own, which runs code from the file; of a capture one made of its weights.

    Raises
    ------
    PresetError
        If torch cannot load it.
    """
    if preset.file_format == "fxhost":
        return load_module(preset.path)
    return script_module(build_module(preset.architecture, preset.weights))


_templates: dict[tuple[type[Effect], Architecture], torch.jit.ScriptModule] = {}


def script_module(module: Effect) -> torch.jit.ScriptModule:
    """The module as TorchScript. A template of each architecture is compiled once and copied from then on."""
    key = type(module), architecture_of(module)
    with accepting_deprecation():
        if key not in _templates:
            _templates[key] = torch.jit.script(module)
        scripted: torch.jit.ScriptModule = copy.deepcopy(_templates[key])
        scripted.load_state_dict(module.state_dict())
    return scripted.train(module.training)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch from sharing one sequence's steps among threads, which costs more than it gives.

    On a machine that is busy with something else their barriers take a thousand times as long as the work.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def play_module(
    module: nn.Module, x: Float32Array, h: Float32Array, c: Float32Array
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Play a signal through a module that keeps the contract.

    Parameters
    ----------
    module : torch.nn.Module
        Scripted or not.
    x : float32 (frames, inputs)
    h, c : float32 (layers, hidden)
        The state to start from.

    Returns
    -------
    y : float32 (frames,)
    h, c : float32 (layers, hidden)
    """
    with one_thread(), torch.inference_mode():
        # torch wants writable memory that stays as it is
        tensors = torch.tensor(x)[None], torch.tensor(h)[:, None], torch.tensor(c)[:, None]
        y, h_out, c_out = module(*tensors)
        return y[0, :, 0].numpy(), h_out[:, 0].numpy(), c_out[:, 0].numpy()


def settle(
    module: nn.Module, architecture: Architecture, sample_rate: int, knobs: Sequence[Knob]
) -> tuple[Float32Array, Float32Array, bool]:
    """The state that a module comes to rest in on silence, so that no note is born with a click.

    Returns
    -------
    h, c : float32 (layers, hidden)
    settled : bool
        False where the module was still moving after 30 s.
    """
    silence = constant_input(np.zeros(sample_rate, np.float32), knobs)
    h = c = np.zeros((architecture.layers, architecture.hidden_size), np.float32)
    for _ in range(int(SETTLE_S)):
        _, h_next, c_next = play_module(module, silence, h, c)
        moved = max(np.abs(h_next - h).max(), np.abs(c_next - c).max())
        h, c = h_next, c_next
        if moved < SETTLED:
            return h, c, True
    return h, c, False


def constant_input(audio: Float32Array, knobs: Sequence[Knob]) -> Float32Array:
    """Audio `(frames,)` and the knobs at their defaults as the network's input `(frames, inputs)`."""
    columns = [audio, *(np.full_like(audio, knob.default) for knob in knobs)]
    return np.stack(columns, axis=1)


def state_after_silence(
    module: nn.Module, architecture: Architecture, weights: Mapping[str, Float32Array]
) -> tuple[Float32Array, Float32Array]:
    """The state that a preset starts from: as stored, or of a WaveNet that after silence as long as it hears."""
    if isinstance(architecture, Recurrent):
        return weights["h0"], weights["c0"]
    silence = np.zeros((architecture.receptive_field, 1), np.float32)
    _, h, c = play_module(module, silence, *(np.zeros(shape, np.float32) for shape in architecture.state_shapes))
    return h, c


def make_probe(
    module: nn.Module, architecture: Architecture, weights: Mapping[str, Float32Array]
) -> tuple[dict[str, Float32Array], float]:
    """The probe, and how far the module is from itself in float64 on it."""
    double = build_module(architecture, weights).double()

    def play_exactly(x: Float32Array, h: Float32Array, c: Float32Array) -> Any:
        return play_module(double, *(value.astype(np.float64) for value in (x, h, c)))[0]  # type: ignore[arg-type]

    return choose_probe(architecture, weights, lambda x, h, c: play_module(module, x, h, c)[0], play_exactly)


class TorchScriptStage(Stage):
    """The module of a preset as a stage: a Python callback, which takes the GIL on the audio thread.

    Parameters
    ----------
    preset : Preset
        Its module is loaded, which runs code from the file; another program's file holds none, and it is built.
    """

    def __init__(self, preset: Preset) -> None:
        self._module = module_of(preset)
        self._prepared_thread = 0
        a = preset.architecture
        sizes = [int(np.prod(shape)) for shape in a.state_shapes]
        memory = aligned_zeros(-(-sum(sizes) // 2) * 2, np.float32)  # whole words
        self._h, self._c = (
            torch.from_numpy(memory[start : start + size].reshape(shape[0], 1, shape[1]))
            for start, size, shape in zip((0, sizes[0]), sizes, a.state_shapes, strict=True)
        )
        self._knobs = torch.tensor([knob.default for knob in preset.knobs])
        prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(ctypes.c_float), ctypes.c_int64)
        function = prototype(self._play)
        address = ctypes.cast(function, ctypes.c_void_p).value
        assert address is not None  # a CFUNCTYPE object is never a null pointer
        super().__init__(address, memory, first_words(memory, 0), function)
        for _ in range(WARM_UP_BLOCKS):
            self.process(np.zeros(64, np.float32))
        if self.error is not None:
            raise PresetError(f"{preset.path}: the module fails: {str(self.error).splitlines()[-1]}") from self.error
        h, c = state_after_silence(self._module, a, preset.weights)
        self._h[:, 0], self._c[:, 0] = torch.tensor(h), torch.tensor(c)
        self.initial = first_words(memory, memory.nbytes)

    def parameter_address(self, index: int) -> None:
        """None: the knobs are numbers in Python."""

    def set_parameter(self, index: int, value: float) -> None:
        """Turn a knob; the network hears it in the next block."""
        self._knobs[index] = value

    def _play(self, _: int, block: Any, frames: int) -> None:
        audio = np.ctypeslib.as_array(block, (frames,))
        if self.error is not None:
            audio[:] = 0.0
            return
        try:
            if threading.get_ident() != self._prepared_thread:
                torch.set_num_threads(1)  # for the calling thread: no hand-over to a pool in the middle of a block
                self._prepared_thread = threading.get_ident()
            with torch.inference_mode():  # grad mode belongs to the thread: without this here, memory grows for ever
                x = torch.empty(1, frames, 1 + len(self._knobs))
                x[0, :, 0] = torch.from_numpy(audio)
                x[0, :, 1:] = self._knobs
                y, h, c = self._module(x, self._h, self._c)
                audio[:] = y[0, :, 0].numpy()
                self._h.copy_(h)
                self._c.copy_(c)
        except BaseException as err:  # nothing may be raised into the audio library, not Ctrl-C either
            self.error = err
            audio[:] = 0.0


def probe_error(preset: Preset) -> float:
    """Replay the probe through the module. Runs code from the file.

    Returns
    -------
    float
        The largest absolute difference from the stored answers.
    """
    module = module_of(preset)
    probe, weights = preset.probe, preset.weights
    try:
        if "output_rest" in probe:
            zeros = np.zeros_like(weights["h0"])
            return float(np.max(np.abs(play_module(module, probe["input"], zeros, zeros)[0] - probe["output_rest"])))
        settled, _, _ = play_module(module, probe["input"], *state_after_silence(module, preset.architecture, weights))
        if "h" not in probe:
            return float(np.max(np.abs(settled - probe["output_settled"])))
        from_state, _, _ = play_module(module, probe["input"], probe["h"], probe["c"])
        errors = np.abs(settled - probe["output_settled"]), np.abs(from_state - probe["output_state"])
    except (RuntimeError, TypeError, ValueError, IndexError) as err:
        raise PresetError(f"{preset.path}: the module does not keep the contract: {str(err).splitlines()[-1]}") from err
    return float(np.max(errors))


def rounding_error(preset: Preset) -> float:
    """How far the network of another program's file is from itself in float64 on the input that it carries.

    Returns
    -------
    float
        The largest absolute difference; at most 0.01, beyond which such an input tells nothing.
    """
    module, x = build_module(preset.architecture, preset.weights), preset.probe["input"]
    zeros = np.zeros_like(preset.weights["h0"])
    rounded, _, _ = play_module(module, x, zeros, zeros)
    exact, _, _ = play_module(module.double(), *(value.astype(np.float64) for value in (x, zeros, zeros)))  # type: ignore[arg-type]
    error = float(np.max(np.abs(rounded - exact)))
    return error if error <= MOST_PROBE_ERROR else MOST_PROBE_ERROR
