"""The command ``namepool``: its parser, the demo, and the doctor that looks at an endpoint.

It may import everything; nothing imports it.
"""

from namepool.cli.command import main

__all__ = ["main"]
