"""The programs that run on the machine where an agent is installed.

These modules do not run in the controller. Their source is sent to the machine and run by its Python. So they use only
Python 3.6 and the standard library.
"""
