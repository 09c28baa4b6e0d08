"""The equations of the lecture notes as loops over plain tensors, with the notes' index letters.

Slow on purpose: each function is the definition that the vectorised versions are tested against.
"""
