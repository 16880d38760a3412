"""AWS behind our ports. Error codes become our errors here, once, by the table in `calls`."""
