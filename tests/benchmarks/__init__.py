"""`make bench`: the product beside bare chains, in one run, as ratios."""
