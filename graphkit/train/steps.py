"""How steps are executed: slice the feeds, run loss and update."""

import numpy as np


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

    def run(self, selection, *scalars):
        """Returns the fetched values for the examples that an index array or slice selects."""
        rows = [source.rows(selection) for source in self.sources]
        return self.call(*rows, *self.constants, *scalars)


class Means:
    """Means over examples, of values that are means over mini-batches.

    Sums are weighted by batch size and kept in float64, so that batch size never changes a result.
    """

    def __init__(self, names, totals=None, examples=0):
        self.names = list(names)
        self.totals = np.zeros(len(self.names)) if totals is None else np.array(totals, np.float64)
        self.examples = examples

    def add(self, values, examples):
        """Adds the values of one mini-batch of so many examples."""
        self.totals += np.multiply(values, examples, dtype=np.float64)
        self.examples += examples

    def result(self):
        """Returns {name: mean}."""
        means = (self.totals / max(1, self.examples)).tolist()
        return dict(zip(self.names, means, strict=True))
