"""Where the numbers of points stand."""

from app.compare.places import places


def test_points_in_one_place_share_a_list_and_others_stand_alone():
    found = places([(100, 50.0), (100, 50.0), (100, 50.0), (100, 30.0), (1000, 20.0)], ["1", "2", "10", "4", "5"])
    assert [place.text for place in found] == ["1, 2, 10", "4", "5"]
    assert found[0][:2] == (100, 50.0)
    assert places([], []) == []


def test_a_long_list_goes_on_below():
    (one,) = places([(100, 50.0)] * 7, list("1234567"))
    assert one.text == "1, 2, 3,<br>4, 5, 6,<br>7"


def test_a_number_does_not_cover_another_point():
    found = places([(100, 50.0), (112, 50.0), (1000, 20.0)], ["1", "2", "3"])
    assert [(place.text, place.side) for place in found] == [("1", "left"), ("2", "right"), ("3", "right")]
