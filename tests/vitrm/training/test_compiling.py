"""When compiling is tried, and when it is kept; what it says is heard, but for one line."""

import logging
import os

import pytest
import torch
from trainings import changed

from vitrm.errors import ConfigError
from vitrm.training.compiling import _matters, crowded, pays, worth_trying
from vitrm.training.trainer import Trainer


@pytest.mark.parametrize(
    ("training_s", "batch_s", "crowd", "worth"),
    [
        (600.0, 0.01, 1.0, False),
        (601.0, 0.01, 1.0, True),
        (1000.0, 12.0, 1.0, False),  # a minute, and four batches
        (1100.0, 12.0, 1.0, True),
        (1100.0, 12.0, 3.0, False),
    ],
)
def test_trying_may_take_a_tenth_of_a_training(training_s, batch_s, crowd, worth):
    assert worth_trying(training_s, batch_s, crowd) is worth


@pytest.mark.parametrize(("load", "crowd"), [(0.5, 1.0), (6.0, 3.0)])
def test_a_crowd_is_what_shares_a_core(monkeypatch, load, crowd):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0), raising=False)
    assert crowded() == crowd
    monkeypatch.delattr(os, "getloadavg")
    assert crowded() == 1.0


@pytest.mark.parametrize(
    ("eager_s", "compiled_s", "compiling_s", "batches", "paid"),
    [
        (1.0, 0.8, 60.0, 400, True),
        (1.0, 0.8, 60.0, 200, False),  # 40 s gained
        (1.0, 0.95, 1.0, 10_000, False),  # noise
        (1.0, 1.2, 0.0, 10_000, False),
    ],
)
def test_it_pays_if_more_than_noise_is_gained_and_more_than_it_takes(eager_s, compiled_s, compiling_s, batches, paid):
    assert pays(eager_s, compiled_s, compiling_s, batches) is paid


@pytest.mark.parametrize(
    ("line", "heard"),
    [
        ("No CUDA runtime is found, using CUDA_HOME='%s'", False),  # torch's, on a machine without a GPU
        ("Unable to find CUDA in '%s'", True),
    ],
)
def test_of_torchs_log_only_one_line_is_left_out(line, heard):
    record = logging.LogRecord("torch.utils.cpp_extension", logging.WARNING, "", 0, line, ("/usr/local/cuda",), None)
    assert _matters(record) is heard


def _fails(*_):
    from torch._inductor.exc import InductorError

    raise InductorError(OSError("no compiler of C++\nin a long trace"), None)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # torch's, of its own doing
@pytest.mark.parametrize("forward", [_fails, lambda graph, inputs: graph])
def test_where_torch_cannot_compile_the_message_says_what_to_do(small_run, few_digits, monkeypatch, forward):
    """What goes forward is compiled when it is first called, what goes back when that is."""
    from torch._dynamo.backends.common import aot_autograd

    broken, compile_module = aot_autograd(fw_compiler=forward, bw_compiler=_fails), torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda module, **options: compile_module(module, backend=broken, **options)
    )
    torch._dynamo.reset()
    said = r"train.compile=true: .*no compiler of C\+\+\)\. Install a C\+\+ compiler, .* delete the folder '.+'$"
    with pytest.raises(ConfigError, match=said):
        list(Trainer(changed(small_run, epochs=1, compile=True), few_digits).events())
