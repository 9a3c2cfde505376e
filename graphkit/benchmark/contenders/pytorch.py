"""PyTorch: batches indexed from tensors in memory, eager or by `torch.compile`."""

import numpy as np
import torch
from contenders import networks
from torch import nn


def train(problem, watch, channels_last=False, compile=False):
    config = problem.config
    torch.manual_seed(config["seed"])

    def to_tensor(examples):
        examples = torch.from_numpy(problem.as_floats(examples))
        examples = examples.permute(0, 3, 1, 2).contiguous() if examples.ndim == 4 else examples.long()
        return examples.to(memory_format=torch.channels_last) if channels_last else examples

    examples = to_tensor(problem.examples)
    labels = torch.from_numpy(problem.labels).long()
    network = Network(problem, examples.shape)
    if channels_last:
        network = network.to(memory_format=torch.channels_last)
    weights = sum(weight.numel() for weight in network.parameters() if weight.requires_grad)
    optimizer = torch.optim.Adam(network.parameters(), config["learning_rate"])
    measure = nn.CrossEntropyLoss()

    def step(batch, targets):
        optimizer.zero_grad(set_to_none=True)
        logits = network(batch)
        loss = measure(logits, targets)
        loss.backward()
        optimizer.step()
        return (logits.argmax(1) == targets).sum(), loss.detach()

    network.train()
    watch.start()
    if compile:
        network = torch.compile(network)
    for order in problem.orders():
        correct = torch.zeros((), dtype=torch.int64)
        for chosen in map(torch.from_numpy, order):
            hits, _ = step(examples[chosen], labels[chosen])
            watch.step()
            correct += hits
        correct = int(correct)
        watch.epoch()
    network.eval()

    def scaled(batch):
        batch = torch.from_numpy(batch)
        if batch.ndim < 4:
            return batch.long()
        batch = batch.permute(0, 3, 1, 2).float().sub_(128).mul_(1 / 128)
        return batch.contiguous(
            memory_format=torch.channels_last if channels_last else torch.contiguous_format
        )

    def predict(unseen):
        with torch.inference_mode():
            return np.concatenate([network(scaled(batch)).numpy() for batch in networks.batches_of(unseen)])

    watch.predict(predict, problem.unseen)
    return correct / len(labels), weights


class Network(nn.Module):
    """The layers of a problem, one after the other."""

    def __init__(self, problem, shape):
        super().__init__()
        width = shape[1]
        made, side = [], shape[-1]
        for kind, *sizes in problem.layers:
            if kind == "embedding":
                made.append(nn.Embedding(problem.vocabulary_size, *sizes, padding_idx=0))
                width = sizes[0]
            elif kind == "lstm":
                made.append(LastOutput(width, sizes[0]))
                width = sizes[0]
            elif kind == "conv":
                made.append(relu_conv(width, *sizes))
                width = sizes[0]
            elif kind == "pool":
                made.append(nn.MaxPool2d(*sizes, ceil_mode=True))
                side = -(-side // sizes[1])
            elif kind == "inception":
                made.append(Inception(width, *sizes))
                width = sizes[0] + sizes[2] + sizes[4] + sizes[5]
            elif kind == "global_mean":
                made += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
            elif kind == "flatten":
                made.append(nn.Flatten())
                width *= side * side
            elif kind == "relu_dense":
                made += [nn.Linear(width, *sizes), nn.ReLU()]
                width = sizes[0]
            elif kind == "dropout":
                made.append(nn.Dropout(1 - problem.config["keep_prob"]))
            elif kind == "logits":
                made.append(nn.Linear(width, problem.num_classes))
        self.layers = nn.ModuleList(made)

    def forward(self, net):
        lengths = (net != 0).sum(1) if net.dtype == torch.int64 else None
        for layer in self.layers:
            net = layer(net, lengths) if isinstance(layer, LastOutput) else layer(net)
        return net


class LastOutput(nn.Module):
    """An LSTM's output at the last token of each sequence."""

    def __init__(self, width, units):
        super().__init__()
        self.lstm = nn.LSTM(width, units, batch_first=True)
        # The library keeps two biases where one would do; TensorFlow's cell has one.
        self.lstm.bias_hh_l0 = nn.Parameter(torch.zeros(4 * units), requires_grad=False)

    def forward(self, net, lengths):
        outputs, _ = self.lstm(net)
        return outputs[torch.arange(len(lengths)), (lengths - 1).clamp(min=0)]


class Inception(nn.Module):
    def __init__(self, width, conv1x1, reduce3x3, conv3x3, reduce5x5, conv5x5, pool1x1):
        super().__init__()
        self.branches = nn.ModuleList(
            [
                relu_conv(width, conv1x1, 1),
                nn.Sequential(relu_conv(width, reduce3x3, 1), relu_conv(reduce3x3, conv3x3, 3)),
                nn.Sequential(relu_conv(width, reduce5x5, 1), relu_conv(reduce5x5, conv5x5, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, padding=1), relu_conv(width, pool1x1, 1)),
            ]
        )

    def forward(self, net):
        return torch.cat([branch(net) for branch in self.branches], 1)


def relu_conv(width, filters, size):
    return nn.Sequential(nn.Conv2d(width, filters, size, padding=size // 2), nn.ReLU())
