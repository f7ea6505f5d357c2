"""GGUF files that no package carries: a model requantized, and small ones of every architecture with random weights. Needs `gguf` and numpy.

The random ones have two hundred and sixty tokens, which are bytes, and logits that vary enough to prefer one of them. Queries and keys are large, so that
attention is sharp and it matters by which angle a head was turned.
"""
import dataclasses

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

SEED = 20260117
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


def requantized(source, target, kind):
    """A copy of a file with all its matrices in one type. Vectors keep theirs."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, reader.get_field("general.architecture").contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        kinds = {"sub_type": field.types[-1]} if field.types[0] == gguf.GGUFValueType.ARRAY else {}
        writer.add_key_value(field.name, field.contents(), field.types[0], **kinds)
    for tensor in reader.tensors:
        values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        wanted = kind if len(tensor.shape) > 1 else Type.F32
        writer.add_tensor(tensor.name, gguf.quants.quantize(values, wanted), raw_dtype=wanted)
    finish(writer)


@dataclasses.dataclass(frozen=True)
class Tiny:
    """A small model. `keys` and `factors` are the way to turn heads that it is made to show."""

    arch: str
    keys: dict = dataclasses.field(default_factory=dict)
    factors: tuple = ()
    usual: dict = dataclasses.field(default_factory=dict)
    context: int = 2048
    layers: int = 4
    hidden: int = 256
    heads: int = 8
    kv_heads: int = 2
    head: int = 32
    feed_forward: int = 512

    def without(self):
        """The same model, had nobody read those."""
        return dataclasses.replace(self, keys={}, factors=())


def random(model, target):
    """Writes one. The weights of models that differ in keys only are the same."""
    writer = gguf.GGUFWriter(target, model.arch)
    keys(writer, model)
    vocabulary(writer)
    dice = np.random.default_rng(SEED)
    for name, shape, scale in tensors(model):
        vector = len(shape) == 1
        values = dice.uniform(0.5, 1.5, shape) if vector else dice.standard_normal(shape) / np.sqrt(shape[-1])
        writer.add_tensor(name, (values * scale).astype(np.float32))
    for name in model.factors:
        count = model.usual.get("rope.dimension_count", model.head) // 2
        # As published ones: 1 for the pairs that turn fast, more and more for the others, long ones above short ones.
        highest = {"rope_factors_short": 2.0, "rope_freqs": 8.0}.get(name, 32.0)
        writer.add_tensor(f"{name}.weight", np.geomspace(1.0, highest, count).astype(np.float32))
    finish(writer)


def keys(writer, model):
    writer.add_context_length(model.context)
    writer.add_block_count(model.layers)
    writer.add_embedding_length(model.hidden)
    writer.add_feed_forward_length(model.feed_forward)
    writer.add_head_count(model.heads)
    writer.add_head_count_kv(model.kv_heads)
    writer.add_key_length(model.head)
    writer.add_value_length(model.head)
    writer.add_layer_norm_rms_eps(1e-6)
    for name, value in {**model.usual, **model.keys}.items():
        add = {str: writer.add_string, float: writer.add_float32, int: writer.add_uint32}[type(value)]
        add(f"{model.arch}.{name}", value)


def vocabulary(writer):
    """SentencePiece with no words: every text is its bytes."""
    kinds = gguf.TokenType
    tokens = [("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL), *((byte, kinds.BYTE) for byte in BYTES), ("\u2581", kinds.NORMAL)]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_scores([0.0] * len(tokens))
    writer.add_token_types([kind for _, kind in tokens])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)
    writer.add_add_space_prefix(False)


def tensors(model):
    """Name, shape (outputs first) and scale of each."""
    m, words = model, len(BYTES) + 4
    wide, narrow = m.heads * m.head, m.kv_heads * m.head
    normed = m.arch in ("qwen3", "gemma3")
    sharp = 1.0 if normed else 2.0  # where heads are normed, their norms make them sharp
    yield "token_embd.weight", (words, m.hidden), 1.0
    yield "output_norm.weight", (m.hidden,), 1.0
    yield "output.weight", (words, m.hidden), 3.0
    for layer in range(m.layers):
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", (m.hidden,), 1.0
        yield block + "ffn_norm.weight", (m.hidden,), 1.0
        if m.arch == "phi3":
            yield block + "attn_qkv.weight", (wide + 2 * narrow, m.hidden), sharp
            yield block + "ffn_up.weight", (2 * m.feed_forward, m.hidden), 1.0
        else:
            yield block + "attn_q.weight", (wide, m.hidden), sharp
            yield block + "attn_k.weight", (narrow, m.hidden), sharp
            yield block + "attn_v.weight", (narrow, m.hidden), 1.0
            yield block + "ffn_gate.weight", (m.feed_forward, m.hidden), 1.0
            yield block + "ffn_up.weight", (m.feed_forward, m.hidden), 1.0
        yield block + "attn_output.weight", (m.hidden, wide), 1.0
        yield block + "ffn_down.weight", (m.hidden, m.feed_forward), 1.0
        if m.arch == "qwen2":
            for name, width in (("q", wide), ("k", narrow), ("v", narrow)):
                yield f"{block}attn_{name}.bias", (width,), 0.5
        if normed:
            yield block + "attn_q_norm.weight", (m.head,), 2.0
            yield block + "attn_k_norm.weight", (m.head,), 2.0
        if m.arch == "gemma3":
            yield block + "post_attention_norm.weight", (m.hidden,), 1.0
            yield block + "post_ffw_norm.weight", (m.hidden,), 1.0


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
