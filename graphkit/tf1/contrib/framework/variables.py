"""Making variables, finding them, and assigning values and checkpoints to them."""

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from graphkit import checks
from graphkit.tf1 import train
from graphkit.tf1.contrib.framework.arg_scopes import add_arg_scope

__all__ = """
assert_global_step assign_from_checkpoint assign_from_checkpoint_fn create_global_step get_global_step
get_local_variables get_model_variables get_or_create_global_step get_trainable_variables get_unique_variable
get_variables get_variables_by_name get_variables_by_suffix get_variables_to_restore local_variable
model_variable variable
""".split()

v1 = tf.compat.v1
Keys = v1.GraphKeys
VariableList = Sequence[Any] | Mapping[str, Any]

create_global_step = train.create_global_step
get_global_step = train.get_global_step
get_or_create_global_step = train.get_or_create_global_step
assert_global_step = v1.train.assert_global_step


# Making them


@add_arg_scope
def variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    collections: Iterable[str] | None = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Any = None,
    custom_getter: Callable[..., Any] | None = None,
    use_resource: bool | None = None,
    synchronization: Any = tf.VariableSynchronization.AUTO,
    aggregation: Any = tf.VariableAggregation.NONE,
) -> Any:
    """Makes a variable, or gets the existing one where the scope reuses."""
    getter = v1.get_variable
    if custom_getter is not None:
        getter = functools.partial(custom_getter, reuse=v1.get_variable_scope().reuse)
    with v1.device(device or ""):
        return getter(
            name,
            shape=shape,
            dtype=dtype,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
            collections=list(dict.fromkeys([Keys.GLOBAL_VARIABLES] if collections is None else collections)),
            caching_device=caching_device,
            partitioner=partitioner,
            use_resource=True if use_resource is None else use_resource,
            synchronization=synchronization,
            aggregation=aggregation,
        )


SIGNATURE = inspect.signature(variable)


def model_variable(*args: Any, **kwargs: Any) -> Any:
    """Makes a variable that is one of MODEL_VARIABLES, too; by default it is of float32."""
    given = {"dtype": tf.float32, **SIGNATURE.bind(*args, **kwargs).arguments}
    keys = [*(given.pop("collections", None) or []), Keys.GLOBAL_VARIABLES, Keys.MODEL_VARIABLES]
    return variable(**given, collections=keys)


model_variable.__signature__ = SIGNATURE  # type: ignore[attr-defined]
model_variable = add_arg_scope(model_variable)


def local_variable(
    initial_value: Any,
    validate_shape: bool = True,
    name: str | None = None,
    use_resource: bool | None = None,
) -> tf.Variable:
    return v1.Variable(
        initial_value,
        trainable=False,
        collections=[Keys.LOCAL_VARIABLES],
        validate_shape=validate_shape,
        name=name,
        use_resource=True if use_resource is None else use_resource,
    )


# Finding them


def get_variables(
    scope: Any = None, suffix: str | None = None, collection: str = Keys.GLOBAL_VARIABLES
) -> list[Any]:
    """Returns the variables of a scope, which is a pattern of the beginning of names, and of a suffix."""
    if isinstance(scope, v1.VariableScope):
        scope = scope.name
    if suffix is not None:
        scope = f"{scope or ''}.*{suffix if ':' in suffix else suffix + ':'}"
    return v1.get_collection(collection, scope)


def get_model_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    return get_variables(scope, suffix, Keys.MODEL_VARIABLES)


def get_trainable_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    return get_variables(scope, suffix, Keys.TRAINABLE_VARIABLES)


def get_local_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    return get_variables(scope, suffix, Keys.LOCAL_VARIABLES)


def get_variables_by_suffix(suffix: str, scope: Any = None) -> list[Any]:
    return get_variables(scope, suffix)


def get_variables_by_name(given_name: str, scope: Any = None) -> list[Any]:
    """Returns the variables of which this is the name, or its last part."""
    return get_variables(scope, f"/{given_name}:|^{given_name}:")


