"""The writer of presets: a trained module becomes a TorchScript archive with three extra files."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fxhost.arrays import Float32Array, linear
from fxhost.errors import PresetError
from fxhost.io.files import replacing
from fxhost.networks.wavenet import WaveNet
from fxhost.preset.archive_members import Answers, Description, compose_members
from fxhost.preset.effect import Knob, Levels
from fxhost.reference.modules import Effect, architecture_of, named_weights
from fxhost.reference.torchscript import (
    accepting_deprecation,
    constant_input,
    make_probe,
    play_module,
    script_module,
    settle,
    state_after_silence,
)
from fxhost.riff import synthesise_riff


def save_preset(
    path: Path,
    module: Effect,
    *,
    name: str,
    sample_rate: int,
    knobs: Sequence[Knob] = (),
    author: str = "",
    licence: str = "",
    training: Mapping[str, Any] | None = None,
    levels: Levels | None = None,
    start: tuple[Float32Array, Float32Array] | None = None,
    is_settled: bool = True,
    capture: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a trained module as a preset: the TorchScript archive with its three extra files.

    Parameters
    ----------
    path : Path
        The `.pt` file; it appears whole or not at all.
    module : EffectLSTM or EffectGRU
        On the CPU, float32.
    name, author, licence : str
        For the metadata.
    sample_rate : int
        The rate it was trained at, in Hz.
    knobs : sequence of Knob
        One for each input after the first.
    training : mapping, optional
        The record of the training; whatever JSON can hold.
    levels : Levels, optional
        The gains around the network, and what is known of its levels.
    start : two float32 (layers, hidden), optional
        The state to start from, where it is known; else the one that silence leads to.
    is_settled : bool
        Whether that known state is the settled one.
    capture : mapping, optional
        What another program's file, which this was, told about itself.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    FileError
        If the file cannot be written.
    PresetError
        If the module's weights are not finite.
    """
    module = module.eval()
    architecture = architecture_of(module)
    weights = named_weights(module)
    if not all(np.isfinite(value).all() for value in weights.values()):
        raise PresetError(f"cannot write {path}: the weights hold NaN or infinity; train again")
    scripted = script_module(module)
    if isinstance(architecture, WaveNet):
        start = state_after_silence(module, architecture, weights)
    h, c, settled = settle(module, architecture, sample_rate, knobs) if start is None else (*start, is_settled)
    weights |= {"h0": h, "c0": c}
    levels = levels or Levels()
    probe, probe_error = make_probe(scripted, architecture, weights)
    riff = synthesise_riff(sample_rate)
    loud_riff = (riff * linear(levels.input_gain_db)).astype(np.float32)
    riff_out, _, _ = play_module(module, constant_input(loud_riff, knobs), weights["h0"], weights["c0"])
    riff_out = riff_out * np.float32(linear(levels.output_gain_db))
    silent_out, _, _ = play_module(module, constant_input(riff[:1] * 0, knobs), weights["h0"], weights["c0"])
    what = Description(name, sample_rate, knobs, levels, author, licence, training or {}, capture)
    answers = Answers(probe, probe_error, riff_out, float(silent_out[0]), settled)
    extra = compose_members(path, architecture, weights, answers, what)
    archive = io.BytesIO()  # through memory, because torch names the folder inside the archive after the file
    with accepting_deprecation():
        torch.jit.save(scripted, archive, _extra_files=extra)
    with replacing(path, overwrite=overwrite) as partial:
        _copy_without_paths(archive, partial)


def _copy_without_paths(archive: io.BytesIO, path: Path) -> None:
    """Write a TorchScript archive but for its debug entries, which hold the paths of this machine's sources."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.infolist():
            if not entry.filename.endswith(".debug_pkl"):
                target.writestr(zipfile.ZipInfo(entry.filename), source.read(entry))
