"""`tensorflow.python`: private modules that TF1 programs import, with public names in them.

`from tensorflow.python.framework import ops` and `ops.reset_default_graph` find
`tf.compat.v1.reset_default_graph`. What has no public name comes from the private module, for as long as
TensorFlow has it.
"""

import importlib
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import tensorflow as tf

from graphkit.tf1 import overlay
from graphkit.tf1.layers import base

# {namespaces in which the names of private modules are public, "." is tf itself: these modules}
MODULES = {
    ".": """client.session framework.constant_op framework.function framework.ops framework.sparse_tensor
        framework.tensor_shape framework.tensor_util ops.array_ops ops.clip_ops ops.control_flow_ops
        ops.functional_ops ops.gradients ops.gradients_impl ops.logging_ops ops.partitioned_variables
        ops.script_ops ops.state_ops ops.template ops.tensor_array_ops ops.variable_scope ops.variables""",
    "app": "platform.app",
    "compat": "util.compat",
    "contrib.framework.nest": "util.nest",
    "contrib.legacy_seq2seq": "ops.seq2seq",
    "data": "data.ops.dataset_ops",
    "debugging .": "ops.check_ops",
    "distributions": "ops.distributions.bernoulli ops.distributions.categorical ops.distributions.normal",
    "dtypes .": "framework.dtypes",
    "errors": "framework.errors",
    "estimator": "estimator.estimator estimator.model_fn",
    "feature_column": "feature_column.feature_column",
    "flags": "platform.flags",
    "gfile": "platform.gfile",
    "graph_util": "framework.graph_util",
    "image": "ops.image_ops",
    "initializers .": "ops.init_ops",
    "io .": "ops.io_ops ops.parsing_ops",
    "layers": """layers.base layers.convolutional layers.core layers.layers layers.normalization
        layers.pooling""",
    "linalg .": "ops.linalg_ops",
    "logging": "platform.tf_logging",
    "lookup": "ops.lookup_ops",
    "losses": "ops.losses.losses",
    "math .": "ops.math_ops",
    "metrics": "ops.metrics",
    "nn": "ops.embedding_ops ops.nn ops.nn_ops ops.rnn",
    "nn.rnn_cell": "ops.rnn_cell ops.rnn_cell_impl",
    "python_io": "lib.io.tf_record",
    "queue .": "ops.data_flow_ops",
    "random .": "framework.random_seed ops.random_ops",
    "resource_loader": "platform.resource_loader",
    "saved_model.builder": "saved_model.builder",
    "saved_model.signature_def_utils": "saved_model.signature_def_utils",
    "saved_model.signature_constants": "saved_model.signature_constants",
    "saved_model.tag_constants": "saved_model.tag_constants",
    "saved_model.utils": "saved_model.utils",
    "sparse .": "ops.sparse_ops",
    "strings .": "ops.string_ops",
    "summary": "summary.summary",
    "test": "platform.test",
    "train": """pywrap_tensorflow training.basic_session_run_hooks training.monitored_session
        training.optimizer training.saver training.session_run_hook training.training
        training.training_util""",
}
# What private modules have lost, or hold under another name now.
OLD: dict[str, Callable[..., Any]] = {
    "framework.tensor_shape.scalar": lambda: tf.TensorShape([]),
    "framework.tensor_shape.vector": lambda length: tf.TensorShape([length]),
    "framework.tensor_shape.matrix": lambda rows, columns: tf.TensorShape([rows, columns]),
    "layers.base._Layer": base.Layer,
    "ops.variable_scope.variable": tf.compat.v1.Variable,
}
PUBLIC = {
    module: [namespace.strip(".") for namespace in namespaces.split()]
    for namespaces, modules in MODULES.items()
    for module in modules.split()
}


class Private(ModuleType):
    """A private module, or a folder of them; its `__name__` is the path below `tensorflow.python`."""

    def __getattr__(self, name: str) -> Any:
        if overlay.is_special(name):
            raise AttributeError(overlay.missing(self.__name__, name, None))
        path = f"{self.__name__}.{name}".lstrip(".")
        if any(f"{module}.".startswith(f"{path}.") for module in PUBLIC):
            found = Private(path)
        else:
            found = self.public(name)
            if hasattr(found, "__path__"):
                found = Private(path)  # a folder of TensorFlow's, whose modules are imported when needed
        setattr(self, name, found)
        return found

    def public(self, name: str) -> Any:
        if f"{self.__name__}.{name}" in OLD:
            return OLD[f"{self.__name__}.{name}"]
        for namespace in PUBLIC.get(self.__name__, []):
            try:
                return overlay.attribute(sys.modules[overlay.PACKAGE], f"{namespace}.{name}".lstrip("."))
            except AttributeError:
                continue
        private = f"tensorflow.python.{self.__name__}".rstrip(".")
        try:
            module = importlib.import_module(private)
            return getattr(module, name, None) or importlib.import_module(f"{private}.{name}")
        except ImportError:
            raise AttributeError(
                overlay.missing(f"{__name__}.{self.__name__}".rstrip("."), name, None)
            ) from None

    def __dir__(self) -> list[str]:
        root = sys.modules[overlay.PACKAGE]
        spaces = PUBLIC.get(self.__name__, [])
        return sorted({name for space in spaces for name in dir(overlay.attribute(root, space))})


_root = Private("")


def __getattr__(name: str) -> Any:
    return getattr(_root, name)
