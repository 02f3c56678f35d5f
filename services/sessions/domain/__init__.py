"""What sessions are and what may happen to them. No clock, no IO."""
