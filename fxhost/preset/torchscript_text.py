"""The TorchScript archive of a recurrent network, written without torch, which takes some hundred MB to load.

It holds what `torch.jit.save` would write of the module of `fxhost.reference.modules` (the same parameters under the
same names, the same `forward`), but less of torch's own checks. An archive is a zip: `data.pkl` is the module as a
pickle, whose tensors lie in `data/0` and on, and `code/` the classes in TorchScript.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence

import numpy as np

from fxhost.arrays import Float32Array
from fxhost.networks.architecture import Architecture

CLASSES = {"lstm": "EffectLSTM", "gru": "EffectGRU"}
FOLDER = "archive"  # in which all entries lie, as torch names it
VERSION = b"3\n"  # of the archive


def write_archive(architecture: Architecture, weights: Mapping[str, Float32Array], extra: Mapping[str, bytes]) -> bytes:
    """A TorchScript module with more files beside it.

    Parameters
    ----------
    architecture : Architecture
        Of a recurrent network without dense layers.
    weights : mapping
        As `Architecture.weight_shapes` lists them.
    extra : mapping of str to bytes

    Returns
    -------
    bytes
        What `torch.jit.load` takes.

    Notes
    -----
    torch lays tensors at multiples of 64 bytes so that they can be mapped into memory; it reads others as well.
    """
    a = architecture
    names = [f"{kind}_l{n}" for n in range(a.layers) for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    tensors = [weights[name] for name in [*names, "head_weight", "head_bias"]]
    entries = {
        "data.pkl": _pickle_module(a, names, [tensor.shape for tensor in tensors]),
        "code/__torch__/fxhost/modules.py": _write_code(a, names).encode(),
        **{f"data/{n}": np.ascontiguousarray(tensor, "<f4").tobytes() for n, tensor in enumerate(tensors)},
        "constants.pkl": b"\x80\x02).",
        "version": VERSION,
        "byteorder": b"little",
        **{f"extra/{name}": content for name, content in extra.items()},
    }
    digest = hashlib.sha256(b"".join(entries.values())).hexdigest()
    entries[".data/serialization_id"] = f"{int(digest, 16):040d}"[:40].encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(f"{FOLDER}/{name}"), content)
    return file.getvalue()


def _write_code(a: Architecture, names: Sequence[str]) -> str:
    """The classes in TorchScript."""
    name, cell = CLASSES[a.cell], a.cell
    weights = ", ".join(f"{cell}.{weight}" for weight in names)
    state = "[h, c]" if cell == "lstm" else "h"
    result = "hidden, h0, c0" if cell == "lstm" else "hidden, h0"
    dry = "torch.add(y, torch.slice(x, 2, None, 1))" if a.residual else "y"
    return f"""class {name}(Module):
  __parameters__ = []
  __buffers__ = []
  training : bool
  _is_full_backward_hook : Optional[bool]
  residual : bool
  {cell} : __torch__.fxhost.modules.{cell.upper()}
  head : __torch__.fxhost.modules.Linear
  def forward(self: __torch__.fxhost.modules.{name},
    x: Tensor,
    h: Tensor,
    c: Tensor) -> Tuple[Tensor, Tensor, Tensor]:
    {cell} = self.{cell}
    head = self.head
    weights = [{weights}]
    {result} = torch.{cell}(x, {state}, weights, True, {a.layers}, 0., False, False, True)
    y = torch.linear(hidden, head.weight, head.bias)
    return ({dry}, h0, {"c0" if cell == "lstm" else "c"})
{_write_class(cell.upper(), names)}{_write_class("Linear", ["weight", "bias"])}"""


def _write_class(name: str, parameters: Sequence[str]) -> str:
    named = "".join(f'"{parameter}", ' for parameter in parameters)
    typed = "".join(f"  {parameter} : Tensor\n" for parameter in parameters)
    own = "  training : bool\n  _is_full_backward_hook : Optional[bool]\n"
    return f"class {name}(Module):\n  __parameters__ = [{named}]\n  __buffers__ = []\n{typed}{own}"


# --- the pickle ------------------------------------------------------------------------------------------------------


def _pickle_module(a: Architecture, names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> bytes:
    tensors = [_pickle_tensor(n, shape) for n, shape in enumerate(shapes)]
    network = _pickle_object(a.cell.upper(), dict(zip(names, tensors, strict=False)))
    head = _pickle_object("Linear", {"weight": tensors[-2], "bias": tensors[-1]})
    module = _pickle_object(CLASSES[a.cell], {"residual": _pickle_bool(a.residual), a.cell: network, "head": head})
    return b"\x80\x02" + module + b"."


def _pickle_object(name: str, attributes: Mapping[str, bytes]) -> bytes:
    """A module: an empty object of a class, then its attributes."""
    own = {"training": _pickle_bool(False), "_is_full_backward_hook": b"N"}
    pairs = b"".join(_pickle_text(key) + value for key, value in ({**attributes, **own}).items())
    return _pickle_name("__torch__.fxhost.modules", name) + b")\x81}(" + pairs + b"ub"


def _pickle_tensor(number: int, shape: tuple[int, ...]) -> bytes:
    """A parameter whose numbers are those of an entry of the archive."""
    size = int(np.prod(shape))
    strides = tuple(int(np.prod(shape[n + 1 :])) for n in range(len(shape)))
    storage = (
        b"(" + _pickle_text("storage") + _pickle_name("torch", "FloatStorage") + _pickle_text(str(number))
        + _pickle_text("cpu") + _pickle_int(size) + b"tQ"
    )  # fmt: skip
    hooks = _pickle_name("collections", "OrderedDict") + b")R"
    lies = _pickle_int(0) + _pickle_ints(shape) + _pickle_ints(strides)
    return (
        _pickle_name("torch._utils", "_rebuild_tensor_v2") + b"(" + storage + lies + _pickle_bool(True) + hooks + b"tR"
    )


def _pickle_name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


def _pickle_text(text: str) -> bytes:
    return b"X" + len(text).to_bytes(4, "little") + text.encode("ascii")


def _pickle_int(number: int) -> bytes:
    return b"J" + number.to_bytes(4, "little", signed=True)


def _pickle_ints(numbers: Sequence[int]) -> bytes:
    return b"(" + b"".join(map(_pickle_int, numbers)) + b"t"


def _pickle_bool(value: bool) -> bytes:
    return b"\x88" if value else b"\x89"
