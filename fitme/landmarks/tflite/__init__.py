"""Networks stored as .tflite files, run by torch: no runtime of their own, wherever torch runs."""
