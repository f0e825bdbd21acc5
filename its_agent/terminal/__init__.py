"""What the command line shows: the `model` commands and progress on a terminal."""
