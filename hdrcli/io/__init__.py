"""Files in and out; no image processing."""
