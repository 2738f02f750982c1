"""The yardstick: `libcst.parse_module` on the files named on stdin, one after the other, and nothing else."""

import sys

import libcst

for path in sys.stdin.read().splitlines():
    with open(path, "rb") as file:
        data = file.read()
    try:
        libcst.parse_module(data)
    except Exception as error:  # what libcst cannot parse has cost it time all the same
        print(path, type(error).__name__)
