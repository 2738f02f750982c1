"""The dtypes of torch, by the names that it prints (without ``torch.``), and how many bits an element takes."""

from __future__ import annotations

from math import prod

BITS = {
    "bool": 8,
    "uint8": 8,
    "int8": 8,
    "uint16": 16,
    "int16": 16,
    "uint32": 32,
    "int32": 32,
    "uint64": 64,
    "int64": 64,
    "float16": 16,
    "bfloat16": 16,
    "float32": 32,
    "float64": 64,
    "complex32": 32,
    "complex64": 64,
    "complex128": 128,
    "float8_e4m3fn": 8,
    "float8_e4m3fnuz": 8,
    "float8_e5m2": 8,
    "float8_e5m2fnuz": 8,
    "float8_e8m0fnu": 8,
    #: Two to an element, as torch counts them.
    "float4_e2m1fn_x2": 8,
    #: These two are safetensors' alone.
    "float6_e2m3": 6,
    "float6_e3m2": 6,
    "qint8": 8,
    "quint8": 8,
    "qint32": 32,
    "quint4x2": 8,
    "quint2x4": 8,
    "bits8": 8,
    "bits16": 16,
    "bits1x8": 8,
    "bits2x4": 8,
    "bits4x2": 8,
}

#: The dtype of a tensor of which the file does not say it.
UNKNOWN = "unknown"


def size(dtype: str, shape: tuple[int, ...] | None) -> int | None:
    """Bytes of a dense tensor; None where dtype or shape is not known."""
    bits = BITS.get(dtype)
    return None if bits is None or shape is None else (prod(shape) * bits + 7) // 8
