"""What the names mean that a load of a pickle would call: harmless, suspicious, or able to run anything.

A list of bad names is never complete, so the standard library, torch and numpy are judged by what a checkpoint needs of
them, and the rest of them is suspicious. A class of somebody's project is neither: nothing is known of it.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from typing import Literal

Danger = Literal["runs", "suspicious"]

#: Names of Python 2, as pickles of protocol 2 and before have them.
_OLD = {"__builtin__": "builtins", "copy_reg": "copyreg", "cPickle": "pickle", "exceptions": "builtins"}

#: Modules of which every function runs code, commands or files that the caller names.
_RUNNING_MODULES = frozenset(
    """
    _aix_support _bootsubprocess _osx_support _posixsubprocess _pyrepl _testcapi _winapi _xxsubinterpreters
    asyncio bdb cProfile cffi cloudpickle code codeop commands concurrent ctypes _ctypes dill distutils doctest
    ensurepip fabric ftplib http idlelib imp importlib invoke jinja2 lib2to3 mako marshal multiprocessing nt os
    paramiko pdb pexpect pickle _pickle pip pkg_resources pkgutil plumbum popen2 posix profile pty pydoc
    requests runpy setuptools sh shelve shutil site smtplib socket _socket socketserver sqlite3 subprocess sys
    telnetlib test.support timeit trace turtle unittest urllib urllib2 venv webbrowser xmlrpc zipimport
""".split()
)

#: Single functions, and packages of torch and numpy.
_RUNNING = r"""
    builtins\.(eval|exec|execfile|compile|open|__import__|getattr|setattr|delattr|apply|input|breakpoint|globals|locals|vars
        |__build_class__|reload|file|map|filter|reduce|type)
  | types\.(FunctionType|CodeType|LambdaType|ModuleType|MethodType|CellType|DynamicClassAttribute|new_class)
  | (io|_io)\.(open|open_code|FileIO) | codecs\.open | tempfile\.\w+ | fileinput\.\w+ | linecache\.\w+
  | (functools|_functools)\.reduce | itertools\.(starmap|accumulate)
  | (operator|_operator)\.(methodcaller|attrgetter|call)
  | (threading|_thread)\.\w+ | signal\.\w+ | atexit\.\w+ | logging\.config\..* | platform\.(popen|_syscmd.*)
  | torch\.(load|save|hub\..*|serialization\.\w+|jit\.(load|_load.*|frontend\..*|unsupported.*|CompilationUnit)
        |package\..*|_dynamo\..*|_inductor\..*|utils\.(cpp_extension|model_zoo|collect_env|bottleneck|_config_module)\..*
        |fx\.(graph_module|_lazy_graph_module)\.(_?reduce\w*|_deserialize\w*)|distributed\.(rpc|run|launch\w*|elastic)\..*
        |multiprocessing\..*|testing\..*|compile|onnx\..*|_ops\..*|classes\..*|ops\..*)
  | numpy\.(load|loads|save|fromfile|memmap|genfromtxt|loadtxt|testing\..*|f2py\..*|distutils\..*|ctypeslib\..*
        |lib\.npyio\..*|lib\._npyio_impl\..*)
  | pandas\.(read_\w+|eval|io\..*|core\.computation\..*) | joblib\.(load|externals\..*|numpy_pickle\..*)
  | sympy\.(sympify|parsing\..*|core\.sympify\..*|lambdify|utilities\..*) | numexpr\.evaluate
  | IPython\..* | tensorflow\..*\.(load\w*|py_func\w*) | yaml\.(load|unsafe_load|full_load)
  | transformers\.(pipeline|\w*\.from_pretrained)
