"""The renderer backend for NVIDIA GPUs: kernels in Triton, which comes with torch."""
