"""`fxhost rig service`: a systemd user unit that plays a rig without a screen, from the start of the machine on."""

import shlex
import sys
from pathlib import Path

import fxhost
from fxhost.cli.console import print_error, say
from fxhost.cli.idle_options import refuse_idle_options
from fxhost.cli.parser import parse
from fxhost.cli.reading_rigs import read_set_list
from fxhost.control.midi_file import read_bindings
from fxhost.errors import FxhostError
from fxhost.rig.file import read_rig_file

FOLDER, NAME = "~/.config/systemd/user", "fxhost.service"
UNIT = """\
[Unit]
Description=fxhost plays {title}
After=pipewire.service wireplumber.service jack.service
StartLimitIntervalSec=0

[Service]
Type=exec
# With --device a sound device that is not there yet is waited for; without, fxhost plays on without sound.
ExecStart=:{command}
ExecReload=/bin/kill -HUP $MAINPID
WorkingDirectory={folder}
{environment}Restart=on-failure
RestartSec=5
# Ctrl-C's exit code, where it is stopped before it plays; afterwards it is 0.
SuccessExitStatus=130
KillMode=mixed
TimeoutStopSec=20
# As far as the system allows: see "Real-time priority" in fxhost/README.md.
Nice=-11
LimitRTPRIO=95
LimitMEMLOCK=infinity

[Install]
WantedBy=default.target
"""


def print_service(path: Path, words: list[str]) -> int:
    """Print the unit of a rig file that can be played with these options of `fxhost run`; tell where it goes.

    Raises
    ------
    FxhostError
        If the rig file or an option has a mistake, or a name cannot stand in a unit.
    """
    run = parse(["run", *words, "--", str(path)])
    refuse_idle_options(run)
    _, rig = read_set_list(run)
    read_bindings(path, rig if read_rig_file(path).rig is not None else None)
    for line in format_unit(path.absolute(), words, Path.cwd()).splitlines():
        say(line)
    given = shlex.join(["fxhost", "rig", "service", str(path), *(["--", *words] if words else [])])
    print_error(f"where it belongs: mkdir -p {FOLDER}; {given} > {FOLDER}/{NAME}")
    print_error(f"then: systemctl --user daemon-reload; systemctl --user enable --now {NAME}; loginctl enable-linger")
    return 0


def format_unit(path: Path, words: list[str], folder: Path) -> str:
    """The unit that plays a rig file.

    Parameters
    ----------
    path : Path
        Of the rig file, absolute.
    words : list of str
        More options of `fxhost run`.
    folder : Path
        To which relative paths in the options belong, absolute.

    Raises
    ------
    FxhostError
        If a name has a character for which a unit has no place there.
    """
    script = Path(sys.argv[0])
    is_script = script.stem == "fxhost" and script.is_file()
    own = [str(script.absolute())] if is_script else [sys.executable, "-m", "fxhost"]
    texts = [*own, "run", str(path), *words]
    for text, refused in ((own[0], "\"'\\"), (str(folder), "\\"), *((text, "") for text in texts)):
        if not text.isprintable() or any(sign in text for sign in refused):
            raise FxhostError(f"{text!r} cannot stand in a unit of systemd; give it a name of plain letters")
    source = Path(fxhost.__file__).parents[1]
    return UNIT.format(
        title=path.name.replace("%", "%%"),
        command=" ".join(map(quote, texts)),
        folder=str(folder).replace("%", "%%"),
        environment="" if is_script else f"Environment={quote(f'PYTHONPATH={source}')}\n",
    )


def quote(text: str) -> str:
    """A word of a command line in a unit whose variables are not expanded."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if not text.replace("-", "").replace("/", "").replace(".", "").isalnum() else text
