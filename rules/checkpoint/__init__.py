"""Rules over checkpoint files: what is dangerous or damaged in one (801-814), and why one does not fit (from 830)."""
