"""The validations of a fit: at the end of each epoch, and every some steps."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphkit import checks
from graphkit.graph import walk
from graphkit.running.metrics import add_row
from graphkit.running.steps import Evaluation
from graphkit.train import averages


class Validation(NamedTuple):
    """What validates in a fit.

    Attributes:
      evaluate: computes the metrics over the validation data, or None where there are none.
      every: steps between validations inside an epoch, or None.
    """

    evaluate: Evaluation | None
    every: int | None

    def is_due(self, state: Any) -> bool:
        """Whether the step that a training has made inside an epoch is to be validated."""
        if self.evaluate is None or self.every is None or state.step == 0:
            return False
        return state.step % self.every == 0 and state.validations.get("step", [])[-1:] != [state.step]

    def run(self, trainer: Any, check_interrupt: Callable[[], None]) -> dict[str, Any]:
        """Validates and calls the callbacks; returns the metrics, none where there are no data."""
        if self.evaluate is None:
            return {}
        for callback in trainer.callbacks:
            callback.on_validation_start(trainer)
        found = {f"valid_{name}": value for name, value in self.evaluate(check_interrupt).items()}
        if trainer.training_step.averages is not None:
            with averages.instead_of_weights(trainer, checks.Checker("fit")):
                averaged = self.evaluate(check_interrupt)
            found |= {f"valid_{averages.PREFIX}{name}": value for name, value in averaged.items()}
        state = trainer.state
        if state.validations.get("step", [])[-1:] != [state.step]:  # an epoch that ended may begin again
            add_row(state.validations, {"step": state.step, **found})
        for callback in trainer.callbacks:
            callback.on_validation_end(trainer, found)
        return found


def validation_of(
    trainer: Any, valid: Any, every: Any, examples: int | None, epochs: int | None
) -> Validation:
    """Checks the validation data, and names the metrics of the history.

    Args:
      trainer: the `Trainer`.
      valid: the data, or None.
      every: steps between validations, or None for one at the end of each epoch.
      examples: how many of the examples are evaluated, or None for all.
      epochs: of the fit, or None where the data is read more than once in any case.
    """
    check = checks.Checker("fit")
    if every is not None:
        every = check.integer("valid_every", every)
        check.require(valid is not None, "valid_every needs validation data", valid=None)
    trainer.metric_names = list(trainer.metrics)
    if valid is None:
        return Validation(None, None)
    kinds = ["valid_"] if trainer.training_step.averages is None else ["valid_", f"valid_{averages.PREFIX}"]
    trainer.metric_names += [f"{kind}{name}" for kind in kinds for name in trainer.metrics]
    check = checks.Checker("fit (valid)")
    check_settings(check, trainer, valid)
    again = every is not None or epochs != 1 or len(kinds) > 1
    evaluate = trainer.evaluation(check, valid, workers=trainer.workers, most=examples, again=again)
    return Validation(evaluate, every)


def check_settings(check: checks.Checker, trainer: Any, valid: Any) -> None:
    """Raises for placeholders without a default that the fit gives in feed and a validation needs, too."""
    needed = {placeholder.name for placeholder in walk.needed_placeholders(trainer.training_step.evaluated)}
    fed = [placeholder for placeholder in trainer.examples.given if placeholder.name in needed]
    if isinstance(valid, Mapping):
        keys = [key for group in valid for key in (group if isinstance(group, tuple) else [group])]
        held = {str(getattr(key, "name", key)).removesuffix(":0") for key in keys}
        fed = [placeholder for placeholder in fed if placeholder.op.name not in held]
    else:  # what a stream holds is not known yet; no scalar
        fed = [placeholder for placeholder in fed if placeholder.shape.rank == 0]
    rule = (
        "a validation has placeholders at their defaults, which feed does not change, and some have none: "
        "make them by tf.compat.v1.placeholder_with_default(value, shape), a keep_prob by "
        "gk.keep_prob_input()"
    )
    check.require(not fed, rule, without_default=[placeholder.name for placeholder in fed])
