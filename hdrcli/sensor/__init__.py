"""The forward model: from scene radiance to what a camera writes."""
