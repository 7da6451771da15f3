"""Thread schedules, explored one by one: ``frontrun pytest tests/interleavings``.

One file per protocol. Each test runs a few threads to their ends under thousands of schedules, with
a clock whose ticks are part of the schedule, and holds an invariant against what is left.
"""
