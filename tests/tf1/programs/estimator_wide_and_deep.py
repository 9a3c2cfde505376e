"""A table with words and numbers, by a linear model of crossed words and a deep network together."""

import sys
import tempfile

import numpy as np
import tensorflow as tf

JOBS = ["clerk", "driver", "farmer", "nurse", "pilot"]
TOWNS = ["north", "south", "east", "west"]


def make_table(count, seed):
    rng = np.random.RandomState(seed)
    table = {
        "age": rng.uniform(18, 70, count).astype(np.float32),
        "hours": rng.uniform(5, 60, count).astype(np.float32),
        "job": rng.choice(JOBS, count).astype(object),
        "town": rng.choice(TOWNS, count).astype(object),
    }
    pay = np.array([JOBS.index(job) for job in table["job"]]) - 2.0
    pay += 0.06 * (table["hours"] - 30) - 0.002 * (table["age"] - 45) ** 2 + 1
    pay += 2.0 * ((table["job"] == "farmer") & (table["town"] == "south"))
    return table, (pay > 0).astype(np.int64)


def make_columns():
    age = tf.feature_column.numeric_column("age", normalizer_fn=lambda x: (x - 44.0) / 15.0)
    hours = tf.feature_column.numeric_column("hours", normalizer_fn=lambda x: (x - 32.0) / 16.0)
    job = tf.feature_column.categorical_column_with_vocabulary_list("job", JOBS)
    town = tf.feature_column.categorical_column_with_hash_bucket("town", 20)
    ages = tf.feature_column.bucketized_column(tf.feature_column.numeric_column("age"), [25, 35, 45, 55, 65])
    wide = [job, town, ages, tf.feature_column.crossed_column(["job", "town"], 100)]
    deep = [age, hours, tf.feature_column.indicator_column(job), tf.feature_column.embedding_column(town, 3)]
    return wide, deep


def input_fn(table, labels, epochs, shuffle):
    dataset = tf.data.Dataset.from_tensor_slices((dict(table), labels))
    if shuffle:
        dataset = dataset.shuffle(len(labels), seed=1)
    dataset = dataset.repeat(epochs).batch(100)
    return (
        dataset.make_one_shot_iterator().get_next() if hasattr(dataset, "make_one_shot_iterator") else dataset
    )


def main(argv):
    wide, deep = make_columns()
    model = tf.estimator.DNNLinearCombinedClassifier(
        model_dir=argv[1] if len(argv) > 1 else tempfile.mkdtemp(),
        linear_feature_columns=wide,
        dnn_feature_columns=deep,
        dnn_hidden_units=[20, 10],
        dnn_optimizer=tf.train.AdagradOptimizer(0.1),
        config=tf.estimator.RunConfig(tf_random_seed=3),
    )
    train, test = make_table(2000, seed=0), make_table(1000, seed=1)
    model.train(lambda: input_fn(*train, epochs=10, shuffle=True))
    results = model.evaluate(lambda: input_fn(*test, epochs=1, shuffle=False))
    for key in sorted(results):
        print(key, results[key])
    return results


if __name__ == "__main__":
    results = main(sys.argv)
