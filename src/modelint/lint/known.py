"""What is known of torch and its neighbours by name: data only."""

from __future__ import annotations

import re

#: torch.nn classes without a single parameter or buffer that a state dict would hold.
PARAMETER_FREE = frozenset(
    """
    AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d AdaptiveMaxPool3d
    AlphaDropout AvgPool1d AvgPool2d AvgPool3d BCELoss BCEWithLogitsLoss CELU CTCLoss ChannelShuffle CircularPad1d
    CircularPad2d CircularPad3d ConstantPad1d ConstantPad2d ConstantPad3d CosineEmbeddingLoss CosineSimilarity
    CrossEntropyLoss Dropout Dropout1d Dropout2d Dropout3d ELU FeatureAlphaDropout Flatten Fold FractionalMaxPool2d
    FractionalMaxPool3d GELU GLU GaussianNLLLoss Hardshrink Hardsigmoid Hardswish Hardtanh HingeEmbeddingLoss HuberLoss
    Identity InstanceNorm1d InstanceNorm2d InstanceNorm3d KLDivLoss L1Loss LPPool1d LPPool2d LPPool3d LeakyReLU
    LocalResponseNorm LogSigmoid LogSoftmax MSELoss MarginRankingLoss MaxPool1d MaxPool2d MaxPool3d MaxUnpool1d
    MaxUnpool2d MaxUnpool3d Mish MultiLabelMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss NLLLoss PairwiseDistance
    PixelShuffle PixelUnshuffle PoissonNLLLoss RReLU ReLU ReLU6 ReflectionPad1d ReflectionPad2d ReflectionPad3d
    ReplicationPad1d ReplicationPad2d ReplicationPad3d SELU SiLU Sigmoid SmoothL1Loss SoftMarginLoss Softmax Softmax2d
    Softmin Softplus Softshrink Softsign Tanh Tanhshrink Threshold TripletMarginLoss TripletMarginWithDistanceLoss
    Unflatten Unfold Upsample UpsamplingBilinear2d UpsamplingNearest2d ZeroPad1d ZeroPad2d ZeroPad3d CrossMapLRN2d
""".split()
)

#: torch.nn classes that always hold weights.
BEARING = frozenset(
    """
    BatchNorm1d BatchNorm2d BatchNorm3d Bilinear Conv1d Conv2d Conv3d ConvTranspose1d ConvTranspose2d ConvTranspose3d
    Embedding EmbeddingBag GRU GRUCell GroupNorm LSTM LSTMCell LayerNorm Linear MultiheadAttention PReLU RMSNorm RNN
    RNNBase RNNCell SyncBatchNorm Transformer TransformerDecoder TransformerDecoderLayer TransformerEncoder
    TransformerEncoderLayer AdaptiveLogSoftmaxWithLoss
""".split()
)

#: Containers: they hold what they are given.
CONTAINERS = frozenset({"Sequential", "ModuleList", "ModuleDict"})

#: Base classes outside the project that are nn.Module.
MODULE_BASES = frozenset({
    "torch.nn.Module", "torch.nn.modules.Module", "torch.nn.modules.module.Module", "torch.jit.ScriptModule",
    "pytorch_lightning.LightningModule", "pytorch_lightning.core.LightningModule", "lightning.LightningModule",
    "lightning.pytorch.LightningModule", "pytorch_lightning.core.lightning.LightningModule",
    "transformers.PreTrainedModel", "transformers.modeling_utils.PreTrainedModel", "mmcv.runner.BaseModule",
    "mmengine.model.BaseModule", "diffusers.ModelMixin", "diffusers.models.modeling_utils.ModelMixin",
    "diffusers.models.ModelMixin", "torch_geometric.nn.MessagePassing", "torch_geometric.nn.conv.MessagePassing",
    "gpytorch.Module", "gpytorch.models.ExactGP", "fairseq.models.BaseFairseqModel",
})  # fmt: skip

_TORCH_NN = re.compile(r"^torch\.nn\.(?:modules\.(?:\w+\.)?)?([A-Z]\w*)$")
_NOT_MODULES = frozenset({"Parameter", "ParameterList", "ParameterDict", "Buffer", "UninitializedParameter"})


def torch_nn_class(dotted: str) -> str | None:
    """``Linear`` for ``torch.nn.Linear`` and ``torch.nn.modules.linear.Linear``; None for anything else."""
    match = _TORCH_NN.match(dotted)
    return match.group(1) if match and match.group(1) not in _NOT_MODULES else None


PARAMETER = frozenset({"torch.nn.Parameter", "torch.nn.parameter.Parameter"})

#: Reads a checkpoint from disk or the network.
CHECKPOINT_LOADERS = frozenset({
    "torch.load", "safetensors.torch.load_file", "torch.hub.load_state_dict_from_url",
    "torch.utils.model_zoo.load_url", "torchvision.models.utils.load_state_dict_from_url",
    "torchvision._internally_replaced_utils.load_state_dict_from_url", "mmcv.runner.load_checkpoint",
})  # fmt: skip
LOADER_WORDS = re.compile(
    r"^(load_url|load_state_dict_from_url|load_checkpoint|load_ckpt|load_file|load_pretrained_weights|torch_load)$"
)

