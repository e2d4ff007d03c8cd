"""The camera pipeline, one stage a module; no files."""
