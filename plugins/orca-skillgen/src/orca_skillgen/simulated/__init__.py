"""A simulated teacher with a real teacher's kind of failings, its questions, and a writer of useless skills.

For the experiment that needs no model: what is measured on these says that the pipeline does what it should, and nothing
about any language model.
"""
