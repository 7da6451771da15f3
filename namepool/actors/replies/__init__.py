"""A reply's jobs, each on top of the one before: being resolved, being given up, being waited for.

Only ``reply`` imports it; it imports ``latch`` and itself.
"""
