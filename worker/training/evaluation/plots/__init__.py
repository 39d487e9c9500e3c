"""The pictures of an evaluation: each shows one figure of merit, and says it in its title."""
