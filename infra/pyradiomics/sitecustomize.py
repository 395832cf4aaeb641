"""Gives back to ``configparser`` what the setup of PyRadiomics 3.0.1 calls, and Python 3.12 took.

Python runs a file of this name as it starts. The Makefile has this folder on ``PYTHONPATH`` while
PyRadiomics is built, and at no other time.
"""

import configparser

if not hasattr(configparser, "SafeConfigParser"):
    configparser.SafeConfigParser = configparser.ConfigParser
    configparser.ConfigParser.readfp = configparser.ConfigParser.read_file
