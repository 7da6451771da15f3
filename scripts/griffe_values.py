"""Shows values in the signatures of the reference, where the code has the names of constants.

mkdocs.yml lists this extension of griffe. ``timeout=DEFAULT_TIMEOUT`` becomes ``timeout=30.0``, and
an option of ``open_pool`` gets its default instead of ``...``.
"""

from __future__ import annotations

from typing import Any

import griffe


class Values(griffe.Extension):
    """Puts the values of constants and options into signatures and lists of parameters."""

    def on_function(self, *, func: griffe.Function, **_: Any) -> None:
        """Change each default that names a constant or is left open."""
        for parameter in func.parameters:
            parameter.default = _value(func, parameter.name, parameter.default)
        for section in func.docstring.parsed if func.docstring else []:
            if isinstance(section, griffe.DocstringSectionParameters):
                for listed in section.value:
                    listed.value = _value(func, listed.name, listed.value)


def _value(func: griffe.Function, name: str, default: Any) -> Any:
    if str(default) == "...":
        options = func.package["core.options.PoolOptions"].attributes
        return options[name].value if name in options else "None"
    if isinstance(default, griffe.ExprName):
        try:
            value = func.modules_collection[default.canonical_path].value
        except (KeyError, AttributeError, griffe.GriffeError):
            return default
        return value if isinstance(value, str) else default
    return default
