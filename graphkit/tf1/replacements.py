"""What to use in place of names of TensorFlow 1 that graphkit.tf1 does not have."""

# {name, or the beginning of names: what to use instead}
INSTEAD = {
    "tf.contrib.crf": "write the loss in TensorFlow's ops",
    "tf.contrib.seq2seq.DynamicAttentionWrapper": "it is AttentionWrapper since TensorFlow 1.2",
    "tf.contrib.seq2seq.dynamic_rnn_decoder": "use dynamic_decode with a BasicDecoder, as since 1.2",
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
