"""Light above the clip for one display picture."""
