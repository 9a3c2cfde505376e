"""What to use in place of names of TensorFlow 1 that graphkit.tf1 does not have."""

# {name from before TensorFlow 1.0: the name since then}, where the arguments are the same
RENAMED = {
    f"tf.{old}": f"tf.{new}"
    for old, new in (
        line.split()
        for line in """
        all_variables global_variables
        audio_summary summary.audio
        batch_cholesky cholesky
        batch_cholesky_solve cholesky_solve
        batch_fft signal.fft
        batch_ifft signal.ifft
        batch_matrix_band_part matrix_band_part
        batch_matrix_determinant matrix_determinant
        batch_matrix_diag matrix_diag
        batch_matrix_diag_part matrix_diag_part
        batch_matrix_inverse matrix_inverse
        batch_matrix_set_diag matrix_set_diag
        batch_matrix_solve matrix_solve
        batch_matrix_transpose matrix_transpose
        batch_matmul matmul
        batch_self_adjoint_eig self_adjoint_eig
        batch_svd svd
        complex_abs abs
        concat_v2 concat
        contrib.deprecated.histogram_summary summary.histogram
        contrib.deprecated.scalar_summary summary.scalar
        histogram_summary summary.histogram
        image.per_image_whitening image.per_image_standardization
        image_summary summary.image
        initialize_all_tables tables_initializer
        initialize_all_variables global_variables_initializer
        initialize_local_variables local_variables_initializer
        initialize_variables variables_initializer
        inv reciprocal
        listdiff setdiff1d
        merge_all_summaries summary.merge_all
        merge_summary summary.merge
        mul multiply
        neg negative
        nn.rnn nn.static_rnn
        pack stack
        scalar_summary summary.scalar
        select where
        sub subtract
        train.SummaryWriter summary.FileWriter
        unpack unstack
        """.strip().splitlines()
    )
}

