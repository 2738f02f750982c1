"""modelint: finds the lines of PyTorch code that lose, rename or silently skip weights."""

__version__ = "0.1.0"
