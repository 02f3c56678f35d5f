"""The git gate: smart HTTP from a sandbox to one repository, one branch prefix, with the token added outside."""
