"""Dual-ISO frames: finding out what they are, and both exposures on every photosite."""
