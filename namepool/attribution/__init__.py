"""Attributing log lines to who speaks: glue for logging.

It imports ``core``, ``owners`` and ``pool``; the command and users import it.
"""
