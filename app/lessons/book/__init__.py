"""The lesson's book: small, beside the page it is about, and no further than the learner has come by doing."""
