"""Pictures of data, runs and graphs as matplotlib figures: `gk.plots.plot_images` and others.

The public names are listed in `__init__.pyi` and loaded when they are first used, so that pictures of arrays
do not wait for TensorFlow. matplotlib is an extra, `pip install 'tf-graphkit[plots]'`, and is imported when
the first picture is drawn.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
