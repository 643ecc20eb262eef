"""What Ctrl-C does in each phase of a training: while the network learns, it ends between two updates."""

from fxhost.io.interruption import Interruption, Phase

__all__ = ["LEARNING", "MEASURING", "WRITING", "Interruption"]

LEARNING = Phase(
    (
        "Ctrl-C: after the update in hand the best preset is written, then measured; a second Ctrl-C leaves the "
        "measurement out",
        "Ctrl-C again: the preset is written but not measured; a third Ctrl-C leaves at once and loses what was "
        "learned since the last save",
        "Ctrl-C: leaving at once",
    ),
    counted=2,
)
WRITING = Phase(("Ctrl-C: as soon as the preset is written",), counted=2)
MEASURING = Phase(("Ctrl-C: the rest of the measurement is left out",))
