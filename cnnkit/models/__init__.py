"""The networks of the lecture notes in plain `torch.nn`, one paper a file."""
