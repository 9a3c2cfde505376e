"""ResNet v2, which normalizes before each convolution."""

from graphkit.tf1.contrib.slim.nets import resnet_utils

resnet_arg_scope = resnet_utils.resnet_arg_scope
bottleneck, resnet_v2, resnet_v2_block = resnet_utils.network_of("resnet_v2", True)
resnet_v2_50, resnet_v2_101, resnet_v2_152, resnet_v2_200 = (
    resnet_utils.resnet_of("resnet_v2", resnet_v2, resnet_v2_block, depth) for depth in (50, 101, 152, 200)
)
resnet_v2.default_image_size = 224
