"""`python -m fxhost` is `fxhost`."""

import sys

from fxhost.cli import main

if __name__ == "__main__":
    sys.exit(main())
