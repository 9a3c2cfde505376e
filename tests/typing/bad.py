"""A user's mistakes, which a type checker finds: each `# mypy:` names the code of the error in its line."""

import tensorflow as tf

import graphkit as gk

x = gk.image_input(28, 28, 1)
loss = gk.l2_loss(x)
data = gk.load_dataset("mnist_5k")

# Names that do not exist, or are in another room.
gk.conv9d(x, 32, 3)  # mypy: attr-defined
gk.plot_history({})  # mypy: attr-defined
gk.conv2d_shape((28, 28, 1), 32, 3)  # mypy: attr-defined
gk.load_run("runs/mnist")  # mypy: attr-defined
gk.read_idx("file")  # mypy: attr-defined
gk.sigmoid(x)  # mypy: attr-defined
gk.plots.plot_histroy({})  # mypy: attr-defined
gk.sizes.conv2d_shapes((28, 28, 1), 32, 3)  # mypy: attr-defined
gk.Trainer(loss).train({})  # mypy: attr-defined
print(data.training)  # mypy: attr-defined

# Arguments that do not exist, are missing, or too many.
gk.conv2d(x, 32, kernal_size=3)  # mypy: call-arg
gk.conv2d(x, 32)  # mypy: call-arg
gk.dense(x, units=10, rate=0.5)  # mypy: call-arg
gk.dropout(x, rate=0.5)  # mypy: call-arg
gk.load_dataset()  # mypy: call-arg
gk.EarlyStopping("valid_loss", min_dleta=0.1)  # mypy: call-arg
gk.runs.train_run(gk.runs.RunConfig("mlp", "mnist_5k", None, ("0",)), data, "runs/mnist")  # mypy: call-arg

# Positional where only keywords are taken.
gk.Trainer(loss, "adam", 1e-3, {}, 7)  # mypy: call-arg
gk.Trainer(loss).fit({}, None, 5, 32)  # mypy: call-arg
gk.runs.load_run("runs/mnist", "cpu")  # mypy: call-arg

# Values of the wrong type.
gk.dense(x, units="ten")  # mypy: arg-type
gk.image_input("28", 28)  # mypy: arg-type
gk.Trainer(loss, seed="seven")  # mypy: arg-type
gk.Trainer(loss, logdir=7)  # mypy: arg-type
gk.load_dataset(5)  # mypy: arg-type
gk.sizes.output_size("28", 5)  # mypy: arg-type
gk.cosine_decay("0.1", 10)  # mypy: arg-type
gk.runs.read_images("digit.png", 28)  # mypy: arg-type
gk.Trainer(loss).fit({}, epochs="5")  # mypy: arg-type
gk.Trainer(loss).fit({}, callbacks=[tf.nn.relu, "stop"])  # mypy: list-item

# Results used as what they are not.
accuracy: float = gk.load_dataset("mnist_5k")  # mypy: assignment
words: list[str] = gk.sizes.conv2d_shape((28, 28, 1), 32, 3)  # mypy: assignment
test_metrics: float = gk.Trainer(loss).evaluate({})  # mypy: assignment
