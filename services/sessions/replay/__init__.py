"""A recorded session again, offline: the real agent on the recorded answers, outputs and persons' words."""
