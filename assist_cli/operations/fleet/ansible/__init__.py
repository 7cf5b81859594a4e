"""Inventories of Ansible: their files, the variables of their hosts, and the requests that they stand for."""