"""

#: Modules that a module has as attributes because it imports them: whoever goes through one goes elsewhere.
_LEADING = frozenset("builtins ctypes importlib nt os pickle posix pty runpy shutil subprocess sys".split())
_LEADING_FROM_KNOWN = _LEADING | frozenset(
    "atexit functools gc glob http inspect io linecache logging multiprocessing operator platform socket tarfile "
    "tempfile threading traceback urllib warnings zipfile".split()
)

#: What a checkpoint has use for.
_HARMLESS = r"""
    (collections|_collections)\.(OrderedDict|defaultdict|Counter|deque|ChainMap|UserDict|UserList)
  | builtins\.(set|frozenset|dict|list|tuple|bytearray|bytes|str|unicode|int|long|float|bool|complex|range|xrange|slice
        |object|NoneType|ellipsis|memoryview|\w*(Error|Exception|Warning))
  | copyreg\.(_reconstructor|__newobj__|__newobj_ex__) | (_codecs|codecs)\.encode
  | (datetime|_pydatetime)\.(datetime|date|time|timedelta|timezone) | (decimal|_pydecimal|_decimal)\.Decimal
  | fractions\.Fraction | uuid\.(UUID|SafeUUID) | (pathlib|pathlib\._local)\.(Pure)?(Posix|Windows)?Path
  | argparse\.Namespace
  | types\.(SimpleNamespace|MappingProxyType|NoneType) | (functools|_functools)\.partial
  | enum\.(Enum|(Int|Str)Enum|(Int)?Flag|Enum(Meta|Type))
  | (random|_random)\.Random | array\.(array|_array_reconstructor) | (re|re\._compiler|_sre|re)\.(_compile|compile)
  | logging\.(getLogger|Logger|Formatter|PlaceHolder|RootLogger|NullHandler|Manager) | (operator|_operator)\.itemgetter
  | string\.Template | ipaddress\.\w+ | zoneinfo\.ZoneInfo | time\.struct_time
  | inspect\.(_empty|_ParameterKind|Parameter|Signature) | weakref\.WeakKeyDictionary
  | torch\._utils\._rebuild\w* | torch\._tensor\.\w+ | torch\.storage\._load_from_bytes | torch\.jit\._pickle\.\w+
  | torch\._C\._nn\.\w+ | torch\.Size | torch\.(device|Generator|dtype) | torch\.serialization\._get_layout
  | torch\.(_tensor|nn\.parameter|nested\._internal\.\w+|_prims_common|_subclasses\.\w+)\.\w+ | torch\.\w*Storage
  | torch\.distributed\.(_shard|_tensor|tensor|checkpoint|device_mesh|_composable|fsdp)\b.*
  | torch\.(cuda|sparse|cuda\.sparse|ao|nn|optim|amp|fx|utils|distributions|quantization|_functorch|autograd)
        \.([\w.]+\.)?_?[A-Z]\w*
  | torch\.(ao|nn|quantization)\.[\w.]*\w+ | torch\.[A-Z]\w* | torchao\..* | torchvision\..* | torchaudio\..*
  | numpy(\._?core)?\.(multiarray|_multiarray_umath|numeric|numerictypes)\.(_reconstruct|scalar|_frombuffer|\w*_)
  | numpy\.(ndarray|dtype|dtypes\.\w+|matrix|matrixlib\.\w+\.matrix|recarray|bool_?|[a-z]+[0-9]+_?|str_|bytes_|void
        |longlong|generic|number|ma\.core\.\w+)
  | numpy(\.core|\._core)?\.\w+\._ufunc_reconstruct | numpy\.random\.\w+\.\w+ | scipy\.sparse\.\S+
"""

#: Without ``test``, as many a script is called.
_JUDGED = (sys.stdlib_module_names | set(_OLD) | {"torch", "numpy"}) - {"test"}

#: What ``torch.load(weights_only=True)`` of torch 2.13 takes without being asked.
_WEIGHTS_ONLY = r"""
    collections\.(Counter|OrderedDict) | builtins\.(bytearray|complex|set) | _codecs\.encode
  | torch\.(cuda\.|sparse\.|cuda\.sparse\.)?(BFloat16|Bool|Byte|Char|ComplexDouble|ComplexFloat|Double|Float|Half|Int
        |Long|Short|QInt32|QInt8|QUInt2x4|QUInt4x2|QUInt8)(Storage|Tensor)
  | torch\.(Size|Tensor|device|nn\.parameter\.Parameter|serialization\._get_layout|storage\.(Typed|Untyped)Storage)
  | torch\._utils\._rebuild_(device_tensor_from_cpu_tensor|device_tensor_from_numpy|meta_tensor_no_storage|nested_tensor
        |parameter|parameter_with_state|qtensor|sparse_tensor|tensor|tensor_v2|tensor_v3|wrapper_subclass)
  | torch\._tensor\._rebuild_from_type_v2 | torch\.per_(channel|tensor)_\w+
  | torch\.(bfloat16|bool|bits\w+|complex\d+|float\w+|q?u?int\w+)
"""


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """When it is first asked for: compiling takes longer than reading a file."""
    return re.compile(pattern, re.VERBOSE)


def _fits(pattern: str, name: str) -> bool:
    return _compiled(pattern).fullmatch(name) is not None


def modern(name: str) -> str:
    """A full dotted name as Python 3 has it."""
    module, _, rest = name.partition(".")
    return f"{_OLD[module]}.{rest}" if module in _OLD else name


def danger(name: str) -> Danger | None:
    """What calling ``name``, a full dotted name, may do; None for what is harmless or unknown."""
    name = modern(name)
    if weights_only_takes(name):
        return None
    module, *attributes = name.split(".")
    if module == "__torch__":
        return None  # a class of TorchScript, which no import finds
    if _fits(_RUNNING, name) or module in _RUNNING_MODULES or name.rpartition(".")[0] in _RUNNING_MODULES:
        return "runs"
    # From protocol 4 on a name may lead through attributes: torch.serialization "os.system".
    leading = _LEADING_FROM_KNOWN if module in _JUDGED else _LEADING
    if not leading.isdisjoint(attributes[:-1]) or any(map(_is_special, attributes[:-1])):
        return "runs"
    if module in _JUDGED and not _fits(_HARMLESS, name):
        return "suspicious"
    return None


def _is_special(attribute: str) -> bool:
    """``__globals__``, ``__builtins__``, ``__subclasses__``."""
    return attribute.startswith("__") and attribute.endswith("__")


def weights_only_takes(name: str) -> bool:
    """Whether ``torch.load(weights_only=True)`` calls ``name`` without ``add_safe_globals``."""
    return _fits(_WEIGHTS_ONLY, modern(name))
