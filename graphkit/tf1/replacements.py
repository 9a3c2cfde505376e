"""What to use in place of names of TensorFlow 1 that graphkit.tf1 does not have."""

# {name, or the beginning of names: what to use instead}
INSTEAD = {
    "tf.contrib.crf": "write the loss in TensorFlow's ops",
    "tf.contrib.framework.VariableDeviceChooser": "use tf.train.replica_device_setter",
    "tf.contrib.layers.GDN": "write it in TensorFlow's ops",
    "tf.contrib.layers.bow_encoder": "take tf.reduce_mean over what embed_sequence returns",
    "tf.contrib.layers.gdn": "write it in TensorFlow's ops",
    "tf.contrib.layers.recompute_grad": "use tf.recompute_grad",
    "tf.contrib.layers.rev_block": "use tf.recompute_grad to save memory",
    "tf.contrib.layers.scattered_embedding_column": "use tf.contrib.layers.embedding_column",
    "tf.contrib.layers.shared_embedding_columns": "use tf.feature_column.shared_embeddings",
    "tf.contrib.losses.metric_learning": "write the loss in TensorFlow's ops, of all pairwise distances",
    "tf.contrib.metrics": "use tf.metrics",
    "tf.contrib.slim.data_decoder": "read the data with tf.data",
    "tf.contrib.slim.data_provider": "read the data with tf.data",
    "tf.contrib.slim.dataset": "read the data with tf.data",
    "tf.contrib.slim.dataset_data_provider": "read the data with tf.data",
    "tf.contrib.slim.nets": "there are alexnet, vgg, resnet_v1 and resnet_v2; define others in the program",
    "tf.contrib.slim.parallel_reader": "read the data with tf.data",
    "tf.contrib.slim.prefetch_queue": "use the prefetch of tf.data",
    "tf.contrib.slim.tfexample_decoder": "use tf.io.parse_single_example",
    "tf.keras": "use Keras by itself; its layers do not belong into a static graph",
}


def instead_of(name: str) -> str | None:
    """Returns what to use in place of a name such as "tf.contrib.crf.crf_log_likelihood"; None if unknown."""
    parts = name.split(".")
    for length in range(len(parts), 1, -1):
        advice = INSTEAD.get(".".join(parts[:length]))
        if advice is not None:
            return advice
    return None
