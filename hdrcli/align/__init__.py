"""Registration: where the pixels of one exposure lie in another."""
