"""The start of the tracer, in the project interpreter: ``python __main__.py FD``.

Each line of the standard input names a request, a file of JSON; FD is a pipe to which events are written, one JSON
object a line. The folder of this file comes off sys.path and the package gets a name of its own, so that none of its
modules stands in the way of the project's.
"""

import importlib
import importlib.util
import json
import os
import sys

PACKAGE = "_modelint_tracer"


def start(events: int) -> int:
    if sys.version_info < (3, 9):  # noqa: UP036
        line = {"event": "unusable", "reason": "old-python", "detail": sys.version.split()[0]}
        os.write(events, json.dumps(line).encode("ascii") + b"\n")
        return 1
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.path and os.path.abspath(sys.path[0] or ".") == here:
        del sys.path[0]
    spec = importlib.util.spec_from_file_location(
        PACKAGE, os.path.join(here, "__init__.py"), submodule_search_locations=[here]
    )
    if spec is None or spec.loader is None:
        raise ImportError(here)
    package = importlib.util.module_from_spec(spec)
    sys.modules[PACKAGE] = package
    spec.loader.exec_module(package)
    return int(importlib.import_module(PACKAGE + ".server").main(events))


if __name__ == "__main__":
    code = start(int(sys.argv[1]))
    sys.stderr.flush()
    os._exit(code)  # to take torch apart takes longer than a model
