"""Rules over the facts of source text."""