# {name, or the beginning of names: what to use instead}
INSTEAD = {
    "tf.contrib.all_reduce": "use gk.Cluster, or tf.distribute of TensorFlow 2",
    "tf.contrib.autograph": "use tf.autograph",
    "tf.contrib.batching": "use the dynamic batching of TensorFlow Serving",
    "tf.contrib.bayesflow": "use the package tensorflow_probability",
    "tf.contrib.bigtable": "read the table with google-cloud-bigtable and tf.data.Dataset.from_generator",
    "tf.contrib.boosted_trees": "use the package ydf",
    "tf.contrib.checkpoint": "use tf.train.Checkpoint",
    "tf.contrib.cloud": "use tf.gfile with a path that begins with gs://",
    "tf.contrib.cluster_resolver": "use tf.distribute.cluster_resolver",
    "tf.contrib.compiler": "use tf.xla.experimental, or tf.function(jit_compile=True)",
    "tf.contrib.constrained_optimization": "add each constraint to the loss, with a trained multiplier",
    "tf.contrib.data": "use tf.data: what was in contrib is there, or in tf.data.experimental",
    "tf.contrib.decision_trees": "use the package ydf",
    "tf.contrib.distribute": "use gk.Trainer(device='all') or gk.Cluster, or tf.distribute of TensorFlow 2",
    "tf.contrib.distributions": "use tf.distributions, or the package tensorflow_probability",
    "tf.contrib.eager": "use TensorFlow 2 without graphkit.tf1; py_function is tf.py_function",
    "tf.contrib.eager.py_func": "use tf.py_function",
    "tf.contrib.factorization": "use the package scikit-learn (KMeans, GaussianMixture, NMF)",
    "tf.contrib.feature_column": "use tf.feature_column",
    "tf.contrib.ffmpeg": "decode with the package av or soundfile, or with tf.audio.decode_wav",
    "tf.contrib.framework.VariableDeviceChooser": "use tf.train.replica_device_setter",
    "tf.contrib.gan": "write both losses, and two optimizers with var_list",
    "tf.contrib.graph_editor": "use tf.import_graph_def with input_map",
    "tf.contrib.grid_rnn": "write the cell as a subclass of tf.nn.rnn_cell.RNNCell",
    "tf.contrib.hadoop": "use tf.data.TFRecordDataset, or the package tensorflow_io",
    "tf.contrib.image": "use tf.raw_ops.ImageProjectiveTransformV3, or tf.image",
    "tf.contrib.integrate": "use tfp.math.ode of the package tensorflow_probability, or scipy.integrate",
    "tf.contrib.kafka": "use the package tensorflow_io",
    "tf.contrib.keras": "use tf.keras",
    "tf.contrib.kernel_methods": "write the random features as tf.cos(x @ w + b) * tf.sqrt(2 / n)",
    "tf.contrib.kinesis": "use the package tensorflow_io",
    "tf.contrib.layers.bow_encoder": "take tf.reduce_mean over what embed_sequence returns",
    "tf.contrib.layers.GDN": "write it in TensorFlow's ops",
    "tf.contrib.layers.gdn": "write it in TensorFlow's ops",
    "tf.contrib.layers.recompute_grad": "use tf.recompute_grad",
    "tf.contrib.layers.rev_block": "use tf.recompute_grad to save memory",
    "tf.contrib.layers.scattered_embedding_column": "use tf.contrib.layers.embedding_column",
    "tf.contrib.layers.shared_embedding_columns": "use tf.feature_column.shared_embeddings",
    "tf.contrib.learn": "use tf.estimator",
    "tf.contrib.linear_optimizer": "use tf.raw_ops.SdcaOptimizerV2, or another optimizer",
    "tf.contrib.lite": "use tf.lite",
    "tf.contrib.lookup": "use tf.lookup (StaticHashTable, StaticVocabularyTable)",
    "tf.contrib.losses.metric_learning": "write the loss in TensorFlow's ops, of all pairwise distances",
    "tf.contrib.memory_stats": "use tf.config.experimental.get_memory_info of TensorFlow 2",
    "tf.contrib.metrics": "use tf.metrics",
    "tf.contrib.model_pruning": "use the package tensorflow_model_optimization",
    "tf.contrib.mpi": "use gk.Cluster, or the package horovod",
    "tf.contrib.nccl": "use gk.Trainer(device='all'), or tf.distribute.NcclAllReduce of TensorFlow 2",
    "tf.contrib.opt": "use tf.train's optimizers, or those of gk.Trainer",
    "tf.contrib.opt.AdamWOptimizer": "use an optimizer of gk.Trainer that decays weights",
    "tf.contrib.periodic_resample": "use tf.reshape and tf.gather",
    "tf.contrib.predictor": "use tf.saved_model.load in a session",
    "tf.contrib.quantization": "use tf.quantization",
    "tf.contrib.quantize": "use the package tensorflow_model_optimization, or tf.quantization.fake_quant_*",
    "tf.contrib.receptive_field": "use gk.sizes, which computes receptive fields",
    "tf.contrib.reduce_slice_ops": "use tf.math.segment_sum and its like",
    "tf.contrib.resampler": "gather the four neighbours with tf.gather_nd and add them by their weights",
    "tf.contrib.rnn.GridLSTMCell": "write the cell as a subclass of tf.nn.rnn_cell.RNNCell",
    "tf.contrib.rnn.HighwayWrapper": "use tf.nn.rnn_cell.ResidualWrapper with a residual_fn",
    "tf.contrib.rnn.IntersectionRNNCell": "write the cell as a subclass of tf.nn.rnn_cell.RNNCell",
    "tf.contrib.rnn.PhasedLSTMCell": "write the cell as a subclass of tf.nn.rnn_cell.RNNCell",
    "tf.contrib.rnn.SRUCell": "write the cell as a subclass of tf.nn.rnn_cell.RNNCell",
    "tf.contrib.saved_model": "use tf.saved_model",
    "tf.contrib.seq2seq.DynamicAttentionWrapper": "it is AttentionWrapper since TensorFlow 1.2",
    "tf.contrib.seq2seq.dynamic_rnn_decoder": "use dynamic_decode with a BasicDecoder, as since 1.2",
    "tf.contrib.signal": "use tf.signal",
    "tf.contrib.slim.nets": "there are alexnet, vgg, inception_v3, resnet_v1, resnet_v2",
    "tf.contrib.solvers": "use tf.linalg.experimental.conjugate_gradient",
    "tf.contrib.sparsemax": "write it in TensorFlow's ops (tf.nn.top_k, tf.cumsum)",
    "tf.contrib.staging": "use dataset.prefetch, or tf.raw_ops.Stage",
    "tf.contrib.stat_summarizer": "use tf.profiler",
    "tf.contrib.stateless": "use tf.random.stateless_uniform and its like",
    "tf.contrib.summary": "use tf.summary",
    "tf.contrib.tensor_forest": "use the package ydf",
    "tf.contrib.tensorboard": "use the package tensorboard (tensorboard.plugins.projector)",
    "tf.contrib.tensorrt": "use tf.experimental.tensorrt of TensorFlow 2 on a SavedModel",
    "tf.contrib.text": "use the package tensorflow_text",
    "tf.contrib.tfprof": "use tf.profiler",
    "tf.contrib.timeseries": "write the model with an RNN cell, or use tensorflow_probability.sts",
    "tf.contrib.tpu": "use tf.tpu, or tf.distribute.TPUStrategy of TensorFlow 2",
    "tf.contrib.util": "use tf.make_tensor_proto and tf.make_ndarray",
    "tf.keras": "use Keras by itself; its layers do not belong into a static graph",
    "tf.models": "its names are in tf.nn.rnn_cell and tf.contrib.legacy_seq2seq",
    "tf.nn.seq2seq": "its names are in tf.contrib.legacy_seq2seq",
    "tf.python": "use public names; those of tensorflow.python change with each release",
}


def instead_of(name: str) -> str | None:
    """Returns what to use in place of a name such as "tf.contrib.crf.crf_log_likelihood"; None if unknown."""
    if name in RENAMED:
        return f"write {RENAMED[name]}"
    parts = name.split(".")
    for length in range(len(parts), 1, -1):
        advice = INSTEAD.get(".".join(parts[:length]))
        if advice is not None:
            return advice
    return None
