"""What has happened: facts, their exact bytes, and what they add up to. Pure."""
