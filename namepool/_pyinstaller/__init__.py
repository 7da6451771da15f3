"""Tells PyInstaller where the hook of the package is."""

from __future__ import annotations

import os


def get_hook_dirs() -> list[str]:
    """Return the folder of ``hook-namepool.py``; PyInstaller asks for it by an entry point."""
    return [os.path.dirname(__file__)]
