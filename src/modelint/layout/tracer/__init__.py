"""The tracer: runs in the project interpreter, with torch and the standard library; imports nothing of modelint."""
