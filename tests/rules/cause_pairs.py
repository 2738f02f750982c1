"""Files and models that do not fit, as they come about: what each cause is for, what lies near it, and what is nothing.

``cause_tables.json`` holds key tables (names and shapes, folded) of models of public libraries, of which each says its
version. What torch itself can make is made here, by the real wrappers.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.nn.utils import parametrizations, weight_norm
from torch.optim.swa_utils import AveragedModel

from modelint.keys.situation import NOTHING, Around
from modelint.keys.table import KeyTable, TensorSpec

TABLES = Path(__file__).parent / "cause_tables.json"
State = Mapping[str, torch.Tensor]
Renamed = Callable[[str], str]


class Pair(NamedTuple):
    name: str
    #: The codes of its causes, in their order.
    codes: str
    file: KeyTable
    model: KeyTable
    #: What the code has to be told.
    asked: Mapping[str, Any] = {}
    #: Whether the code makes it load strictly.
    loads: bool = True
    #: New key -> the key of the file whose tensor must be there; None: not looked at.
    truth: Mapping[str, str] | None = None
    #: The real ones, where torch made them.
    state: State | None = None
    module: nn.Module | None = None
    #: What is on record, or proved.
    around: Around = NOTHING


# Tables


@cache
def _tables() -> dict[str, Any]:
    return json.loads(TABLES.read_text(encoding="utf-8"))


def expanded(text: str) -> list[str]:
    """What a folded key stands for."""
    parts = re.split(r"\{([^}]*)\}", text)
    choices = [[part] if at % 2 == 0 else [*_choices(part)] for at, part in enumerate(parts)]
    return ["".join(each) for each in itertools.product(*choices)]


def _choices(text: str) -> Iterator[str]:
    found = re.fullmatch(r"(\d+)\.\.(\d+)\.\.(\d+)", text)
    if found:
        yield from map(str, range(int(found[1]), int(found[2]) + 1, int(found[3])))
        return
    for part in text.split(","):
        ends = re.fullmatch(r"(\d+)\.\.(\d+)", part)
        yield from map(str, range(int(ends[1]), int(ends[2]) + 1)) if ends else (part,)


@cache
def table(name: str) -> KeyTable:
    """Of a model of a public library."""
    data = _tables()[name]
    specs = {}
    for line, (shape, *kind) in data["keys"].items():
        for key in expanded(line):
            specs[key] = TensorSpec("float32", tuple(shape), "buffer" if kind else "parameter")
    return KeyTable(specs, tuple(tuple(group) for group in data.get("ties", ())))


def renamed(old: KeyTable, rename: Renamed) -> KeyTable:
    ties = tuple(tuple(map(rename, group)) for group in old.ties)
    return KeyTable({rename(key): spec for key, spec in old.specs.items()}, ties)


def below(prefix: str, old: KeyTable) -> KeyTable:
    return renamed(old, lambda key: prefix + key)


def joined(*tables: KeyTable) -> KeyTable:
    specs = {key: spec for each in tables for key, spec in each.specs.items()}
    return KeyTable(specs, tuple(group for each in tables for group in each.ties))


def but(old: KeyTable, *keys: str) -> KeyTable:
    """Without the keys, and without what they are tied to."""
    ties = tuple(group for group in old.ties if not set(group) & set(keys))
    return KeyTable({key: spec for key, spec in old.specs.items() if key not in keys}, ties)


def shaped(old: KeyTable, shape: Callable[[str, tuple[int, ...]], tuple[int, ...]]) -> KeyTable:
    specs = {key: spec._replace(shape=shape(key, spec.shape or ())) for key, spec in old.specs.items()}
    return old._replace(specs=specs)


def plus(old: KeyTable, **shapes: tuple[int, ...]) -> KeyTable:
    """With further keys; ``__`` stands for a dot."""
    more = {key.replace("__", "."): TensorSpec("float32", shape, "parameter") for key, shape in shapes.items()}
    return old._replace(specs={**old.specs, **more})


def truth(model: KeyTable, rename: Renamed) -> dict[str, str]:
    return {key: rename(key) for key in model.specs}


# Modules


class Net(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3))
        self.neck = nn.Linear(12, 16)
        self.classifier = nn.Linear(16, classes)


class Language(nn.Module):
    """Embeddings and head are one tensor."""

    def __init__(self, words: int = 50, tied: bool = True) -> None:
        super().__init__()
        self.wte = nn.Embedding(words, 8)
        self.layers = nn.ModuleList(nn.TransformerEncoderLayer(8, 2, 16) for _ in range(2))
        self.lm_head = nn.Linear(8, words, bias=False)
        if tied:
            self.lm_head.weight = self.wte.weight


class Vocoder(nn.Module):
    def __init__(self, norm: Callable[[nn.Module], nn.Module] = lambda module: module) -> None:
        super().__init__()
        self.pre = norm(nn.Conv1d(4, 8, 3))
        self.ups = nn.ModuleList(norm(nn.ConvTranspose1d(8 // 2**at, 4 // 2**at, 4)) for at in range(2))
        self.post = norm(nn.Conv1d(2, 1, 3))


class OwnAttention(nn.Module):
    """What nn.MultiheadAttention keeps in one tensor, in three."""

    def __init__(self) -> None:
        super().__init__()
        for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
            setattr(self, name, nn.Linear(8, 8))


class Attending(nn.Module):
    def __init__(self, attention: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(nn.ModuleDict({"attn": attention(), "fc": nn.Linear(8, 8)}) for _ in range(3))


def table_of(state: State, module: nn.Module | None = None) -> KeyTable:
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)} if module is not None else set()
    groups: dict[int, list[str]] = {}
    if module is not None:
        for key, tensor in module.state_dict(keep_vars=True).items():
            groups.setdefault(id(tensor), []).append(key)
    ties = tuple(tuple(group) for group in groups.values() if len(group) > 1)
    kinds = {key: "parameter" if key in parameters else "buffer" if module is not None else "unknown" for key in state}
    specs = {
        key: TensorSpec(str(tensor.dtype).removeprefix("torch."), tuple(tensor.shape), kinds[key])  # type: ignore[arg-type]
        for key, tensor in state.items()
    }
    return KeyTable(specs, ties)


def live(name: str, codes: str, state: State, module: nn.Module, source: nn.Module | None = None, **more: Any) -> Pair:
    """``source``: the module inside, whose tensors ``state`` holds."""
    places = {tensor.data_ptr(): key for key, tensor in state.items() if tensor.numel()}
    inner = source.state_dict() if source is not None else {}
    target = module.state_dict()
    known = {
        key: places[tensor.data_ptr()]
        for key, tensor in inner.items()
        if tensor.data_ptr() in places and key in target and target[key].shape == tensor.shape
    }
    more.setdefault("truth", known or None)
    return Pair(name, codes, table_of(state), table_of(target, module), state=dict(state), module=module, **more)


def _normed(module: nn.Module) -> nn.Module:
    return weight_norm(module)


def made_by_torch() -> Iterator[Pair]:
    net = Net()
    yield live("data parallel", "831", nn.DataParallel(net).state_dict(), Net(), net)
    yield live("data parallel, other classes", "831 838", nn.DataParallel(net).state_dict(), Net(7), net)
    yield live("data parallel twice", "831 831", nn.DataParallel(nn.DataParallel(net)).state_dict(), Net(), net)
    yield live("compiled", "832", torch.compile(net).state_dict(), Net(), net)
    yield live("compiled data parallel", "832 831", torch.compile(nn.DataParallel(net)).state_dict(), Net(), net)
    yield live("data parallel of compiled", "831 832", nn.DataParallel(torch.compile(net)).state_dict(), Net(), net)
    yield live("other classes", "838", net.state_dict(), Net(7), net)
    yield live("averaged", "858", AveragedModel(net).state_dict(), Net())
    yield live("averaged, other classes", "858 838", AveragedModel(net).state_dict(), Net(7))
    yield live("compiled first", "834", net.state_dict(), torch.compile(Net()))
    yield live("wrapped first", "834", net.state_dict(), nn.DataParallel(Net()))
    part = Net()
    part.features = nn.DataParallel(part.features)
    yield live("data parallel of a part", "833", part.state_dict(), Net())
    yield live("a part was wrapped first", "834", net.state_dict(), part)
    part = Net()
    part.features = torch.compile(part.features)
    yield live("compiled part", "832", part.state_dict(), Net())
    part = Net()
    part.features = checkpoint_wrapper(part.features)
    state = {key.replace("features.", "features._checkpoint_wrapped_module."): t for key, t in net.state_dict().items()}
    yield live("activation checkpointing", "850", state, Net(), net)
    yield live(
        "backbone and head in a Sequential",
        "831 841",
        nn.DataParallel(nn.Sequential(net, nn.Linear(10, 2))).state_dict(),
        Net(),
        net,
    )
    yield live("sliced", "840", {key[7:]: tensor for key, tensor in net.state_dict().items()}, Net(), net)
    old = {key: tensor for key, tensor in net.state_dict().items() if not key.endswith("num_batches_tracked")}
    yield live("before 0.4.1", "837", old, Net(), net)
    yield live("before 0.4.1, data parallel", "831 837", {f"module.{key}": t for key, t in old.items()}, Net(), net)
    plain, hooked, new = Vocoder(), Vocoder(_normed), Vocoder(parametrizations.weight_norm)
    yield live("weight norm, old to new", "852", hooked.state_dict(), Vocoder(parametrizations.weight_norm), hooked)
    yield live("weight norm, new to old", "852", new.state_dict(), Vocoder(_normed))
    yield live("weight norm, old to none", "852", hooked.state_dict(), Vocoder())
    yield live("weight norm, new to none", "852", new.state_dict(), Vocoder())
    yield live("weight norm, none to old", "852", plain.state_dict(), Vocoder(_normed))
    yield live("weight norm, none to new", "852", plain.state_dict(), Vocoder(parametrizations.weight_norm))
    yield live("weight norm, data parallel", "831 852", nn.DataParallel(hooked).state_dict(), Vocoder())
    whole, split = Attending(lambda: nn.MultiheadAttention(8, 2)), Attending(OwnAttention)
    yield live("attention of torch, split", "855", whole.state_dict(), Attending(OwnAttention))
    yield live("attention of torch, joined", "855", split.state_dict(), Attending(lambda: nn.MultiheadAttention(8, 2)))
    language = Language()
    state = {key: tensor for key, tensor in language.state_dict().items() if key != "lm_head.weight"}
    yield live("tied head left out", "844", state, Language(), language)
    yield live(
        "tied head left out, compiled", "832 844", {f"_orig_mod.{k}": t for k, t in state.items()}, Language(), language
    )
    tied = live("tied head in the file alone", "844", language.state_dict(), Language())
    headless = Language(tied=False)
    del headless.lm_head
    yield tied._replace(
        file=table_of(language.state_dict(), language), model=table_of(headless.state_dict(), headless), module=headless
    )
    yield live("fewer words", "847", Language(52).state_dict(), Language(50))
    yield live("more words", "847", Language(50).state_dict(), Language(52))


# Pairs of tables


def made_of_tables() -> Iterator[Pair]:
    yield from _nested()
    yield from _copies()
    yield from _shapes()
    yield from _names()
    yield from _adapters()
    yield from _unfit()


def _nested() -> Iterator[Pair]:
    small, lit = table("timm_resnet18_37"), table("lightning_resnet18_37")
    model = truth(small, lambda key: f"model.{key}")
    yield Pair("lightning", "841", lit, small, truth=model)
    yield Pair("lightning, compiled", "832 841", below("model._orig_mod.", small), small)
    yield Pair("lightning, other classes", "841 838", lit, table("timm_resnet18"))
    yield Pair(
        "flattened training dict",
        "836",
        joined(below("state_dict.", small), plus(KeyTable({}), optimizer__lr=())),
        small,
    )
    inner = below("model.module.net.", small)
    yield Pair("nested thrice", "841", inner, small, truth=truth(small, lambda key: f"model.module.net.{key}"))
    deep = joined(below("module.backbone.", table("timm_resnet18")), plus(KeyTable({}), module__neck__weight=(8, 512)))
    yield Pair("data parallel, nested, other classes", "831 841 838", deep, small)
    bert, classifier = table("hf_bert_tiny"), table("hf_bert_tiny_cls")
    yield Pair("a part of the model", "842", bert, classifier)
    yield Pair("a part of the file", "841", classifier, bert, truth=truth(bert, lambda key: f"bert.{key}"))
    yield Pair("a backbone for segmentation", "842", table("tv_resnet50"), table("tv_fcn_resnet50"))
    towers = joined(below("query.", bert), below("passage.", bert))
    yield Pair("one encoder for two towers", "842", bert, towers, loads=False)
    alexnet = table("tv_alexnet")
    old = renamed(alexnet, lambda key: key.replace("features.", "features.module."))
    yield Pair("data parallel features", "833", old, alexnet)


def _copies() -> Iterator[Pair]:
    vit, resnet = table("timm_vit_tiny_patch16_224"), table("timm_resnet18")
    heads = plus(KeyTable({}), head__mlp__0__weight=(64, 192), head__last_layer__weight=(64, 64))
    dino = joined(
        below("student.module.backbone.", vit),
        below("student.module.", heads),
        below("teacher.backbone.", vit),
        below("teacher.", heads),
    )
    for copy, prefix in (
        ("student.module.backbone", "student.module.backbone."),
        ("teacher.backbone", "teacher.backbone."),
    ):
        yield Pair(
            f"student and teacher: {copy}",
            "843",
            dino,
            vit,
            {"copy": copy},
            truth=truth(vit, lambda key, p=prefix: p + key),
        )
    moco = joined(below("module.encoder_q.", resnet), below("module.encoder_k.", resnet))
    moco = plus(moco, module__queue=(128, 64), module__queue_ptr=(1,))
    yield Pair("query and key encoder", "831 843", moco, resnet, {"copy": "encoder_q"})
    averaged = renamed(resnet, lambda key: "ema_" + key.replace(".", "_"))
    yield Pair("plain beside underscored average", "843", joined(resnet, averaged), resnet, {"copy": "plain"})
    yield Pair(
        "underscored average beside plain",
        "843",
        joined(resnet, averaged),
        resnet,
        {"copy": "ema"},
        truth=truth(resnet, lambda key: "ema_" + key.replace(".", "_")),
    )
    yield Pair("underscored average alone", "858", averaged, resnet)
    kept = joined(below("model.", vit), below("model_ema.module.", vit))
    yield Pair("model and its average", "843", kept, vit, {"copy": "model_ema.module"})


def _shapes() -> Iterator[Pair]:
    yield Pair("another image size", "848", table("timm_vit_tiny_patch16_224"), table("timm_vit_tiny_384"))
    yield Pair("another window", "848", table("timm_swin_tiny_patch4_window7_224"), table("timm_swin_tiny_w8"))
    llama, grown = table("hf_llama_tiny"), table("hf_llama_tiny_1002")
    yield Pair("tokens added", "847", grown, llama)
    yield Pair("tokens to add, nested", "831 841 847", below("module.llm.", llama), grown)
    gpt = table("hf_gpt2_tiny")
    linear = re.compile(r"(c_attn|c_proj|c_fc)\.weight$")
    turned = shaped(gpt, lambda key, shape: shape[::-1] if linear.search(key) else shape)
    yield Pair("Conv1D to Linear", "856", gpt, turned)
    yield Pair("Linear to Conv1D, compiled", "832 856", below("_orig_mod.", turned), gpt)
    bert = table("hf_bert_tiny")
    dense = re.compile(r"dense\.weight$")
    other = shaped(bert, lambda key, shape: shape[::-1] if dense.search(key) else shape)
    yield Pair("square ones of other names", "856", other, bert, {"square": "as they are"})
    classes = shaped(table("tv_resnet18"), lambda key, shape: (21, *shape[1:]) if key.startswith("fc.") else shape)
    yield Pair("another number of classes", "838", table("tv_resnet18"), classes)


def _names() -> Iterator[Pair]:
    resnet, bert, gpt = table("timm_resnet18"), table("hf_bert_tiny"), table("hf_gpt2_tiny")

    def stage(key: str) -> str:
        return key.replace("layer", "stage")

    yield Pair("renamed", "835", resnet, renamed(resnet, stage), truth={stage(key): key for key in resnet.specs})
    head = renamed(table("timm_resnet18_37"), lambda key: stage(key))
    yield Pair("renamed, data parallel, other classes", "831 835 838", below("module.", resnet), head)
    yield Pair("one word", "835", resnet, renamed(resnet, lambda key: key.replace("fc.", "head.")))

    def gamma(key: str) -> str:
        return key.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")

    yield Pair("gamma and beta", "853", renamed(bert, gamma), bert, truth=truth(bert, gamma))
    yield Pair("gamma and beta, nested", "841 853", below("bert.", renamed(bert, gamma)), bert)
    yield Pair("gamma and beta in the model", "853", bert, renamed(bert, gamma))
    kernel = re.compile(r"(?<!embeddings)\.weight$")

    def tensorflow(key: str) -> str:
        key = gamma(key).replace("layer.", "layer_")
        key = re.sub(r"_embeddings\.weight$", "_embeddings", key)
        return "bert/" + kernel.sub(".kernel", key).replace(".", "/")

    flipped = shaped(
        bert,
        lambda key, shape: (
            shape[::-1] if key.endswith("weight") and len(shape) == 2 and "_embeddings" not in key else shape
        ),
    )
    yield Pair("TensorFlow", "854 841 854 853 835", renamed(flipped, tensorflow), bert, truth=truth(bert, tensorflow))
    positions = plus(bert, embeddings__position_ids=(1, 64))
    yield Pair("an older library", "839", positions, bert)
    yield Pair("an older library, nested", "841 839", below("encoder.", positions), bert)
    masks = plus(gpt, **{f"transformer__h__{n}__attn__bias": (1, 1, 64, 64) for n in range(2)})
    yield Pair("masks of GPT-2", "839", masks, gpt)
    fsdp = renamed(
        bert, lambda key: "_fsdp_wrapped_module." + re.sub(r"(layer\.\d+)\.", r"\1._fsdp_wrapped_module.", key)
    )
    yield Pair("sharded, full names", "850", fsdp, bert)
    llama = table("hf_llama_tiny_tied")
    yield Pair("tied head of a library", "844", but(llama, "lm_head.weight"), llama)
    sliced = {key[7:]: spec for key, spec in resnet.specs.items()}
    saved = renamed(table("hf_bert_tiny_mlm"), gamma)
    yield Pair(
        "another head, gamma and beta, data parallel",
        "831 853 844 830",
        below("module.", saved),
        table("hf_bert_tiny_cls"),
        loads=False,
    )
    linear = re.compile(r"(c_attn|c_proj|c_fc)\.weight$")
    turned = shaped(gpt, lambda key, shape: shape[::-1] if linear.search(key) else shape)
    yield Pair("GPT-2 of a library for one's own", "856 844 839", but(masks, "lm_head.weight"), turned)
    yield Pair("sliced, keys lost", "840", KeyTable(sliced), resnet, loads=False)


def _adapters() -> Iterator[Pair]:
    llama, peft = table("hf_llama_tiny"), table("peft_llama_tiny")
    yield Pair("adapters not merged", "845", peft, llama, {"scaling": 2.0})
    yield Pair("adapters around the model", "845", llama, peft)
    yield Pair(
        "head trained beside adapters", "845", table("peft_bert_tiny_cls"), table("hf_bert_tiny_cls"), {"scaling": 2.0}
    )
    yield Pair("another adapter name", "846", table("peft_llama_tiny_style"), peft)
    adapter = table("peft_llama_tiny_adapter")
    yield Pair("adapters alone", "846", adapter, llama, loads=False)
    yield Pair("adapters alone, for an adapted model", "846", adapter, peft, loads=False)


def _unfit() -> Iterator[Pair]:
    bert, llama = table("hf_bert_tiny"), table("hf_llama_tiny")
    yield Pair("more layers", "830", bert, table("hf_bert_tiny_deep"), loads=False)
    yield Pair("fewer layers", "830", table("hf_bert_tiny_deep"), bert, loads=False)
    yield Pair("wider", "830", bert, table("hf_bert_tiny_wide"), loads=False)
    yield Pair("wider, data parallel", "831 830", below("module.", bert), table("hf_bert_tiny_wide"), loads=False)
    yield Pair("deeper, data parallel", "831 830", below("module.", bert), table("hf_bert_tiny_deep"), loads=False)
    neck = plus(bert, neck__0__weight=(48, 48), neck__0__bias=(48,), neck__2__weight=(48, 48))
    yield Pair("a part more in the file", "830", neck, bert, loads=False)
    yield Pair("a part more in the model", "830", bert, neck, loads=False)
    yield Pair("fused projections", "855", llama, table("hf_phi3_tiny"), loads=False)
    yield Pair("split projections", "855", table("hf_phi3_tiny"), llama, loads=False)
    empty = shaped(bert, lambda key, shape: (0,))
    yield Pair("ZeRO-3", "849", empty, bert, loads=False)
    yield Pair("under ZeRO-3", "849", bert, empty, loads=False)
    flat = plus(KeyTable({}), _flat_param=(9000,), encoder__layer__0___flat_param=(3000,))
    yield Pair("flat parameters", "851", flat, bert, loads=False)
    packed = re.compile(r"proj\.weight$")
    specs = dict(llama.specs)
    for key, spec in llama.specs.items():
        if packed.search(key):
            specs[key] = TensorSpec("uint8", (len(key), 1))
            specs |= {f"{key}.{leaf}": TensorSpec("float32", (8,)) for leaf in ("absmax", "quant_map")}
            specs[f"{key}.quant_state.bitsandbytes__nf4"] = spec._replace(shape=(80,))
    yield Pair("quantised", "857", KeyTable(specs), llama, loads=False)
    names = ("qweight", "qzeros", "scales", "g_idx")
    gptq = {key: spec for key, spec in llama.specs.items() if not packed.search(key)}
    for key in filter(packed.search, llama.specs):
        gptq |= {key.removesuffix("weight") + name: TensorSpec("int32", (8, 8)) for name in names}
    yield Pair("quantised by GPTQ", "857", KeyTable(gptq), llama, loads=False)


def blocks(resnet: KeyTable) -> list[str]:
    return [key.removesuffix(".conv1.weight") for key in resnet.specs if key.endswith(".conv1.weight")]


def unrelated() -> Iterator[Pair]:
    """Models that have nothing to do with each other, or are merely alike: nothing may be renamed."""
    names = """
        tv_resnet18 tv_resnet34
        tv_resnet34 tv_resnet50
        tv_resnet50 tv_wide_resnet50_2
        tv_resnet18 tv_vit_b_16
        tv_vgg16 tv_vgg16_bn
        tv_vgg16_bn tv_vgg16
        tv_alexnet tv_vgg16
        tv_squeezenet1_0 tv_squeezenet1_1
        tv_densenet121 tv_resnet50
        tv_mobilenet_v2 timm_efficientnet_b0
        tv_shufflenet_v2_x0_5 tv_mobilenet_v2
        tv_vit_b_16 timm_beit_base_patch16_224
        timm_mixer_s32_224 timm_vit_tiny_patch16_224
        tv_swin_t timm_convnext_tiny
        timm_vit_tiny_patch16_224 timm_eva02_tiny_patch14_224
        hf_bert hf_vit
        hf_vit hf_bert
        hf_bert hf_distilbert
        hf_bert hf_bert_large
        hf_bert hf_opt
        hf_opt hf_bert
        hf_distilbert hf_opt
        hf_opt hf_wav2vec2
        hf_wav2vec2 hf_opt
        hf_vit hf_clip_vision
        hf_clip_vision hf_vit
        hf_gpt2 hf_bert
        hf_t5 hf_bart
        hf_bart hf_t5
        hf_albert hf_electra
        hf_qwen2 hf_mixtral
        tv_resnet50 diffusers_vae
        hf_bert tv_resnet50
        hf_clip_tiny hf_bert_tiny
        tv_resnet18 tv_fcn_resnet50
        tv_resnet34 tv_fcn_resnet50
    """
    for each in names.strip().splitlines():
        one, other = each.split()
        yield Pair(f"{one} and {other}", "none", table(one), table(other), loads=False)
    wide = renamed(table("tv_wide_resnet50_2"), lambda key: key.replace(".bn3.", ".norm3."))
    gates = {f"{path}.gate.{leaf}": (16,) for path in blocks(wide) for leaf in ("weight", "bias")}
    wide = wide._replace(specs=wide.specs | {key: TensorSpec("float32", shape) for key, shape in gates.items()})
    yield Pair("another width, and blocks of another kind", "none", table("tv_resnet50"), wide, loads=False)


def pairs() -> Iterable[Pair]:
    yield from made_by_torch()
    yield from made_of_tables()
