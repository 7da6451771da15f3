"""The command ``namepool``: its parser, the demo, and the doctor that looks at an endpoint.

It may import everything; only ``__main__`` imports it.
"""

from namepool.cli.command import main

__all__ = ["main"]
