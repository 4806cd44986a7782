"""The CPU backend: numba kernels, fused with their gradients."""
