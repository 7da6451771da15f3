"""Supervision by OTP's rules.

``messages`` and ``child_spec`` define the requests to a supervisor. ``rules`` is pure: it decides
the supervisor's next steps. ``supervisor`` is the actor that carries out these steps. ``handle`` is
a ref that survives restarts. ``foreign`` makes actors of other classes report their deaths. This
package imports the other modules of ``actors``. They do not import this package.
"""
