"""One training in several processes: ranks, parallelism, precision, gradients, errors."""
