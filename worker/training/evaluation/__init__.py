"""How good a trained model is: each figure beside a trivial baseline and, where data allow, a ceiling."""
