"""The pages, one file per noun: each function answers one route of ``web.routes``."""
