"""What to use in place of names of TensorFlow 1 that graphkit.tf1 does not have."""

# {name, or the beginning of names: what to use instead}
INSTEAD = {
    "tf.contrib.crf": "write the loss in TensorFlow's ops",
    "tf.contrib.cudnn_rnn": "use tf.contrib.rnn.LSTMBlockFusedCell or gk.rnn, which run on every device",
    "tf.contrib.rnn.GLSTMCell": "use tf.contrib.rnn.LSTMCell",
    "tf.contrib.rnn.GridLSTMCell": "subclass tf.nn.rnn_cell.RNNCell",
    "tf.contrib.rnn.HighwayWrapper": "use tf.nn.rnn_cell.ResidualWrapper with a residual_fn",
    "tf.contrib.rnn.IntersectionRNNCell": "use tf.contrib.rnn.UGRNNCell",
    "tf.contrib.rnn.NASCell": "use tf.contrib.rnn.LayerNormBasicLSTMCell",
    "tf.contrib.rnn.PhasedLSTMCell": "subclass tf.nn.rnn_cell.RNNCell",
    "tf.contrib.rnn.SRUCell": "use tf.contrib.rnn.UGRNNCell",
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
