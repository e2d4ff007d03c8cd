"""Scene-linear HDR from what a camera wrote; the recipes load on first use."""

from __future__ import annotations

__version__ = "0.1.0"
