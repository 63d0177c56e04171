"""The student ``grpo``: reinforcement learning from verified answers (arXiv 2402.03300; DAPO's clipping, arXiv 2503.14476).

It knows no task: a query's own verifier tells right from wrong.
"""
