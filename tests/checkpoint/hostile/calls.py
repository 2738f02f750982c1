"""Payloads by what they call: every one of them makes ``canary`` when plain pickle loads it."""

from __future__ import annotations

import marshal
import pickle
from collections.abc import Iterator

from hostile.archives import torch_zip
from hostile.assemble import Raw, call, named, pickled, push, tensor
from hostile.case import ALARM, Case, written

MAKE = "mkdir canary"
CODE = "__import__('os').mkdir('canary')"
SYSTEM = call("os", "system", MAKE)


def attribute(base: Raw, *names: str) -> Raw:
    for name in names:
        base = Raw(named("builtins", "getattr") + push((base, name)) + b"R")
    return base


def applied(function: Raw, *arguments: object) -> Raw:
    return Raw(function + push(arguments) + b"R")


def code_object() -> bytes:
    return marshal.dumps(compile(CODE, "x", "exec"))


def functions() -> Iterator[tuple[str, Raw]]:
    """Called by REDUCE, by their names in the standard library."""
    yield "os.system", SYSTEM
    yield "posix.system", call("posix", "system", MAKE)
    yield "os.popen", applied(attribute(call("os", "popen", MAKE), "read"))
    yield "os.mkdir", call("os", "mkdir", "canary")
    yield "os.makedirs", call("os", "makedirs", "canary/deeper")
    yield "os.spawnvp", call("os", "spawnvp", 0, "mkdir", ("mkdir", "canary"))
    yield "os.posix_spawn", call("posix", "posix_spawn", "/bin/mkdir", ("mkdir", "canary"), {})
    yield "pty.spawn", call("pty", "spawn", ("mkdir", "canary"))
    yield "subprocess.call", call("subprocess", "call", ["mkdir", "canary"])
    yield "subprocess.getoutput", call("subprocess", "getoutput", MAKE)
    yield "subprocess.Popen", applied(attribute(call("subprocess", "Popen", ["mkdir", "canary"]), "wait"))
    yield "builtins.exec", call("builtins", "exec", CODE)
    yield "builtins.eval", call("builtins", "eval", CODE)
    yield "__builtin__.eval", call("__builtin__", "eval", CODE)
    yield "builtins.open", call("builtins", "open", "canary", "w")
    yield "io.open", call("io", "open", "canary", "w")
    yield "codecs.open", call("codecs", "open", "canary", "w")
    yield "builtins.__import__", applied(attribute(call("builtins", "__import__", "os"), "mkdir"), "canary")
    yield "importlib.import_module", applied(attribute(call("importlib", "import_module", "os"), "mkdir"), "canary")
    yield "getattr-chain", applied(attribute(named("builtins", "str"), "__class__", "__base__", "__subclasses__"))
    yield "runpy", call("runpy", "_run_code", call("builtins", "compile", CODE, "x", "exec"), {"__builtins__": {}})
    yield "timeit.timeit", call("timeit", "timeit", CODE, "pass", named("time", "time"), 1)
    yield "cProfile.run", call("cProfile", "run", CODE, "canary")
    yield "profile.run", call("profile", "run", CODE)
    yield "bdb.run", applied(attribute(call("bdb", "Bdb"), "run"), CODE)
    yield "code.runsource", applied(attribute(call("code", "InteractiveInterpreter"), "runsource"), CODE)
    yield "doctest.debug_script", call("doctest", "DocTestRunner")
    yield "pydoc.pipepager", call("pydoc", "pipepager", "", MAKE)
    yield "pathlib.Path.mkdir", applied(attribute(call("pathlib", "PosixPath", "canary"), "mkdir"))
    yield "shutil.copytree", call("shutil", "copytree", ".", "canary", False, call("shutil", "ignore_patterns", "*"))
    yield "sqlite3.connect", call("sqlite3", "connect", "canary")
    yield "zipfile.ZipFile", call("zipfile", "ZipFile", "canary", "w")
    yield "logging.FileHandler", call("logging", "FileHandler", "canary")
    yield "tempfile.mkdtemp", call("tempfile", "mkdtemp", "", "canary", ".")
    yield "functools.partial", applied(call("functools", "partial", named("os", "mkdir")), "canary")
    yield "functools.reduce", call("functools", "reduce", named("os", "mkdir"), ["canary", 0o700])
    yield "builtins.map", call("builtins", "list", call("builtins", "map", named("os", "mkdir"), ["canary"]))
    yield (
        "itertools.starmap",
        call("builtins", "list", call("itertools", "starmap", named("os", "mkdir"), [("canary",)])),
    )
    yield "python-2-imap", call("builtins", "tuple", call("itertools", "imap", named("os", "mkdir"), ["canary"]))
    yield "python-2-commands", call("commands", "getoutput", MAKE)
    yield "collections.deque", call("collections", "deque", call("builtins", "map", named("os", "mkdir"), ["canary"]))
    yield (
        "OrderedDict-of-map",
        call("collections", "OrderedDict", call("builtins", "map", named("os", "mkdir"), ["canary"])),
    )
    yield (
        "operator.methodcaller",
        applied(call("operator", "methodcaller", "mkdir", "canary"), named("os", "sys.modules")),
    )
    yield (
        "operator.attrgetter",
        applied(applied(call("operator", "attrgetter", "mkdir"), call("importlib", "import_module", "os")), "canary"),
    )
    yield "operator.call", call("operator", "call", named("os", "mkdir"), "canary")
    yield "marshal", applied(call("types", "FunctionType", call("marshal", "loads", code_object()), {}))
    yield "types.CodeType", call("builtins", "exec", call("marshal", "loads", code_object()))
    yield "pickle.loads", call("pickle", "loads", pickled(SYSTEM))
    yield "_pickle.loads", call("_pickle", "loads", pickled(SYSTEM))
    yield "pickle.Unpickler", call("pickle", "_loads", pickled(SYSTEM))
    yield "copyreg.__newobj__", call("copyreg", "__newobj__", named("subprocess", "Popen"))
    yield (
        "copyreg.add_extension",
        Raw(call("copyreg", "add_extension", "os", "mkdir", 7) + b"0\x82\x07" + push(("canary",)) + b"R"),
    )
    yield (
        "threading.Timer",
        applied(attribute(call("threading", "Thread", None, named("os", "mkdir"), None, ("canary",)), "run")),
    )
    submitted = applied(
        attribute(call("concurrent.futures", "ThreadPoolExecutor"), "submit"), named("os", "mkdir"), "canary"
    )
    yield "concurrent.futures", applied(attribute(submitted, "result"))
    yield (
        "weakref.finalize",
        applied(call("weakref", "finalize", named("collections", "OrderedDict"), named("os", "mkdir"), "canary")),
    )
    yield (
        "contextlib.ExitStack",
        applied(attribute(call("contextlib", "ExitStack"), "callback"), named("os", "mkdir"), "canary"),
    )
    yield "uuid", call("uuid", "_get_command_stdout", "mkdir", "canary")
    yield "unittest.mock", applied(call("unittest.mock", "MagicMock", None, named("os", "mkdir")), "canary")
    yield (
        "string-built-name",
        Raw(b"\x80\x04" + call("builtins", "str.lower", "OS") + push("mkdir") + b"\x93" + push(("canary",)) + b"R"),
    )
    yield "dotted-global", Raw(b"\x80\x04" + push("posixpath") + push("os.mkdir") + b"\x93" + push(("canary",)) + b"R")
    yield "os.execvp", call("os", "execvp", "mkdir", ("mkdir", "canary"))
    yield "among-others", Raw(call("os", "mkdir", "canary") + b"0" + call("os", "getpid"))
    yield "sys.exit", Raw(call("os", "mkdir", "canary") + b"0" + call("sys", "exit", 0))
    yield "os.kill", Raw(call("os", "mkdir", "canary") + b"0" + call("os", "kill", call("os", "getpid"), 9))


