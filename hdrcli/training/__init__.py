"""Measuring and (with the extra `train`) learning: seeded cases, metrics, networks. Nothing else imports this room."""
