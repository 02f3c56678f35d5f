"""What integrations is about, without any technology."""
