"""Data sets, and what prepares them; NumPy only, without TensorFlow."""

from graphkit.data.augment import Augmentation as Augmentation
from graphkit.data.augment import fill_rare_classes as fill_rare_classes
from graphkit.data.balance import class_weights as class_weights
from graphkit.data.balance import resample as resample
from graphkit.data.batches import epoch_order as epoch_order
from graphkit.data.batches import minibatches as minibatches
from graphkit.data.batches import split_indices as split_indices
from graphkit.data.datasets import load_dataset as load_dataset
from graphkit.data.encoders import OneHotEncoder as OneHotEncoder
from graphkit.data.folders import ImageFormat as ImageFormat
from graphkit.data.preprocess import grayscale as grayscale
from graphkit.data.preprocess import one_hot as one_hot
from graphkit.data.preprocess import scale_pixels as scale_pixels
from graphkit.data.readers import read_idx as read_idx
from graphkit.data.readers import read_npz as read_npz
from graphkit.data.scalers import MinMaxScaler as MinMaxScaler
from graphkit.data.scalers import Standardizer as Standardizer
from graphkit.data.splits import Dataset as Dataset
from graphkit.data.splits import FeatureSplit as FeatureSplit
from graphkit.data.splits import ImageSplit as ImageSplit
from graphkit.data.splits import WordSplit as WordSplit
from graphkit.data.table_encoder import TableEncoder as TableEncoder
from graphkit.data.tables import TableFormat as TableFormat
from graphkit.data.text import Vocabulary as Vocabulary