#: Named, and flagged, but nothing of the file system shows that they ran.
SILENT = {
    "getattr-chain", "doctest.debug_script", "runpy", "copyreg.__newobj__", "operator.methodcaller",
    "contextlib.ExitStack",
    "weakref.finalize",
}  # fmt: skip


def libraries() -> Iterator[tuple[str, Raw]]:
    """Through torch and numpy; the network and terabytes are not tried."""
    inner = pickled(SYSTEM)
    yield "torch.storage._load_from_bytes", call("torch.storage", "_load_from_bytes", torch_zip(inner))
    yield "torch._utils._rebuild_tensor", call("torch._utils", "_rebuild_parameter", SYSTEM, True, {})
    yield "nested-twice", call("torch.storage", "_load_from_bytes", torch_zip(pickled(call("pickle", "loads", inner))))
    yield "collect_env.run", call("torch.utils.collect_env", "run", MAKE)
    yield (
        "torch._tensor._rebuild_from_type_v2",
        call("torch._tensor", "_rebuild_from_type_v2", named("os", "system"), named("builtins", "int"), (MAKE,), {}),
    )
    yield (
        "rebuild-from-type",
        call("torch._tensor", "_rebuild_from_type", named("os", "mkdir"), named("builtins", "int"), ("canary",), {}),
    )
    yield (
        "torch._utils._rebuild_with-hooks",
        call("torch._utils", "_rebuild_tensor_v2", SYSTEM, 0, (1,), (1,), False, {}),
    )


