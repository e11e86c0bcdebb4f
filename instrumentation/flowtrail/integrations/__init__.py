"""Neighbours in a Python service: HTTP applications, FastStream, Celery. Import the module that is needed."""
