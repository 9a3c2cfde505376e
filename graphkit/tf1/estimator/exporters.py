"""What `train_and_evaluate` exports: each checkpoint, the last one, or the best."""

import glob
import os
import shutil
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from graphkit.tf1.estimator import events


class Exporter:
    """Base of exporters: `export` may write a model to its path."""

    name: str

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> Any:
        raise NotImplementedError


class LatestExporter(Exporter):
    """Exports each checkpoint that is evaluated, and keeps the newest."""

    def __init__(
        self,
        name: str,
        serving_input_receiver_fn: Any,
        assets_extra: Any = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        if exports_to_keep is not None and exports_to_keep <= 0:
            raise ValueError(f"`exports_to_keep`, if provided, must be positive. Got {exports_to_keep}")
        self.name, self.kept = name, exports_to_keep
        self.given = (serving_input_receiver_fn, assets_extra, as_text)

    def wants(self, estimator: Any, eval_result: Any, is_the_final_export: bool) -> bool:
        """Whether a checkpoint is exported."""
        return True

    def export(
        self,
        estimator: Any,
        export_path: str,
        checkpoint_path: str,
        eval_result: Any,
        is_the_final_export: bool,
    ) -> Any:
        if not self.wants(estimator, eval_result, is_the_final_export):
            return None
        path = estimator.export_saved_model(export_path, *self.given, checkpoint_path)
        stamps = sorted(name for name in os.listdir(export_path) if len(name) == 10 and name.isdecimal())
        for old in stamps[: -self.kept] if self.kept else ():
            shutil.rmtree(os.path.join(export_path, old), ignore_errors=True)
        return path


class FinalExporter(LatestExporter):
    """Exports once, at the end of the training."""

    def __init__(
        self, name: str, serving_input_receiver_fn: Any, assets_extra: Any = None, as_text: bool = False
    ) -> None:
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text, None)

    def wants(self, estimator: Any, eval_result: Any, is_the_final_export: bool) -> bool:
        return is_the_final_export


def loss_smaller(best_eval_result: Any, current_eval_result: Any) -> bool:
    if "loss" not in (best_eval_result or ()) or "loss" not in (current_eval_result or ()):
        raise ValueError("best_eval_result and current_eval_result cannot be empty or without a loss.")
    return best_eval_result["loss"] > current_eval_result["loss"]


class BestExporter(LatestExporter):
    """Exports a checkpoint that is better than all before it, those of earlier processes included."""

    def __init__(
        self,
        name: str = "best_exporter",
        serving_input_receiver_fn: Any = None,
        event_file_pattern: str | None = "eval/*.tfevents.*",
        compare_fn: Callable[..., bool] = loss_smaller,
        assets_extra: Any = None,
        as_text: bool = False,
        exports_to_keep: int | None = 5,
    ) -> None:
        if compare_fn is None:
            raise ValueError("`compare_fn` must not be None.")
        super().__init__(name, serving_input_receiver_fn, assets_extra, as_text, exports_to_keep)
        self.compare, self.pattern, self.best = compare_fn, event_file_pattern, None
        self.model_dir: str | None = None

    def wants(self, estimator: Any, eval_result: Any, is_the_final_export: bool) -> bool:
        if self.model_dir != estimator.model_dir and self.pattern:
            self.model_dir, self.best = estimator.model_dir, None
            # `evaluate` has written the result at hand, too: TF 1.15 compared it with itself here.
            step = int(eval_result[tf.compat.v1.GraphKeys.GLOBAL_STEP])
            earlier = events.metrics_of(glob.glob(os.path.join(estimator.model_dir, self.pattern)))
            for result in (result for number, result in earlier.items() if number != step):
                self.take(result)
        return self.take(eval_result)

    def take(self, result: Any) -> bool:
        """Returns whether a result is the best one so far, which is kept."""
        better = self.best is None or self.compare(best_eval_result=self.best, current_eval_result=result)
        self.best = result if better else self.best
        return better
