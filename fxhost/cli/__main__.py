"""`python -m fxhost.cli` is `fxhost`."""

import sys

from fxhost.cli import main

sys.exit(main())
