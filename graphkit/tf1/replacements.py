"""What to use in place of names of TensorFlow 1 that graphkit.tf1 does not have."""

# {old name: the name that TensorFlow has}, where the arguments are the same
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
        batch_matmul matmul
        batch_matrix_band_part matrix_band_part
        batch_matrix_determinant matrix_determinant
        batch_matrix_diag matrix_diag
        batch_matrix_diag_part matrix_diag_part
        batch_matrix_inverse matrix_inverse
        batch_matrix_set_diag matrix_set_diag
        batch_matrix_solve matrix_solve
        batch_matrix_transpose matrix_transpose
        batch_self_adjoint_eig self_adjoint_eig
        batch_svd svd
        complex_abs abs
        concat_v2 concat
        contrib.deprecated.histogram_summary summary.histogram
        contrib.deprecated.scalar_summary summary.scalar
        contrib.framework.assert_same_float_dtype debugging.assert_same_float_dtype
        contrib.framework.assert_scalar debugging.assert_scalar
        contrib.framework.convert_to_tensor_or_sparse_tensor convert_to_tensor_or_sparse_tensor
        contrib.framework.is_non_decreasing math.is_non_decreasing
        contrib.framework.is_numeric_tensor debugging.is_numeric_tensor
        contrib.framework.is_strictly_increasing math.is_strictly_increasing
        contrib.layers.bucketized_column feature_column.bucketized_column
        contrib.layers.create_feature_spec_for_parsing feature_column.make_parse_example_spec
        contrib.layers.embedding_column feature_column.embedding_column
        contrib.layers.one_hot_column feature_column.indicator_column
        contrib.layers.weighted_sparse_column feature_column.weighted_categorical_column
        contrib.metrics.set_difference sets.difference
        contrib.metrics.set_intersection sets.intersection
        contrib.metrics.set_size sets.size
        contrib.metrics.set_union sets.union
        contrib.rnn.static_state_saving_rnn nn.static_state_saving_rnn
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
    "tf.contrib.data.batch_and_drop_remainder": "use dataset.batch(size, drop_remainder=True)",
    "tf.contrib.decision_trees": "use the package ydf",
    "tf.contrib.distribute": "use gk.Trainer(device='all') or gk.Cluster, or tf.distribute of TensorFlow 2",
    "tf.contrib.distributions": "use tf.distributions, or the package tensorflow_probability",
    "tf.contrib.eager": "use TensorFlow 2 without graphkit.tf1; py_function is tf.py_function",
    "tf.contrib.eager.py_func": "use tf.py_function",
    "tf.contrib.factorization": "use the package scikit-learn (KMeans, GaussianMixture, NMF)",
    "tf.contrib.feature_column": "use tf.feature_column",
    "tf.contrib.ffmpeg": "decode with the package av or soundfile, or with tf.audio.decode_wav",
    "tf.contrib.framework.add_model_variable": "use tf.add_to_collection(tf.GraphKeys.MODEL_VARIABLES, v)",
    "tf.contrib.framework.arg_scoped_arguments": "use inspect.signature",
    "tf.contrib.framework.assert_or_get_global_step": "use tf.train.get_global_step",
    "tf.contrib.framework.assign_from_values": "use variable.load(value, session)",
    "tf.contrib.framework.assign_from_values_fn": "use variable.load(value, session)",
    "tf.contrib.framework.filter_variables": "choose by re.search(pattern, variable.name)",
    "tf.contrib.framework.get_name_scope": "use tf.get_default_graph().get_name_scope",
    "tf.contrib.framework.get_variable_full_name": "use variable.op.name",
    "tf.contrib.framework.global_variable": "use tf.Variable",
    "tf.contrib.framework.smart_constant_value": "use tf.get_static_value",
    "tf.contrib.framework.VariableDeviceChooser": "use tf.train.replica_device_setter",
    "tf.contrib.framework.with_shape": "use tf.ensure_shape",
    "tf.contrib.framework.zero_initializer": "use variable.assign(tf.zeros_like(variable))",
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
    "tf.contrib.layers.adaptive_clipping_fn": "clip by a fixed norm (clip_gradients=5.0), or pass a function",
    "tf.contrib.layers.bias_add": "use tf.nn.bias_add with a variable",
    "tf.contrib.layers.bow_encoder": "take tf.reduce_mean over what embed_sequence returns",
    "tf.contrib.layers.crossed_column": "use tf.feature_column.crossed_column",
    "tf.contrib.layers.dense_to_sparse": "use tf.sparse.from_dense",
    "tf.contrib.layers.GDN": "write it in TensorFlow's ops",
    "tf.contrib.layers.gdn": "write it in TensorFlow's ops",
    "tf.contrib.layers.infer_real_valued_columns": "use tf.feature_column.numeric_column",
    "tf.contrib.layers.input_from_feature_columns": "use tf.feature_column.input_layer",
    "tf.contrib.layers.maxout": "use tf.reduce_max over a tf.reshape that splits the channels",
    "tf.contrib.layers.pool": "use tf.nn.pool",
    "tf.contrib.layers.recompute_grad": "use tf.recompute_grad",
    "tf.contrib.layers.rev_block": "use tf.recompute_grad to save memory",
    "tf.contrib.layers.scale_gradient": "use tf.stop_gradient(x) * (1 - k) + x * k",
    "tf.contrib.layers.scattered_embedding_column": "use tf.feature_column.embedding_column",
    "tf.contrib.layers.shared_embedding_columns": "use tf.feature_column.shared_embeddings",
    "tf.contrib.layers.sparse_column_with_hash_bucket": "use categorical_column_with_hash_bucket",
    "tf.contrib.layers.sparse_column_with_integerized_feature": "use categorical_column_with_identity",
    "tf.contrib.layers.sparse_column_with_keys": "use categorical_column_with_vocabulary_list",
    "tf.contrib.layers.spatial_softmax": "take a tf.nn.softmax over the positions, and their mean by it",
    "tf.contrib.layers.summarize_biases": "use summarize_collection(tf.GraphKeys.BIASES)",
    "tf.contrib.layers.summarize_variables": "use summarize_collection(tf.GraphKeys.GLOBAL_VARIABLES)",
    "tf.contrib.layers.summarize_weights": "use summarize_collection(tf.GraphKeys.WEIGHTS)",
    "tf.contrib.layers.unit_norm": "use tf.math.l2_normalize",
    "tf.contrib.layers.weighted_sum_from_feature_columns": "use tf.feature_column.linear_model",
    "tf.contrib.learn": "use tf.estimator",
    "tf.contrib.learn.datasets": "use sklearn.datasets of scikit-learn",
    "tf.contrib.linear_optimizer": "use tf.raw_ops.SdcaOptimizerV2, or another optimizer",
    "tf.contrib.lite": "use tf.lite",
    "tf.contrib.lookup": "use tf.lookup (StaticHashTable, StaticVocabularyTable)",
    "tf.contrib.lookup.index_to_string": "use index_to_string_table_from_tensor(mapping).lookup(tensor)",
    "tf.contrib.lookup.string_to_index": "use index_table_from_tensor(mapping).lookup(tensor)",
    "tf.contrib.losses.metric_learning": "write the loss in TensorFlow's ops, of all pairwise distances",
    "tf.contrib.memory_stats": "use tf.config.experimental.get_memory_info of TensorFlow 2",
    "tf.contrib.metrics": "use tf.metrics",
    "tf.contrib.metrics.count": "use tf.metrics.mean, or count in the program",
    "tf.contrib.metrics.streaming_concat": "keep what session.run returned in a list",
    "tf.contrib.model_pruning": "use the package tensorflow_model_optimization",
    "tf.contrib.mpi": "use gk.Cluster, or the package horovod",
    "tf.contrib.nccl": "use gk.Trainer(device='all'), or tf.distribute.NcclAllReduce of TensorFlow 2",
    "tf.contrib.opt": "use tf.train's optimizers, or those of gk.Trainer",
    "tf.contrib.opt.AdamWOptimizer": "use an optimizer of gk.Trainer that decays weights",
    "tf.contrib.periodic_resample": "use tf.reshape and tf.gather",
    "tf.contrib.predictor.from_contrib_estimator": "use from_estimator",
    "tf.contrib.quantization": "use tf.quantization",
    "tf.contrib.quantize": "use the package tensorflow_model_optimization, or tf.quantization.fake_quant_*",
    "tf.contrib.receptive_field": "use gk.sizes, which computes receptive fields",
    "tf.contrib.reduce_slice_ops": "use tf.math.segment_sum and its like",
    "tf.contrib.resampler": "gather the four neighbours with tf.gather_nd and add them by their weights",
    "tf.contrib.rnn.best_effort_input_batch_size": "use inputs.shape[1] or tf.shape(inputs)[1]",
    "tf.contrib.rnn.Conv1DLSTMCell": "use tf.contrib.rnn.ConvLSTMCell with conv_ndims=1",
    "tf.contrib.rnn.Conv3DLSTMCell": "use tf.contrib.rnn.ConvLSTMCell with conv_ndims=3",
    "tf.contrib.rnn.CoupledInputForgetGateLSTMCell": "use tf.nn.rnn_cell.LSTMCell, or a subclass of RNNCell",
    "tf.contrib.rnn.FusedRNNCellAdaptor": "use tf.nn.dynamic_rnn(time_major=True)",
    "tf.contrib.rnn.GridLSTMCell": "write the cell as a subclass of tf.nn.rnn_cell.RNNCell",
    "tf.contrib.rnn.GRUBlockCell": "use tf.nn.rnn_cell.GRUCell; its variables have other names",
    "tf.contrib.rnn.GRUBlockCellV2": "use tf.nn.rnn_cell.GRUCell, which has the same variables",
    "tf.contrib.rnn.HighwayWrapper": "use tf.nn.rnn_cell.ResidualWrapper with a residual_fn",
    "tf.contrib.rnn.IntersectionRNNCell": "write the cell as a subclass of tf.nn.rnn_cell.RNNCell",
    "tf.contrib.rnn.PhasedLSTMCell": "write the cell as a subclass of tf.nn.rnn_cell.RNNCell",
    "tf.contrib.rnn.SRUCell": "write the cell as a subclass of tf.nn.rnn_cell.RNNCell",
    "tf.contrib.rnn.stack_bidirectional_rnn": "use tf.contrib.rnn.stack_bidirectional_dynamic_rnn",
    "tf.contrib.rnn.transpose_batch_time": "use tf.transpose(x, [1, 0, 2])",
    "tf.contrib.rnn.UGRNNCell": "write the cell as a subclass of tf.nn.rnn_cell.RNNCell",
    "tf.contrib.saved_model": "use tf.saved_model",
    "tf.contrib.seq2seq.BahdanauMonotonicAttention": "use BahdanauAttention, or a subclass of it",
    "tf.contrib.seq2seq.dynamic_rnn_decoder": "use dynamic_decode with a BasicDecoder, as since 1.2",
    "tf.contrib.seq2seq.DynamicAttentionWrapper": "it is AttentionWrapper since TensorFlow 1.2",
    "tf.contrib.seq2seq.LuongMonotonicAttention": "use LuongAttention, or a subclass of it",
    "tf.contrib.seq2seq.monotonic_attention": "write it in TensorFlow's ops (tf.cumsum, tf.math.cumprod)",
    "tf.contrib.seq2seq.safe_cumprod": "use tf.math.cumprod, or tf.exp of the tf.cumsum of logarithms",
    "tf.contrib.signal": "use tf.signal",
    "tf.contrib.slim.model_analyzer.analyze_ops": "use gk.summary",
    "tf.contrib.slim.nets": "there are vgg, inception (v3), resnet_v1 and resnet_v2",
    "tf.contrib.slim.summaries": "use tf.summary",
    "tf.contrib.slim.data.tfexample_decoder.SparseTensor": "use ItemHandlerCallback with a function of it",
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
    "tf.contrib.training.parse_values": "use tf.contrib.training.HParams(...).parse",
    "tf.contrib.util": "use tf.make_tensor_proto and tf.make_ndarray",
    "tf.estimator.BaselineClassifier": "compare with the frequencies of the classes",
    "tf.estimator.BaselineEstimator": "compare with the mean of the labels",
    "tf.estimator.BaselineRegressor": "compare with the mean of the labels",
    "tf.estimator.classifier_parse_example_spec": "add the label to what make_parse_example_spec returns",
    "tf.estimator.experimental.dnn_logit_fn_builder": "use tf.feature_column.input_layer and tf.layers.dense",
    "tf.estimator.experimental.linear_logit_fn_builder": "use tf.feature_column.linear_model",
    "tf.estimator.regressor_parse_example_spec": "add the label to what make_parse_example_spec returns",
    "tf.keras": "use Keras by itself; its layers do not belong into a static graph",
    "tf.models": "its names are in tf.nn.rnn_cell and tf.contrib.legacy_seq2seq",
    "tf.models.embedding": "its ops had to be compiled; use tf.nn.nce_loss or tf.nn.sampled_softmax_loss",
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
    if parts[:3] == ["tf", "contrib", "slim"]:  # which had the names of these two
        rest = ".".join(parts[3:])
        return instead_of(f"tf.contrib.layers.{rest}") or instead_of(f"tf.contrib.framework.{rest}")
    return None
