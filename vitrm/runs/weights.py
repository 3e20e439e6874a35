"""The weights of a model in a file of safetensors: no pickle is read, and nothing is trusted before it is checked."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from vitrm.config import Config
from vitrm.errors import RunError

if TYPE_CHECKING:  # torch takes seconds to import, and whoever only reads JSON should not wait for it
    import torch

    from vitrm.model import ViTRM
    from vitrm.nets.base import OneStep


def packed(model: ViTRM | OneStep) -> bytes:
    """What a file of the model's weights holds."""
    import safetensors.torch

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    return safetensors.torch.save(tensors)  # save_file would make a file that only its owner can read


def load_weights(file: Path, config: Config, device: torch.device | str) -> ViTRM | OneStep:
    """The model of a configuration with the weights of a file, in evaluation mode, `equip`ped.

    Checks every name and shape before anything is allocated. Raises RunError if weights and configuration are damaged
    or do not match.
    """
    import safetensors
    import torch

    from vitrm.families import equip, make_model, stored_names

    with torch.device("meta"):
        model = make_model(config.model)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    try:
        with safetensors.safe_open(file, framework="pt") as tensors:
            names = stored_names(tensors.keys(), model)
            found = {name: tuple(tensors.get_slice(old).get_shape()) for name, old in names.items()}
            if found != expected:
                odd = sorted(k for k in found.keys() | expected.keys() if found.get(k) != expected.get(k))
                raise RunError(
                    f"'{file}' does not fit its config.json: tensor '{odd[0]}' has shape "
                    f"{found.get(odd[0], 'absent')}, expected {expected.get(odd[0], 'absent')}; "
                    "use the files of one and the same run"
                )
            weights = {name: tensors.get_tensor(names[name]) for name in expected}
            _check(file, weights, model)
    except (safetensors.SafetensorError, OSError) as error:
        raise RunError(f"'{file}' is damaged ({error}); copy or train it again") from None
    # Copied: what was read are views into the file, off the 64 bytes that torch aligns its own memory to, and on
    # some processors a matrix product sums in another order there.
    whole = {
        name: tensor.to(torch.float32 if tensor.is_floating_point() else tensor.dtype, copy=True)
        for name, tensor in weights.items()
    }
    model.load_state_dict(whole, assign=True)
    return equip(model.to(device).eval(), config)


def _check(file: Path, weights: dict[str, torch.Tensor], model: ViTRM | OneStep) -> None:
    """Raises RunError unless all are numbers of the kind that the model computes with, and finite."""
    import torch

    floats = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
    for name, expected in model.state_dict().items():
        found = weights[name]
        fitting = found.dtype in floats if expected.is_floating_point() else found.dtype == expected.dtype
        if not fitting or not found.isfinite().all():
            kind = str(found.dtype).removeprefix("torch.") if not fitting else "numbers that are not finite"
            raise RunError(f"'{file}' is damaged (tensor '{name}' holds {kind}); copy or train it again")


def fingerprint(file: Path) -> str | None:
    """Of what a file holds: the same in every copy, another one for other weights; None if there is no such file."""
    try:
        there = file.stat()
    except FileNotFoundError:
        return None
    return _hash(file, there.st_mtime_ns, there.st_size)


@lru_cache(maxsize=64)
def _hash(file: Path, _changed_ns: int, _size: int) -> str:
    with open(file, "rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()[:16]
