"""`tf.contrib.opt`: the optimizer of it that programs use."""

from typing import Any

import tensorflow as tf

from graphkit.tf1 import overlay

__all__ = ["LazyAdamOptimizer"]


class LazyAdamOptimizer(tf.compat.v1.train.AdamOptimizer):
    """Adam that leaves rows alone, with their averages, that a sparse gradient does not have."""

    def _resource_apply_sparse(
        self, grad: tf.Tensor, handle: tf.Variable, indices: tf.Tensor
    ) -> tf.Operation:
        beta1, beta2, epsilon, rate = (
            tf.cast(value, grad.dtype)
            for value in (self._beta1_t, self._beta2_t, self._epsilon_t, self._lr_t)
        )
        power1, power2 = (tf.cast(power, grad.dtype) for power in self._get_beta_accumulators())
        m, v = self.get_slot(handle, "m"), self.get_slot(handle, "v")
        new_m = beta1 * tf.gather(m, indices) + (1 - beta1) * grad
        new_v = beta2 * tf.gather(v, indices) + (1 - beta2) * tf.square(grad)
        change = rate * tf.sqrt(1 - power2) / (1 - power1) * new_m / (tf.sqrt(new_v) + epsilon)
        updates: list[Any] = [
            slot.scatter_update(tf.IndexedSlices(new, indices)) for slot, new in ((m, new_m), (v, new_v))
        ]
        return tf.group(handle.scatter_sub(tf.IndexedSlices(change, indices)), *updates)


__getattr__, __dir__ = overlay.over(__name__)
