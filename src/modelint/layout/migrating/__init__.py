"""What `modelint migrate` does: from a drift to changes of classes, written, proved and accepted."""
