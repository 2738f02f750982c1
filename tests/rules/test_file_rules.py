"""Rules over checkpoint files: what each says of the facts that it asks for."""

from __future__ import annotations

import pytest

from modelint import catalogue
from modelint.checkpoint import facts
from modelint.checkpoint.contents import Contents
from modelint.checkpoint.globals import danger, weights_only_takes
from modelint.checkpoint.judge import findings
from modelint.rule import FileRule

KEYS = tuple(f"layers.{n}.weight" for n in range(12))

SAID = [
    (facts.Called("os.system"), "MDL801", "a load calls os.system, which can run anything"),
    (facts.Named("os.system"), "MDL801", "it names os.system, which can run anything"),
    (facts.Called("zlib.decompress"), "MDL802", "a load calls zlib.decompress, for which a checkpoint has no use"),
    (facts.WholeModule("net.Net"), "MDL803", "it holds a whole net.Net, not a state dict"),
    (facts.NoTensors("a (int 1)"), "MDL804", "no tensor in it has a name: it holds a (int 1)"),
    (facts.WrongExtension(".safetensors", "torch zip"), "MDL805", "it is called .safetensors, and is torch zip"),
    (facts.TrailingBytes(4512), "MDL806", "4,512 bytes stand behind its end"),
    (facts.TrailingBytes(1), "MDL806", "1 byte stands behind its end"),
    (facts.Truncated(10**6, 97_800_000, KEYS), "MDL807", "it ends after 1 MB of 97.8 MB: 12 tensors are"),
    (facts.Truncated(5, 9), "MDL807", "it ends after 5 bytes of 9 bytes; get it anew"),
    (facts.MissingRecord("data/3", KEYS[:1]), "MDL808", "data/3 is not in the archive: layers.0.weight"),
    (facts.ShortRecord("data/0", 100, 16384, KEYS[:2]), "MDL809", "data/0 has 100 bytes, and 16,384 are"),
    (facts.ViewOutsideStorage(KEYS[:1], 8192, 4096), "MDL810", "layers.0.weight reaches to byte 8,192"),
    (facts.BadTensor("a", "its dtype is none", 1), "MDL811", "a: its dtype is none, and 1 other like it; do not load"),
    (facts.BadShape("a", (2, -3), "no tensor has such a size", 4), "MDL811", "a has the shape [2, -3]: no tensor has"),
    (facts.BadTensor("a", "its storage has no name"), "MDL811", "a: its storage has no name; do not load it"),
    (facts.MissingShards(("b", "c"), KEYS), "MDL812", "2 files are not there (b, c): 12 keys without"),
    (facts.MissingShards(("b",), ()), "MDL812", "1 file is not there (b): the weights cannot be"),
    (facts.WrongShard((("a", "x", "y"), ("b", "x", "y"))), "MDL813", "a stands in x, and the index says y (1 more"),
    (facts.WrongShard((("a", "x", None),)), "MDL813", "a stands in x, and the index does not name it"),
    (facts.UnnamedShard(("z",)), "MDL813", "the index does not name z beside it"),
    (facts.IndexedKeyAbsent((("a", "x"),)), "MDL814", "the index names 1 key that no file has (a, in x)"),
]  # fmt: skip


def said(*found: object) -> list[tuple[str, str]]:
    return [(finding.code, finding.message) for finding in findings(Contents("x", "y", (), facts=found))]


def test_the_codes() -> None:
    rules = [rule for rule in catalogue.rules("checkpoint") if isinstance(rule, FileRule)]
    assert [rule.code for rule in rules] == [f"MDL{number}" for number in range(801, 815)]
    asked = {fact for rule in rules for fact in rule.facts}
    assert asked == {type(fact) for fact, _, _ in SAID}
    assert asked == {
        fact for fact in vars(facts).values() if isinstance(fact, type) and fact.__module__ == facts.__name__
    } - {facts.InShard}


@pytest.mark.parametrize(("fact", "code", "words"), SAID, ids=lambda each: each if isinstance(each, str) else "")
def test_what_is_said(fact: object, code: str, words: str) -> None:
    ((told, message),) = said(fact)
    assert told == code and message.startswith(words)
    assert said(facts.InShard("part", fact)) == [(code, f"part: {message}")]


def test_findings_are_short_sorted_and_said_once() -> None:
    many = tuple(f"{n}{'x' * 5000}.{n}" for n in range(50_000))
    found = said(facts.Truncated(1, 2, many), facts.Called("os.system"), facts.Called("os.system"))
    assert [code for code, _ in found] == ["MDL801", "MDL807"]
    assert all(len(message) < 600 for _, message in found)


@pytest.mark.parametrize(
    "name",
    """
    os.system posix.system nt.system subprocess.Popen builtins.eval builtins.exec builtins.getattr
    builtins.__import__ runpy.run_path __builtin__.eval pickle.loads _pickle.loads importlib.import_module
    ctypes.CDLL torch.hub.load torch.load torch.serialization.load torch.serialization.os.system
    torch.nn.parallel.distributed.io.open
    torch.utils.cpp_extension.load numpy.load numpy.testing._private.utils.runstring types.CodeType
    torch.fx.graph_module.reduce_graph_module functools.reduce operator.methodcaller
    cloudpickle.cloudpickle._make_function shutil.rmtree pkg.mod.f.__globals__.get webbrowser.open pip.main
    socket.socket multiprocessing.util.spawnv_passfds
    """.split(),
)
def test_what_can_run_anything(name: str) -> None:
    assert danger(name) == "runs" and not weights_only_takes(name)


@pytest.mark.parametrize(
    "name", ["zlib.decompress", "base64.b64decode", "torch.set_num_threads", "numpy.frombuffer", "copy.copy"]
)
def test_what_is_suspicious(name: str) -> None:
    assert danger(name) == "suspicious"


@pytest.mark.parametrize(
    "name",
    """
    collections.OrderedDict torch._utils._rebuild_tensor_v2 torch._utils._rebuild_parameter torch.FloatStorage
    torch.Size torch.device torch.nn.modules.linear.Linear torch.optim.adam.Adam torch.storage._load_from_bytes
    argparse.Namespace pathlib.PosixPath pathlib._local.PosixPath numpy.core.multiarray.scalar
    numpy._core.multiarray._reconstruct numpy.dtype numpy.ndarray datetime.datetime collections.defaultdict
    functools.partial types.SimpleNamespace my.project.Model __main__.Config omegaconf.dictconfig.DictConfig
    transformers.training_args.TrainingArguments copyreg._reconstructor _codecs.encode random.Random uuid.UUID
    decimal.Decimal test.Net torch.distributed.tensor.DTensor torch._tensor._rebuild_from_type_v2
    torch.jit._pickle.build_intlist enum.IntEnum builtins.complex
    """.split(),
)
def test_what_a_checkpoint_needs(name: str) -> None:
    assert danger(name) is None
