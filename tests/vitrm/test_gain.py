"""The normalised gain, by hand; and what is wrong with a table is said."""

import numpy as np
import pytest

from vitrm.cli.main import main
from vitrm.errors import DataError
from vitrm.gain import gain, read_gain

HEAD = "phone,before-loop,before-more,after-loop,after-more\n"
KEY = "right,C,A,C,A\n"


def table(tmp_path, text):
    file = tmp_path / "class.csv"
    file.write_text(text, encoding="utf-8")
    return file


def test_it_is_the_share_that_was_gained_of_what_could_be(tmp_path):
    rows = "1,C,B,C,A\n2,B,B,c,B\n3,A,A, C ,A\n4,D,,C,A\n5,B,B,A,B\n"  # the fourth did not answer all
    found = read_gain(table(tmp_path, HEAD + KEY + rows))
    assert (found.learners, found.left_out, found.questions) == (4, 1, 2)
    assert (found.before, found.after) == (2 / 8, 5 / 8)
    assert found.gain == pytest.approx((5 / 8 - 2 / 8) / (1 - 2 / 8))
    assert found.low <= found.gain <= found.high


def test_the_interval_holds_the_true_gain_about_as_often_as_it_says():
    dice, held = np.random.default_rng(0), 0
    for _ in range(100):
        right = np.stack([dice.random((40, 5)) < 0.4, dice.random((40, 5)) < 0.7], axis=1).astype(float)
        found = gain(right)
        held += found.low <= (0.7 - 0.4) / (1 - 0.4) <= found.high
    assert 88 <= held <= 99  # of 100, with 95 expected


def test_who_learned_nothing_gained_nothing_and_a_loss_is_one():
    same = np.tile([[1.0, 0.0]], (20, 2, 1))
    assert (gain(same).gain, gain(same).low, gain(same).high) == (0, 0, 0)
    assert gain(np.stack([same[:, 0], 0 * same[:, 0]], axis=1)).gain == -1


def test_a_table_of_a_spreadsheet_is_read_too(tmp_path):
    text = (HEAD + KEY + "1,C,B,C,A\n2,B,B,C,B\n\n").replace(",", ";")
    file = tmp_path / "class.csv"
    file.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_gain(file).learners == 2


ROWS = "1,C,B,C,A\n2,B,B,C,B\n"


@pytest.mark.parametrize(("text", "said"), [
    ("", "is empty"),
    ("phone,right\n1,A\n", "expected before-NAME and after-NAME"),
    ("phone,before-loop,after-more\n", "no column “after-loop”"),
    (HEAD + ROWS, "0 rows that begin with “right”, expected one"),
    (HEAD + KEY + KEY + ROWS, "2 rows that begin with “right”"),
    (HEAD + "right,,A,,A\n" + ROWS, "fill it in"),
    (HEAD + "right,C,A,D,A\n" + ROWS, "“C” for before-loop and “D” for after-loop"),
    (HEAD + KEY + "1,C,B,C\n", "row 3: 4 cells, expected 5"),
    (HEAD + KEY + "1,C,B,C,A\n", "1 learners who answered all 2 questions before and after, of 1 in all"),
    (HEAD + KEY + "1,C,A,C,A\n2,C,A,C,B\n", "nothing to gain; ask harder questions"),
    (HEAD + KEY + "1,C,A,C,A\n2,C,B,C,A\n", "no interval can be given"),
    (HEAD + KEY + '1,"C,B\n', "is no table of comma-separated values"),
])  # fmt: skip
def test_what_is_wrong_with_a_table_is_said(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        read_gain(table(tmp_path, text))


def test_the_command_prints_it_and_claims_no_cause(tmp_path, capsys):
    assert main(["gain", str(table(tmp_path, HEAD + KEY + ROWS * 2))]) == 0
    said = capsys.readouterr().out
    assert "right before: 25.0 %   right after: 75.0 %" in said
    assert "normalised gain 0.67" in said
    assert "4 learners are few" in said
    assert "does not say what the gain came from" in said
    assert main(["gain", str(tmp_path / "absent.csv")]) == 1
    assert "cannot be read" in capsys.readouterr().err
