"""Where a training stands, in a file beside the preset: what `--resume` goes on from, as if nothing had happened.

The file holds tensors and plain numbers only; reading it executes nothing.
"""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from fxhost.errors import FileError, TrainingError
from fxhost.io.files import replacing

VERSION = 4  # one more with every change of the settings or of what is kept
SUFFIX = ".training"


def checkpoint_path(output: Path) -> Path:
    """The file that belongs to a preset."""
    return output.with_name(output.name + SUFFIX)


def write_checkpoint(output: Path, state: dict[str, Any]) -> None:
    """Write where a training stands; the file is never half written.

    Parameters
    ----------
    output : Path
        The preset that is trained.
    state : dict
        Of tensors, numbers, strings, lists and dicts.

    Raises
    ------
    FileError
        If the disk refuses it.
    """
    archive = io.BytesIO()  # through memory, because torch tells of a full disk in many ways
    torch.save({"version": VERSION, **state}, archive)
    with replacing(checkpoint_path(output), overwrite=True) as unfinished:
        unfinished.write_bytes(archive.getbuffer())


def read_checkpoint(output: Path) -> dict[str, Any]:
    """What `write_checkpoint` was given.

    Raises
    ------
    FileError
        If there is none, or none that this version reads.
    """
    path = checkpoint_path(output)
    if not path.exists():
        if output.exists():
            raise FileError(
                f"there is nothing to resume: {path} does not exist, as after a training that has ended; to go on "
                f"from its weights give --from {output} and another -o instead of --resume"
            )
        raise FileError(f"there is nothing to resume: neither {path} nor {output} exists; leave out --resume to train")
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError, KeyError) as err:
        raise FileError(f"{path} cannot be read: {type(err).__name__}; train anew without --resume") from err
    if not isinstance(state, dict) or state.get("version") != VERSION:
        version = state.get("version") if isinstance(state, dict) else None
        raise FileError(
            f"{path} is of another version of fxhost ({version}, not {VERSION}); train anew without --resume"
        )
    return state


def refuse_other_recordings(output: Path, state: dict[str, Any], hashes: list[str]) -> None:
    """See that a training goes on with the recordings that it began with.

    Raises
    ------
    TrainingError
        If the SHA-256 of the files differ.
    """
    if state["recordings"] != hashes:
        raise TrainingError(
            f"{output} was begun with other recordings: their SHA-256 are {_shorten(hashes)}, then they were "
            f"{_shorten(state['recordings'])}; give the same files, or train anew without --resume"
        )


def _shorten(hashes: list[str]) -> str:
    return " ".join(text[:8] for text in hashes)
