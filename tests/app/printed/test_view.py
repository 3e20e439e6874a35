"""Every figure of every page can be had for a paper."""

from streamlit.testing.v1 import AppTest

from vitrm.places import ROOT


def test_no_page_shows_a_figure_without_offering_it():
    files = [file for folder in ("app", "pages") for file in (ROOT / folder).rglob("*.py")]
    shown = [file for file in files if "st.plotly_chart" in file.read_text(encoding="utf-8")]
    assert [file.relative_to(ROOT).as_posix() for file in shown] == ["app/printed/view.py"]


def test_the_button_opens_the_figure_with_its_files_and_lines():
    def page():
        import plotly.graph_objects as go

        from app.printed.view import chart

        chart(go.Figure(go.Scatter(y=[1.0, 2.0], name="growth")), key="a_figure", alt="It grows.")

    at = AppTest.from_function(page, default_timeout=300).run()
    assert not at.code
    at.button(key="a_figure_printed").click().run()
    assert not at.exception
    assert 'open("a_figure.csv"' in at.code[0].value
    assert "column('growth', 'y')" in at.code[0].value
    assert at.number_input[0].value == 84
    at.number_input[0].set_value(174.0)  # in a browser the dialog stays; here every run closes it
    at.button(key="a_figure_printed").click().run()
    assert "figsize=(174 / 25.4" in at.code[0].value
