"""What a preset tells about its training, and how its weights become a file."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from fxhost.reference.preset_writer import save_preset
from fxhost.reference.torchscript import EffectLSTM
from train.pairs.pair import Pair
from train.settings import Settings


def start_record(
    settings: Settings, pairs: Sequence[Pair], test: Pair | None, notes: Sequence[str], start_from: Path | None
) -> dict[str, Any]:
    """What the preset tells about its training, as far as it is known before the first update."""
    tested = pairs[0] if test is None else test
    return {
        "settings": asdict(settings),
        "torch_version": torch.__version__,
        "audio_seconds": sum(pair.seconds for pair in pairs),
        "pairs": [
            {"dry_sha256": pair.dry_sha256, "wet_sha256": pair.wet_sha256, "findings": pair.findings} for pair in pairs
        ],
        "dry_sha256": pairs[0].dry_sha256,
        "wet_sha256": pairs[0].wet_sha256,
        "notes": list(notes),
        "delay_frames": pairs[0].delay_frames,
        "start_from": start_from.name if start_from else None,
        "esr_test": None,
        "test": {
            "on": "held-out stretches of the pair" if test is None else "another recording",
            "dry_sha256": tested.dry_sha256,
            "wet_sha256": tested.wet_sha256,
        },
    }


def write_preset(
    output: Path,
    played: EffectLSTM,
    settings: Settings,
    sample_rate: int,
    training: Mapping[str, Any],
) -> None:
    """Write a network, on the CPU, as a preset; what is at `output` is replaced."""
    save_preset(
        output,
        played,
        name=settings.name,
        sample_rate=sample_rate,
        author=settings.author,
        licence=settings.licence,
        training=training,
        overwrite=True,
    )
