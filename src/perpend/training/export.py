# pyright: basic, reportMissingImports=false
# torch and gguf come with the extra `training`; types are checked where they aren't installed
"""Write a trained model: GGUF for llama.cpp, safetensors with config and tokenizer for Hugging Face's transformers."""

import json
from pathlib import Path

import gguf
import numpy
import torch
from safetensors.torch import load_file, save_file

from perpend.training import tokenizer
from perpend.training.model import Llama
from perpend.training.shape import EPSILON, ROPE_BASE, ModelShape

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

_NAMES = {
    "embed_tokens": gguf.MODEL_TENSOR.TOKEN_EMBD,
    "norm": gguf.MODEL_TENSOR.OUTPUT_NORM,
    "input_layernorm": gguf.MODEL_TENSOR.ATTN_NORM,
    "self_attn.q_proj": gguf.MODEL_TENSOR.ATTN_Q,
    "self_attn.k_proj": gguf.MODEL_TENSOR.ATTN_K,
    "self_attn.v_proj": gguf.MODEL_TENSOR.ATTN_V,
    "self_attn.o_proj": gguf.MODEL_TENSOR.ATTN_OUT,
    "post_attention_layernorm": gguf.MODEL_TENSOR.FFN_NORM,
    "mlp.gate_proj": gguf.MODEL_TENSOR.FFN_GATE,
    "mlp.up_proj": gguf.MODEL_TENSOR.FFN_UP,
    "mlp.down_proj": gguf.MODEL_TENSOR.FFN_DOWN,
}


def parameters(model: Llama) -> int:
    """The number of weights; the tied embedding counts once."""
    return sum(weight.numel() for weight in model.parameters())


def write_gguf(model: Llama, path: Path, name: str) -> None:
    """Write GGUF in F32, so that llama.cpp computes what torch does. Raises OSError where `path` can't be written."""
    shape = model.shape
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_license("Apache-2.0")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.width)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.hidden)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(EPSILON)
    writer.add_rope_dimension_count(shape.width // shape.heads)
    writer.add_rope_freq_base(ROPE_BASE)
    writer.add_vocab_size(shape.vocabulary)
    _write_vocabulary(writer)
    for key, weight in model.state_dict().items():
        array = _for_rope(key, weight, shape.heads).float().numpy().astype(numpy.float32)
        writer.add_tensor(_gguf_name(key), array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _write_vocabulary(writer: gguf.GGUFWriter) -> None:
    kinds = [gguf.TokenType.NORMAL] * 256 + [gguf.TokenType.CONTROL] * len(tokenizer.CONTROL)
    # user-defined, not control: llama.cpp shows such tokens as text, so that a stop sequence can match </think>
    kinds += [gguf.TokenType.USER_DEFINED] * len(tokenizer.WORDS)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokenizer.vocabulary())
    writer.add_token_types(kinds)
    # llama.cpp needs at least one merge: this one is of two bytes that no UTF-8 text has
    writer.add_token_merges([" ".join(tokenizer.byte_letters()[-1:] * 2)])
    writer.add_eos_token_id(tokenizer.END)
    writer.add_pad_token_id(tokenizer.PAD)
    writer.add_bos_token_id(tokenizer.PAD)
    writer.add_add_bos_token(False)
    writer.add_chat_template(CHAT_TEMPLATE)


def _gguf_name(key: str) -> str:
    stem = key.removesuffix(".weight")
    if stem.startswith("layers."):
        _, block, stem = stem.split(".", 2)
        return gguf.TENSOR_NAMES[_NAMES[stem]].format(bid=block) + ".weight"
    return gguf.TENSOR_NAMES[_NAMES[stem]] + ".weight"


def _for_rope(key: str, weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Reorder the rows of q and k: llama.cpp rotates neighbouring pairs, Hugging Face's layout rotates halves."""
    if not key.endswith(("q_proj.weight", "k_proj.weight")):
        return weight
    rows, width = weight.shape
    return weight.view(heads, 2, rows // heads // 2, width).transpose(1, 2).reshape(rows, width)


def write_safetensors(model: Llama, folder: Path) -> None:
    """Write `model.safetensors`, `config.json` and `tokenizer.json`, as Hugging Face's transformers read a Llama.

    Raises OSError where `folder` can't be written.
    """
    shape = model.shape
    tensors = {f"model.{key}": weight.contiguous() for key, weight in model.state_dict().items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": shape.width,
        "intermediate_size": shape.hidden,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "max_position_embeddings": shape.context,
        "rms_norm_eps": EPSILON,
        "rope_theta": ROPE_BASE,
        "vocab_size": shape.vocabulary,
        "tie_word_embeddings": True,
        "eos_token_id": tokenizer.END,
        "pad_token_id": tokenizer.PAD,
        "torch_dtype": "float32",
    }
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (folder / "tokenizer.json").write_text(json.dumps(_tokenizer_json(), ensure_ascii=False) + "\n")
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "chat_template": CHAT_TEMPLATE}
    settings |= {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>"}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n")


def read_safetensors(folder: Path) -> Llama:
    """Load the model that `write_safetensors` wrote. Raises OSError where a file is missing."""
    config = json.loads((folder / "config.json").read_text())
    shape = ModelShape(
        config["vocab_size"],
        layers=config["num_hidden_layers"],
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        hidden=config["intermediate_size"],
        context=config["max_position_embeddings"],
    )
    model = Llama(shape)
    tensors = load_file(folder / "model.safetensors")
    model.load_state_dict({key.removeprefix("model."): weight for key, weight in tensors.items()})
    return model


def _tokenizer_json() -> dict[str, object]:
    added = [
        {"id": 256 + index, "content": token, "special": token in tokenizer.CONTROL}
        | {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        for index, token in enumerate((*tokenizer.CONTROL, *tokenizer.WORDS))
    ]
    vocabulary = {token: index for index, token in enumerate(tokenizer.vocabulary())}
    spelling = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    return {
        "version": "1.0",
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": spelling,
        "post_processor": None,
        "decoder": spelling,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    }
