"""ResNet v1, which normalizes after each convolution."""

from graphkit.tf1.contrib.slim.nets import resnet_utils

resnet_arg_scope = resnet_utils.resnet_arg_scope
bottleneck, resnet_v1, resnet_v1_block = resnet_utils.network_of("resnet_v1", False)
resnet_v1_50, resnet_v1_101, resnet_v1_152, resnet_v1_200 = (
    resnet_utils.resnet_of("resnet_v1", resnet_v1, resnet_v1_block, depth) for depth in (50, 101, 152, 200)
)
resnet_v1.default_image_size = 224
