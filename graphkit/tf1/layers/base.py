"""The base of all layers and RNN cells: a name, a variable scope, and variables that are made once."""

import copy
import inspect
import re
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import tensorflow as tf

Keys = tf.compat.v1.GraphKeys
# {graph: {class name in snake case: how many unnamed layers of it there are}}
COUNTS: "weakref.WeakKeyDictionary[tf.Graph, dict[str, int]]" = weakref.WeakKeyDictionary()
OTHER_ARGUMENTS = {
    "input_shape",
    "batch_input_shape",
    "batch_size",
    "weights",
    "activity_regularizer",
    "autocast",
}


class InputSpec:
    """What a layer requires of its input: dtype, number of axes, shape, or sizes of single axes."""

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int | None] | None = None,
    ) -> None:
        self.dtype, self.shape, self.axes = dtype, shape, axes or {}
        self.ndim = len(shape) if shape is not None else ndim
        self.max_ndim, self.min_ndim = max_ndim, min_ndim

    def check(self, layer: str, inputs: tf.Tensor) -> None:
        """Raises `ValueError` if the inputs do not fit."""
        rank, sizes = inputs.shape.rank, inputs.shape.as_list() if inputs.shape.rank is not None else []
        begin = f"Input 0 of layer {layer} is incompatible with the layer:"
        wanted = self.ndim or self.min_ndim or self.max_ndim
        if rank is None:
            if wanted is not None:
                raise ValueError(f"{begin} its rank is undefined, but the layer requires a defined rank.")
            return
        if self.ndim is not None and rank != self.ndim:
            raise ValueError(
                f"{begin} expected ndim={self.ndim}, found ndim={rank}. Full shape received: {sizes}"
            )
        if self.min_ndim is not None and rank < self.min_ndim:
            raise ValueError(
                f"{begin} expected min_ndim={self.min_ndim}, found ndim={rank}. Full shape received: {sizes}"
            )
        if self.max_ndim is not None and rank > self.max_ndim:
            raise ValueError(f"{begin} expected max_ndim={self.max_ndim}, found ndim={rank}")
        if self.dtype is not None and inputs.dtype.base_dtype != tf.as_dtype(self.dtype):
            raise ValueError(f"{begin} expected dtype={self.dtype}, found dtype={inputs.dtype.name}")
        for axis, size in {**dict(enumerate(self.shape or ())), **self.axes}.items():
            if size is not None and sizes[axis] not in (size, None):
                raise ValueError(
                    f"{begin} expected axis {axis} of input shape to have value {size} "
                    f"but received input with shape {sizes}"
                )


