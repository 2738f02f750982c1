"""What names of tensors tell of them: embeddings, positions, buffers that a model computes by itself."""

from __future__ import annotations

import re

Shape = tuple[int, ...] | None

_EMBEDDING = re.compile(
    r"(^|[._])(embed|embeds|embedding|embeddings|wte|tok|token|tokens|word|words|vocab|shared|emb|embed_tokens"
    r"|lm_head|output_projection)([._]|$)"
)
_POSITION = re.compile(r"(^|[._])(pos|position|positions|positional|wpe|posemb|abs_pos)([._]|$)|pos_emb|position_emb")

#: Leaf names of buffers that follow from the configuration alone.
_COMPUTED = frozenset(
    "position_ids token_type_ids inv_freq original_inv_freq masked_bias relative_position_index relative_coords_table "
    "attn_mask causal_mask cos_cached sin_cached freqs_cis freqs _float_tensor mel_filters rel_pos_ids "
    "relative_index future_mask bias_mask".split()
)
#: What batch norms count; it ends the key.
COUNTER = "num_batches_tracked"
#: A causal mask of GPT-2 and its like: `attn.bias` of shape (1, 1, n, n).
_MASK = re.compile(r"(^|\.)(attn|attention|self_attn)\.(bias|mask)$")


def is_embedding(key: str) -> bool:
    """A table with one row for each token, or the layer that scores them."""
    return bool(_EMBEDDING.search(key)) and not is_position(key)


def is_position(key: str) -> bool:
    """A table with one row for each position."""
    return bool(_POSITION.search(key))


def is_computed_buffer(key: str, shape: Shape) -> bool:
    """A buffer that the model makes anew, always alike."""
    if key.rpartition(".")[2] in _COMPUTED:
        return True
    return bool(_MASK.search(key)) and shape is not None and len(shape) == 4 and shape[:2] == (1, 1)
