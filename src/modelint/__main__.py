"""``python -m modelint``."""

from modelint.cli import program

if __name__ == "__main__":
    program()
