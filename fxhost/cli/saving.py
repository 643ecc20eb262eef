"""What the key `w`, the MIDI action `save` and the web remote's button do: the scene that plays goes into its file."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from fxhost.errors import FileError, FxhostError
from fxhost.io.files import explain_refusal, read_text, replacing
from fxhost.rig.scene_saving import save_scene

if TYPE_CHECKING:
    from fxhost.session import Session


def save_playing(session: "Session") -> str:
    """Write how the scene stands into the file of the rig that plays; what was written or why not, in a line."""
    playing, rack = session.playing, session.rack
    path = session.rig.path
    if path is None:
        return "nothing is saved: no rig file plays; `fxhost run … --save RIG.toml` writes one at the end"
    gains_db = rack.input_gain_db, rack.output_gain_db
    try:
        before = read_text(path)
        text, told = save_scene(before, playing, gains_db)
        if told:
            replace_text(path, before, text)
    except FxhostError as err:
        return f"{path.name} is not saved: {err}"
    name = f"scene {playing.scene_index + 1} {playing.sound.scene.name}".rstrip() + " of " if playing.scenes > 1 else ""
    if not told:
        return f"{name}{path.name} is as it plays; there is nothing to save"
    playing.sound.keep(*gains_db)
    session.controls.follow(session.knobs, playing.sound.is_on, playing.scene_index, playing.scenes)
    return f"saved {name}{path.name}: {', '.join(told)}; the file before is {path.name}~"


def replace_text(path: Path, before: str, text: str) -> None:
    """Give a file a new text, and keep the one before beside it under the same name with a tilde.

    A link stays one, and the file's permissions stay.

    Raises
    ------
    FileError
        If it cannot be written; then it is as it was.
    """
    path = path.resolve()
    for target, content in ((path.with_name(f"{path.name}~"), before), (path, text)):
        try:
            with replacing(target, overwrite=True) as partial:
                partial.write_bytes(content.encode())
                shutil.copymode(path, partial)
        except FileError:
            raise
        except OSError as err:
            raise explain_refusal(target, err) from err
