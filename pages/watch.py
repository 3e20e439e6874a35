"""The landing page: a trained model refines its answer on a real picture, step by step."""

import streamlit as st

from app import cache, inputs, state
from app.diagram.diagram import diagram
from app.player.page import lesson, player_page
from app.sections import Section, sections

CARDS = [
    ("Step through it", "Every update with its equation, its tensor shapes and the lines that do it.",
     "step", "Step through", ":material/footprint:"),
    ("See what it reads", "Which patches each memory token attends to, and what was worth reading.",
     "attention", "Attention", ":material/visibility:"),
    ("Ask when it has seen enough", "How stopping early saves work, and whether it is to be trusted.",
     "halting", "Halting", ":material/stop_circle:"),
    ("Play with what it sees", "Other draws, patches of your own choice, and a game: be right before the model is.",
     "glimpses", "Glimpses", ":material/grid_view:"),
    ("Go through a maze", "Where more steps help: a longer way takes more of them. Draw one yourself.",
     "mazes", "Mazes", ":material/route:"),
    ("Compare it", "Is recursion better than just making it deeper? Measured, beside plain ViT and ResNet.",
     "compare", "Compare", ":material/compare_arrows:"),
    ("Try your own picture", "Upload, photograph, paste or draw one. It never leaves this server's memory.",
     "your_image", "Your image", ":material/add_a_photo:"),
    ("Train one now", "A digit model learns in a minute or two (1.6 on one CPU core); everybody can watch.",
     "train", "Train", ":material/model_training:"),
]  # fmt: skip
ROW = 4


def ways_on() -> None:
    """The other pages, and what each of them is for."""
    columns = [column for _ in range(0, len(CARDS), ROW) for column in st.columns(ROW, border=True)]
    for column, (title, text, page, label, icon) in zip(columns, CARDS, strict=True):
        with column:
            st.markdown(f"**{title}**\n\n{text}")
            st.page_link(f"../pages/{page}.py", label=label, icon=icon)


def commands() -> None:
    """The same in Python and in a terminal."""
    python, terminal = st.columns(2)
    lines = ("import vitrm", f'model = vitrm.load("{checkpoint.name}")', "trace = vitrm.trace(model, image)")
    python.code("\n".join(lines), language="python")
    terminal.code("vitrm train digits\nvitrm evaluate digits-glimpse --halting\nvitrm bench", language="sh")


state.start()
st.title("Watch a tiny vision model refine its answer")
checkpoint = inputs.choose_checkpoint(pictured=True, always=False)
st.markdown(lesson(inputs.configuration(checkpoint).model))
config = player_page(checkpoint, "player", predict=True, ask=True)
sections(
    Section("model", "What is the model?", lambda: diagram(config.model, key="diagram")),
    Section("next", "Where to go next?", ways_on),
    Section("python", "How is it done from Python, and from a terminal?", commands),
)
cache.warm_up()
