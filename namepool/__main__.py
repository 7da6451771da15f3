"""``python -m namepool`` runs the command ``namepool``."""

import sys

from namepool.cli import main

if __name__ == "__main__":
    sys.exit(main())