#: Writes what it is given by pickling it.
SAVERS = frozenset({"torch.save", "torch_xla.core.xla_model.save", "pickle.dump", "joblib.dump", "dill.dump"})
SAVE_FILES = frozenset({"safetensors.torch.save_file", "safetensors.torch.save"})
#: A call by such a name that cannot be followed, given a state dict, saves it.
SAVE_WORDS = re.compile(r"(^|_)save(_|s?$)|^save|checkpoint_save|write_checkpoint")

#: Module methods that give the module itself back.
RETURNS_SELF = frozenset({
    "to", "cuda", "cpu", "half", "float", "double", "bfloat16", "type", "train", "eval", "requires_grad_",
    "share_memory", "to_empty", "apply", "xpu", "npu", "mps", "ipu", "to_device",
})  # fmt: skip
#: Methods that only a module has: calling one is evidence.
MODULE_METHODS = frozenset({
    "parameters", "named_parameters", "named_modules", "named_children", "modules", "children", "buffers",
    "named_buffers", "requires_grad_", "load_from_checkpoint",
})  # fmt: skip

#: Tensor methods that give a new tensor where ``nn.Parameter`` was.
LOSES_PARAMETER = frozenset({
    "to", "cuda", "cpu", "half", "float", "double", "bfloat16", "type", "type_as", "view", "reshape", "t", "clone",
    "unsqueeze", "squeeze", "permute", "transpose", "expand", "repeat", "contiguous", "detach", "flatten", "mul", "add",
    "div", "sub", "exp", "sigmoid", "softmax", "tanh", "abs", "sqrt", "log", "T", "data", "mT", "index_select",
})  # fmt: skip

#: Tensor makers; random ones give another value at every construction.
TENSOR_MAKERS = frozenset({
    "tensor", "zeros", "ones", "empty", "full", "arange", "linspace", "eye", "rand", "randn", "randint", "randperm",
    "normal", "zeros_like", "ones_like", "rand_like", "randn_like", "full_like", "empty_like", "bernoulli",
    "from_numpy",
    "as_tensor", "logspace", "FloatTensor", "LongTensor", "Tensor", "BoolTensor", "cat", "stack", "multinomial",
})  # fmt: skip
RANDOM_MAKERS = frozenset({
    "rand", "randn", "randint", "randperm", "normal", "rand_like", "randn_like", "bernoulli", "multinomial",
})  # fmt: skip

#: Functions of ``numpy.random`` that give no values.
NUMPY_UNDRAWN = frozenset({"default_rng", "seed", "set_state", "shuffle", "get_bit_generator", "set_bit_generator"})

#: What ``load_state_dict`` is called on when it is not a model.
NOT_A_MODEL = re.compile(
    r"optim|sched|scaler|sampler|loader|meter|(^|_)(opt|opt_[a-z]|lr|amp|ema_state|early_stop\w*|warmup|tracker"
    r"|dataset|buffer|replay\w*|tokenizer|vocab|metric\w*|logger|trainer|callback\w*|accumulator)s?\d*$",
    re.IGNORECASE,
)

#: A call by such a name moves the weights, unless name or receiver say that it does something else.
TRAINS = re.compile(
    r"^(train|fit|step|finetune|fine_tune|learn|optimize|run_epoch)$|^train_|_train$|^fit_|_step$|^training"
)
NOT_TRAINING = re.compile(
    r"eval|val|test|infer|predict|print|log|zero_grad|sched|timestep|save|load|get_|set_|create|build|env|writer|pbar|bar"
    r"|prof|timer|meter|lr|warm|sampler|dataset|data|split|prepare|mode|start|end"
)

#: Values that ``torch.load`` refuses since 2.6, by what makes them.
UNSAFE_MAKERS: dict[str, str] = {
    "argparse.ArgumentParser.parse_args": "argparse.Namespace",
    "pathlib.Path": "pathlib.Path",
    "omegaconf.OmegaConf.create": "an OmegaConf object",
    "omegaconf.OmegaConf.load": "an OmegaConf object",
    "omegaconf.OmegaConf.merge": "an OmegaConf object",
    "argparse.Namespace": "argparse.Namespace",
    "numpy.random.get_state": "numpy's random state",
    "datetime.datetime.now": "datetime",
    "collections.defaultdict": "collections.defaultdict",
}
#: Types by which parameters are annotated.
UNSAFE_TYPES: dict[str, str] = {
    "argparse.Namespace": "argparse.Namespace",
    "omegaconf.OmegaConf": "an OmegaConf object",
    "omegaconf.DictConfig": "an OmegaConf object",
    "omegaconf.dictconfig.DictConfig": "an OmegaConf object",
}
NUMPY_VALUES = frozenset({
    "mean", "max", "min", "sum", "array", "zeros", "ones", "median", "std", "average", "float32", "float64",
    "concatenate",
    "stack", "asarray", "inf_like", "arange", "linspace", "argmax", "argmin", "sqrt", "var", "percentile", "round",
})  # fmt: skip
