"""What a training starts with: the residual path or not, and the weights of another preset."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fxhost.errors import TrainingError
from fxhost.preset.archive import read_preset
from fxhost.reference.torchscript import EffectLSTM, build_module
from train.pairs.source import audio_blocks
from train.pairs.stretch import Material
from train.settings import Settings

NEAR = 0.3  # an ESR of the dry recording below which the network learns only the difference


def choose_residual(settings: Settings, material: Sequence[Material], start_from: Path | None) -> Settings:
    """Settings in which `residual` is decided: as asked for, as in the preset to start from, or by the recordings.

    Where the dry recording is already near the wet one (a booster, a tape, an equaliser), the network that learns only
    the difference begins near its goal.
    """
    if settings.residual is not None:
        return settings
    if start_from is not None:
        return replace(settings, residual=read_preset(start_from).architecture.residual)
    error = power = 0.0
    for part in material:
        for stretch in part.stretches:
            dry = part.dry[stretch.start : stretch.end]
            for start, wet in audio_blocks(part.wet[stretch.start : stretch.end]):
                difference = wet - dry[start : start + len(wet)]
                error += float(difference @ difference)
                power += float(wet @ wet)
    return replace(settings, residual=error < NEAR * power)


def load_start(model: EffectLSTM, path: Path, sample_rate: int) -> None:
    """Give a model the weights of a preset.

    Raises
    ------
    PresetError
        If the preset cannot be read.
    TrainingError
        If its sizes or its sample rate are others.
    """
    preset = read_preset(path)
    sizes = preset.architecture
    lstm = model.lstm
    for name, got, expected in (
        ("network", sizes.cell if sizes.is_plain else sizes.label, "lstm"),
        ("gain", preset.levels.has_gains, False),
        ("layers", sizes.layers, lstm.num_layers),
        ("hidden size", sizes.hidden_size, lstm.hidden_size),
        ("inputs", sizes.inputs, 1),
        ("residual", sizes.residual, bool(model.residual)),
        ("sample rate", preset.sample_rate, sample_rate),
    ):
        if got != expected:
            raise TrainingError(
                f"{path} cannot be started from: its {name} is {got}, not {expected}; "
                "train with the sizes and the rate of the preset"
            )
    model.load_state_dict(build_module(sizes, preset.weights).state_dict())
