"""`slim.data`: data sets of TFRecord files, as tensors that are new in each run."""

from graphkit.tf1 import overlay
from graphkit.tf1.contrib.slim.data import data_decoder as data_decoder
from graphkit.tf1.contrib.slim.data import data_provider as data_provider
from graphkit.tf1.contrib.slim.data import dataset as dataset
from graphkit.tf1.contrib.slim.data import dataset_data_provider as dataset_data_provider
from graphkit.tf1.contrib.slim.data import parallel_reader as parallel_reader
from graphkit.tf1.contrib.slim.data import tfexample_decoder as tfexample_decoder

__getattr__, __dir__ = overlay.over(__name__)
