"""The agent's name in log lines and traces: one module for each library of logging or tracing.

The package imports ``actors``, ``core``, ``owners``, ``speaking`` and ``pool``. The command and
users import it.
"""
