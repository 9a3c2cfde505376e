"""`tf.contrib.slim.nets`: VGG, Inception v3, ResNet."""

from graphkit.tf1 import overlay as _overlay
from graphkit.tf1.contrib.slim.nets import inception as inception
from graphkit.tf1.contrib.slim.nets import inception_v3 as inception_v3
from graphkit.tf1.contrib.slim.nets import resnet_utils as resnet_utils
from graphkit.tf1.contrib.slim.nets import resnet_v1 as resnet_v1
from graphkit.tf1.contrib.slim.nets import resnet_v2 as resnet_v2
from graphkit.tf1.contrib.slim.nets import vgg as vgg

__getattr__, __dir__ = _overlay.over(__name__)
