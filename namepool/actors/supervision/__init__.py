"""Supervision by OTP's rules.

``messages`` and ``child_spec`` say what may be asked of a supervisor; ``rules``, which are pure,
decide what it does next; ``supervisor`` is the actor that does it, ``handle`` a ref that survives
restarts. ``foreign`` has actors of any make report their ends. It imports the other modules of
``actors``, and they import nothing of it.
"""
