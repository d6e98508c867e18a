"""What is held to be true about convolution and pooling.

Oracles that compute values, each with the functions of a subject, so that it can itself be judged as one:

- :mod:`oracles.definition`: nested loops straight from the formula, exact on integers. The statement of record.
- :mod:`oracles.torch_oracle`: PyTorch and its autograd. Not imported from here: PyTorch is slow to import.

Oracles that need no second implementation, only the subject's own forward and backward:

- :mod:`oracles.finite_difference`: gradients against central differences, exact on the lattice.
- :mod:`oracles.identities`: relations that hold whatever the data.

:mod:`oracles.exact` holds the integer arithmetic they share.
"""
