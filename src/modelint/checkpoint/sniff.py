"""Which format a file has, by its first bytes. What is no checkpoint of torch is refused by its name.

safetensors comes before pickle: its first byte is the low byte of a length, and a length of 0x280 begins as a pickle
does. The extension decides nothing; whether it fits is said elsewhere.
"""

from __future__ import annotations

import re
from typing import Literal

from modelint.checkpoint.contents import Refused
from modelint.checkpoint.safetensors import MAX_HEADER

Format = Literal["safetensors", "zip", "legacy", "pickle", "json"]

#: So many first bytes are enough.
HEAD = 1024

_LFS = b"version https://git-lfs"

#: First bytes -> what it is, and what to do.
_OTHERS: tuple[tuple[bytes, str], ...] = (
    (b"GGUF", "a GGUF file, of llama.cpp; modelint reads checkpoints of torch"),
    (b"tjgg", "a GGML file, of llama.cpp; modelint reads checkpoints of torch"),
    (b"lmgg", "a GGML file, of llama.cpp; modelint reads checkpoints of torch"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes it; modelint reads checkpoints of torch"),
    (b"\x93NUMPY", "a NumPy array (.npy); modelint reads checkpoints of torch"),
    (b"\x1f\x8b", "a gzip archive; unpack it first"),
    (b"BZh", "a bzip2 archive; unpack it first"),
    (b"\xfd7zXZ\x00", "an xz archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive; unpack it first"),
    (b"\x04\x22\x4d\x18", "an lz4 archive; unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it first"),
    (b"Rar!\x1a\x07", "a RAR archive; unpack it first"),
    (b"%PDF-", "a PDF document, not a checkpoint"),
    (b"\x7fELF", "a program (ELF), not a checkpoint"),
    (b"MZ", "a program of Windows, not a checkpoint"),
    (b"\x89PNG", "a picture (PNG), not a checkpoint"),
    (b"\xff\xd8\xff", "a picture (JPEG), not a checkpoint"),
)

_PAGE = re.compile(rb"\s*+<(!doctype|html|head|body|!--|\?xml|script)", re.IGNORECASE)

#: The number 0x1950a86a20f9469cfc6c at the start of a legacy stream of torch: LONG1, and LONG of protocols 0 and 1.
_MAGIC = (b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", b"L119547037146038801333356L")

#: How a pickle of protocol 0 or 1 begins that holds a dict, a list, or an object of a class.
_OLD_PICKLE = re.compile(rb"\([dl][p.(]|\(dq|[\]}]q|\}\(|\(i[A-Za-z_]|\(?c[A-Za-z_][\w.]*\n[A-Za-z_]")

#: The first fields of an ONNX model: ir_version, then the name of what wrote it.
_ONNX = re.compile(rb"\x08[\x01-\x20](\x12[\x01-\x40][\x20-\x7e]|\x1a|\x3a|\x42)")


def sniff(head: bytes, size: int) -> Format:
    """The format of a file of ``size`` bytes that begins with ``head``.

    Raises Refused for what modelint does not read.
    """
    if head.startswith(_LFS):
        raise Refused(f"a git-lfs pointer, not the file itself{_pointed(head)}; get it with `git lfs pull`")
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(b"PK\x05\x06"):
        raise Refused("an empty zip archive: nothing is in it")
    braced = head[8:9] == b"{"
    if braced and int.from_bytes(head[:8], "little") <= min(size - 8, MAX_HEADER):
        return "safetensors"
    _refuse_by_name(head)
    if any(magic in head[:40] for magic in _MAGIC):
        return "legacy"
    if _is_pickle(head):
        return "pickle"
    if head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[") and b"\0" not in head:
        return "json"
    if braced:
        return "safetensors"
    if _OLD_PICKLE.match(head):
        return "pickle"
    if not head.strip(b"\0"):
        raise Refused("it begins with nothing but zeros: a copy or a download that was not finished")
    begin = " ".join(f"{byte:02x}" for byte in head[:8])
    raise Refused(f"not a checkpoint that modelint knows; it begins with the bytes {begin}")


def _refuse_by_name(head: bytes) -> None:
    for magic, words in _OTHERS:
        if head.startswith(magic):
            raise Refused(words)
    if head[257:262] == b"ustar":
        raise Refused(
            "a tar archive: unpack it; where torch before 0.1.10 wrote it, load it with an old torch and save it anew"
        )
    if head[4:8] == b"TFL3":
        raise Refused("a TensorFlow Lite model; modelint reads checkpoints of torch")
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if _PAGE.match(text):
        kind = "an XML document" if text.startswith(b"<?xml") else "an HTML page"
        raise Refused(f"{kind}, not a checkpoint: the download brought a page (a login, an error) and not the file")
    if _ONNX.match(head):
        raise Refused("an ONNX model, it seems; modelint reads checkpoints of torch")


def _is_pickle(head: bytes) -> bool:
    """Protocol 2 or later. Behind that come opcodes, of which none is zero; in a length of safetensors zeros do."""
    return head[0] == 0x80 and len(head) > 2 and head[1] <= 5 and head[2] != 0


def _pointed(head: bytes) -> str:
    found = re.search(rb"^size ([0-9]{1,15})$", head, re.MULTILINE)
    return f" (which has {int(found[1])} bytes)" if found else ""
