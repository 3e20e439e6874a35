"""Step through: every update with its equation, its shapes and its line of code, and how the memory moves."""

from app import cache, inputs, state
from app.player.page import player_page
from app.sections import head

state.start()
place = head("Step through the recursion", "One press of **→** is one update: which equation works, and what moves?")
player_page(
    inputs.choose_checkpoint(beside=place), "step_player", ("equations", "memory"), "single update", predict=True
)
cache.warm_up()
