"""The colours of every figure, each named once; app/colours.css has those of the components.

The hues are those of Okabe and Ito, which people with any kind of colour vision can tell apart.
"""

X, Y, Z = "#3949ab", "#c2185b", "#00796b"  # patches, answer and memory, as in the equations
BLUE, ORANGE, GREEN, VERMILLION = "#0072b2", "#e69f00", "#009e73", "#d55e00"
PURPLE, SKY, VIOLET = "#cc79a7", "#56b4e9", "#9467bd"
GREY, SLATE, UNSEEN = "#8a93a3", "#7f8896", "#7d8592"  # what something is compared with; unseen patches
WHITE, BLACK = "#ffffff", "#111111"
INK, DARK_INK = "#1a1f2b", "#e8ecf2"  # of text on light and on dark ground
UNMEASURED = "#e8eaee"  # of a map in print, where it has no value
FAINT, WARNING = "#4b5563", "#b45309"  # of smaller text, and of a warning, on white

CLASSES = (BLUE, VERMILLION, PURPLE, ORANGE, SKY)
RIGHT, WRONG, BEYOND = BLUE, VERMILLION, ORANGE  # answers; beyond what was trained
STEPS = ("#9ecae1", "#4f9bd0", BLUE, ORANGE)  # first, middle and last trained step; the last of all
SCALE = "Cividis"  # of maps: read alike with any colour vision

# Of lines that are drawn by the browser, on light ground and on dark.
LIVE_BLUE, LIVE_GREEN, LIVE_ORANGE, LIVE_PINK = "#3d7fd1", "#1f9e89", "#e39b17", "#d1487f"
LIVE_RUNS = (LIVE_BLUE, "#d5701e", LIVE_GREEN, "#c2558f", "#a08a00", "#7a6fd0", "#4aa5c9", "#8a8a8a")


def on(color: str) -> str:
    """A colour for text on `color`, one of `CLASSES`."""
    return WHITE if color in (BLUE, VERMILLION) else "#10141c"
