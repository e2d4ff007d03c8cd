"""The room of the example picture: its meshes, its surfaces and what stands outside its window."""
