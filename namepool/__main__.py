"""``python -m namepool`` does what ``namepool`` does."""

import sys

from namepool.cli import main

if __name__ == "__main__":
    sys.exit(main())
