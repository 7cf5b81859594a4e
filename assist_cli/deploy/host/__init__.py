"""What is done on the machine that an agent is installed on.

These modules are no part of the controller's process. Their text is sent there and run by the Python of that machine,
so they keep to Python 3.6 and the standard library.
"""
