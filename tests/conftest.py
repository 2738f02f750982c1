"""What holds for the whole suite."""

import signal

# A shell that runs the suite in the background has it ignore Ctrl-C, and so would every process that a test interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)
