"""Exposures of one scene into one picture."""
