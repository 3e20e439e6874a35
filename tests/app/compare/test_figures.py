"""Figures: a numbered point for each entry, in its family's shape."""

from app.compare import figures
from vitrm.config import ResNetConfig


def test_every_entry_is_a_numbered_point_of_its_familys_shape(entry, compared, a_vitrm, a_vit):
    shown = compared(entry("r", a_vitrm, 55.0), entry("p", a_vit, 50.0), entry("n", ResNetConfig(), 40.0))
    figure = figures.accuracy_against(shown, figures.AXES["layers"])
    *drawn, names = figure.data
    points = {trace.name: (trace.x, trace.y, trace.marker.symbol) for trace in drawn}
    assert points == {
        "ViTRM": ((12,), (55.0,), "circle"),
        "plain ViT": ((2,), (50.0,), "square"),
        "ResNet": ((18,), (40.0,), "triangle-up"),
    }
    assert (names.text, names.y) == (("1", "2", "3"), (55.0, 50.0, 40.0))
    assert [row["model"] for row in figures.key_rows(shown, figures.AXES["layers"])] == ["r", "p", "n"]
    assert figure.layout.xaxis.type == "log"
    assert "r (ViTRM): 55.0\u00a0% at 12" in figures.against_words(shown, figures.AXES["layers"])
