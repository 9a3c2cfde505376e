"""`tf.contrib.predictor`: a SavedModel or an estimator's checkpoint as a function of arrays."""

import numpy as np
import pytest

import graphkit.tf1 as tf

X = np.arange(6, dtype=np.float32).reshape(2, 3)


def model_fn(features, labels, mode):
    y = tf.layers.dense(features["x"], 1, kernel_initializer=tf.ones_initializer(), name="y")
    loss = tf.reduce_mean(y)
    step = tf.train.GradientDescentOptimizer(0.0).minimize(loss, tf.train.get_global_step())
    outputs = {"twice": tf.estimator.export.PredictOutput({"z": 2 * y})}
    return tf.estimator.EstimatorSpec(mode, {"y": y}, loss, step, export_outputs=outputs)


def receiver():
    fed = tf.placeholder(tf.float32, [None, 3], "fed")
    return tf.estimator.export.ServingInputReceiver({"x": fed}, {"given": fed})


def test_a_saved_model_and_an_estimator_are_functions(tmp_path):
    made = tf.estimator.Estimator(model_fn, str(tmp_path / "run"))
    with pytest.raises(ValueError, match="Could not find trained model in"):
        tf.contrib.predictor.from_estimator(made, receiver)
    made.train(lambda: {"x": tf.constant(X)}, steps=1)
    folder = made.export_savedmodel(str(tmp_path / "out"), receiver)
    from_saved_model = tf.contrib.predictor.from_saved_model
    names = {"input_names": {"a": "fed:0"}, "output_names": {"b": "y/BiasAdd:0"}}
    for predict, given, name, factor in (
        (from_saved_model(folder), "given", "z", 2),
        (from_saved_model(folder.decode(), "twice", tags="serve"), "given", "z", 2),
        (from_saved_model(folder, **names), "a", "b", 1),
        (tf.contrib.predictor.from_estimator(made, receiver), "given", "z", 2),
    ):
        result = predict({given: X})
        assert list(result) == [name]
        assert result[name].tolist() == [[3.0 * factor], [12.0 * factor]]
        assert predict.session.graph is predict.graph
    with pytest.raises(ValueError, match=r"unexpected keys in input_dict: \['x'\]\nexpected: \['given'\]"):
        from_saved_model(folder)({"x": X})
    with pytest.raises(ValueError, match="Got signature_def_key 'other'. Available signatures are:\nserving"):
        from_saved_model(folder, "other")
    with pytest.raises(ValueError, match="at most one of"):
        from_saved_model(folder, "twice", **names)
