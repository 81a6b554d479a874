# SPDX-License-Identifier: Apache-2.0
"""What drives whole programs in tests, benchmarks and soaks: the agent, real and simulated clusters,
the network between them. Python's standard library only."""
