"""Supervision by OTP's rules: what a supervisor is asked, what it decides, and how it does it.

``protocol`` and ``child_spec`` say what may be asked; ``intensity`` and ``deaths`` decide;
``procedures`` do; ``supervisor`` is the actor around them, ``handle`` a ref that survives restarts.
It imports the other modules of ``actors``, and they import nothing of it.
"""