def unreachable() -> Iterator[tuple[str, Raw]]:
    yield "torch.hub.load", call("torch.hub", "load", "owner/name", "model")
    yield "torch.jit.load", call("torch.jit", "load", "other.pt")
    yield "huge-storage-as-call", call("torch", "FloatStorage", 2**40)
    yield "urlopen", call("urllib.request", "urlopen", "http://127.0.0.1:9/")
    yield "socket", call("socket", "create_connection", ("127.0.0.1", 9))
    yield "webbrowser", call("webbrowser", "open", "http://127.0.0.1:9/")
    yield "breakpoint", call("builtins", "breakpoint")
    yield "pip", call("pip", "main", ["install", "x"])
    yield "ctypes.CDLL", call("ctypes", "CDLL", "evil.so")
    yield "numpy.load", call("numpy", "load", "other.npy", None, True)
    yield "numpy-runstring", call("numpy.testing._private.utils", "runstring", CODE, {})
    yield "torch.load", call("torch", "load", "other.pt")
    yield "joblib.load", call("joblib", "load", "other.pkl")
    yield "dill", call("dill._dill", "_create_function", b"")
    yield "own-module-on-path", call("evil", "main")
    yield "numpy.f2py", call("numpy.f2py", "compile", "x")
    yield "sys.settrace", call("sys", "settrace", named("os", "system"))
    yield "torch-inductor", call("torch._inductor.codecache", "PyCodeCache.load", CODE)


#: Classes and functions that the user's project or another library could define: a load needs them, no more is known.
UNKNOWN = {"own-module-on-path", "huge-storage-as-call", "dill", "numpy.f2py", "torch-inductor", "joblib.load"}


def cases() -> Iterator[Case]:
    for name, payload in functions():
        # The payload comes first: nothing before it may raise.
        data = pickled(Raw(payload + b"0" + push({"weight": tensor()})))
        fires = "" if name in SILENT else "pickle"
        yield Case(f"calls/{name}", written("model.pkl", data), ALARM, fires)
    for name, payload in libraries():
        data = pickled(Raw(payload + b"0" + push({"weight": tensor()})))
        yield Case(f"calls/zip-{name}", written("model.pt", torch_zip(data)), ALARM, "torch")
    for name, payload in unreachable():
        data = pickled(Raw(payload + b"0" + push({"weight": tensor()})))
        exits = ALARM | {0} if name in UNKNOWN else ALARM
        yield Case(f"calls/unrun-{name}", written("model.pt", torch_zip(data)), exits)
    standard = pickle.dumps(range(3), 4)
    yield Case("calls/harmless-range", written("model.pkl", standard))
