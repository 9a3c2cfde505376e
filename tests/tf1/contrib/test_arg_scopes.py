"""`tf.contrib.framework.arg_scope`: defaults of arguments for a block."""

import pytest

import graphkit.tf1 as tf

framework = tf.contrib.framework


@framework.add_arg_scope
def add(first, second=1, third=2):
    """Adds."""
    return first, second, third


@framework.add_arg_scope
def other(first=0, **kwargs):
    return first, kwargs


def test_a_scope_sets_defaults_and_calls_override_them():
    assert add(0) == (0, 1, 2)
    with framework.arg_scope([add], second=10):
        assert add(0) == (0, 10, 2)
        assert add(0, second=11) == (0, 11, 2)
        with pytest.raises(TypeError):  # by position and by the scope, as in TensorFlow 1
            add(0, 11)
    assert add(0) == (0, 1, 2)


def test_inner_scopes_add_to_outer_ones():
    with framework.arg_scope((add, other), third=20), framework.arg_scope([add], second=10):
        assert add(0) == (0, 10, 20)
        assert other(first=1) == (1, {"third": 20})
        with framework.arg_scope([add], third=30):
            assert add(0) == (0, 10, 30)
        assert add(0) == (0, 10, 20)


def test_a_scope_is_used_again_in_place_of_the_current_one():
    with framework.arg_scope([add], second=10) as scope:
        assert framework.current_arg_scope() is scope
    with framework.arg_scope([add], third=30), framework.arg_scope(scope):
        assert add(0) == (0, 10, 2)
        with framework.arg_scope([add], third=40):
            assert add(0) == (0, 10, 40)
    assert framework.current_arg_scope() == {}


def test_an_error_in_the_block_ends_the_scope():
    with pytest.raises(KeyError), framework.arg_scope([add], second=10):
        raise KeyError
    assert add(0) == (0, 1, 2)


def test_refusals():
    with pytest.raises(TypeError, match="list or tuple of functions"), framework.arg_scope(add, second=1):
        pass
    with pytest.raises(ValueError, match="decorated with @add_arg_scope"), framework.arg_scope([max], key=1):
        pass
    with pytest.raises(ValueError, match="no further arguments"), framework.arg_scope({}, second=1):
        pass
    assert framework.current_arg_scope() == {}


def test_what_is_known_of_a_function():
    assert framework.has_arg_scope(add) and not framework.has_arg_scope(max)
    assert add.__name__ == "add" and add.__doc__ == "Adds."
    assert framework.has_arg_scope(tf.contrib.layers.conv2d)
