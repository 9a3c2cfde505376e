"""`tf.contrib.training.HParams`: types, text and JSON."""

import pytest

import graphkit.tf1 as tf


@pytest.fixture
def hparams():
    return tf.contrib.training.HParams(rate=0.1, layers=[64, 32], steps=10, name="adam", fast=False)


def test_values_are_attributes(hparams):
    assert hparams.rate == 0.1 and hparams.layers == [64, 32]
    assert "steps" in hparams and "other" not in hparams
    assert hparams.get("steps") == 10 and hparams.get("other", 3) == 3
    assert list(hparams.values()) == ["rate", "layers", "steps", "name", "fast"]


def test_parse_keeps_the_types(hparams):
    hparams.parse("rate=1, layers=[8,4] ,steps=3,name=sgd,fast=True")
    assert hparams.values() == {"rate": 1.0, "layers": [8, 4], "steps": 3, "name": "sgd", "fast": True}
    assert type(hparams.rate) is float
    assert hparams.parse("layers[1]=7").layers == [8, 7]
    assert hparams.parse("fast=0").fast is False


@pytest.mark.parametrize(
    "text, message",
    [
        ("steps=1.5", "Could not parse hparam 'steps' of type 'int' with value '1.5'"),
        ("other=1", "Unknown hyperparameter type for other"),
        ("steps=1,steps=2", "Multiple assignments to variable 'steps'"),
        ("layers[0]=1,layers[0]=2", r"Multiple assignments to variable 'layers'"),
        ("layers[0]=[1,2]", "Assignment of a list to a list index"),
        ("=3", "Malformed hyperparameter value: =3"),
    ],
)
def test_text_that_is_refused(hparams, text, message):
    with pytest.raises(ValueError, match=message):
        hparams.parse(text)


@pytest.mark.parametrize(
    "name, value", [("steps", 1.5), ("steps", True), ("name", 3), ("fast", 1), ("rate", "1")]
)
def test_another_type_is_refused(hparams, name, value):
    with pytest.raises(ValueError, match=f"Could not cast hparam '{name}'"):
        hparams.set_hparam(name, value)


def test_json_and_dict(hparams):
    other = tf.contrib.training.HParams(rate=0.0, layers=[0], steps=0, name="", fast=True)
    assert other.parse_json(hparams.to_json()).values() == hparams.values()
    assert hparams.override_from_dict({"steps": 4}).steps == 4
    with pytest.raises(KeyError):
        hparams.override_from_dict({"other": 4})


def test_names_are_added_and_removed(hparams):
    hparams.add_hparam("extra", "x")
    assert hparams.extra == "x"
    hparams.del_hparam("extra")
    assert "extra" not in hparams
    with pytest.raises(ValueError, match="reserved"):
        hparams.add_hparam("steps", 1)
    with pytest.raises(ValueError, match="single-valued"):
        hparams.set_hparam("steps", [1])
