"""Tables of numbers."""

import json

from streamlit.testing.v1 import AppTest


def page():
    from app import numbers

    numbers.table([
        {"step": 1, "right, %": 98.0501, "work": None, "AUROC": 0.75, "rate": 1e-6},
        {"step": 2, "right, %": 98.3287, "work": 4.62271, "AUROC": 0.6491, "rate": 0.004},
    ])  # fmt: skip


def test_a_table_shows_no_more_digits_than_can_be_read_and_keeps_the_whole_number():
    (table,) = AppTest.from_function(page, default_timeout=300).run().dataframe
    columns = json.loads(table.proto.columns)
    formats = {name: columns[name]["type_config"]["format"] for name in ("right, %", "work", "AUROC", "rate")}
    assert formats == {"right, %": "%.1f", "work": "%.2f", "AUROC": "%.3f", "rate": "%.3g"}
    assert table.proto.placeholder == "–"
    assert table.value["right, %"].tolist() == [98.0501, 98.3287]
