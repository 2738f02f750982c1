"""The currency of the layout and the checkpoint engine: key tables, what differs between two of them, and why."""
