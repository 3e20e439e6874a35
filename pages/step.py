"""Step through: which equation is at work at every update; on demand the curves, the code, and how the memory moves."""

from app import cache, inputs, state
from app.player.page import player_page
from app.sections import closer, head

CLOSER = {
    "curves": "How it got there",
    "code": "The lines that do it",
    "memory": "How the memory moves",
}

state.start()
place = head(
    "What does one update do?",
    "One press of **→** is one update. The memory reads the image, then the answer reads the memory: follow which "
    "equation is at work.",
)
checkpoint = inputs.choose_checkpoint(pictured=True, beside=place)
player_page(
    checkpoint,
    "step_player",
    ("equations", *closer("Look closer", CLOSER)),
    "single update",
    predict=True,
    first=True,
)
cache.warm_up()
