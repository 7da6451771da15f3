"""What a pool measures, for Prometheus and OpenTelemetry: each an extra, in a module of its own.

Both read ``pool_stats()`` when they are asked, so that agents pay nothing for being counted.
"""
