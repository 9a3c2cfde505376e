"""How steps are executed: slice the feeds, run loss and update."""

import numpy as np

AUGMENTATION = 1  # tells the seeds of augmentation, (seed, step, 1), from those of shuffling, (seed, epoch)


class FeedSteps:
    """Runs one `session.run` per mini-batch, through a callable made once.

    Args:
      session: the session.
      fetches: tensors (or ops) to run for each mini-batch.
      sources: what is sliced, see `feeds.check_data`.
      constants: {placeholder: value} of what is fed unchanged.
      scalars: placeholders whose value is given anew with each mini-batch.
    """

    def __init__(self, session, fetches, sources, constants, scalars=()):
        self.sources = sources
        self.constants = list(constants.values())
        fed = [source.placeholder for source in sources] + list(constants) + list(scalars)
        self.call = session.make_callable(fetches, fed)

    def run(self, selection, *scalars, seed=None):
        """Returns the fetched values for the examples that an index array or slice selects.

        Augmented sources need the (seed, step) of the mini-batch.
        """
        seeds = None if seed is None else (*seed, AUGMENTATION)
        rows = [source.rows(selection, seeds) for source in self.sources]
        return self.call(*rows, *self.constants, *scalars)


class Means:
    """Figures over examples, from values that are means over mini-batches.

    Sums are weighted by batch size and kept in float64, so that batch size never changes a result.

    Args:
      metrics: {name: `Metric`}.
      totals: sums to go on from, one for each metric.
      examples: how many examples are in them.
    """

    def __init__(self, metrics, totals=None, examples=0):
        self.metrics = metrics
        self.totals = [0.0] * len(metrics) if totals is None else [np.array(t) for t in totals]
        self.examples = examples

    def add(self, values, examples):
        """Adds the values of one mini-batch of so many examples."""
        for place, value in enumerate(values):
            self.totals[place] = self.totals[place] + np.multiply(value, examples, dtype=np.float64)
        self.examples += examples

    def result(self):
        """Returns {name: figure}."""
        count = max(1, self.examples)
        return {
            name: metric.finish(total / count, self.examples)
            for (name, metric), total in zip(self.metrics.items(), self.totals, strict=True)
        }

    def state(self):
        """Returns the sums as JSON."""
        return [np.asarray(total).tolist() for total in self.totals]
