"""Names and argument orders from before TensorFlow 1.0, and what was `tf.app` and `tf.train`."""

import numpy as np
import pytest

import graphkit.tf1 as tf

X = np.arange(8.0, dtype=np.float32).reshape(2, 4)


def values(tensor):
    with tf.Session() as session:
        return session.run(tensor)


def test_renamed_functions():
    a, b = tf.constant(X), tf.constant(X + 1)
    assert (values(tf.pack([a, b])) == np.stack([X, X + 1])).all()
    assert (values(tf.unpack(a)[1]) == X[1]).all()
    assert (values(tf.sub(tf.mul(a, b), tf.neg(a))) == X * (X + 1) + X).all()
    assert (values(tf.select(a > 3, a, b)) == np.where(X > 3, X, X + 1)).all()
    assert (values(tf.batch_matmul(a[None], tf.transpose(b)[None]))[0] == X @ (X + 1).T).all()
    np.testing.assert_allclose(values(tf.inv(b)), 1 / (X + 1), rtol=1e-6)


def test_concat_and_split_take_both_orders():
    a = tf.constant(X)
    for joined in (tf.concat(1, [a, a]), tf.concat([a, a], 1), tf.concat(values=[a, a], concat_dim=1)):
        assert (values(joined) == np.concatenate([X, X], 1)).all()
    for halves in (tf.split(1, 2, a), tf.split(a, 2, 1), tf.split(split_dim=1, num_split=2, value=a)):
        assert (values(halves[1]) == X[:, 2:]).all()
    assert (values(tf.split(a, [1, 3], 1)[1]) == X[:, 1:]).all()


@pytest.mark.parametrize("name", ["sigmoid", "softmax"])
def test_losses_without_argument_names_take_the_logits_first(name):
    loss = getattr(tf.nn, f"{name}_cross_entropy_with_logits")
    logits, labels = tf.constant(X), tf.constant(np.eye(4, dtype=np.float32)[[1, 2]])
    assert (values(loss(logits, labels)) == values(loss(labels=labels, logits=logits))).all()


def test_sparse_labels_without_argument_names():
    logits, labels = tf.constant(X), tf.constant([1, 2])
    shifted = np.exp(X - X.max(1, keepdims=True))
    expected = -np.log(shifted / shifted.sum(1, keepdims=True))[[0, 1], [1, 2]]
    found = values(tf.nn.sparse_softmax_cross_entropy_with_logits(logits, labels))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_summaries_by_their_old_names(tmp_path):
    tf.scalar_summary("loss", tf.constant(2.0))
    tf.histogram_summary("weights", tf.constant(X))
    merged = tf.merge_all_summaries()
    writer = tf.train.SummaryWriter(str(tmp_path))
    writer.add_summary(values(merged), 1)
    writer.close()
    events = [e for path in tmp_path.iterdir() for e in tf.train.summary_iterator(str(path))]
    assert {value.tag for event in events for value in event.summary.value} == {"loss", "weights"}


def test_flags_of_before_1_5(monkeypatch):
    monkeypatch.setattr("sys.argv", ["program", "--old_units=5"])
    tf.app.flags.DEFINE_integer("old_units", 3, "units")
    flags = tf.flags.FLAGS
    flags.unparse_flags()
    try:
        flags._parse_flags()
        assert flags.old_units == 5
        assert tf.app.flags.FLAGS is flags
        flags.old_units = 7
        assert flags["old_units"].value == 7 and "old_units" in flags
    finally:
        del flags.old_units


def test_a_program_s_own_global_step_is_found():
    assert tf.train.get_global_step() is None
    own = tf.Variable(0, name="global_step", trainable=False)
    assert tf.train.get_global_step() is own
    assert tf.train.get_or_create_global_step() is own
    with pytest.raises(ValueError, match="already exists"):
        tf.train.create_global_step()


def test_a_session_with_hooks_finds_a_program_s_own_global_step():
    own = tf.Variable(0, name="global_step", trainable=False)
    step = tf.assign_add(own, 1)
    with tf.train.MonitoredTrainingSession(hooks=[tf.train.StopAtStepHook(last_step=3)]) as session:
        while not session.should_stop():
            session.run(step)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert tf.train.global_step(session, own) == 0


def test_sessions_and_supervisors_are_classes(tmp_path):
    own = tf.Variable(0, name="global_step", trainable=False)
    supervisor = tf.train.Supervisor(logdir=str(tmp_path))
    assert isinstance(supervisor, tf.train.Supervisor) and supervisor.global_step is not None
    with tf.Graph().as_default(), tf.train.MonitoredSession() as session:
        assert isinstance(session, tf.train.MonitoredSession)
    assert issubclass(tf.train.SingularMonitoredSession.StepContext, object)
    assert tf.train.get_global_step() is own


def test_tables_and_datasets_of_contrib():
    words = tf.contrib.lookup.index_table_from_tensor(["a", "b"], num_oov_buckets=1, default_value=-1)
    names = tf.contrib.lookup.index_to_string_table_from_tensor(["x", "y"])
    dataset = tf.contrib.data.Dataset.from_tensor_slices(np.arange(6))
    dataset = dataset.apply(tf.contrib.data.map_and_batch(lambda x: x * 2, 3))
    batch = dataset.make_one_shot_iterator().get_next()
    with tf.Session() as session:
        session.run(tf.tables_initializer())
        assert session.run(words.lookup(tf.constant(["b", "a", "zzz"]))).tolist() == [1, 0, 2]
        assert session.run(names.lookup(tf.constant([1, 5], tf.int64))).tolist() == [b"y", b"UNK"]
        assert session.run(batch).tolist() == [0, 2, 4]


def test_documents_as_rows_of_word_numbers(tmp_path):
    processor = tf.contrib.learn.preprocessing.VocabularyProcessor(4)
    rows = np.array(list(processor.fit_transform(["the cat sat", "the dog sat down there"])))
    assert rows.tolist() == [[1, 2, 3, 0], [1, 4, 3, 5]]
    assert len(processor.vocabulary_) == 7
    processor.save(str(tmp_path / "vocab"))
    again = tf.contrib.learn.preprocessing.VocabularyProcessor.restore(str(tmp_path / "vocab"))
    assert next(again.transform(["dog unknown cat"])).tolist() == [4, 0, 2, 0]
    assert list(again.reverse([[1, 2, 0, 0]])) == ["the cat <UNK> <UNK>"]
    (tmp_path / "old").write_bytes(b"\x80\x02ccopy_reg")
    with pytest.raises(ValueError, match="those of TensorFlow 1 are pickles"):
        tf.contrib.learn.preprocessing.VocabularyProcessor.restore(str(tmp_path / "old"))
