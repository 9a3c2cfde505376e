"""Defaults for arguments of layers, set for all calls in a block."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphkit import checks

__all__ = [
    "add_arg_scope",
    "arg_scope",
    "arg_scope_func_key",
    "current_arg_scope",
    "has_arg_scope",
]

Scope = dict[str, dict[str, Any]]  # {key of a function: {argument: its default in the block}}
STACK: list[Scope] = [{}]
DECORATED: set[str] = set()  # keys of the functions that `add_arg_scope` decorated


@contextlib.contextmanager
def arg_scope(list_ops_or_scope: Sequence[Callable[..., Any]] | Scope, **kwargs: Any) -> Iterator[Scope]:
    """Sets defaults of functions in the block; a scope that another block yielded can be used again."""
    check = checks.Checker("arg_scope")
    if isinstance(list_ops_or_scope, dict):
        rule = "a scope that is used again takes no further arguments"
        check.require(not kwargs, rule, kwargs=sorted(kwargs))
        scope = list_ops_or_scope.copy()
    else:
        rule = "list_ops_or_scope must be a list or tuple of functions, or a scope that is used again"
        check.require_type(isinstance(list_ops_or_scope, (list, tuple)), rule, received=list_ops_or_scope)
        scope = current_arg_scope().copy()
        for function in list_ops_or_scope:
            check.require(
                has_arg_scope(function), "each function must be decorated with @add_arg_scope", op=function
            )
            key = arg_scope_func_key(function)
            scope[key] = {**scope.get(key, {}), **kwargs}
    STACK.append(scope)
    try:
        yield scope
    finally:
        STACK.pop()


def add_arg_scope(func: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a function so that `arg_scope` sets its defaults."""
    key = arg_scope_func_key(func)

    @functools.wraps(func)
    def with_scope(*args: Any, **kwargs: Any) -> Any:
        return func(*args, **{**current_arg_scope().get(key, {}), **kwargs})

    DECORATED.add(key)
    with_scope._key_op = key  # type: ignore[attr-defined]
    return with_scope


def current_arg_scope() -> Scope:
    return STACK[-1]


def arg_scope_func_key(op: Callable[..., Any]) -> str:
    return getattr(op, "_key_op", str(op))


def has_arg_scope(func: Callable[..., Any]) -> bool:
    return arg_scope_func_key(func) in DECORATED
