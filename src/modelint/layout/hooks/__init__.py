"""Load hooks: changes of keys as Python, put into the classes of the project."""
