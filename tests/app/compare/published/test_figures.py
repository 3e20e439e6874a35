"""Figures of what the paper reports."""

from app.compare.published import figures


def _points(figure):
    """All but the numbers beside them."""
    return [trace for trace in figure.data if trace.text is None or "lines" in trace.mode]


def test_nothing_of_ours_is_drawn_into_a_figure_of_the_paper():
    for figure in (
        figures.paper_by_batch("CIFAR-10"),
        figures.paper_by_parameters("CIFAR-100", 1024),
        figures.paper_ablation(),
    ):
        assert all(trace.marker.symbol.endswith("-open") for trace in _points(figure))
    with_large = figures.paper_by_parameters("CIFAR-100", 512)
    without = figures.paper_by_parameters("CIFAR-100", 1024)  # where it ran out of memory
    assert sum(len(trace.x) for trace in _points(with_large)) == 7
    assert sum(len(trace.x) for trace in _points(without)) == 6
    assert "ViT-Large out of memory" in figures.paper_words("CIFAR-100", 1024)
