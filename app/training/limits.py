"""What the person who starts the server allows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from app import own_data, sources
from app.visitors import Visitor
from vitrm.config import Config
from vitrm.errors import ConfigError


@dataclass(frozen=True)
class Limits:
    """By environment variables `VITRM_TRAIN_...`; 0 means no limit."""

    at_once: int = 1  # trainings at a time, those from terminals counted
    epochs: int = 0
    parameters: int = 0
    minutes: float = 0.0  # of training, per run
    pause_minutes: float = 15.0  # how long a paused run keeps its place while others wait
    disk_mb: float = 5000.0  # of all runs together; beyond it nothing new is started
    uploads_mb: float = 500.0  # of all pictures that visitors upload to train on; 0: none are taken
    threads: int = 0  # CPU threads of a training; 0: all cores, shared by those at once

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Limits:
        """Raises ConfigError if a variable is no number, or below 0."""
        values = {}
        for name, hint in (("at_once", int), ("epochs", int), ("parameters", int), ("minutes", float),
                           ("pause_minutes", float), ("disk_mb", float), ("uploads_mb", float),
                           ("threads", int)):  # fmt: skip
            variable = f"VITRM_TRAIN_{name.upper()}"
            if variable not in environment:
                continue
            try:
                values[name] = hint(environment[variable])
            except ValueError:
                values[name] = -1
            if not 0 <= values[name] < 10**12:
                raise ConfigError(f"{variable}={environment[variable]}: expected a number, 0 or more")
        return cls(**values)

    def check(self, config: Config) -> None:
        """Raises ConfigError if a training asks for more than is allowed here."""
        if self.at_once == 0:
            raise ConfigError("training is switched off on this server (VITRM_TRAIN_AT_ONCE=0)")
        if self.epochs and config.train.epochs > self.epochs:
            raise ConfigError(f"train.epochs={config.train.epochs}: this server allows at most {self.epochs}")

    def check_places(self, config: Config, visitor: Visitor) -> None:
        """Raises ConfigError if a training reads what is not for this visitor: another's pictures, or, but for the
        teacher, what this server does not offer.
        """
        if not own_data.may_see(config.data.source, visitor):
            raise ConfigError("these pictures are gone, or another visitor's; upload your own")
        if visitor.is_teacher:
            return
        if not sources.is_offered(config.data.source):
            raise ConfigError(f"data.source={config.data.source}: only the teacher may choose folders outside data/")
        if config.train.start:
            raise ConfigError(f"train.start={config.train.start}: only the teacher may choose a run to begin with")

    def check_size(self, config: Config) -> None:
        """The same for the number of parameters, which takes a model, and torch, to count."""
        if not self.parameters:
            return
        import torch

        from vitrm.families import make_model

        with torch.device("meta"):  # nothing is allocated
            parameters = sum(parameter.numel() for parameter in make_model(config.model).parameters())
        if parameters > self.parameters:
            raise ConfigError(
                f"the model has {parameters:,} parameters; this server allows at most {self.parameters:,}: "
                "lower model.dim, model.depth or model.mlp_dim"
            )

    @property
    def cpu_threads(self) -> int:
        return self.threads or max(1, (os.cpu_count() or 1) // max(1, self.at_once))
