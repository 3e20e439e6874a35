"""Figures: a labelled point for each entry, in its family's shape."""

from app.compare import figures
from vitrm.config import ResNetConfig


def test_every_entry_is_a_labelled_point_of_its_familys_shape(entry, compared, a_vitrm, a_vit):
    shown = compared(entry("r", a_vitrm, 55.0), entry("p", a_vit, 50.0), entry("n", ResNetConfig(), 40.0))
    figure = figures.accuracy_against(shown, figures.AXES["layers"])
    points = {trace.name: (trace.x, trace.y, trace.text, trace.marker.symbol) for trace in figure.data}
    assert points == {
        "ViTRM": ((12,), (55.0,), ("r",), "circle"),
        "plain ViT": ((2,), (50.0,), ("p",), "square"),
        "ResNet": ((18,), (40.0,), ("n",), "triangle-up"),
    }
    assert figure.layout.xaxis.type == "log"
    assert "r (ViTRM): 55.0 % at 12" in figures.against_words(shown, figures.AXES["layers"])
