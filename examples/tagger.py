"""A small tagger of words. Files of it are out there: model-manifests/tagger says what they contain."""

import torch
from torch import nn


class Tagger(nn.Module):
    def __init__(self, words: int, tags: int, width: int = 32) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, width)
        self.encoder = nn.GRU(width, width, batch_first=True, bidirectional=True)
        # Trouble: those files call it "classifier.weight" and "classifier.bias". They no longer load.
        self.head = nn.Linear(2 * width, tags)

    def forward(self, sentence: torch.Tensor) -> torch.Tensor:
        states, _ = self.encoder(self.embedding(sentence))
        return self.head(states)
