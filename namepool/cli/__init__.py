"""The command ``namepool``: its parser, the demo, and the doctor that looks at an endpoint.

This package may import every other package. Only ``__main__`` imports this one.
"""

from namepool.cli.command import main

__all__ = ["main"]
