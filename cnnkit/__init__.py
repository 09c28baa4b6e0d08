"""cnnkit: the operators, models, data and figures of a course companion on convolutional networks.

Import the module that you need (``from cnnkit import shapes, reference, data, plots``); this file
imports none of them, so that ``import cnnkit`` stays quick.
"""

__version__ = "0.1.0"
