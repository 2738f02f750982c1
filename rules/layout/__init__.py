"""Rules over drift: what differs between a tracked model and its manifest."""
