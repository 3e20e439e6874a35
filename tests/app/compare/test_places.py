"""Where the names of points stand."""

from app.compare.places import label_places


def test_names_of_points_that_stand_close_do_not_cover_each_other():
    places = label_places([(100, 50.0), (100, 49.0), (1000, 20.0)], ["one", "two", "far"])
    assert places[0] != places[1]
    assert label_places([], []) == []