def get_unique_variable(var_op_name: str) -> Any:
    """Returns the variable of a full name, without ":0"."""
    found = [one for one in get_variables(var_op_name) if one.op.name == var_op_name]
    if not found:
        raise ValueError(f"Couldn't find variable {var_op_name}")
    return found[0]


def get_variables_to_restore(
    include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
) -> list[Any]:
    """Returns the variables of the scopes in `include`, or all, without those of the scopes in `exclude`."""
    check = checks.Checker("get_variables_to_restore")
    for name, scopes in (("include", include), ("exclude", exclude)):
        check.require_type(
            scopes is None or isinstance(scopes, (list, tuple)),
            f"{name} must be a list or a tuple",
            **{name: scopes},
        )
    included = (
        get_variables() if include is None else [one for scope in include for one in get_variables(scope)]
    )
    excluded = {one.ref() for scope in exclude or () for one in get_variables(scope)}
    return [one for one in included if one.ref() not in excluded]


# Assigning values


def assign_from_checkpoint(
    model_path: str, var_list: VariableList, ignore_missing_vars: bool = False
) -> tuple[tf.Operation, dict[Any, Any]]:
    """Returns an op that assigns the checkpoint's values to variables, and what it must be fed.

    `var_list` may be {name in the checkpoint: variable, or its parts}.
    """
    grouped: dict[str, list[Any]] = {}
    if isinstance(var_list, Mapping):
        grouped = {
            name: list(one) if isinstance(one, (list, tuple)) else [one] for name, one in var_list.items()
        }
    else:
        for var in var_list:
            info = var._save_slice_info
            grouped.setdefault(info.full_name if info else var.op.name, []).append(var)
    reader, assigned, fed = v1.train.NewCheckpointReader(model_path), [], {}
    for name, parts in grouped.items():
        if not reader.has_tensor(name):
            if not ignore_missing_vars:
                raise ValueError(f"Checkpoint is missing variable [{name}]")
            v1.logging.warning("Checkpoint is missing variable [%s]", name)
            continue
        value = reader.get_tensor(name)
        for var in parts:
            placeholder = v1.placeholder(var.dtype.base_dtype, var.shape, f"placeholder/{var.op.name}")
            assigned.append(var.assign(placeholder, read_value=False))
            fed[placeholder] = part_of(value, var, name)
    return tf.group(*assigned), fed


def part_of(value: np.ndarray, var: Any, name: str) -> np.ndarray:
    """Returns the values of a variable, which may be a part of what the checkpoint holds."""
    info = var._save_slice_info
    if info:
        starts = zip(info.var_offset, info.var_shape, strict=True)
        value = value[tuple(slice(start, start + size) for start, size in starts)]
    if list(value.shape) != var.shape.as_list():
        raise ValueError(
            f"Total size of new array must be unchanged for {name} "
            f"lh_shape: [{value.shape}], rh_shape: [{var.shape}]"
        )
    return value


def assign_from_checkpoint_fn(
    model_path: str,
    var_list: VariableList,
    ignore_missing_vars: bool = False,
    reshape_variables: bool = False,
) -> Callable[[Any], None] | None:
    """Returns a function of a session that restores variables; None if the checkpoint has none of them."""
    if not var_list:
        raise ValueError("var_list cannot be empty")
    if ignore_missing_vars:
        reader = v1.train.NewCheckpointReader(model_path)
        named = var_list if isinstance(var_list, Mapping) else {var.op.name: var for var in var_list}
        for name in named:
            if not reader.has_tensor(name):
                v1.logging.warning("Variable %s missing in checkpoint %s", name, model_path)
        var_list = {name: var for name, var in named.items() if reader.has_tensor(name)}
    if not var_list:
        v1.logging.warning("No Variables to restore")
        return None
    saver = v1.train.Saver(var_list, reshape=reshape_variables)
    return lambda session: saver.restore(session, model_path)
