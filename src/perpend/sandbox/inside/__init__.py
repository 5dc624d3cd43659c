"""What runs inside a sandbox: the standard library alone, since nothing else may be visible there.

Imported as a package of its own (`inside`), from a folder that holds nothing else of Perpend.
"""
