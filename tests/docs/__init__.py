"""What README and docs show is run, every block of it."""
