"""Attributing log lines and traces to who speaks."""
