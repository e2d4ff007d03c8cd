"""The command line: parses, calls one recipe, reports. It holds no image code."""
