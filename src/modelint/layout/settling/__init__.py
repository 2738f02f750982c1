"""Settling by numbers: old code and new, run with the same weights on the same inputs."""
