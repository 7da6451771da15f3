"""What the pool decides: pure, without a thread, clock, log or I/O; time is an argument.

Here is what a name may be, which names are available or leased, who speaks under which, who waits,
and when to fetch more. All of it that must survive a restart hangs on ``state``. Anybody may
import it; it imports ``errors``, ``events``, the answer ``LATER`` of ``actors``, and itself.
"""
