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

    def on_attribute(self, *, attr: griffe.Attribute, **_: Any) -> None:
        """Show the value of an attribute that names a constant."""
        attr.value = _value(attr, attr.name, attr.value)


def _value(where: griffe.Object, name: str, default: Any) -> Any:
    if str(default) == "...":
        return _options(where.package)[name]
    if isinstance(default, griffe.ExprName):
        try:
            value = where.modules_collection[default.canonical_path].value
        except (KeyError, AttributeError, griffe.GriffeError):
            return default
        return value if isinstance(value, str) else default
    return default


def _options(package: griffe.Module) -> dict[str, Any]:
    """Return the defaults of the options of a pool and of a supervisor."""
    of_a_pool = package["core.options.PoolOptions"].attributes
    of_a_supervisor = package["actors.supervision.supervisor.Supervisor.__init__"].parameters
    return {
        "source": "None",
        "state": "None",
        **{name: attribute.value for name, attribute in of_a_pool.items()},
        **{parameter.name: parameter.default for parameter in of_a_supervisor},
    }
