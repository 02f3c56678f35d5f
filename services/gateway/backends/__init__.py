"""What stands behind the ports, and the channels to the other services."""
