"""Few-shot evaluation as in the paper (Flamingo, arXiv 2204.14198, section 3.1): tasks, protocol, metrics.

Read in this order: tasks/source.py, task.py, inputs.py, supports.py, answers.py, evaluator.py, evaluation.py.
"""
