"""The base of all layers and RNN cells: a name, a variable scope, and variables that are made once."""

import contextvars
import copy
import inspect
import re
import weakref
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.graph import walk
from graphkit.nn import variables
from graphkit.tf1.layers.calls import Calls
from graphkit.tf1.layers.input_spec import InputSpec, check_inputs

Keys = tf.compat.v1.GraphKeys
# {graph: {class name in snake case: how many unnamed layers of it there are}}
COUNTS: "weakref.WeakKeyDictionary[tf.Graph, dict[str, int]]" = weakref.WeakKeyDictionary()
# `training` of the layer that is being called: layers inside it take it over where they are not given one.
TRAINING: contextvars.ContextVar[Any] = contextvars.ContextVar("training", default=None)
WITHOUT_EFFECT = ("input_shape", "batch_input_shape", "batch_size", "autocast")  # only Keras models use them


class Layer(Calls):
    """Base of layers, also of a program's own: define `build`, `call`, or both.

    Variables are made with `add_weight` in `build`, once; each call of the layer uses them again. The scope
    of a layer is fixed when it is first called: its name, or the class's in snake case, numbered.

    Args:
      trainable: whether its variables are added to TRAINABLE_VARIABLES.
      name: of the layer and of its scope.
      dtype: of the variables; None takes that of the first input.
      _scope: fixes the scope to this one, as functions such as `dense` do; True for the name.
      _reuse: whether variables of that scope are reused.
    """

    def __init__(self, trainable: bool = True, name: Any = None, dtype: Any = None, **kwargs: Any) -> None:
        scope, self._reuse = kwargs.pop("_scope", None), kwargs.pop("_reuse", None)
        self.activity_regularizer = kwargs.pop("activity_regularizer", None)
        for key in kwargs:
            if key not in WITHOUT_EFFECT:
                raise TypeError("Keyword argument not understood:", key)
        self.trainable, self.stateful, self.built = trainable, False, False
        self.input_spec = None
        self._dtype = tf.as_dtype(dtype).name if dtype else None
        self._trainable_weights: list[tf.Variable] = []
        self._non_trainable_weights: list[tf.Variable] = []
        self._losses: list[tuple[tf.Tensor, Any]] = []
        self._updates: list[tuple[Any, Any]] = []
        self._made_calls: list[tuple[Any, Any]] = []
        self._call_inputs: Any = None  # of the call that is being made
        self._base_name = name.name if isinstance(name, tf.compat.v1.VariableScope) else name
        self._name = name if isinstance(name, str) and name else self._unique_name()
        if not name:
            self._base_name = snake_case(type(self).__name__)
        self._scope: Any = None
        self._current_scope: Any = None
        scope = name if scope is True else scope
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
        own = type(self)
        if own.get_config is Layer.get_config and own.__init__ is not Layer.__init__:
            raise NotImplementedError("Layers with arguments in `__init__` must override `get_config`.")
        return {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Layer":
        return cls(**config)

    @property
    def input_spec(self) -> Any:
        return self._input_spec

    @input_spec.setter
    def input_spec(self, specs: Any) -> None:
        for spec in tf.nest.flatten(specs):
            if not isinstance(spec, InputSpec | None):
                raise TypeError(f"Layer input_spec must be an instance of InputSpec. Got: {spec}")
        self._input_spec = specs

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
                f'No name available for layer scope because the layer "{self._name}" has not been used yet. '
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
        experimental_autocast: Any = None,
    ) -> tf.Variable:
        """Makes a variable of the layer's scope, or gets an existing one where the layer reuses."""
        check = checks.Checker("add_weight")
        on_read = synchronization == tf.VariableSynchronization.ON_READ
        rule = "a variable with synchronization ON_READ cannot be trained"
        check.require(not (on_read and trainable), rule, trainable=trainable)
        trainable = trainable is not False and not on_read and self.trainable
        rule = "initializer must be a function of a shape, or the name of one"
        right = initializer is None or isinstance(initializer, str) or callable(initializer)
        check.require(right, rule, initializer=initializer)
        dtype = tf.as_dtype(dtype or self.dtype or tf.float32)
        self._dtype = self._dtype or dtype.base_dtype.name
        existing = of_collection(Keys.GLOBAL_VARIABLES) if regularizer is not None else []
        self._set_scope()
        reuse = self.built or self._reuse
        with tf.compat.v1.variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as scope:
            self._current_scope = scope
            with tf.compat.v1.name_scope(scope.original_name_scope):
                variable = tf.compat.v1.get_variable(
                    name,
                    tuple(tf.TensorShape(shape).as_list()),
                    dtype,
                    variables.usable_initializer(check, name, initializer),
                    trainable=trainable,
                    constraint=constraint,
                    partitioner=partitioner,
                    use_resource=True,
                    synchronization=synchronization,
                    aggregation=aggregation,
                )
                if regularizer is not None and not any(is_in(part, existing) for part in parts_of(variable)):
                    self._add_regularization(name, variable, regularizer)
        self._remember(variable, trainable)
        return variable

    def add_variable(self, *args: Any, **kwargs: Any) -> tf.Variable:
        return self.add_weight(*args, **kwargs)

    def _add_regularization(self, name: str, variable: Any, regularizer: Callable[[Any], Any]) -> None:
        for part in parts_of(variable):
            # Outside of a branch or a loop, where the sum of all losses can read it.
            with tf.init_scope(), tf.compat.v1.name_scope(f"{name}/Regularizer"):
                self.add_loss(regularizer(part))

    def _remember(self, variable: Any, trainable: bool) -> None:
        # A custom getter may have made it untrainable.
        trained = of_collection(Keys.TRAINABLE_VARIABLES) if trainable else []
        for part in parts_of(variable):
            known = self._trainable_weights if is_in(part, trained) else self._non_trainable_weights
            if not is_in(part, known):
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
            raise ValueError(
                f"You tried to call `count_params` on {self.name}, but the layer isn't built. "
                f"You can build it manually via: `{self.name}.build(batch_input_shape)`."
            )
        return sum(variable.shape.num_elements() for variable in self.weights)

    def get_weights(self) -> list[np.ndarray]:
        """Returns the values of the variables in the default session."""
        return tf.compat.v1.get_default_session().run(self.weights)

    def set_weights(self, weights: list[np.ndarray]) -> None:
        """Gives the variables values in the default session."""
        check = checks.Checker("set_weights")
        shapes = [tuple(variable.shape.as_list()) for variable in self.weights]
        received = [np.shape(value) for value in weights]
        check.require(shapes == received, f"the shapes of the weights must be {shapes}", shapes=received)
        for variable, value in zip(self.weights, weights, strict=True):
            # Adds no op to the graph, which may be finalized.
            first_value = variable.initializer.inputs[1]
            tf.compat.v1.get_default_session().run(variable.initializer, {first_value: value})

    # Losses and updates

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Adds losses to the layer and to REGULARIZATION_LOSSES; `inputs` are what they depend on."""
        new = [loss() if callable(loss) else loss for loss in tf.nest.flatten(losses)]
        new = [
            loss if tf.is_tensor(loss) else tf.constant(loss, tf.float32) for loss in new if loss is not None
        ]
        self._losses += [(loss, inputs) for loss in new]
        add_to_collection(Keys.REGULARIZATION_LOSSES, new)

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Adds ops that each training step must run, such as those of moving averages."""
        updates = updates if isinstance(updates, list | tuple) else [updates]
        new = [update() if callable(update) else update for update in updates]
        self._updates += [(getattr(update, "op", update), self._call_inputs) for update in new]

    @property
    def losses(self) -> list[tf.Tensor]:
        return [loss for loss, _ in self._losses]

    @property
    def updates(self) -> list[Any]:
        return [update for update, _ in self._updates] if self.trainable or self.stateful else []

    def get_losses_for(self, inputs: Any) -> list[tf.Tensor]:
        """Returns the losses that depend on the inputs; those that depend on none where they are None."""
        if inputs is None:
            return [loss for loss, of in self._losses if of is None]
        return [loss for loss, of in self._losses if of is not None and depends(loss, inputs)]

    def get_updates_for(self, inputs: Any) -> list[Any]:
        """Returns the updates that depend on the inputs; those that depend on none where they are None."""
        conditional = [update for update, of in self._updates if depends(update, of)]
        if inputs is None:
            return [update for update in self.updates if update not in conditional]
        return [update for update in self.updates if update in conditional and depends(update, inputs)]

    # Calling it

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        self._set_scope(kwargs.pop("scope", None))
        reuse = True if self.built else self._reuse
        inputs = tf.nest.map_structure(as_tensor, inputs)
        check_inputs(self.input_spec, self.name, inputs)
        with tf.compat.v1.variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as scope:
            self._current_scope = scope
            training = TRAINING.set(self._complete(args, kwargs, scope))
            outside, self._call_inputs = self._call_inputs, inputs
            try:
                with tf.compat.v1.name_scope(scope.original_name_scope):
                    self._build_once(inputs)
                    outputs = self.call(inputs, *args, **kwargs)
                    if outputs is None:
                        raise ValueError(
                            "A layer's `call` method should return a Tensor or a list of Tensors, not None "
                            f"(layer: {self.name})."
                        )
                    self._add_activity_loss(inputs, outputs)
            finally:
                self._call_inputs = outside
                TRAINING.reset(training)
        self._made_calls.append((inputs, outputs))
        add_to_collection(Keys.UPDATE_OPS, self.updates)
        return outputs

    def _complete(self, args: tuple[Any, ...], kwargs: dict[str, Any], scope: Any) -> Any:
        """Adds to the arguments of `call` what it takes: scope and training. Returns training."""
        parameters = inspect.signature(self.call).parameters
        if "scope" in parameters:
            kwargs["scope"] = scope
        takes_any = any(parameter.kind == parameter.VAR_KEYWORD for parameter in parameters.values())
        takes_training = "training" in parameters or takes_any
        by_place = dict(zip(list(parameters)[1:], args, strict=False))
        if "training" in by_place:
            return by_place["training"]
        if "training" in kwargs:
            return kwargs["training"] if takes_training else kwargs.pop("training")
        training = TRAINING.get()
        if takes_training and training is not None:
            kwargs["training"] = tf.cast(training, tf.bool) if tf.is_tensor(training) else bool(training)
        return training

    def apply(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        return self(inputs, *args, **kwargs)

    def _build_once(self, inputs: Any) -> None:
        """Makes the variables at the first call."""
        if self.built:
            return
        tensors = tf.nest.flatten(inputs)
        if self._dtype is None and tensors and hasattr(tensors[0], "dtype"):
            self._dtype = tensors[0].dtype.base_dtype.name
        shapes = None
        if all(hasattr(tensor, "shape") for tensor in tensors):
            shapes = tf.nest.map_structure(lambda tensor: tensor.shape, inputs)
        self.build(shapes)
        self.built = True

    def _add_activity_loss(self, inputs: Any, outputs: Any) -> None:
        if self.activity_regularizer is None:
            return
        with tf.compat.v1.name_scope("ActivityRegularizer"):
            for output in tf.nest.flatten(outputs):
                loss = tf.convert_to_tensor(self.activity_regularizer(output))
                # A mean over the examples, as in TensorFlow 1.15.
                self.add_loss(loss / tf.cast(tf.shape(output)[0], loss.dtype), inputs=inputs)

    @property
    def graph(self) -> None:
        return None

    def __deepcopy__(self, memo: dict[int, Any]) -> "Layer":
        result = type(self).__new__(type(self))
        memo[id(self)] = result
        for key, value in vars(self).items():
            # Tensors and variables are the graph's; they cannot be copied.
            if key == "_scope" or (isinstance(value, list | tuple | dict) and holds_tensors(value)):
                value = copy.copy(value)
            elif not holds_tensors(value):
                value = copy.deepcopy(value, memo)
            setattr(result, key, value)
        return result


def snake_case(name: str) -> str:
    """Returns "conv2d_transpose" for "Conv2DTranspose", as TensorFlow 1 named unnamed layers."""
    name = re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    name = re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()
    return f"private{name}" if name[0] == "_" else name


def as_tensor(value: Any) -> Any:
    """Returns arrays and numbers as tensors, and all else as it is."""
    return tf.convert_to_tensor(value) if isinstance(value, np.ndarray | np.generic | float | int) else value


def holds_tensors(value: Any) -> bool:
    """Whether a value is a tensor, a variable or a scope, or a structure that holds one."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return any(holds_tensors(part) for part in value)
    return tf.is_tensor(value) or isinstance(value, (tf.Variable, tf.Operation, tf.compat.v1.VariableScope))


def parts_of(variable: Any) -> Iterable[tf.Variable]:
    """Returns the variables that a variable consists of: itself, unless it is partitioned."""
    return [variable] if isinstance(variable, tf.Variable) else list(variable)


def is_in(value: Any, others: Iterable[Any]) -> bool:
    return any(value is other for other in others)


def depends(value: Any, inputs: Any) -> bool:
    """Whether a tensor or an op is computed from one of the inputs."""
    above = walk.ancestors([value], lambda op: [tensor.op for tensor in op.inputs])
    return any(tf.is_tensor(tensor) and tensor.op in above for tensor in tf.nest.flatten(inputs))


def of_collection(key: str) -> list[Any]:
    """Returns a collection of the graph around all functions, where variables are."""
    with tf.init_scope():
        return tf.compat.v1.get_collection(key)


def add_to_collection(key: str, elements: Iterable[Any]) -> None:
    """Adds what the collection does not hold yet."""
    collection = tf.compat.v1.get_collection_ref(key)
    collection.extend(element for element in elements if not is_in(element, collection))
