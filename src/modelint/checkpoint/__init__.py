"""Checkpoint files: keys, shapes and dtypes without unpickling, without torch, and without reading tensor data."""
