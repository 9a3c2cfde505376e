"""The settings of an estimator's runs."""

import copy
import json
import os
from typing import Any

import tensorflow as tf

SECONDS = 600  # between checkpoints


class RunConfig:
    """As `tf.estimator.RunConfig`, in one process: settings for several are refused."""

    model_dir: Any = None
    tf_random_seed: int | None = None
    save_summary_steps: int | None = 100
    save_checkpoints_steps: int | None = None
    save_checkpoints_secs: float | None = SECONDS
    session_config: Any = None
    keep_checkpoint_max: int | None = 5
    keep_checkpoint_every_n_hours: float = 10000
    log_step_count_steps: int | None = 100
    train_distribute: Any = None
    device_fn: Any = None
    protocol: Any = None
    eval_distribute: Any = None
    experimental_distribute: Any = None
    experimental_max_worker_delay_secs: Any = None
    session_creation_timeout_secs: int = 7200

    is_chief, task_type, task_id, global_id_in_cluster = True, "worker", 0, 0
    num_ps_replicas, num_worker_replicas, master, evaluation_master = 0, 1, "", ""
    cluster_spec = service = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs |= dict(zip(RunConfig.__annotations__, args, strict=False))
        if "save_checkpoints_steps" in kwargs and "save_checkpoints_secs" not in kwargs:
            kwargs["save_checkpoints_secs"] = None
        self.update(kwargs)
        tasks = json.loads(os.environ.get("TF_CONFIG") or "{}").get("cluster", {})
        if sum(len(addresses) for addresses in tasks.values()) > 1:
            text = "RunConfig: estimators run in one process; unset TF_CONFIG, or train with gk.Trainer"
            raise ValueError(f"{text} (see docs/cluster.md); received TF_CONFIG with {sorted(tasks)}")

    def replace(self, **kwargs: Any) -> "RunConfig":
        """Returns a copy with some settings replaced; of steps and seconds, the one not given is unset."""
        made = copy.copy(self)
        both = {"save_checkpoints_steps", "save_checkpoints_secs"}
        for name in both & set(kwargs):
            if kwargs[name] is not None:
                kwargs = {**dict.fromkeys(both), **kwargs}
        made.update(kwargs)
        return made

    def update(self, settings: dict[str, Any]) -> None:
        for name, value in settings.items():
            if name not in RunConfig.__annotations__:
                raise ValueError(f"RunConfig: {name} is not supported.")
            if name.endswith("_distribute") and value is not None:
                raise ValueError(f"RunConfig: {name} is not supported; see docs/cluster.md for workers.")
            least = 1 if name in ("log_step_count_steps", "session_creation_timeout_secs") else 0
            if isinstance(value, (int, float)) and name != "tf_random_seed" and value < least:
                raise ValueError(f"{name} should be >= {least}, given: {value}")
            setattr(self, name, value)
        if self.save_checkpoints_steps is not None and self.save_checkpoints_secs is not None:
            raise ValueError("`save_checkpoints_steps` and `save_checkpoints_secs` cannot be both set.")
        if self.model_dir is not None and not self.model_dir:
            raise ValueError("model_dir should be non-empty")
        if not isinstance(self.tf_random_seed, (int, type(None))):
            raise ValueError("tf_random_seed must be integer.")
        if not isinstance(self.session_config, (tf.compat.v1.ConfigProto, type(None))):
            raise ValueError("session_config must be instance of ConfigProto")
