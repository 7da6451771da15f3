"""Attributing log lines and spans to who speaks: glue for logging and tracing, a module each.

It imports ``core``, ``owners`` and ``pool``; the command and users import it.
"""
