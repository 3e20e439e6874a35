"""Downloads from a server that breaks off, goes on, sends rubbish or is not there. Nothing leaves the machine."""

import shutil

import pytest
import torch

from tests.downloads import datasets, serving
from vitrm.cli.main import main
from vitrm.data.fetching import KINDS, fetching, is_here
from vitrm.data.sources import load_dataset
from vitrm.errors import DataError

CLOSED = "http://127.0.0.1:9/"  # the discard port: nobody answers


@pytest.fixture
def served(monkeypatch):
    with serving(monkeypatch) as server:
        yield server


def levels(split):
    return split.images[:, 0, 0, 0].tolist()


def test_a_download_is_unpacked_read_and_found_again_without_the_network(served, tmp_path, monkeypatch):
    dataset = load_dataset("cifar10", 32, 3, root=tmp_path)
    assert (len(dataset.train), len(dataset.val), len(dataset.test)) == (18, 2, 4)
    assert sorted(levels(dataset.train) + levels(dataset.val)) == sorted([1, 2, 3, 4, 5] * 4)
    assert levels(dataset.test) == [9, 9, 9, 9]
    assert dataset.classes[3] == "class 3"
    assert is_here("cifar10", tmp_path)

    monkeypatch.setattr(datasets().CIFAR10, "url", CLOSED)
    again = load_dataset("cifar10", 32, 3, root=tmp_path)
    assert torch.equal(again.train.images, dataset.train.images)


@pytest.mark.parametrize("source", KINDS)
def test_a_set_is_here_as_soon_as_every_file_that_torchvision_reads_is_packed_or_unpacked(source, tmp_path):
    kind = getattr(datasets(), KINDS[source])
    if source == "fashion":
        ways = [[f"FashionMNIST/raw/{name}" for name, _ in kind.resources]]
        ways.append([name.removesuffix(".gz") for name in ways[0]])
    else:
        ways = [[kind.filename], [f"{kind.base_folder}/{name}" for name, _ in (*kind.train_list, *kind.test_list)]]
    for number, names in enumerate(ways):
        for name in names:
            assert not is_here(source, tmp_path / str(number))
            file = tmp_path / str(number) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch()
            assert not is_here(source, tmp_path / str(number))
            file.write_bytes(b"\0\0\x08\x01\0\0\0\x02ab")  # in the format of MNIST: two numbers
        assert is_here(source, tmp_path / str(number))


def test_a_download_that_breaks_off_says_so_and_goes_on_where_it_was(served, tmp_path):
    served.breaks_after = len(served.content) // 2
    with pytest.raises(DataError, match=rf"broke off after {served.breaks_after:,} of {len(served.content):,} bytes"):
        list(fetching("cifar10", tmp_path))
    assert not is_here("cifar10", tmp_path)
    served.breaks_after = None
    steps = list(fetching("cifar10", tmp_path))
    assert served.ranges == [None, f"bytes={len(served.content) // 2}-"]
    assert steps[-1].done == len(served.content)
    assert len(load_dataset("cifar10", 32, 3, root=tmp_path, download=False).test) == 4
    assert list(fetching("cifar10", tmp_path)) == []


def test_a_download_that_nobody_wants_any_more_can_be_taken_up_again(served, tmp_path):
    steps = fetching("cifar10", tmp_path)
    assert 0 < next(steps).share <= 1
    steps.close()
    assert not is_here("cifar10", tmp_path)
    list(fetching("cifar10", tmp_path))
    assert is_here("cifar10", tmp_path)


def test_what_is_not_the_file_that_was_promised_is_removed_and_fetched_anew(served, tmp_path):
    whole = served.content
    served.content = whole[:-1] + bytes([whole[-1] ^ 1])
    with pytest.raises(DataError, match=r"could not download cifar10 .*corrupted.*md5"):
        load_dataset("cifar10", 32, 3, root=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [".cifar10.lock"]
    served.content = whole
    assert len(load_dataset("cifar10", 32, 3, root=tmp_path).test) == 4


def test_a_part_that_is_already_whole_is_taken_and_one_that_is_too_long_is_not(served, tmp_path):
    part = tmp_path / f"{datasets().CIFAR10.filename}.part"
    part.write_bytes(served.content)
    list(fetching("cifar10", tmp_path))
    assert is_here("cifar10", tmp_path)
    (tmp_path / datasets().CIFAR10.filename).unlink()
    shutil.rmtree(tmp_path / datasets().CIFAR10.base_folder)
    part.write_bytes(served.content + b"more")
    with pytest.raises(DataError, match="corrupted"):
        list(fetching("cifar10", tmp_path))
    assert not part.exists()


def test_two_that_want_the_same_set_take_turns_and_the_second_finds_it(served, tmp_path):
    said, first = [], fetching("cifar10", tmp_path)
    next(first)
    second = fetching("cifar10", tmp_path, say=said.append)
    next(second)
    assert said == [f"another process is fetching cifar10 into '{tmp_path}'; waiting for it"]
    next(second)
    assert len(said) == 1
    list(first)
    assert list(second) == []
    assert served.ranges == [None]
    assert len(load_dataset("cifar10", 32, 3, root=tmp_path).test) == 4


def test_a_set_that_was_damaged_where_it_lies_is_unpacked_or_fetched_again(served, tmp_path):
    load_dataset("cifar10", 32, 3, root=tmp_path)
    batch, archive = tmp_path / "cifar-10-batches-py" / "data_batch_3", tmp_path / datasets().CIFAR10.filename
    whole = batch.read_bytes()
    batch.write_bytes(whole[:-7])
    load_dataset("cifar10", 32, 3, root=tmp_path, download=False)
    assert batch.read_bytes() == whole
    batch.write_bytes(whole[:-7])
    archive.write_bytes(b"")
    with pytest.raises(DataError, match=r"cifar10 in '.*' is damaged; `vitrm download cifar10` brings it anew"):
        load_dataset("cifar10", 32, 3, root=tmp_path, download=False)
    assert len(served.ranges) == 1
    load_dataset("cifar10", 32, 3, root=tmp_path)
    assert batch.read_bytes() == whole
    assert len(served.ranges) == 2


@pytest.mark.parametrize("source", ["cifar10", "cifar100", "fashion"])
def test_without_a_network_the_message_is_one_line_and_says_what_to_do(source, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets().CIFAR10, "url", CLOSED + "a.tar.gz")
    monkeypatch.setattr(datasets().CIFAR100, "url", CLOSED + "b.tar.gz")
    monkeypatch.setattr(datasets().FashionMNIST, "mirrors", [CLOSED])
    with pytest.raises(DataError, match=f"could not download {source} into") as caught:
        load_dataset(source, 32, 3, root=tmp_path)
    assert "\n" not in str(caught.value)
    assert "(127.0.0.1 cannot be reached: " in str(caught.value)
    assert "--data digits needs no network" in str(caught.value)


def test_who_may_not_download_is_told_what_would_and_nothing_is_asked_of_the_network(served, tmp_path):
    with pytest.raises(DataError, match="cifar10 is not on this machine; `vitrm download cifar10` brings it"):
        load_dataset("cifar10", 32, 3, root=tmp_path, download=False)
    assert served.ranges == []


def test_the_command_brings_it(served, tmp_path, capsys):
    assert main(["download", "cifar10", "--data-root", str(tmp_path)]) == 0
    assert "20 training images" in capsys.readouterr().out
    assert is_here("cifar10", tmp_path)
