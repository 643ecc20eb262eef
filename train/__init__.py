"""The trainer: from a dry and a wet recording to a preset.

It imports `fxhost`; `fxhost` never imports it, but for the command line, under `fxhost train`.
"""

import logging

logging.getLogger(__name__).addHandler(logging.NullHandler())  # the command line shows the notes of a result itself
