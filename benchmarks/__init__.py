"""What modelint costs, against what the same work costs elsewhere: `python -m benchmarks FOLDER...`."""
