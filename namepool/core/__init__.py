"""The decisions of a pool, as pure code: without a thread, a clock, a log or I/O.

This package decides which names are valid, available or leased, and under which name an owner
speaks. It also decides which checkouts wait, and when the pool fetches more names. A function that
needs the time takes it as an argument.

All data that must survive a restart is reachable from ``state``. Every other package may import
this one. It imports only ``errors``, ``events``, itself, and small modules of ``actors``:
``backoff``, ``checks``, ``later`` and ``never_copied``.
"""
