"""`tf.estimator.tpu`: the estimator for TPUs, on processors and GPUs: `use_tpu=True` is refused."""

from collections import namedtuple
from collections.abc import Mapping
from typing import Any

from graphkit.tf1 import overlay
from graphkit.tf1.estimator import estimator, run_config, specs

__all__ = ["InputPipelineConfig", "RunConfig", "TPUConfig", "TPUEstimator", "TPUEstimatorSpec"]


class InputPipelineConfig:
    PER_SHARD_V1, PER_HOST_V1, PER_HOST_V2, BROADCAST, SLICED = 1, 2, 3, 4, 5


TPUConfig = namedtuple(
    "TPUConfig",
    "iterations_per_loop num_shards num_cores_per_replica per_host_input_for_training tpu_job_name "
    "initial_infeed_sleep_secs input_partition_dims eval_training_input_configuration "
    "experimental_host_call_every_n_steps",
    defaults=(2, None, None, True, None, None, None, 2, 1),
)


class RunConfig(run_config.RunConfig):
    def __init__(
        self,
        tpu_config: Any = None,
        evaluation_master: Any = None,
        master: Any = None,
        cluster: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.tpu_config, self.cluster = tpu_config or TPUConfig(), cluster


Fields = namedtuple(
    "Fields",
    "mode predictions loss train_op eval_metrics export_outputs scaffold_fn host_call training_hooks "
    "evaluation_hooks prediction_hooks",
    defaults=(None, None, None, None, None, None, None, None, None, None),
)


class TPUEstimatorSpec(Fields):
    """The spec of a mode; `eval_metrics` is (function, its tensors). A `host_call` is left out."""

    __slots__ = ()

    def as_estimator_spec(self) -> specs.EstimatorSpec:
        metrics = None
        if self.eval_metrics is not None:
            function, tensors = self.eval_metrics
            metrics = function(**tensors) if isinstance(tensors, Mapping) else function(*tensors)
        names = (
            "mode predictions loss train_op export_outputs training_hooks evaluation_hooks prediction_hooks"
        )
        scaffold = self.scaffold_fn() if self.scaffold_fn else None
        given = {name: getattr(self, name) for name in names.split()}
        return specs.EstimatorSpec(eval_metric_ops=metrics, scaffold=scaffold, **given)


class TPUEstimator(estimator.Estimator):
    """An estimator whose functions find the batch size of the mode in params["batch_size"]."""

    def __init__(
        self,
        model_fn: Any = None,
        model_dir: Any = None,
        config: Any = None,
        params: Any = None,
        use_tpu: bool = True,
        train_batch_size: int | None = None,
        eval_batch_size: int | None = None,
        predict_batch_size: int | None = None,
        *tpu_only: Any,
        warm_start_from: Any = None,
        **also_tpu_only: Any,
    ) -> None:
        if use_tpu:
            raise ValueError("TPUEstimator: there is no TPU here; pass use_tpu=False; received use_tpu=True")
        if params is not None and "batch_size" in params:
            raise ValueError("batch_size are reserved keys but existed in params.")
        sizes = train_batch_size, eval_batch_size, predict_batch_size
        modes = specs.ModeKeys.TRAIN, specs.ModeKeys.EVAL, specs.ModeKeys.PREDICT
        self.batch_sizes = dict(zip(modes, sizes, strict=True))
        super().__init__(model_fn, model_dir, config, params, warm_start_from)

    def _params_of(self, mode: str) -> Any:
        params, size = self.params, self.batch_sizes[mode]
        if size is not None and hasattr(params, "add_hparam"):
            params.add_hparam("batch_size", size)
            return params
        return params if size is None else {**params, "batch_size": size}


__getattr__, __dir__ = overlay.over(__name__)
