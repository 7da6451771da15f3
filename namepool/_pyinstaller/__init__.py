"""The folder of the package's hook for PyInstaller."""

from __future__ import annotations

import os


def get_hook_dirs() -> list[str]:
    """Return the folder of ``hook-namepool.py``. PyInstaller calls this through an entry point."""
    return [os.path.dirname(__file__)]
