"""The rules: one file per code, the whole of it. Installed as `modelint.rules`."""
