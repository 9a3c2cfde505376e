"""The state of a training, as a checkpoint holds it."""

import copy
import dataclasses
from collections.abc import Mapping
from typing import Any

from graphkit.data import batches
from graphkit.nn.metrics import Metric
from graphkit.running.metrics import Means


@dataclasses.dataclass
class TrainingState:
    """The state of a training: everything that a checkpoint holds next to the variables.

    Attributes:
      means: of the loss and the metrics over the current epoch.
      step: number of steps made.
      epoch: number of epochs finished.
      batch: number of mini-batches made of the current epoch.
      plan: of the current epoch, or of the last one; None before the first fit.
      identity: what decides the bits of the current fit, or of the last one, see `identity.of_run`; None
        before the first.
      rate: learning rate of the last step, or a list of those of several losses; None before the first, or
        where the optimizer brings its own.
      rate_factor: factor of the learning rate, which callbacks change.
      history: {name: list with a value for each epoch}.
      validations: {name: list with a value for each validation}: step, valid_loss, ….
      stop_reason: why a callback ended the training, or None.
    """

    means: Means
    step: int = 0
    epoch: int = 0
    batch: int = 0
    plan: batches.Plan | None = None
    identity: dict[str, Any] | None = None
    rate: Any = None
    rate_factor: float = 1.0
    history: dict[str, list] = dataclasses.field(default_factory=dict)
    validations: dict[str, list] = dataclasses.field(default_factory=dict)
    stop_reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the state as JSON."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        del fields["means"]
        plan = None if self.plan is None else dataclasses.asdict(self.plan)
        return {**fields, "plan": plan, "totals": self.means.state(), "examples": self.means.examples}

    @classmethod
    def from_json(cls, fields: Mapping[str, Any], metrics: Mapping[str, Metric]) -> "TrainingState":
        """Returns the state that `to_json` was called on; metrics are those of the trainer."""
        names = {field.name for field in dataclasses.fields(cls)} - {"means", "plan"}
        means = Means(metrics, fields["totals"], fields["examples"])
        plan = None if fields["plan"] is None else batches.Plan(**fields["plan"])
        return cls(means=means, plan=plan, **{name: fields[name] for name in names})

    def copy(self) -> "TrainingState":
        """Returns a state that does not change with this one."""
        return TrainingState.from_json(copy.deepcopy(self.to_json()), self.means.metrics)

    def drop_unfinished(self) -> None:
        """Removes the row of the history that is of a part of an epoch, when the epoch goes on."""
        while self.history.get("epoch", [0])[-1:] > [self.epoch]:
            for column in self.history.values():
                column.pop()

    def start_epoch(self) -> None:
        """Resets the mini-batches and means of the current epoch."""
        self.batch = 0
        self.means = Means(self.means.metrics)
