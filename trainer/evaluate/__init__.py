"""Few-shot evaluation as in the paper (Flamingo, arXiv 2204.14198, section 3.1): tasks, protocol, metrics.

Read in this order: example.py, task.py, prompt.py, supports.py, ranking.py, answering.py, evaluation.py.
"""
