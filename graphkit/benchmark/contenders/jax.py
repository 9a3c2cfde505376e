"""JAX with Optax: a jitted function for each step, or one for each epoch that scans over its batches."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
from contenders import networks
from jax import lax


def train(problem, watch, scan=False):
    config = problem.config
    examples, labels = jnp.asarray(problem.floats), jnp.asarray(problem.labels)
    weights = initial_weights(problem, examples.shape)
    optimizer = optax.adam(config["learning_rate"])
    state = weights, optimizer.init(weights), jax.random.key(config["seed"])
    del weights

    def step(state, chosen):
        weights, moments, key = state
        key, mask_key = jax.random.split(key)

        def measure(weights):
            logits = predict(problem, weights, examples[chosen], mask_key)
            losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels[chosen])
            return losses.mean(), logits

        (loss, logits), gradients = jax.value_and_grad(measure, has_aux=True)(weights)
        updates, moments = optimizer.update(gradients, moments)
        hits = (logits.argmax(1) == labels[chosen]).sum()
        return (optax.apply_updates(weights, updates), moments, key), (hits, loss)

    one_step = jax.jit(step, donate_argnums=0)
    many_steps = jax.jit(functools.partial(lax.scan, step), donate_argnums=0)
    count = sum(weight.size for weight in jax.tree.leaves(state[0]))

    def wait():
        jax.block_until_ready(state)

    watch.start()
    for order in problem.orders():
        correct = 0
        whole = [chosen for chosen in order if len(chosen) == len(order[0])]
        if scan:
            state, (hits, _) = many_steps(state, np.stack(whole).astype(np.int32))
            correct, order = hits.sum(), order[len(whole) :]
            watch.step(wait)
        for chosen in order:
            state, (hits, _) = one_step(state, chosen.astype(np.int32))
            watch.step(wait)
            correct += hits
        correct = int(correct)
        watch.epoch()

    @jax.jit
    def infer(weights, batch):
        return predict(problem, weights, scaled(batch), None)

    def predict_all(unseen):
        return np.concatenate([infer(state[0], batch) for batch in networks.batches_of(unseen)])

    watch.predict(predict_all, problem.unseen)
    return correct / len(labels), count


def scaled(batch):
    """Returns images as floats, inside the jitted function, where XLA fuses it with what follows."""
    return (batch.astype(jnp.float32) - 128) * (1 / 128) if batch.dtype == jnp.uint8 else batch


def initial_weights(problem, shape):
    random, width, weights = np.random.default_rng(problem.config["seed"]), shape[-1], []
    side = shape[1]

    def glorot(*shape):
        receptive = math.prod(shape[:-2])
        limit = math.sqrt(6 / (receptive * (shape[-2] + shape[-1])))
        return jnp.asarray(random.uniform(-limit, limit, shape), jnp.float32)

    def layer(*shape):
        return glorot(*shape), jnp.zeros(shape[-1])

    for kind, *sizes in problem.layers:
        made = ()
        if kind == "embedding":
            table = random.uniform(-0.05, 0.05, (problem.vocabulary_size, *sizes))
            made, width = jnp.asarray(table, jnp.float32), sizes[0]
        elif kind == "lstm":
            made, width = layer(width + sizes[0], 4 * sizes[0]), sizes[0]
        elif kind == "conv":
            made, width = layer(sizes[1], sizes[1], width, sizes[0]), sizes[0]
        elif kind == "pool":
            side = -(-side // sizes[1])
        elif kind == "inception":
            one, reduce3, three, reduce5, five, pooled = sizes
            made = (
                layer(1, 1, width, one),
                layer(1, 1, width, reduce3),
                layer(3, 3, reduce3, three),
                layer(1, 1, width, reduce5),
                layer(5, 5, reduce5, five),
                layer(1, 1, width, pooled),
            )
            width = one + three + five + pooled
        elif kind == "flatten":
            width *= side * side
        elif kind == "relu_dense":
            made, width = layer(width, *sizes), sizes[0]
        elif kind == "logits":
            made = layer(width, problem.num_classes)
        weights.append(made)
    return weights


def predict(problem, weights, net, key):
    """Returns logits; without a key, dropout keeps everything."""
    for (kind, *sizes), layer in zip(problem.layers, weights, strict=True):
        if kind == "embedding":
            lengths, net = (net != 0).sum(1), layer[net]
        elif kind == "lstm":
            net = last_output(layer, net, lengths)
        elif kind == "conv":
            net = relu_conv(net, layer)
        elif kind == "pool":
            net = max_pool(net, *sizes)
        elif kind == "inception":
            one, reduce3, three, reduce5, five, pooled = layer
            branches = [
                relu_conv(net, one),
                relu_conv(relu_conv(net, reduce3), three),
                relu_conv(relu_conv(net, reduce5), five),
                relu_conv(max_pool(net, 3, 1), pooled),
            ]
            net = jnp.concatenate(branches, -1)
        elif kind == "global_mean":
            net = net.mean((1, 2))
        elif kind == "flatten":
            net = net.reshape(len(net), -1)
        elif kind == "relu_dense":
            net = jax.nn.relu(net @ layer[0] + layer[1])
        elif kind == "dropout" and key is not None:
            keep_prob = problem.config["keep_prob"]
            net = jnp.where(jax.random.bernoulli(key, keep_prob, net.shape), net / keep_prob, 0)
        elif kind == "logits":
            net = net @ layer[0] + layer[1]
    return net


def relu_conv(net, layer):
    kernel, bias = layer
    dimensions = ("NHWC", "HWIO", "NHWC")
    return jax.nn.relu(
        lax.conv_general_dilated(net, kernel, (1, 1), "SAME", dimension_numbers=dimensions) + bias
    )


def max_pool(net, size, stride):
    return lax.reduce_window(net, -jnp.inf, lax.max, (1, size, size, 1), (1, stride, stride, 1), "SAME")


def last_output(layer, net, lengths):
    kernel, bias = layer
    units = kernel.shape[1] // 4

    def cell(carry, inputs):
        h, c = carry
        i, j, f, o = jnp.split(jnp.concatenate([inputs, h], 1) @ kernel + bias, 4, 1)
        c = jax.nn.sigmoid(f + 1) * c + jax.nn.sigmoid(i) * jnp.tanh(j)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    start = jnp.zeros((len(net), units)), jnp.zeros((len(net), units))
    _, outputs = lax.scan(cell, start, net.swapaxes(0, 1))
    return outputs[jnp.maximum(lengths - 1, 0), jnp.arange(len(net))]
