"""Everything that is the user's to mend. Each message names the value, what was expected and what to do next."""


class VitrmError(ValueError):
    """Base of the errors below; whoever shows one shows its message, not a traceback."""


class ConfigError(VitrmError):
    """A setting that cannot be used."""


class DataError(VitrmError):
    """Data that cannot be used."""


class RunError(VitrmError):
    """A run folder or checkpoint that cannot be used."""


class LimitError(VitrmError):
    """Work that takes more than is allowed on this server."""


class LostProcessError(VitrmError):
    """Another process of the same training is gone; the training can be resumed from its last saved state."""


class TraceError(VitrmError):
    """A trace file that cannot be read."""


class TrainingDiverged(VitrmError):
    """The loss of a training is no longer a number. Its last saved state is good, but would only diverge again."""