class Layer:
    """Base of layers, also of a program's own: define `build`, `call`, or both.

    Variables are made with `add_weight` in `build`, once; each call of the layer uses them again. The scope
    of a layer is fixed when it is first called: its name, or the class's in snake case, numbered.

    Args:
      trainable: whether its variables are added to TRAINABLE_VARIABLES.
      name: of the layer and of its scope.
      dtype: of the variables; None takes that of the first input.
    """

    def __init__(self, trainable: bool = True, name: Any = None, dtype: Any = None, **kwargs: Any) -> None:
        scope, self._reuse = kwargs.pop("_scope", None), kwargs.pop("_reuse", None)
        for key in kwargs:
            if key not in OTHER_ARGUMENTS:
                raise TypeError("Keyword argument not understood:", key)
        self.trainable, self.stateful, self.built = trainable, False, False
        self.input_spec: Any = None
        self._dtype = None if dtype is None else tf.as_dtype(dtype).name
        self._activity_regularizer = kwargs.get("activity_regularizer")
        self._trainable_weights: list[tf.Variable] = []
        self._non_trainable_weights: list[tf.Variable] = []
        self._losses: list[tuple[tf.Tensor, Any]] = []
        self._updates: list[tuple[Any, Any]] = []
        self._calls: list[tuple[Any, Any]] = []
        self._base_name = name.name if isinstance(name, tf.compat.v1.VariableScope) else name
        self._name = name if isinstance(name, str) and name else self._unique_name()
        if not name:
            self._base_name = snake_case(type(self).__name__)
        self._scope: Any = None
        self._current_scope: Any = None
        if scope:
            with tf.compat.v1.variable_scope(scope) as self._scope:
                pass

    def _unique_name(self) -> str:
        base = snake_case(type(self).__name__)
        counts = COUNTS.setdefault(tf.compat.v1.get_default_graph(), {})
        counts[base] = counts.get(base, 0) + 1
        return f"{base}_{counts[base]}"

    # What a layer is made of

    def build(self, input_shape: Any) -> None:
        """Makes the variables; a subclass does it for its own."""
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Returns the outputs; a subclass computes its own."""
        return inputs

    def compute_output_shape(self, input_shape: Any) -> tf.TensorShape:
        """Returns the shape of the outputs for a shape of inputs."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}

    # Names and scopes

    @property
    def name(self) -> str:
        return self._name

    @property
    def dtype(self) -> str | None:
        return self._dtype

    @property
    def scope_name(self) -> str:
        if not self._scope:
            raise ValueError(
                f"No name available for layer scope because the layer {self._name!r} has not been used yet. "
                "The scope name is determined the first time the layer instance is called. You must "
                "therefore call the layer before querying `scope_name`."
            )
        return self._scope.name

    def _set_scope(self, scope: Any = None) -> None:
        if self._scope is not None:
            return
        if self._reuse:
            with tf.compat.v1.variable_scope(self._base_name if scope is None else scope) as self._scope:
                pass
        else:
            with tf.compat.v1.variable_scope(scope, default_name=self._base_name) as self._scope:
                pass

    # Variables

    def add_weight(
        self,
        name: str,
        shape: Any,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool | None = None,
        constraint: Any = None,
        use_resource: bool | None = None,
        synchronization: Any = tf.VariableSynchronization.AUTO,
        aggregation: Any = tf.VariableAggregation.NONE,
        partitioner: Any = None,
        **kwargs: Any,
    ) -> tf.Variable:
        """Makes a variable of the layer's scope, or gets an existing one where the layer reuses."""
        if synchronization == tf.VariableSynchronization.ON_READ and trainable:
            raise ValueError("a variable with synchronization ON_READ cannot be trainable")
        trainable = trainable is not False and synchronization != tf.VariableSynchronization.ON_READ
        existing = {variable.ref() for variable in tf.compat.v1.global_variables()}
        self._set_scope()
        reuse = self.built or self._reuse
        with tf.compat.v1.variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as scope:
            self._current_scope = scope
            with tf.compat.v1.name_scope(scope.original_name_scope):
                variable = tf.compat.v1.get_variable(
                    name,
                    tuple(tf.TensorShape(shape).as_list()),
                    tf.as_dtype(dtype or self.dtype or tf.float32),
                    scope.initializer if initializer is None else initializer,
                    trainable=trainable and self.trainable,
                    constraint=constraint,
                    partitioner=partitioner,
                    use_resource=True,
                    synchronization=synchronization,
                    aggregation=aggregation,
                )
                if regularizer is not None and not {part.ref() for part in parts_of(variable)} & existing:
                    self._add_regularization(name, variable, regularizer)
        self._remember(variable)
        return variable

    def add_variable(self, *args: Any, **kwargs: Any) -> tf.Variable:
        return self.add_weight(*args, **kwargs)

    def _add_regularization(self, name: str, variable: Any, regularizer: Callable[[Any], Any]) -> None:
        for part in parts_of(variable):
            with tf.compat.v1.name_scope(f"{name}/Regularizer"):
                loss = regularizer(part)
            if loss is not None:
                self.add_loss(loss)

    def _remember(self, variable: Any) -> None:
        trained = {one.ref() for one in tf.compat.v1.trainable_variables()}
        for part in parts_of(variable):
            known = self._trainable_weights if part.ref() in trained else self._non_trainable_weights
            if all(part is not one for one in known):
                known.append(part)

    @property
    def trainable_weights(self) -> list[tf.Variable]:
        return list(self._trainable_weights) if self.trainable else []

    @property
    def non_trainable_weights(self) -> list[tf.Variable]:
        if self.trainable:
            return list(self._non_trainable_weights)
        return [*self._trainable_weights, *self._non_trainable_weights]

    @property
    def weights(self) -> list[tf.Variable]:
        return [*self.trainable_weights, *self.non_trainable_weights]

    variables = property(lambda self: self.weights)
    trainable_variables = property(lambda self: self.trainable_weights)
    non_trainable_variables = property(lambda self: self.non_trainable_weights)

    def count_params(self) -> int:
        if not self.built:
            raise ValueError(f"the layer {self.name!r} has no variables before it is built or called")
        return sum(variable.shape.num_elements() for variable in self.weights)

    # Losses and updates

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Adds losses to the layer and to REGULARIZATION_LOSSES; `inputs` are what they depend on."""
        new = [loss() if callable(loss) else loss for loss in tf.nest.flatten(losses)]
        new = [tf.convert_to_tensor(loss) for loss in new if loss is not None]
        self._losses += [(loss, inputs) for loss in new]
        add_to_collection(Keys.REGULARIZATION_LOSSES, new)

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Adds ops that each training step must run, such as those of moving averages."""
        self._updates += [(update, inputs) for update in tf.nest.flatten(updates)]

    @property
    def losses(self) -> list[tf.Tensor]:
        return [loss for loss, _ in self._losses]

    @property
    def updates(self) -> list[Any]:
        return [update for update, _ in self._updates] if self.trainable or self.stateful else []

    def get_losses_for(self, inputs: Any) -> list[tf.Tensor]:
        return [loss for loss, of in self._losses if is_same(of, inputs)]

    def get_updates_for(self, inputs: Any) -> list[Any]:
        return [update for update, of in self._updates if is_same(of, inputs)]

    # Calling it

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        self._set_scope(kwargs.pop("scope", None))
        reuse = True if self.built else self._reuse
        with tf.compat.v1.variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as scope:
            self._current_scope = scope
            if "scope" in inspect.signature(self.call).parameters:
                kwargs["scope"] = scope
            with tf.compat.v1.name_scope(scope.original_name_scope):
                inputs = tf.nest.map_structure(as_tensor, inputs)
                self._prepare(inputs)
                outputs = self.call(inputs, *args, **kwargs)
                self._add_activity_loss(inputs, outputs)
        if outputs is None:
            raise ValueError(f"A layer's `call` method should return a Tensor, not None (layer: {self.name})")
        self._calls.append((inputs, outputs))
        add_to_collection(Keys.UPDATE_OPS, self.updates)
        return outputs

    def apply(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return self(inputs, *args, **kwargs)

    def _prepare(self, inputs: Any) -> None:
        """Checks the inputs, and makes the variables at the first call."""
        tensors = tf.nest.flatten(inputs)
        for spec, tensor in zip(tf.nest.flatten(self.input_spec or []), tensors, strict=False):
            spec.check(self.name, tensor)
        if self.built:
            return
        if self._dtype is None and tensors:
            self._dtype = tensors[0].dtype.base_dtype.name
        shapes = tf.nest.map_structure(lambda tensor: tensor.shape, inputs)
        self.build(shapes)
        self.built = True
        for spec, tensor in zip(tf.nest.flatten(self.input_spec or []), tensors, strict=False):
            spec.check(self.name, tensor)

    def _add_activity_loss(self, inputs: Any, outputs: Any) -> None:
        if self._activity_regularizer is None:
            return
        for output in tf.nest.flatten(outputs):
            with tf.compat.v1.name_scope("ActivityRegularizer"):
                loss = tf.convert_to_tensor(self._activity_regularizer(output))
                # A mean over the examples, as in TensorFlow 1.15.
                loss /= tf.cast(tf.shape(output)[0], loss.dtype)
            self.add_loss(loss, inputs=inputs)

    @property
    def input(self) -> Any:
        return self._only_call()[0]

    @property
    def output(self) -> Any:
        return self._only_call()[1]

    def _only_call(self) -> tuple[Any, Any]:
        if len(self._calls) != 1:
            raise AttributeError(
                f"Layer {self.name} was called {len(self._calls)} times: its input and output are not defined"
            )
        return self._calls[0]

    @property
    def graph(self) -> None:
        return None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Layer":
        result = type(self).__new__(type(self))
        memo[id(self)] = result
        for key, value in vars(self).items():
            tensors = any(tf.is_tensor(part) for part in tf.nest.flatten(value))
            own = value if tensors else copy.copy(value) if key == "_scope" else copy.deepcopy(value, memo)
            setattr(result, key, own)
        return result


def snake_case(name: str) -> str:
    """Returns "conv2d_transpose" for "Conv2DTranspose", as TensorFlow 1 named unnamed layers."""
    name = re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    name = re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
    return f"private{name}" if name[0] == "_" else name


def as_tensor(value: Any) -> Any:
    """Returns arrays and numbers as tensors; tensors, variables and objects of other kinds as they are."""
    if tf.is_tensor(value) and not isinstance(value, tf.Variable):
        return value
    return tf.convert_to_tensor(value)


def parts_of(variable: Any) -> Iterable[tf.Variable]:
    """Returns the variables that a variable consists of: itself, unless it is partitioned."""
    return [variable] if isinstance(variable, tf.Variable) else list(variable)


def is_same(one: Any, other: Any) -> bool:
    """Whether two structures hold the same tensors."""
    if one is None or other is None:
        return one is other
    first, second = tf.nest.flatten(one), tf.nest.flatten(other)
    return len(first) == len(second) and all(a is b for a, b in zip(first, second, strict=True))


def add_to_collection(key: str, elements: Iterable[Any]) -> None:
    """Adds what the collection does not hold yet."""
    collection = tf.compat.v1.get_collection_ref(key)
    for element in elements:
        if all(element is not one for one in collection):
            collection.append(element)
