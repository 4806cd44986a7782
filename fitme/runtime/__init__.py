"""What the program needs of the machine: files, devices, processes, progress, errors."""
