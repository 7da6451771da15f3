"""The metrics of a pool, for Prometheus and OpenTelemetry. Each has a module and an extra.

Both read ``pool_stats()`` when they are asked, so agents pay nothing for being counted.
"""
