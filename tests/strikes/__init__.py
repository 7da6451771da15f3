"""Exceptions from outside, at every place where CPython looks for them."""
