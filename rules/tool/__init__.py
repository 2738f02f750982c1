"""The codes of the tool itself (9xx): pages like those of the rules, reported by no predicate."""
